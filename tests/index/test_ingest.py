"""Files are read, embedded and written in step, each in a thread of its own; what ends one ends all."""

import threading

import pytest
from fakes import WordEncoder

import index.ahead
import index.ingest
from api.build import manifest_for
from index.chunk_limits import ChunkLimits
from index.files import find_files
from index.ingest import IngestOptions, ingest
from index.store import Store

OPTIONS = IngestOptions(ChunkLimits(WordEncoder.window), 2**20)


class Waiting(WordEncoder):
    """Embeds what it is given once the file after it was read, and fails at the word "poison"."""

    def __init__(self):
        self.read, self.embedded = [], []
        self._more = threading.Condition()

    def progress(self, done, total, source):
        with self._more:
            self.read.append(source or "end")
            self._more.notify_all()

    def encode_passages(self, texts):
        self.embedded += texts
        with self._more:
            assert self._more.wait_for(lambda: len(self.read) > len(self.embedded), timeout=60)
        if any("poison" in text for text in texts):
            raise RuntimeError("poison is not encoded")
        return super().encode_passages(texts)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Six files of a passage each, and a batch for each of them."""
    monkeypatch.setattr(index.ahead, "BATCH", 1)
    monkeypatch.setattr(index.ahead, "PIECE", 1)
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"The bread of day {number} was {'poison' if number == 2 else 'good'}.")
    return tmp_path


def run(encoder, files, folder):
    with Store.open(folder, manifest_for(encoder), create=True) as store:
        report = ingest(store, find_files([files], []).files, encoder, OPTIONS, encoder.progress)
        with store.snapshot() as snapshot:
            return report, snapshot.documents


def test_a_file_is_embedded_while_the_next_is_read(files, tmp_path_factory):
    (files / "2.txt").unlink()
    encoder = Waiting()  # waits for the next file to be read, so that reading and embedding in turns would not end
    report, documents = run(encoder, files, tmp_path_factory.mktemp("stores") / "store")
    assert documents == report.passages == report.embedded == len(encoder.embedded) == 5
    assert report.added == ["0.txt", "1.txt", "3.txt", "4.txt", "5.txt"]
    assert encoder.read == [*report.added, "end"]


@pytest.fixture
def written(monkeypatch):
    """Each batch is written once the vectors of the one after it are there."""
    found, here = [], threading.Condition()
    look, write = index.ahead.vectors_of, index.ingest.write_documents

    def looked(store, encoder, passages, made):
        vectors = look(store, encoder, passages, made)
        with here:
            found.append([passage.text for passage in passages])
            here.notify_all()
        return vectors

    def write_behind(store, batch, rows):
        sources.append([loaded.document.source for loaded in batch])
        with here:
            assert here.wait_for(lambda: len(found) > min(len(sources), 5), timeout=60)
        return write(store, batch, rows)

    sources = []
    monkeypatch.setattr(index.ahead, "vectors_of", looked)
    monkeypatch.setattr(index.ingest, "write_documents", write_behind)
    return sources


def test_a_batch_is_written_while_the_next_is_embedded_and_a_text_in_both_is_embedded_once(
    files, tmp_path_factory, written
):
    for number in (2, 3, 4):
        (files / f"{number}.txt").write_text("The bread of this day is that of the last.")
    report, documents = run(Waiting(), files, tmp_path_factory.mktemp("stores") / "store")
    assert written == [[f"{number}.txt"] for number in range(6)]
    assert (documents, report.passages, report.embedded) == (6, 6, 4)


def test_where_writing_fails_no_thread_embeds_on(files, tmp_path_factory, monkeypatch):
    embedded, failed = [], threading.Event()

    class Slow(WordEncoder):
        """Embeds the second text once writing has failed, and would go on to the last."""

        def progress(self, *_):
            pass

        def encode_passages(self, texts):
            embedded.extend(texts)
            assert len(embedded) < 2 or failed.wait(timeout=60)
            return super().encode_passages(texts)

    def full(*_):
        monkeypatch.setattr(index.ahead, "BATCH", 100)  # so that what is embedded next is all that is left
        threading.Timer(0.2, failed.set).start()  # by then the run knows of it
        raise OSError("no space left")

    monkeypatch.setattr(index.ingest, "write_documents", full)
    with pytest.raises(OSError, match="no space left"):
        run(Slow(), files, tmp_path_factory.mktemp("stores") / "store")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
    assert len(embedded) < 6


def test_where_embedding_fails_no_thread_reads_on(files, tmp_path_factory):
    encoder = Waiting()
    with pytest.raises(RuntimeError, match="poison is not encoded"):
        run(encoder, files, tmp_path_factory.mktemp("stores") / "store")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
    assert encoder.read == ["0.txt", "1.txt", "2.txt", "3.txt"]
