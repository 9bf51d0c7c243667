"""Tells, beside the files that a run has read, how many passages it has embedded and how fast."""

import time

import numpy as np
from numpy.typing import NDArray

from index.ingest import Progress
from index.types import EmbedderInfo, Encoder


class CountedEncoder:
    """An `Encoder` that counts the passages it is given; `progress` is what a run is to tell its files."""

    def __init__(self, encoder: Encoder, progress: Progress) -> None:
        """Hand everything on to these two."""
        self._encoder, self._told = encoder, progress
        self._passages, self._began = 0, 0.0
        self._files = (0, 0, "")

    def progress(self, done: int, total: int, source: str) -> None:
        """Tell of a file, and of the passages embedded so far."""
        self._files = (done, total, source)
        embedded = f"{self._passages:,} passages, {self._rate():.0f}/s  " if self._passages else ""
        self._told(done, total, embedded + source)

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the rows of `Encoder.encode_passages`."""
        self._began = self._began or time.monotonic()
        rows = self._encoder.encode_passages(texts)
        self._passages += len(texts)
        self.progress(*self._files)
        return rows

    def _rate(self) -> float:
        """Return passages a second since the first were given: what else is done meanwhile takes its share."""
        return self._passages / max(time.monotonic() - self._began, 1e-3)

    @property
    def info(self) -> EmbedderInfo:
        """What the store's manifest records."""
        return self._encoder.info

    @property
    def window(self) -> int:
        """The most tokens a text may have."""
        return self._encoder.window

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return each token's span in characters."""
        return self._encoder.token_spans(text)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return the row of `Encoder.encode_query`."""
        return self._encoder.encode_query(text)
