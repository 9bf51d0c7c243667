import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from store_samples import (
    INFO,
    MANIFEST,
    NILE,
    document_of,
    encode,
    matching_texts,
    nearest_texts,
    passages_of,
    put,
    write,
)

from index.errors import StoreError
from index.manifest import Manifest
from index.rankings import WordCounts
from index.store import Store
from index.types import Document, Field, Mark, Metadata, Passage, document_id_of


def test_an_absent_store_is_refused_with_the_command_that_makes_one(folder):
    with pytest.raises(StoreError, match=r"no store at .*store; make one with `pincite index PATHS`"):
        Store.open(folder, MANIFEST)
    assert not folder.exists()


def test_a_folder_without_a_store_is_no_store(folder):
    folder.mkdir()
    with pytest.raises(StoreError, match="no store at"):
        Store.open(folder)


def test_a_new_store_needs_a_manifest(folder):
    with pytest.raises(ValueError, match="needs a manifest"):
        Store.open(folder, create=True)


def test_a_new_store_has_nothing_of_what_lay_in_its_folder(folder):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"])
        assert (folder / "lexical").is_dir()
    for file in folder.glob("pincite.sqlite*"):
        file.unlink()
    with Store.open(folder, MANIFEST, create=True) as store, store.snapshot() as snapshot:
        assert snapshot.matching("nile", 10) == []
        assert not (folder / "lexical").exists()


def test_an_empty_store_finds_nothing_and_says_so(store):
    with store.snapshot() as snapshot:
        assert (snapshot.generation, snapshot.documents, snapshot.passages) == (0, 0, 0)
        assert snapshot.nearest(NILE, 10) == []
        assert snapshot.matching("nile", 10) == []
        assert snapshot.word_counts("nile") == WordCounts(0, {"nile": 0})
        assert snapshot.list_documents() == list(snapshot.iter_documents()) == []
        assert snapshot.document("0" * 16) is None
        assert snapshot.stored_passages([]) == []


def test_a_store_opens_again_as_it_was_left(folder):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, **{"a.txt": ["the nile", "bread"]})
    with Store.open(folder, MANIFEST, create=True) as store:
        assert nearest_texts(store, "nile", 1) == matching_texts(store, "nile") == ["the nile"]
        assert store.manifest == MANIFEST


def test_every_setting_that_differs_is_named_even_at_the_same_dimension(folder):
    Store.open(folder, MANIFEST, create=True).close()
    other = Manifest(replace(INFO, sha256="1" * 64, pooling="cls"), {"window": 128, "stride": 2})
    with pytest.raises(StoreError, match=r"pincite index PATHS --rebuild.*--store") as refusal:
        Store.open(folder, other)
    for part in (
        "chunker.overlap is 1, this run expects None",
        "chunker.stride is None, this run expects 2",
        "chunker.window is 256, this run expects 128",
        "embedder.pooling is 'mean', this run expects 'cls'",
        f"embedder.sha256 is '{'0' * 64}', this run expects '{'1' * 64}'",
    ):
        assert part in str(refusal.value)
    assert "dimension" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("name", "other words"),
        ("revision", "main"),
        ("sha256", "0" * 63 + "1"),
        ("dimension", 384),
        ("pooling", "cls"),
        ("prefix", "query: "),
        ("precision", "int8"),
    ],
)
def test_an_embedder_that_differs_in_one_thing_alone_is_refused(folder, setting, value):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"])
    other = Manifest(replace(INFO, **{setting: value}), MANIFEST.chunker)
    refusal = rf"embedder\.{setting} is {getattr(INFO, setting)!r}, this run expects {value!r}; rebuild it with"
    for create in (False, True):
        with pytest.raises(StoreError, match=refusal) as refused:
            Store.open(folder, other, create=create)
        assert str(refused.value).count("this run expects") == 1


@pytest.mark.parametrize("chunker", [{"window": 255, "overlap": 1}, {"window": 256}, MANIFEST.chunker | {"rules": 2}])
def test_a_chunker_that_differs_in_one_thing_alone_is_refused(folder, chunker):
    Store.open(folder, MANIFEST, create=True).close()
    with pytest.raises(StoreError, match=r"chunker\.\w+ is \w+, this run expects \w+; rebuild it with"):
        Store.open(folder, Manifest(INFO, chunker))


def test_a_store_that_another_embedder_rebuilt_is_refused_by_who_had_it_open(store, folder):
    write(store, a=["nile"])
    assert nearest_texts(store, "nile") == ["nile"]
    with Store.open(folder) as other, other.write() as writer:
        writer.replace_manifest(Manifest(replace(INFO, pooling="cls"), MANIFEST.chunker))
        put(writer, "a", ["nile"])
    with pytest.raises(StoreError, match=r"embedder\.pooling is 'cls', this run expects 'mean'"):
        nearest_texts(store, "nile")
    with pytest.raises(StoreError, match=r"embedder\.pooling"):
        write(store, b=["bread"])


def test_without_a_manifest_any_store_opens(folder):
    Store.open(folder, MANIFEST, create=True).close()
    with Store.open(folder) as store:
        write(store, a=["the nile"])
        assert store.manifest == MANIFEST


def test_a_newer_format_is_refused(folder):
    Store.open(folder, MANIFEST, create=True).close()
    with sqlite3.connect(folder / "pincite.sqlite") as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreError, match=r"pincite\.sqlite: format 2, this Pincite reads 1; install a newer one"):
        Store.open(folder)


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"\0" * 9000])
def test_a_file_that_is_no_database_is_refused_by_name(folder, content):
    folder.mkdir()
    (folder / "pincite.sqlite").write_bytes(content)
    for create in (False, True):
        with pytest.raises(StoreError, match=r"pincite\.sqlite: "):
            Store.open(folder, MANIFEST, create=create)


def test_another_programs_database_is_refused_and_left_alone(folder):
    folder.mkdir()
    with sqlite3.connect(folder / "pincite.sqlite") as connection:
        connection.execute("CREATE TABLE documents (theirs)")
    connection.close()
    before = (folder / "pincite.sqlite").read_bytes()
    with pytest.raises(StoreError, match="not a Pincite store"):
        Store.open(folder, MANIFEST, create=True)
    assert (folder / "pincite.sqlite").read_bytes() == before


def test_a_malformed_database_is_an_error_that_names_the_file(folder):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["the nile " * 2000], b=["bread " * 2000])
    file = folder / "pincite.sqlite"
    data = file.read_bytes()
    file.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with (
        pytest.raises(StoreError, match=r"pincite\.sqlite: .*index the files again"),
        Store.open(folder) as store,
        store.snapshot() as snapshot,
    ):
        list(snapshot.iter_documents())


def test_a_creation_that_was_cut_short_is_done_again(folder):
    folder.mkdir()
    (folder / "pincite.sqlite").touch()
    with pytest.raises(StoreError, match="no store at"):
        Store.open(folder)
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["the nile"])
        assert nearest_texts(store, "nile") == ["the nile"]


def test_a_closed_store_is_refused(store):
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed; open it again"), store.snapshot():
        pass


@pytest.mark.parametrize("left", ["pincite.sqlite.partial", "pincite.sqlite.partial-wal", "pincite.sqlite-journal"])
def test_what_an_interrupted_creation_left_is_in_nobodys_way(folder, left):
    folder.mkdir()
    (folder / left).write_bytes(b"half a store" * 1000)
    with pytest.raises(StoreError, match="no store at"):
        Store.open(folder)
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"])
        assert nearest_texts(store, "nile") == ["nile"]
    assert not (folder / left).exists()


def test_a_store_that_was_set_aside_under_another_name_is_left_alone(store, folder):
    write(store, a=["the nile"])
    store.close()
    aside = folder / "pincite.sqlite-damaged"
    (folder / "pincite.sqlite").rename(aside)
    before = aside.read_bytes()
    Store.open(folder, MANIFEST, create=True).close()
    assert aside.read_bytes() == before


def test_a_folder_that_vanished_does_not_come_back_empty(store, folder):
    write(store, a=["the nile"])
    store.close()
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match="no store at"):
        Store.open(folder)
    assert not folder.exists()


def test_a_document_comes_back_as_it_was_put(store):
    metadata = Metadata(title=Field("Nile", 0, 4), published=Field("2020-03"), publisher=Field("É. \U0001f600", 1, 2))
    document = Document(
        "a/b.txt", "Nile\r\nriver", "f" * 64, "utf-16-le", 2, "text/plain", (Mark(0, 4, "nav"),), metadata
    )
    passage = Passage(document.document_id, 6, 11, "river", "Nile")
    with store.write() as writer:
        assert writer.put(document, None, 24, [passage], encode(["river"])) is False
    with store.snapshot() as snapshot:
        stored = snapshot.document(document_id_of("a/b.txt"))
        assert stored == snapshot.document(document.document_id)
        assert (stored.document, stored.origin, stored.size, stored.passages) == (document, None, 24, 1)
        assert list(snapshot.iter_documents()) == [stored]
        [(passage_id, cosine)] = snapshot.nearest(encode(["river"])[0], 5)
        [found] = snapshot.stored_passages([passage_id])
        assert (found.passage, found.source, cosine) == (passage, "a/b.txt", 1.0)
        [summary] = snapshot.list_documents()
        assert (summary.metadata, summary.characters, summary.passages, summary.size) == (metadata, 11, 1, 24)


ODD = [
    "\U0001f30a\U0001f600 nile",
    "a\u0000b nile",
    "e\u0301 nile \u2028\x85\x0c",
    "\ufeff nile \ufffd\uffff",
    "\u05d0 nile\r",
]


def test_odd_characters_keep_every_offset(store):
    write(store, odd=ODD)
    with store.snapshot() as snapshot:
        document = snapshot.document(document_id_of("odd")).document
        assert document.text == "\n".join(ODD)
        found = snapshot.stored_passages(passage_id for passage_id, _ in snapshot.matching("nile", 10))
        assert sorted(stored.passage.text for stored in found) == sorted(ODD)
        assert all(document.text[s.passage.start : s.passage.end] == s.passage.text for s in found)


def test_context_is_matched_but_is_no_part_of_the_passage(store):
    with store.write() as writer:
        put(writer, "a", ["bread"], context="Baking in Egypt")
    with store.snapshot() as snapshot:
        [(passage_id, _)] = snapshot.matching("egypt", 5)
        passage = snapshot.stored_passages([passage_id])[0].passage
    assert (passage.text, passage.context) == ("bread", "Baking in Egypt")


def test_passages_come_in_the_order_asked_for_and_unknown_ones_are_an_error(store):
    write(store, a=["nile", "river"], b=["bread"])
    with store.snapshot() as snapshot:
        assert [s.passage.text for s in snapshot.stored_passages([3, 1, 2, 1])] == ["bread", "nile", "river", "nile"]
        with pytest.raises(KeyError, match="99"):
            snapshot.stored_passages([1, 99])


def test_vectors_are_found_by_what_was_embedded(store):
    write(store, a=["nile river", "bread"], b=["bread"])
    [nile, bread] = passages_of(document_of("a", ["nile river", "bread"]))
    found = store.vectors_by_key([nile.embedding_key, bread.embedding_key, "absent"])
    assert found.keys() == {nile.embedding_key, bread.embedding_key}
    assert np.array_equal(found[nile.embedding_key], encode(["nile river"])[0])


def test_documents_are_listed_by_source_page_by_page(store):
    write(store, **{name: ["nile"] for name in ("b", "a/z", "é", "a", "\U0001f600", "B")})
    ordered = sorted(["b", "a/z", "é", "a", "\U0001f600", "B"])
    with store.snapshot() as snapshot:
        assert [summary.source for summary in snapshot.list_documents()] == ordered
        first = snapshot.list_documents(limit=4)
        rest = snapshot.list_documents(limit=4, after=first[-1].source)
        assert [summary.source for summary in first + rest] == ordered
        assert snapshot.list_documents(limit=0) == []


def test_documents_are_found_by_the_bytes_of_their_file(store):
    write(store, b=["same"], a=["same"], c=["other"])
    with store.snapshot() as snapshot:
        found = snapshot.documents_by_sha256(document_of("x", ["same"]).sha256)
    assert [summary.source for summary in found] == ["a", "b"]


def test_a_document_without_passages_is_kept(store):
    document = document_of("empty", [""])
    with store.write() as writer:
        writer.put(document, None, 0, [], encode([]))
    with store.snapshot() as snapshot:
        assert (snapshot.documents, snapshot.passages, snapshot.nearest(NILE, 5)) == (1, 0, [])
        assert snapshot.document(document_id_of("empty")).document == document
