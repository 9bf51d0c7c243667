"""The same models as most people run them (torch, fp32), and quantised by nncf: what ours are measured against."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from index.runtime import ModelCard
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


def quantised(folders: tuple[Path, Path], sample: Sequence[tuple[str, str]], scratch: Path) -> tuple[Path, Path]:
    """Return the converted embedder and reader in static int8; `sample` is (question, passage) pairs."""
    embedder, reader = scratch / "embedder", scratch / "reader"
    _quantise(
        folders[0], embedder, [(passage,) for _, passage in sample] + [(question,) for question, _ in sample[:50]]
    )
    _quantise(folders[1], reader, sample)
    return embedder, reader


def _quantise(folder: Path, out: Path, texts: Sequence[tuple[str, ...]]) -> None:
    import nncf  # not among our dependencies: int8 was measured, and not taken
    import openvino

    card = ModelCard.load(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(min(card.window, 384))
    dataset = nncf.Dataset([_inputs(tokenizer, card, text) for text in texts])
    network = openvino.Core().read_model(folder / "model.xml")
    small = nncf.quantize(network, dataset, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts))
    out.mkdir()
    openvino.save_model(small, out / "model.xml", compress_to_fp16=False)
    shutil.copy(folder / "tokenizer.json", out)
    replace(card, precision="int8").save(out)


def _inputs(tokenizer: Tokenizer, card: ModelCard, text: tuple[str, ...]) -> dict[str, Any]:
    encoding = tokenizer.encode(text[0], text[1] if len(text) > 1 else None)
    columns = {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "token_type_ids": encoding.type_ids,
    }
    return {name: np.array([columns[name]], np.int64) for name in card.inputs}
