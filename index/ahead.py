"""Work ahead of who needs it: documents in runs, their passages embedded, each next one made in a thread."""

import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from index.put import Loaded, vectors_of
from index.store import Store
from index.types import Encoder

T = TypeVar("T")

BATCH = 512  # passages written together; up to three times as many are held
PIECE = 256  # passages embedded together, by length, while the next are read; a new length costs up to 2 ms


def in_pieces(documents: Iterable[Loaded]) -> Iterator[list[Loaded]]:
    """Yield runs of documents with at least `PIECE` passages together.

    The last may have fewer, and so may the first, for nothing is embedded before it is there.
    """
    piece: list[Loaded] = []
    enough = 1
    for loaded in documents:
        piece.append(loaded)
        if sum(len(one.passages) for one in piece) >= enough:
            yield piece
            piece, enough = [], PIECE
    if piece:
        yield piece


def one_ahead(items: Iterator[T], over: threading.Event) -> Generator[T, None, None]:
    """Yield the same, each next one made in a thread while the one before is used.

    `over`, which who makes them looks at, is set when no more is wanted. The thread is waited for.
    """
    with ThreadPoolExecutor(1, "ahead") as thread:
        try:
            following = thread.submit(next, items, None)
            while (item := following.result()) is not None:
                following = thread.submit(next, items, None)
                yield item
        finally:
            over.set()


def embedded(
    store: Store, encoder: Encoder, pieces: Iterable[list[Loaded]], over: threading.Event
) -> Iterator[tuple[list[Loaded], NDArray[np.float32], int]]:
    """Yield batches of at least `BATCH` passages: documents, their rows, and how many texts had to be embedded.

    A batch may be yet to be written while the next is made, so vectors are taken from it too. Raises CancelledError
    once `over` is set, before any more is embedded.
    """
    batch, rows, count = list[Loaded](), list[NDArray[np.float32]](), 0
    before, made = dict[str, NDArray[np.float32]](), dict[str, NDArray[np.float32]]()
    for piece in pieces:
        passages = [passage for loaded in piece for passage in loaded.passages]
        for first in range(0, len(passages) or 1, PIECE):
            if over.is_set():
                raise CancelledError
            some = passages[first : first + PIECE]
            found, fresh = vectors_of(store, encoder, some, before | made)
            made |= zip((passage.embedding_key for passage in some), found, strict=True)
            rows, count = [*rows, found], count + fresh
        batch = batch + piece
        if sum(map(len, rows)) >= BATCH:
            yield batch, np.concatenate(rows), count
            batch, rows, count, before, made = [], [], 0, made, {}
    if batch:
        yield batch, np.concatenate(rows), count
