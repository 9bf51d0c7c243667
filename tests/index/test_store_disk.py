"""A disk that is full, and one that cannot be written: real ones, where this process may mount them."""

import subprocess

import pytest
from store_samples import MANIFEST, matching_texts, nearest_texts, write

from index.backup import backup
from index.doctor import check, repair
from index.errors import StoreError
from index.store import Store

SIZE = 6 << 20  # bytes


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "pincite-test", str(place)]
    try:
        done = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("mounting a disk needs rights that this process does not have")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


def fill(disk, left):
    """Fill the disk but for so many bytes; return the file that takes the room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - left))
    return filler


@pytest.mark.parametrize("left", [0, 16, 48, 96, 160, 256, 384, 512, 1024])
def test_a_write_to_a_full_disk_is_done_or_refused_and_whatever_it_said_is_so(disk, left):
    with Store.open(disk / "store", MANIFEST, create=True) as store:
        write(store, a=["nile"] * 300)
        filler = fill(disk, left * 1024)
        expected, refusal = ["nile"] * 300, None
        try:
            write(store, b=["nile river"] * 300)
            expected += ["nile river"] * 300
        except StoreError as error:
            refusal = str(error)
        assert refusal is None or "nothing was lost: free space on the disk" in refusal
        filler.unlink()
        for _ in range(2):
            assert sorted(nearest_texts(store, "nile", 999)) == sorted(matching_texts(store, "nile", 999)) == expected
            assert check(store) == []
            store.close()
            store = Store.open(disk / "store", MANIFEST)
        store.close()


def test_a_new_store_on_a_full_disk_is_refused_and_made_once_there_is_room(disk):
    filler = fill(disk, 8192)
    with pytest.raises(StoreError, match=r"free space|No space left"):
        Store.open(disk / "store", MANIFEST, create=True)
    filler.unlink()
    with Store.open(disk / "store", MANIFEST, create=True) as store:
        write(store, a=["nile"])
        assert check(store) == []


def test_a_backup_to_a_full_disk_is_refused_and_leaves_nothing(disk, store):
    write(store, a=["nile"] * 2000)
    fill(disk, 64 * 1024)
    with pytest.raises(StoreError, match="free space"):
        backup(store, disk / "copy", lambda *_: None)
    assert [file.name for file in disk.iterdir()] == ["filler"]
    assert len(nearest_texts(store, "nile", 9999)) == 2000


def test_a_repair_on_a_full_disk_is_refused_with_what_to_do_and_done_once_there_is_room(disk):
    with Store.open(disk / "store", MANIFEST, create=True) as store:
        write(store, a=["nile"] * 3000)
        filler = fill(disk, 4096)
        for file in (disk / "store" / "lexical").glob("*.term"):
            file.write_bytes(b"")
        with pytest.raises(StoreError, match=r"free space|No space left"):
            repair(store)
        filler.unlink()
        assert repair(store) == []
        assert len(matching_texts(store, "nile", 9999)) == 3000


def test_a_disk_that_cannot_be_written_is_named_with_what_to_do_and_nothing_is_lost(disk):
    with Store.open(disk / "store", MANIFEST, create=True) as store:
        write(store, a=["nile"])
        store.close()
    remount(disk, "ro")
    advice = r"store.*: .*make .* writable"
    with pytest.raises(StoreError, match=advice), Store.open(disk / "store", MANIFEST) as store:
        write(store, b=["nile river"])
    with pytest.raises(StoreError, match=advice), Store.open(disk / "store", MANIFEST) as store:
        repair(store)
    with pytest.raises(StoreError, match=r"name a writable --store"):
        Store.open(disk / "new", MANIFEST, create=True)
    remount(disk, "rw")
    with Store.open(disk / "store", MANIFEST) as store:
        assert nearest_texts(store, "nile") == ["nile"]
        assert check(store) == []
