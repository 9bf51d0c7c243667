import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import (
    MANIFEST,
    NILE,
    encode,
    put,
    remove,
    texts,
    write,
)

import index.vector
from index.store import Store
from index.types import Field, Filters, Metadata, document_id_of


def test_nearest_is_the_plain_dot_product_with_ties_by_id(store):
    lines = ["nile river", "nile", "nile egypt", "nile", "bread", "nile nile river"]
    write(store, a=lines)
    cosines = (encode(lines) * NILE).sum(axis=1)
    expected = sorted(zip(range(1, 7), cosines, strict=True), key=lambda hit: (-hit[1], hit[0]))
    with store.snapshot() as snapshot:
        got = snapshot.nearest(NILE, 100)
        assert [passage_id for passage_id, _ in got] == [passage_id for passage_id, _ in expected]
        assert [cosine for _, cosine in got] == pytest.approx([cosine for _, cosine in expected], abs=1e-6)
        assert snapshot.nearest(NILE, 2) == got[:2]


def test_a_k_below_one_is_refused(store):
    with store.snapshot() as snapshot:
        with pytest.raises(ValueError, match="k >= 1"):
            snapshot.nearest(NILE, 0)
        with pytest.raises(ValueError, match="k >= 1"):
            snapshot.matching("nile", 0)


DATED = {
    "news/a.txt": ("BBC", "2020-03-15"),
    "news/2021/b.txt": ("bbc", "2021-06"),
    "blog/c.txt": ("Straße", "2020"),
    "d.txt": (None, None),
    "e.txt": (None, "March 2020"),
}


@pytest.fixture
def dated(store):
    with store.write() as writer:
        for source, (publisher, published) in DATED.items():
            facts = Metadata(
                publisher=Field(publisher) if publisher else None, published=Field(published) if published else None
            )
            put(writer, source, ["nile"], facts)
    return store


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(source="news/*"), ["news/a.txt", "news/2021/b.txt"]),
        (Filters(source="*.txt"), list(DATED)),
        (Filters(source="?.txt"), ["d.txt", "e.txt"]),
        (Filters(source="NEWS/*"), []),
        (Filters(publisher="bBc"), ["news/a.txt", "news/2021/b.txt"]),
        (Filters(publisher="STRASSE"), ["blog/c.txt"]),
        (Filters(date_from="2020-03-15", date_to="2020-03-15"), ["news/a.txt", "blog/c.txt"]),
        (Filters(date_from="2020-03-16"), ["news/2021/b.txt", "blog/c.txt"]),
        (Filters(date_from="2021-01-01"), ["news/2021/b.txt"]),
        (Filters(date_to="2020-01-01"), ["blog/c.txt"]),
        (Filters(date_to="2021-06-01"), ["news/a.txt", "news/2021/b.txt", "blog/c.txt"]),
        (Filters(date_from="2021-06-30", date_to="2021-07-01"), ["news/2021/b.txt"]),
        (Filters(date_from="2022-01-01", date_to="2019-01-01"), []),
        (Filters(source="news/*", date_from="2021-01-01"), ["news/2021/b.txt"]),
    ],
)
def test_filters_act_before_ranking(dated, filters, passing):
    with dated.snapshot() as snapshot:
        allowed = snapshot.allowed(filters)
        assert allowed == {document_id_of(source) for source in passing}
        for hits in (snapshot.nearest(NILE, 10, allowed), snapshot.matching("nile", 10, allowed)):
            assert {stored.source for stored in snapshot.stored_passages(i for i, _ in hits)} == set(passing)


def test_no_filter_restricts_nothing(dated):
    with dated.snapshot() as snapshot:
        assert snapshot.allowed(Filters()) is None
        assert snapshot.allowed(Filters(source="", publisher="")) is None


def test_a_filter_fills_k_however_rare_its_documents_are(store):
    with store.write() as writer:
        for n in range(300):
            put(writer, f"many/{n}", ["nile"])
        put(writer, "rare", ["nile river river", "nile river"])
    with store.snapshot() as snapshot:
        allowed = snapshot.allowed(Filters(source="rare"))
        assert texts(snapshot, snapshot.nearest(NILE, 2, allowed)) == ["nile river", "nile river river"]
        assert len(snapshot.matching("nile", 2, allowed)) == 2


def test_where_nothing_of_a_large_base_is_left_or_allowed_the_rest_is_still_found(store, monkeypatch):
    monkeypatch.setattr(index.vector, "EXACT_LIMIT", 100)
    write(store, old=["bread"] * 300)
    write(store, new=["nile"])
    with store.snapshot() as snapshot:
        allowed = snapshot.allowed(Filters(source="new"))
        assert texts(snapshot, snapshot.nearest(NILE, 2, allowed)) == ["nile"]
    remove(store, "old")
    with store.snapshot() as snapshot:
        assert texts(snapshot, snapshot.nearest(NILE, 2)) == ["nile"]


@settings(max_examples=60, deadline=None)
@given(st.text("ab/*?[!^]-\u00e9\U0001f600\n", min_size=1, max_size=6))
def test_a_source_filter_is_what_fnmatch_says(pattern):
    sources = ["a", "ab", "a/b", "b/a", "a\nb", "\u00e9", "\U0001f600", "[a]", "a!b", "^", "a-b", "*", "?b"]
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store", MANIFEST, create=True) as store:
        write(store, **{source: ["nile"] for source in sources})
        with store.snapshot() as snapshot:
            expected = {document_id_of(source) for source in sources if fnmatchcase(source, pattern)}
            assert snapshot.allowed(Filters(source=pattern)) == expected
