"""txtai: its embeddings database, and its pipeline for extractive questions over what was found.

The pipeline answers from one text at a time and says no scores, so passages cannot be ranked by their answers: the
first passage, in order of retrieval, that it answers from gives the answer. (txtai's own RAG joins passages to one text
instead, of which a model of 512 tokens reads about the first three.)
"""

import os
from pathlib import Path

import torch
from txtai import Embeddings  # type: ignore[import-not-found, unused-ignore]
from txtai.pipeline import Questions  # type: ignore[import-not-found, unused-ignore]

from benchmarks.rivals.protocol import DEPTH, Job, Said, read_passages, serve, write_passages


class Txtai:
    """A txtai index, dense alone as it is by default."""

    packages = ("torch", "numpy", "transformers", "faiss-cpu", "txtai")

    @property
    def pid(self) -> int:
        """The process that this is."""
        return os.getpid()

    def load(self, embedder: Path, reader: Path | None) -> None:
        """Load the models in fp32; an index finds the embedder among `models`, and does not load it again."""
        self._models: dict[str, object] = {}
        self._embeddings = Embeddings({"path": str(embedder), "content": False}, models=self._models)
        if reader is not None:
            # The folder says float16, which saves disk: on a processor that computes no float16 it would be slow.
            self._questions = Questions(str(reader), gpu=False, dtype=torch.float32)

    def index(self, job: Job) -> None:
        """Index and save."""
        self._embeddings.index((one.id, one.embedded, None) for one in job.passages)
        self._embeddings.save(str(job.into / "index"))
        write_passages(job.into / "passages.jsonl", job.passages)

    def open(self, folder: Path) -> dict[str, str]:
        """Load the index, and the texts without what was embedded before them."""
        self._embeddings.load(str(folder / "index"))
        self._texts = {one.id: one.text for one in read_passages(folder / "passages.jsonl")}
        return {"threads": str(torch.get_num_threads()), "precision": str(self._questions.model.dtype)}

    def search(self, question: str) -> list[str]:
        """Return the ids of the nearest passages."""
        return [str(found) for found, _ in self._embeddings.search(question, DEPTH)]

    def ask(self, question: str) -> Said:
        """Answer from each of the nearest passages; the first answer counts."""
        answers = [self._answer(question, self._texts[found]) for found in self.search(question)]
        first = next((answer for answer in answers if answer), None)
        return Said(first, first)

    def _answer(self, question: str, text: str) -> str | None:
        try:
            [answer] = self._questions([question], [text])
        except TypeError:
            # Where the model's answer is "none" (its first token) the pipeline looks for the characters of a special
            # token, which has none. Taken as what was meant.
            return None
        return answer or None


if __name__ == "__main__":
    serve(Txtai())
