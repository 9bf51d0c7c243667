import os
import shutil
import sqlite3

import pytest
from store_samples import (
    MANIFEST,
    base_files,
    matching_texts,
    nearest_texts,
    remove,
    run,
    write,
)

from index.errors import StoreError
from index.store import Store

FULL = """
import resource, signal, sys
from pathlib import Path
from store_samples import *
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
