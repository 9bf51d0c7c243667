"""Pincite in this process, with its defaults. It indexes the files themselves: read, cut, embedded, written durably."""

import os
from pathlib import Path

from api.build import build_embedder, chunk_limits, manifest_for, open_answerer
from api.settings import load_settings
from benchmarks.rivals.protocol import DEPTH, Job, Said, serve
from index.files import find_files
from index.ingest import IngestOptions, ingest
from index.language import language_of
from index.store import Store


class Pincite:
    """An answerer over a store."""

    packages = ("pincite", "openvino", "tokenizers", "faiss-cpu", "tantivy", "numpy")

    @property
    def pid(self) -> int:
        """The process that this is."""
        return os.getpid()

    def load(self, embedder: Path, reader: Path | None) -> None:
        """Load the embedder if there is to be indexed; to answer, the models are opened with the store.

        The folders are not looked at: they are those of its own defaults.
        """
        self._settings = load_settings()
        if reader is None:
            self._embedder = build_embedder(self._settings)
            # Both are loaded when they are first used.
            self._embedder.encode_passages([""])
            language_of("What language words are in is told by a model too, a small one of letters.")

    def index(self, job: Job) -> None:
        """Do what `pincite index` does; every file is looked for, read and cut here."""
        settings, embedder = self._settings, self._embedder
        options = IngestOptions(chunk_limits(embedder), settings.max_file_mb * 2**20, settings.mark_boilerplate)
        with Store.open(job.into, manifest_for(embedder, settings.mark_boilerplate), create=True) as store:
            ingest(store, find_files([job.files], []).files, embedder, options, lambda *_: None)

    def open(self, folder: Path) -> dict[str, str]:
        """Open the store and the models."""
        self.answerer = open_answerer(folder, settings=self._settings)
        workers = self._settings.threads or len(os.sched_getaffinity(0))
        return {"threads": str(workers), "precision": self.answerer.reader.info.precision}

    def search(self, question: str) -> list[str]:
        """Return the ids of the best passages, dense and lexical fused."""
        return [f"{one.source}:{one.start}" for one in self.answerer.search(question, DEPTH).passages]

    def ask(self, question: str) -> Said:
        """Answer, or abstain below the calibrated threshold."""
        answer = self.answerer.ask(question, DEPTH)
        return Said(answer.answer, answer.candidate)


if __name__ == "__main__":
    serve(Pincite())
