"""Plain libraries, as their own guides use them: sentence-transformers and FAISS to find, transformers to read.

Reading follows the rule of transformers' own question-answering example for SQuAD v2: the legal span of the greatest
start + end logit over all windows, or no answer where the least null score is greater.
"""

import os
from pathlib import Path

import faiss
import torch
import transformers
from sentence_transformers import SentenceTransformer

from benchmarks.rivals.protocol import DEPTH, Job, Said, Text, read_passages, serve, write_passages

LONGEST, WINDOW, STRIDE = 30, 384, 128  # tokens: of an answer; of a window and its overlap, as in that example


class Plain:
    """A FAISS index of all vectors, and the passages in a list."""

    packages = ("torch", "numpy", "sentence-transformers", "transformers", "faiss-cpu")

    @property
    def pid(self) -> int:
        """The process that this is."""
        return os.getpid()

    def load(self, embedder: Path, reader: Path | None) -> None:
        """Load the models in fp32."""
        self._embedder = SentenceTransformer(str(embedder), device="cpu", local_files_only=True)
        if reader is None:
            return
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(reader, local_files_only=True)
        model = transformers.AutoModelForQuestionAnswering.from_pretrained(
            reader, dtype=torch.float32, local_files_only=True
        )
        self._reader = model.eval()

    def index(self, job: Job) -> None:
        """Embed in the library's own batches, add to an exact index, write both files."""
        texts = [passage.embedded for passage in job.passages]
        rows = self._embedder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(rows)
        faiss.write_index(index, str(job.into / "vectors.faiss"))
        write_passages(job.into / "passages.jsonl", job.passages)

    def open(self, folder: Path) -> dict[str, str]:
        """Read both files."""
        self._index = faiss.read_index(str(folder / "vectors.faiss"))
        self._passages = read_passages(folder / "passages.jsonl")
        return {"threads": str(torch.get_num_threads()), "precision": str(self._reader.dtype)}

    def search(self, question: str) -> list[str]:
        """Return the ids of the nearest passages."""
        return [passage.id for passage in self._nearest(question)]

    def ask(self, question: str) -> Said:
        """Read the nearest passages in one batch."""
        texts = [passage.text for passage in self._nearest(question)]
        windows = self._tokenizer(
            [question] * len(texts), texts, truncation="only_second", max_length=WINDOW, stride=STRIDE, padding=True,
            return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors="pt",
        )  # fmt: skip
        owners, offsets = windows.pop("overflow_to_sample_mapping"), windows.pop("offset_mapping")
        with torch.inference_mode():
            output = self._reader(**windows)
        scores, starts, ends = self._best_spans(windows, output.start_logits, output.end_logits)
        best = int(scores.argmax())
        start, end = int(offsets[best, starts[best], 0]), int(offsets[best, ends[best], 1])
        quote = texts[int(owners[best])][start:end]
        null = float((output.start_logits[:, 0] + output.end_logits[:, 0]).min())
        return Said(quote if float(scores[best]) >= null else None, quote)

    def _nearest(self, question: str) -> list[Text]:
        row = self._embedder.encode([question], normalize_embeddings=True, show_progress_bar=False)
        _, found = self._index.search(row, DEPTH)
        return [self._passages[number] for number in found[0] if number >= 0]  # FAISS pads with -1

    def _best_spans(
        self, windows: transformers.BatchEncoding, starts: torch.Tensor, ends: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return each window's best score, and the first and last token of its span."""
        rows, length = starts.shape
        text = torch.tensor([[own == 1 for own in windows.sequence_ids(row)] for row in range(rows)])
        scores = starts.masked_fill(~text, -torch.inf)[:, :, None] + ends.masked_fill(~text, -torch.inf)[:, None, :]
        legal = torch.ones(length, length, dtype=torch.bool).triu().tril(LONGEST - 1)
        best, at = scores.masked_fill(~legal, -torch.inf).flatten(1).max(dim=1)
        return best, at // length, at % length


if __name__ == "__main__":
    serve(Plain())
