import os
import shutil
import sqlite3
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import (
    MANIFEST,
    NILE,
    base_files,
    document_of,
    matching_texts,
    nearest_texts,
    passages_of,
    put,
    remove,
    run,
    write,
)

from index.doctor import check
from index.errors import StoreError
from index.store import Store
from index.types import Field, Metadata

FULL = """
import resource, signal, sys
from pathlib import Path
from store_samples import *
from index.doctor import check
from index.errors import StoreError
from index.store import Store
store = Store.open(Path(sys.argv[1]), MANIFEST)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write(store, b=["bread " * 400_000])
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(nearest_texts(store, "nile"), matching_texts(store, "nile"))
write(store, c=["nile river"])
print(nearest_texts(store, "nile"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on the size of files")
def test_a_disk_that_is_full_is_one_line_and_loses_nothing(store, folder):
    write(store, a=["nile"])
    code, out, err = run(FULL, folder, 1_000_000)
    assert (code, "Traceback" in err) == (0, False), err
    refusal, kept, after = out.splitlines()
    assert "pincite.sqlite: " in refusal
    assert "nothing was lost: free space on the disk" in refusal
    assert (kept, after) == ("['nile'] ['nile']", "['nile', 'nile river']")


def damage(path, how):
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file() and f.stat().st_size)
    if how == "gone":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    for file in files:
        data = file.read_bytes()
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
        file.write_bytes({"cut": data[:middle], "flipped": flipped, "empty": b""}[how])


@pytest.mark.parametrize("how", ["gone", "cut", "flipped", "empty"])
@pytest.mark.parametrize("part", ["lexical", "vectors-1.faiss"])
@pytest.mark.parametrize("then", ["read", "write"])
def test_a_damaged_index_is_made_again_from_the_truth(folder, part, how, then):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"] * 300, b=["river"])
        remove(store, "b")
    damage(folder / part, how)
    with Store.open(folder, MANIFEST) as store:
        if then == "write":
            write(store, c=["nile egypt"])
        added = ["nile egypt"] if then == "write" else []
        assert nearest_texts(store, "nile", 400) == ["nile"] * 300 + added
        assert sorted(matching_texts(store, "nile", 400)) == ["nile"] * 300 + added
        assert matching_texts(store, "river") == []


def test_an_index_that_cannot_be_written_fails_no_write_and_is_brought_up_later(store, folder, caplog):
    caplog.set_level("INFO")
    write(store, a=["nile"])
    shutil.rmtree(folder / "lexical")
    (folder / "lexical").write_text("in the way")
    write(store, b=["nile river"])
    assert "the indexes will be brought up later" in caplog.text
    with pytest.raises(StoreError, match="lexical"), store.snapshot():
        pass
    (folder / "lexical").unlink()
    assert nearest_texts(store, "nile") == ["nile", "nile river"]
    assert sorted(matching_texts(store, "nile")) == ["nile", "nile river"]


def test_vectors_are_looked_up_whatever_the_state_of_the_indexes(store, folder):
    write(store, a=["nile"])
    shutil.rmtree(folder / "lexical")
    (folder / "lexical").write_text("in the way")
    write(store, b=["bread"])
    with pytest.raises(StoreError, match="lexical"), store.snapshot():
        pass
    keys = [passages_of(document_of(*one))[0].embedding_key for one in (("a", ["nile"]), ("b", ["bread"]))]
    assert store.vectors_by_key(keys).keys() == set(keys)


def test_a_damaged_vector_is_not_taken_for_another_passage(store, folder):
    write(store, a=["nile"], b=["bread"])
    nile, bread = (passages_of(document_of(*one))[0].embedding_key for one in (("a", ["nile"]), ("b", ["bread"])))
    with sqlite3.connect(folder / "pincite.sqlite") as connection:
        connection.execute("UPDATE passages SET checksum = checksum + 1 WHERE embedding_key = ?", (nile,))
    connection.close()
    assert store.vectors_by_key([nile, bread]).keys() == {bread}


def test_an_older_copy_of_an_index_resurrects_nothing(store, folder, tmp_path):
    write(store, a=["nile secret"] * 300)
    for name in ("lexical", "vectors-1.faiss"):
        copy = shutil.copytree if (folder / name).is_dir() else shutil.copy2
        copy(folder / name, tmp_path / name)
    write(store, a=["nile public"] * 300)
    store.close()
    shutil.rmtree(folder / "lexical")
    shutil.copytree(tmp_path / "lexical", folder / "lexical")
    shutil.copy2(tmp_path / "vectors-1.faiss", folder / base_files(folder)[0])
    with Store.open(folder, MANIFEST) as reopened:
        assert matching_texts(reopened, "secret") == []
        assert (
            set(nearest_texts(reopened, "nile", 999)) == set(matching_texts(reopened, "nile", 999)) == {"nile public"}
        )


def test_a_vector_that_rotted_is_an_error_not_an_answer(folder):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"])
    with sqlite3.connect(folder / "pincite.sqlite") as connection:
        connection.execute("UPDATE passages SET vector = zeroblob(20)")
    connection.close()
    with Store.open(folder, MANIFEST) as store, pytest.raises(StoreError, match="passage 1: its vector is damaged"):
        nearest_texts(store, "nile")


def test_every_file_of_an_index_is_checked_or_not_used(folder, tmp_path):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"] * 300)
        write(store, b=["nile river"])
        sound = rankings(store)
    files = [file for file in [*folder.glob("vectors-*"), *(folder / "lexical").iterdir()] if file.stat().st_size]
    named = set()
    for file in files:
        shutil.copytree(folder, tmp_path / "copy")
        damage(tmp_path / "copy" / file.relative_to(folder), "flipped")
        with Store.open(tmp_path / "copy", MANIFEST) as store:
            if problems := check(store):
                assert {problem.repair for problem in problems} == {"pincite doctor --repair"}
                named.add(file.name)
            assert rankings(store) == sound or problems
            assert sorted(nearest_texts(store, "nile", 999)) == ["nile"] * 300 + ["nile river"]
            assert sorted(matching_texts(store, "nile", 999)) == ["nile"] * 300 + ["nile river"]
            assert check(store) == []
        shutil.rmtree(tmp_path / "copy")
    assert {file.name for file in files} - named == {".managed.json"}  # what Tantivy deletes by, never reads


def rankings(store):
    with store.snapshot() as snapshot:
        return snapshot.nearest(NILE, 999), snapshot.matching("nile river", 999)


def everything(folder):
    """Return all that a store says, or None where it refuses to."""
    try:
        with Store.open(folder) as store, store.snapshot() as snapshot:
            ids = sorted(passage_id for passage_id, _ in snapshot.nearest(NILE, 999))
            documents = list(snapshot.iter_documents()), snapshot.list_documents()
            return (
                *documents,
                snapshot.stored_passages(ids),
                snapshot.nearest(NILE, 999),
                snapshot.matching("nile", 999),
            )
    except StoreError:
        return None


def doctor_objects(folder):
    try:
        with Store.open(folder) as store:
            return bool(check(store))
    except StoreError:
        return True


# What nothing else in a store tells: a checksum of whole rows would.
UNCHECKED = ("sha256", "origin", "media_type", "publisher", "published", "generation", "value")


def test_one_flipped_bit_in_the_truth_changes_nothing_or_is_noticed(folder, tmp_path):
    title = Metadata(title=Field("nile", 0, 4))
    with Store.open(folder, MANIFEST, create=True) as store, store.write() as writer:
        for n in range(4):
            put(writer, f"s{n}", [f"nile river {n}", "bread yeast egypt"] * 4, title, context="T")
    sound = everything(folder)
    data = (folder / "pincite.sqlite").read_bytes()

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, len(data) - 1), st.integers(0, 7))
    def is_noticed(at, bit):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        (copy / "pincite.sqlite").write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        objects = doctor_objects(copy)
        found = everything(copy)
        if found is None:
            assert objects
        elif found != sound and not objects:
            assert differing(found, sound) <= set(UNCHECKED)

    is_noticed()


def test_a_schema_that_is_no_text_any_more_is_refused_by_name(folder):
    write(Store.open(folder, MANIFEST, create=True), a=["nile"])
    data = (folder / "pincite.sqlite").read_bytes()
    at = data.index(b"CREATE TABLE")
    (folder / "pincite.sqlite").write_bytes(data[:at] + b"CRE\xcfTE" + data[at + 6 :])
    with pytest.raises(StoreError, match=r"pincite\.sqlite: .*(backup|another --store)"):
        Store.open(folder, MANIFEST)


def differing(found, sound):
    """Return the names of the columns of documents in which two states of a store differ."""
    assert found[2:] == sound[2:]
    names = set()
    for now, before in zip(found[1], sound[1], strict=True):
        facts = asdict(now), asdict(before)
        names |= {name for name in facts[0] if name != "metadata" and facts[0][name] != facts[1][name]}
        for field, (value, was) in enumerate(zip(now.metadata.items(), before.metadata.items(), strict=True)):
            names |= {"value"} if value != was else set()
            assert field == 0
    return names


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 4096, 8192, 20000])
def test_a_truth_that_was_cut_short_is_refused_by_name(folder, size):
    with Store.open(folder, MANIFEST, create=True) as store:
        write(store, a=["nile"] * 300)
    os.truncate(folder / "pincite.sqlite", size)
    named = r"no store at|pincite\.sqlite: .*(backup|another --store)"
    with pytest.raises(StoreError, match=named), Store.open(folder, MANIFEST) as store:
        nearest_texts(store, "nile")


DIES_OPEN = """
import os, sys
from pathlib import Path
from store_samples import *
from index.store import Store
store = Store.open(Path(sys.argv[1]), MANIFEST, create=True)
write(store, a=["nile"])
write(store, b=["nile river"])
os._exit(9)
"""


@pytest.mark.parametrize("how", ["gone", "cut", "flipped", "empty"])
def test_a_journal_that_was_lost_or_damaged_is_refused_by_name_not_passed_over(folder, how):
    assert run(DIES_OPEN, folder)[0] == 9
    damage(folder / "pincite.sqlite-wal", how)
    for _ in range(2):
        with pytest.raises(
            StoreError, match=r"pincite\.sqlite: is at generation [01], and 2 was reported as done: its"
        ):
            Store.open(folder, MANIFEST)
    (folder / "generation").unlink()
    with Store.open(folder, MANIFEST) as store:
        assert nearest_texts(store, "nile") == matching_texts(store, "nile")
        write(store, a=["nile"], b=["nile river"])
        assert nearest_texts(store, "nile") == ["nile", "nile river"]
        assert check(store) == []


@pytest.mark.parametrize("content", ["", "torn", "torn number", "\0"])
def test_a_lost_or_torn_note_of_what_was_reached_is_no_failure(store, folder, content):
    write(store, a=["nile"])
    store.close()
    (folder / "generation").write_text(content)
    with Store.open(folder, MANIFEST) as reopened:
        assert nearest_texts(reopened, "nile") == ["nile"]
        write(reopened, b=["nile river"])
    assert (folder / "generation").read_text().split()[1] == "2"


def test_a_journal_that_outlived_its_store_is_not_played_into_a_new_one(folder):
    assert run(DIES_OPEN, folder)[0] == 9
    (folder / "pincite.sqlite").unlink()
    assert (folder / "pincite.sqlite-wal").stat().st_size
    with Store.open(folder, MANIFEST, create=True) as store:
        assert nearest_texts(store, "nile") == matching_texts(store, "nile") == []
        write(store, c=["nile egypt"])
        assert nearest_texts(store, "nile") == ["nile egypt"]
        assert check(store) == []
