"""The same models as most people run them (torch, fp32): what ours are measured against."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from rag.read import Piece, Span, best_span

Pair = tuple[str, tuple[Piece, ...]]


class Encodes(Protocol):
    """What is measured of an embedder."""

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Return unit rows, shape (len(texts), dimension)."""
        ...

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return one unit row."""
        ...


class Reads(Protocol):
    """What is measured of a reader."""

    def read(self, pairs: Sequence[Pair]) -> list[Span | None]:
        """Return the best span of each (question, text)."""
        ...


class TorchEmbedder:
    """Plain sentence-transformers, as its documentation uses it."""

    def __init__(self, folder: Path) -> None:
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Return unit rows, in the library's own batches of 32."""
        rows: NDArray[np.float32] = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return rows

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return one unit row."""
        row: NDArray[np.float32] = self.encode_passages([text])[0]
        return row


class TorchReader:
    """Plain transformers: all windows of a call in one padded batch; the span is chosen by our own rule."""

    def __init__(self, folder: Path) -> None:
        self._model = transformers.AutoModelForQuestionAnswering.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        ).eval()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(512, strategy="only_second")

    def read(self, pairs: Sequence[Pair]) -> list[Span | None]:
        """Return the best span of each text's first 512 tokens."""
        spans: list[Span | None] = []
        for first in range(0, len(pairs), 10):
            spans += self._read(pairs[first : first + 10])
        return spans

    def _read(self, pairs: Sequence[Pair]) -> list[Span | None]:
        texts = [(question, "".join(piece.text for piece in pieces)) for question, pieces in pairs]
        windows = self._tokenizer.encode_batch(texts)
        shape = (len(windows), max(len(window.ids) for window in windows))
        ids, mask, types = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
        for row, window in enumerate(windows):
            own = len(window.ids)
            ids[row, :own], mask[row, :own] = torch.tensor(window.ids), 1
            types[row, :own] = torch.tensor(window.type_ids)
        with torch.inference_mode():
            output = self._model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        starts, ends = output.start_logits.numpy(), output.end_logits.numpy()
        return [
            best_span(window, starts[row, : len(window.ids)], ends[row, : len(window.ids)], pairs[row][1])
            for row, window in enumerate(windows)
        ]
