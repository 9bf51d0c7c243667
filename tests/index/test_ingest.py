"""Reading goes on in a thread while what was read is embedded; what ends the one ends the other."""

import threading

import pytest
from fakes import WordEncoder

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
    monkeypatch.setattr(index.ingest, "BATCH", 1)
    monkeypatch.setattr(index.ingest, "PIECE", 1)
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


def test_where_embedding_fails_no_thread_reads_on(files, tmp_path_factory):
    encoder = Waiting()
    with pytest.raises(RuntimeError, match="poison is not encoded"):
        run(encoder, files, tmp_path_factory.mktemp("stores") / "store")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]
    assert encoder.read == ["0.txt", "1.txt", "2.txt", "3.txt"]
