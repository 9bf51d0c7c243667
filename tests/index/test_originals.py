"""The bytes of uploads: kept while a document needs them, whatever happens in between."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fakes import WINDOW, WordEncoder, new_store, put

from index.chunk_limits import ChunkLimits
from index.errors import Rejected, StoreError
from index.files import FoundFile
from index.ingest import UPLOADED, IngestOptions, ingest, remove
from index.lock import Locked, exclusive
from index.originals import LOCK, original, put_bytes, remove_document, remove_documents, sweep
from index.types import document_id_of
from index.writer import Writer

LIMITS = ChunkLimits(WINDOW)


@pytest.fixture
def store(tmp_path):
    with new_store(tmp_path / "store") as store:
        yield store


def upload(store, source, data):
    stored, _ = put_bytes(store, WordEncoder(), LIMITS, source, data)
    return original(store, stored.document.sha256)


def test_what_is_stored_is_what_a_snapshot_gives_back(store):
    stored, replaced = put_bytes(store, WordEncoder(), LIMITS, "a.txt", b"Some words.")
    with store.snapshot() as snapshot:
        assert snapshot.document(document_id_of("a.txt")) == stored
    assert (stored.origin, replaced, stored.size) == (None, False, len(b"Some words."))
    assert put_bytes(store, WordEncoder(), LIMITS, "a.txt", b"Some words.")[1]


def test_bytes_that_are_refused_are_not_kept(store):
    with pytest.raises(Rejected, match="empty"):
        upload(store, "a.txt", b"")
    assert not (store.folder / "originals").exists()


def test_what_a_crash_left_behind_is_swept_and_what_is_needed_is_not(store, monkeypatch):
    kept = upload(store, "a.txt", b"Some words.")
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "put", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upload(store, "b.txt", b"Lost words.")
    (kept.parent / f"{'0' * 64}.partial").write_bytes(b"half")
    assert len(list(kept.parent.iterdir())) == 3
    sweep(store)
    assert list(kept.parent.iterdir()) == [kept]


def test_an_upload_removed_by_source_leaves_bytes_that_a_sweep_deletes(store):
    kept = upload(store, "a.txt", b"Some words.")
    remove(store, ["a.txt"])
    sweep(store)
    assert not kept.exists()
    sweep(store)


@contextmanager
def held_elsewhere(store):
    """The lock that a backup holds while it copies the bytes."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with exclusive(store.folder, 10, LOCK):
            held.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert held.wait(60)
        try:
            yield
        finally:
            done.set()
            holding.result()


def test_while_a_backup_copies_bytes_what_needs_none_goes_on_and_an_upload_stays_whole(store, tmp_path, monkeypatch):
    kept = upload(store, "a.txt", b"Some words.")
    index(store, tmp_path, b="More words.", c="Other words.")
    monkeypatch.setattr("index.originals.WRITE_WAIT", 0.1)
    with held_elsewhere(store):
        sweep(store)
        assert remove_documents(store, [document_id_of("b.txt"), document_id_of("absent.txt")]) == 1
        with pytest.raises(Locked):
            remove_documents(store, [document_id_of("c.txt"), document_id_of("a.txt")])
    assert (origin(store, "a.txt"), kept.read_bytes()) == (None, b"Some words.")
    assert origin(store, "c.txt") == str(tmp_path / "c.txt")
    assert remove_documents(store, [document_id_of("c.txt"), document_id_of("a.txt")]) == 2
    assert not kept.exists()


def index(store, folder, encoder=WordEncoder(), **files):  # noqa: B008
    """Index files (name: text) of this folder."""
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    found = [FoundFile(folder / f"{name}.txt", f"{name}.txt") for name in files]
    return ingest(store, found, encoder, IngestOptions(LIMITS, 1000), lambda *_: None)


def origin(store, source):
    with store.snapshot() as snapshot:
        return snapshot.document(document_id_of(source)).origin


def rejected(report):
    reasons = [(one.source, one.reason) for one in report.rejected]
    assert reasons == [(one.source, one.reason) for one in report.files if one.status == "rejected"]
    return reasons


@pytest.mark.parametrize("text", ["Some words.", "Other words."])
def test_a_file_with_the_source_of_an_upload_is_rejected_and_the_upload_stays(store, tmp_path, text):
    kept = upload(store, "a.txt", b"Some words.")
    report = index(store, tmp_path, a=text, b="More words.")
    assert rejected(report) == [("a.txt", UPLOADED)]
    assert (report.added, report.replaced, report.unchanged) == (["b.txt"], [], [])
    sweep(store)
    assert (origin(store, "a.txt"), kept.read_bytes()) == (None, b"Some words.")
    remove(store, ["a.txt"])
    assert index(store, tmp_path, a=text).added == ["a.txt"]


def test_an_upload_over_a_document_from_a_file_is_taken_and_stays_when_the_file_is_indexed_again(store, tmp_path):
    index(store, tmp_path, a="Some words.")
    kept = upload(store, "a.txt", b"Uploaded words.")
    assert rejected(index(store, tmp_path, a="Some words.")) == [("a.txt", UPLOADED)]
    sweep(store)
    assert (origin(store, "a.txt"), kept.read_bytes()) == (None, b"Uploaded words.")


@pytest.mark.parametrize("before", [{}, {"a": "Old words."}])
def test_an_upload_that_comes_while_its_file_is_read_stays_too(store, tmp_path, before):
    class Late(WordEncoder):
        def encode_passages(self, texts):
            upload(store, "a.txt", b"Uploaded words.")
            return super().encode_passages(texts)

    index(store, tmp_path, **before)
    report = index(store, tmp_path, Late(), a="Some words.", b="Two more words.")
    assert rejected(report) == [("a.txt", UPLOADED)]
    assert (report.added, report.replaced, report.passages) == (["b.txt"], [], 1)
    assert sorted(one.source for one in report.files) == ["a.txt", "b.txt"]
    assert origin(store, "a.txt") is None


def test_removing_a_document_that_came_from_a_file_keeps_an_upload_of_the_same_bytes(store, tmp_path):
    kept = upload(store, "a.txt", b"Some words.")
    (tmp_path / "b.txt").write_bytes(b"Some words.")
    put(store, tmp_path / "b.txt", "b.txt")
    assert remove_document(store, document_id_of("b.txt"))
    assert not remove_document(store, document_id_of("b.txt"))
    assert kept.read_bytes() == b"Some words."


def test_uploads_and_removals_of_the_same_bytes_at_once_lose_none_that_are_needed(store):
    def change(number):
        for _ in range(4):
            upload(store, f"{number}.txt", b"Some words.")
            remove_document(store, document_id_of(f"{number}.txt"))
        return upload(store, f"{number}.txt", b"Some words.").read_bytes()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(change, range(3))) == [b"Some words."] * 3


def test_bytes_that_cannot_be_deleted_are_named(store):
    kept = upload(store, "a.txt", b"Some words.")
    kept.unlink()
    (kept / "inside").mkdir(parents=True)
    with pytest.raises(StoreError, match=f"{kept.name}: .*; delete it"):
        remove_document(store, document_id_of("a.txt"))
