import sqlite3
import zlib

import pytest
from fakes import WINDOW, WordEncoder, new_store
from store_samples import MANIFEST, matching_texts, nearest_texts, remove, write

from index.chunk_limits import ChunkLimits
from index.doctor import UPLOAD, Problem, check, repair
from index.originals import original, put_bytes
from index.schema import REMAKE
from index.store import Store


@pytest.fixture
def folder(tmp_path):
    """A store with a base, a tail, and something deleted."""
    with Store.open(tmp_path / "store", MANIFEST, create=True) as store:
        write(store, a=["nile"] * 300)
        write(store, b=["river \U0001f600"], c=["bread"])
        remove(store, "c")
    return tmp_path / "store"


def problems(folder):
    with Store.open(folder) as store:
        return check(store)


def change(folder, statement, *values):
    with sqlite3.connect(folder / "pincite.sqlite") as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(statement, values)
    connection.close()


def test_a_sound_store_has_no_problems(folder, tmp_path):
    assert problems(folder) == []
    with Store.open(tmp_path / "empty", MANIFEST, create=True) as store:
        assert check(store) == []


@pytest.mark.parametrize(
    ("statement", "what", "where"),
    [
        ("UPDATE documents SET text = 'rived' || substr(text, 6) WHERE source = 'b'", "sha256 differs", "b"),
        ("UPDATE documents SET text = CAST(x'ff' AS TEXT) WHERE source = 'b'", "sha256 differs", "b"),
        ("UPDATE documents SET passages = 2 WHERE source = 'b'", "1 passages, 2 were stored", "b"),
        ("UPDATE passages SET end = 8 WHERE passage_id = 301", "its span 0:8 is outside", "b, passage 301"),
        ("UPDATE passages SET checksum = 1 WHERE passage_id = 301", "checksum differs", "b, passage 301"),
        ("UPDATE passages SET end = 2 WHERE passage_id = 301", "the text at 0:2 is not the one", "b, passage 301"),
        ("UPDATE passages SET context = 'T' WHERE passage_id = 301", "is not the one that was", "b, passage 301"),
        ("UPDATE passages SET vector = 7 WHERE passage_id = 301", "checksum differs", "b, passage 301"),
        ("UPDATE documents SET characters = 9 WHERE source = 'b'", "9 characters were stored, the text has 7", "b"),
        ("UPDATE documents SET source = 'd' WHERE source = 'b'", "is not the one of its source", "d"),
        ("UPDATE documents SET bom_bytes = 3 WHERE source = 'b'", "is not the 10 bytes of its file", "b"),
        ("UPDATE documents SET encoding = 'cp1252' WHERE source = 'b'", "cannot be written in cp1252", "b"),
        ("UPDATE documents SET metadata = '{' WHERE source = 'b'", "cannot be read", "b"),
        ("UPDATE documents SET marks = '[1]' WHERE source = 'b'", "cannot be read", "b"),
    ],
)
def test_damage_to_the_truth_is_named_and_needs_the_file_again(folder, statement, what, where):
    change(folder, statement)
    found = problems(folder)
    assert any(what in p.what and p.where == where and "pincite remove" in p.repair for p in found), found


def test_a_passage_of_no_document_is_named(folder):
    change(folder, "DELETE FROM documents WHERE source = 'b'")
    orphan = Problem("a passage of no document", "passage 301", REMAKE)
    assert orphan in problems(folder)


def test_a_vector_of_another_length_is_named(folder):
    blob = b"\0\0\0\x40" + b"\0" * 16  # 2.0, 0, 0, 0, 0
    change(folder, "UPDATE passages SET vector = ?, checksum = ? WHERE passage_id = 301", blob, zlib.crc32(blob))
    assert [(p.what, p.where) for p in problems(folder)] == [("its vector has length 2.0000, not 1", "b, passage 301")]


@pytest.mark.parametrize(
    ("statement", "what", "where"),
    [
        ("UPDATE derived SET generation = 9 WHERE name = 'vectors'", "generation 9 of 3", "vectors-9.faiss"),
        ("UPDATE derived SET generation = 9 WHERE name = 'lexical'", "generation 9 of 3", "lexical"),
    ],
)
def test_an_index_ahead_of_the_truth_is_named_and_repaired(folder, statement, what, where):
    change(folder, statement)
    assert problems(folder) == [Problem(what, where, "pincite doctor --repair")]
    with Store.open(folder, MANIFEST) as store:
        repair(store)
        assert check(store) == []


def test_damaged_indexes_are_named_and_repaired(folder):
    (folder / "vectors-1.faiss").write_bytes(b"")
    (folder / "lexical" / "meta.json").write_bytes(b"{}")
    found = problems(folder)
    assert [(problem.where, problem.repair) for problem in found] == [
        ("vectors-1.faiss", "pincite doctor --repair"),
        ("lexical", "pincite doctor --repair"),
    ]
    with Store.open(folder, MANIFEST) as store:
        repair(store)
        assert check(store) == []
        assert nearest_texts(store, "nile", 300) == matching_texts(store, "nile", 400) == ["nile"] * 300
        assert matching_texts(store, "bread") == []


@pytest.mark.parametrize(
    ("hurt", "what"),
    [
        (lambda kept: kept.unlink(), "are gone"),
        (lambda kept: kept.write_bytes(b"Sore words."), "are not those that came"),
        (lambda kept: (kept.unlink(), kept.mkdir()), "cannot be read"),
    ],
)
def test_uploaded_bytes_that_were_hurt_are_named_and_mended_by_an_upload_alone(tmp_path, hurt, what):
    with new_store(tmp_path / "uploads") as store:
        for source in ("a.txt", "b.txt"):
            data = f"Some words of {source}.".encode()
            stored, _ = put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), source, data)
        assert check(store) == []
        kept = original(store, stored.document.sha256)
        hurt(kept)
        for problem in [*check(store), *repair(store)]:
            assert what in problem.what
            assert (problem.where, problem.repair) == ("b.txt", UPLOAD)
        assert len(check(store)) == 1
        if kept.is_dir():
            kept.rmdir()
        put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), source, data)
        assert check(store) == []


def test_a_malformed_file_is_a_problem_not_a_crash(folder):
    file = folder / "pincite.sqlite"
    data = bytearray(file.read_bytes())
    data[-4096:] = b"\xff" * 4096
    file.write_bytes(data)
    found = problems(folder)
    assert found
    assert all(problem.what.startswith("SQLite: ") and problem.where == str(file) for problem in found)
