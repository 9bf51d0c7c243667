"""What runs elsewhere, behind Ray Serve: any deployment, an embedder, a reader."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from index.errors import PinciteError, Unreachable
from index.types import EmbedderInfo
from rag.read import Piece, ReaderInfo, Span

RETRY = 0.1  # seconds before a part that died is asked again: its replacement, by then

log = logging.getLogger(__name__)


class Remote:
    """One deployment, asked from a thread that may wait."""

    def __init__(self, handle: DeploymentHandle[Any], name: str, seconds: float) -> None:
        """Wait at most so many seconds for each answer; `name` is what errors call it."""
        self._handle, self._name, self._seconds = handle, name, seconds

    def call(self, method: str, *given: object) -> Any:  # noqa: ANN401 (whatever the method returns)
        """Return what a replica answers. What is asked changes nothing, so it is asked again where a replica dies.

        Raises Unreachable where none answers in time, and the PinciteError that the method raised.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            response = getattr(self._handle, method).remote(*given)
            try:
                return response.result(timeout_s=max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                response.cancel()
                raise Unreachable(f"{self._name} does not answer; try again soon") from error
            except RayTaskError as error:
                if isinstance(error.cause, PinciteError):
                    raise error.cause from None
                raise
            except (RayError, RayServeException) as error:
                log.warning("%s: %s", self._name, error)
                if time.monotonic() + RETRY > deadline:
                    raise Unreachable(f"{self._name} does not answer; try again soon") from error
                time.sleep(RETRY)


class RemoteEncoder:
    """An embedder elsewhere: an `index.types.Encoder`."""

    def __init__(self, embedder: Remote) -> None:
        """Ask what it is; raises Unreachable."""
        self._embedder = embedder
        self._info, self._window = embedder.call("facts")

    @property
    def info(self) -> EmbedderInfo:
        """See `Encoder.info`."""
        info: EmbedderInfo = self._info
        return info

    @property
    def window(self) -> int:
        """See `Encoder.window`."""
        window: int = self._window
        return window

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """See `TokenSpans.token_spans`."""
        spans: list[tuple[int, int]] = self._embedder.call("token_spans", text)
        return spans

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """See `Encoder.encode_query`."""
        row: NDArray[np.float32] = self._embedder.call("encode_query", text)
        return row

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Encoder.encode_passages`."""
        rows: NDArray[np.float32] = self._embedder.call("encode_passages", texts)
        return rows


class RemoteReader:
    """A reader elsewhere: a `rag.read.Reads`."""

    def __init__(self, reader: Remote) -> None:
        """Ask what it is; raises Unreachable."""
        self._reader = reader
        self._info = reader.call("facts")

    @property
    def info(self) -> ReaderInfo:
        """See `Reads.info`."""
        info: ReaderInfo = self._info
        return info

    def read(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[Span | None]:
        """See `Reads.read`."""
        spans: list[Span | None] = self._reader.call("read", list(pairs)) if pairs else []
        return spans
