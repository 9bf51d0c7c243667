import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from fakes import WINDOW, WordEncoder, new_store
from store_samples import MANIFEST, NILE, base_files, matching_texts, nearest_texts, put, remove, texts, write

from index.backup import backup
from index.chunk_limits import ChunkLimits
from index.doctor import check, repair
from index.errors import StoreError, UsageError
from index.originals import original, put_bytes
from index.store import Store


def unheard(*_):
    pass


def rankings(folder):
    with Store.open(folder, MANIFEST) as store, store.snapshot() as snapshot:
        return snapshot.generation, snapshot.nearest(NILE, 999), snapshot.matching("nile river", 999)


def test_a_backup_is_a_store_with_the_same_answers(store, folder, tmp_path):
    write(store, a=["nile"] * 300, b=["nile river"])
    write(store, c=["nile egypt"], d=["bread"])
    remove(store, "b")
    made = backup(store, tmp_path / "new" / "copy", unheard)
    assert (made.folder, made.generation, made.documents) == (tmp_path / "new" / "copy", 3, 3)
    assert [file.name for file in made.folder.parent.iterdir()] == ["copy"]
    store.close()
    with Store.open(made.folder, MANIFEST) as copy:
        assert check(copy) == []
        assert matching_texts(copy, "river") == []
    with Store.open(folder, MANIFEST) as original:
        repair(original)  # BM25's statistics count what was deleted until the lexical index is written anew
    assert rankings(made.folder) == rankings(folder)
    with Store.open(made.folder, MANIFEST) as copy:
        write(copy, e=["nile river"])
        assert matching_texts(copy, "river") == ["nile river"]
        assert check(copy) == []


def test_a_backup_is_of_one_moment_while_another_writes(store, tmp_path):
    """Every write replaces both documents by one word of its number: a copy may have any number, never two."""
    write(store, a=["nile number0"] * 200, b=["nile number0"] * 50)
    rounds = 8

    def keep_writing():
        for n in range(1, rounds):
            write(store, a=[f"nile number{n}"] * 200, b=[f"nile number{n}"] * 50)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(keep_writing)
        copies = [backup(store, tmp_path / f"copy{n}", unheard) for n in range(3)]
        writing.result()
    for made in copies:
        with Store.open(made.folder, MANIFEST) as copy:
            expected = [f"nile number{made.generation - 1}"] * 250
            assert nearest_texts(copy, "nile", 999) == matching_texts(copy, "nile", 999) == expected
            assert check(copy) == []


def test_what_cannot_be_made_again_is_copied_too(store, folder, tmp_path):
    (folder / "calibration.json").write_text("{}")
    (folder / "originals").mkdir()
    (folder / "originals" / "ab12").write_bytes(b"\0bytes")
    with sqlite3.connect(folder / "service.sqlite") as service:
        service.execute("PRAGMA journal_mode = WAL")
        service.execute("CREATE TABLE keys (name)")
        service.execute("INSERT INTO keys VALUES ('mine')")
    made = backup(store, tmp_path / "copy", unheard).folder
    service.close()
    assert sorted(f.name for f in made.iterdir()) == [
        "calibration.json", "originals", "pincite.sqlite", "service.sqlite"
    ]  # fmt: skip
    assert (made / "originals" / "ab12").read_bytes() == b"\0bytes"
    with sqlite3.connect(made / "service.sqlite") as service:
        assert service.execute("SELECT name FROM keys").fetchall() == [("mine",)]
    service.close()


def test_an_upload_replaced_during_a_backup_has_its_bytes_in_the_copy(tmp_path):
    def upload(data):
        return put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), "a.txt", data)[0].document.sha256

    def replace_it(*_):
        if not replacing:
            replacing.append(pool.submit(upload, b"New words."))
            wait(replacing, 0.5)  # long enough to be done where nothing holds it back

    replacing = []
    with new_store(tmp_path / "uploads") as store, ThreadPoolExecutor(1) as pool:
        old = upload(b"Old words.")
        made = backup(store, tmp_path / "copy", replace_it).folder
        new = replacing[0].result()
        assert [one.name for one in original(store, new).parent.iterdir()] == [new]
    with Store.open(made) as copy:
        assert original(copy, old).read_bytes() == b"Old words."
        assert check(copy) == []


def test_a_backup_tells_how_far_it_is(store, tmp_path):
    write(store, a=["nile"] * 5000)
    steps = []
    backup(store, tmp_path / "copy", lambda *step: steps.append(step))
    done, pages, names = zip(*steps, strict=True)
    assert list(done) == sorted(done)
    assert len(done) > 1
    assert (done[-1], set(names)) == (pages[-1], {"pincite.sqlite"})


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_destination_that_exists_is_refused_and_left_alone(store, tmp_path, kind):
    there = tmp_path / "there"
    {"folder": there.mkdir, "file": there.touch, "link": lambda: there.symlink_to("nowhere")}[kind]()
    with pytest.raises(UsageError, match="there exists; name a folder that does not"):
        backup(store, there, unheard)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["store", "there"]


def test_a_destination_in_the_store_is_refused_even_by_another_name(store, folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    for destination in (folder / "copy", tmp_path / "link" / "deep" / "copy", folder / ".." / "store" / "copy"):
        with pytest.raises(UsageError, match="lies in the store"):
            backup(store, destination, unheard)
    assert not (folder / "copy").exists()


def test_a_backup_that_is_broken_off_leaves_nothing(store, tmp_path):
    write(store, a=["nile"])

    def break_off(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(store, tmp_path / "copy", break_off)
    assert [f.name for f in tmp_path.iterdir()] == ["store"]
    assert nearest_texts(store, "nile") == ["nile"]


def test_a_damaged_store_is_not_copied_as_if_it_were_sound(store, folder, tmp_path):
    write(store, a=["nile " * 2000], b=["bread " * 2000])
    store.close()
    file = folder / "pincite.sqlite"
    data = file.read_bytes()
    middle = len(data) // 2 // 4096 * 4096
    file.write_bytes(data[:middle] + b"\xff" * 8192 + data[middle + 8192 :])
    with (
        Store.open(folder) as damaged,
        pytest.raises(StoreError, match=r"store/pincite\.sqlite: .*(doctor|index the files again)"),
    ):
        backup(damaged, tmp_path / "copy", unheard)
    assert not (tmp_path / "copy").exists()


def test_a_backup_put_in_the_place_of_an_open_store_is_what_is_answered_from(store, folder, tmp_path):
    write(store, a=["nile old"])
    made = backup(store, tmp_path / "copy", unheard)
    write(store, b=["nile river"])
    assert sorted(nearest_texts(store, "nile")) == ["nile old", "nile river"]
    shutil.rmtree(folder)
    made.folder.rename(folder)
    with Store.open(folder, MANIFEST) as elsewhere:
        write(elsewhere, c=["nile egypt"])  # the generation that the lost store had reached with "nile river"
    with store.snapshot() as snapshot:
        assert sorted(texts(snapshot, snapshot.nearest(NILE, 9))) == ["nile egypt", "nile old"]
        assert sorted(texts(snapshot, snapshot.matching("nile", 9))) == ["nile egypt", "nile old"]


def test_an_index_that_was_behind_is_no_matter_to_a_backup(store, folder, tmp_path):
    write(store, a=["nile"] * 300)
    shutil.rmtree(folder / "lexical")
    (folder / base_files(folder)[0]).unlink()
    with store.write() as writer:
        put(writer, "b", ["nile river"])
    made = backup(store, tmp_path / "copy", unheard)
    with Store.open(made.folder, MANIFEST) as copy:
        assert len(nearest_texts(copy, "nile", 999)) == len(matching_texts(copy, "nile", 999)) == 301
