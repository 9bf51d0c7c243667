from dataclasses import replace

import numpy as np
import pytest
from store_samples import (
    INFO,
    NILE,
    base_files,
    document_of,
    encode,
    matching_texts,
    nearest_texts,
    passages_of,
    put,
    remove,
    texts,
    write,
)

from index.doctor import check
from index.errors import StoreError
from index.manifest import Manifest
from index.store import Store
from index.types import Passage, document_id_of


def test_a_write_is_one_generation_and_an_empty_one_is_none(store):
    with store.write() as writer:
        put(writer, "a", ["nile"])
        put(writer, "b", ["bread"])
    with store.write() as writer:
        assert writer.remove("0" * 16) is False
    with store.snapshot() as snapshot:
        assert (snapshot.generation, snapshot.documents, snapshot.passages) == (1, 2, 2)


def test_putting_again_replaces_the_whole_document(store):
    write(store, a=["old nile", "old bread"], b=["nile"])
    with store.write() as writer:
        assert put(writer, "a", ["new nile"]) is True
    assert sorted(nearest_texts(store, "nile")) == ["new nile", "nile"]
    assert matching_texts(store, "old") == []
    with store.snapshot() as snapshot:
        assert snapshot.document(document_id_of("a")).document.text == "new nile"


def test_putting_twice_in_one_write_keeps_the_last(store):
    with store.write() as writer:
        put(writer, "a", ["nile one"])
        put(writer, "a", ["nile two"])
        put(writer, "b", ["nile three"])
        writer.remove(document_id_of("b"))
    assert nearest_texts(store, "nile") == matching_texts(store, "nile") == ["nile two"]


def test_ids_are_never_given_again(store):
    write(store, a=["nile"])
    remove(store, "a")
    write(store, a=["nile"])
    with store.snapshot() as snapshot:
        assert [passage_id for passage_id, _ in snapshot.nearest(NILE, 5)] == [2]


def test_an_error_in_the_block_undoes_all_of_it(store):
    write(store, a=["nile"])

    def break_off():
        with store.write() as writer:
            put(writer, "b", ["nile river"])
            writer.remove(document_id_of("a"))
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        break_off()
    assert nearest_texts(store, "nile") == matching_texts(store, "nile") == ["nile"]
    write(store, c=["nile egypt"])
    assert nearest_texts(store, "nile") == ["nile", "nile egypt"]
    with store.snapshot() as snapshot:
        assert snapshot.generation == 2


def test_what_does_not_fit_is_refused(store):
    document = document_of("a", ["nile river"])
    good = Passage(document.document_id, 0, 4, "nile", "")
    bad = [
        ([replace(good, text="bread")], encode(["nile"]), "is not the passage's"),
        ([replace(good, end=99, text="nile river")], encode(["nile"]), "is not the passage's"),
        ([replace(good, start=-5, end=10, text="river")], encode(["nile"]), "is not the passage's"),
        ([replace(good, document_id="0" * 16)], encode(["nile"]), "a passage of"),
        ([good], encode([]), "need float32 vectors of shape"),
        ([good], np.ones((1, 4), np.float32), "need float32 vectors of shape"),
        ([good], encode(["nile"]).astype(np.float64), "need float32 vectors of shape"),
        ([good], np.ones((1, 5), np.float32), "unit length"),
        ([good], np.full((1, 5), np.nan, np.float32), "unit length"),
    ]
    for passages, vectors, message in bad:
        with pytest.raises(ValueError, match=message), store.write() as writer:
            writer.put(document, None, 10, passages, vectors)
    with store.snapshot() as snapshot:
        assert snapshot.generation == 0


def test_a_snapshot_inside_a_write_sees_the_store_before_it(store):
    with store.write() as writer, store.snapshot() as snapshot:
        put(writer, "a", ["nile"])
        assert (snapshot.documents, snapshot.nearest(NILE, 5), snapshot.matching("nile", 5)) == (0, [], [])


@pytest.mark.parametrize("lines", [1, 300])
def test_another_manifest_needs_every_document_again(store, folder, lines):
    write(store, a=["nile"] * lines, b=["bread"])
    wider = Manifest(replace(INFO, name="wider", dimension=7), {})
    with pytest.raises(StoreError, match="a and 1 more documents still"), store.write() as writer:
        writer.replace_manifest(wider)
    assert nearest_texts(store, "nile", lines) == ["nile"] * lines
    with Store.open(folder) as unchecked:
        with unchecked.snapshot() as snapshot, unchecked.write() as writer:
            writer.replace_manifest(wider)
            for stored in snapshot.iter_documents():
                passages = passages_of(stored.document)
                vectors = np.eye(7, dtype=np.float32)[[6] * len(passages)]
                writer.put(stored.document, stored.origin, stored.size, passages, vectors)
        with unchecked.snapshot() as snapshot:
            assert len(snapshot.nearest(np.eye(7, dtype=np.float32)[6], 999)) == lines + 1
        assert check(unchecked) == []
    with Store.open(folder, wider) as reopened:
        assert matching_texts(reopened, "bread") == ["bread"]
    with pytest.raises(StoreError, match=r"embedder\.dimension is 7, this run expects 5"), store.snapshot():
        pass


def test_the_vectors_move_into_a_base_and_the_old_one_goes(store, folder):
    write(store, few=["nile"] * 250)
    assert base_files(folder) == []
    write(store, many=["nile river"] * 100)
    assert base_files(folder) == ["vectors-2.faiss"]
    write(store, many=["nile egypt"] * 300)
    assert base_files(folder) == ["vectors-3.faiss"]
    with store.snapshot() as snapshot:
        found = texts(snapshot, snapshot.nearest(NILE, 1000))
    assert found == ["nile"] * 250 + ["nile egypt"] * 300


def test_removing_everything_leaves_nothing_to_find(store):
    write(store, a=["nile"] * 400, b=["nile river"])
    for source in ("a", "b"):
        assert remove(store, source)
    assert nearest_texts(store, "nile") == matching_texts(store, "nile") == []
    write(store, a=["nile again"])
    assert nearest_texts(store, "nile") == ["nile again"]
