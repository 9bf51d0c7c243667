"""Texts -> unit vectors, by a converted sentence-transformers model."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.models import ModelFiles
from index.runtime import AUTO, ConvertedModel
from index.types import EmbedderInfo


class Embedder:
    """The default `Encoder` (see `index.types`): MiniLM or whatever sentence-transformers model was converted."""

    def __init__(self, files: ModelFiles, folder: Path, threads: int = 0, precision: str = AUTO) -> None:
        """Load the converted model in `folder`, made of `files` (`index.models.converted`)."""
        self._files = files
        self.folder = folder
        self._model = ConvertedModel(folder, threads, precision)
        self._specials = self._model.tokenizer.num_special_tokens_to_add(is_pair=False)
        self._prefix_tokens = self._count(self._model.card.passage_prefix)

    def _count(self, text: str) -> int:
        return len(self._model.tokenizer.encode(text, add_special_tokens=False).ids)

    @property
    def info(self) -> EmbedderInfo:
        """Return what a store's manifest records."""
        card = self._model.card
        return EmbedderInfo(
            name=self._files.name,
            revision=self._files.revision,
            sha256=self._files.sha256,
            dimension=card.dimension,
            pooling=card.pooling,
            prefix=f"{card.query_prefix}|{card.passage_prefix}",
            precision=self._model.precision,
        )

    @property
    def window(self) -> int:
        """Return the most tokens a passage may have; special tokens and the model's prefix are already taken off."""
        return self._model.card.window - self._specials - self._prefix_tokens

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return each token's (start, end) in characters of `text`, in order."""
        return [(start, end) for start, end in self._model.tokenizer.encode(text, add_special_tokens=False).offsets]

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return one unit row, shape (dimension,). A query longer than the window is cut at it."""
        tokens = self._model.tokenizer.encode(self._model.card.query_prefix + text, add_special_tokens=False)
        # Cut as tokens: text that is cut may have other tokens, and one character (a Hangul syllable) has several.
        tokens.truncate(self._model.card.window - self._specials)
        (row,) = self._model.run_alone(self._model.tokenizer.post_process(tokens))
        unit: NDArray[np.float32] = self._unit([row])[0]
        return unit

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Return unit rows, shape (len(texts), dimension); an empty list gives (0, dimension).

        Raises ValueError if a text has more tokens than `window`.
        """
        prefixed = [self._model.card.passage_prefix + text for text in texts]
        return self._unit([row for (row,) in self._model.run(self._model.tokenizer.encode_batch(prefixed))])

    def _unit(self, outputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        rows = np.array(outputs, np.float32).reshape(len(outputs), self._model.card.dimension)
        lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
        unit = np.zeros_like(rows)
        np.divide(rows, lengths, out=unit, where=lengths > 0)
        return unit
