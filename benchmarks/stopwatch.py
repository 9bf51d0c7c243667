"""Where the time of a call goes: functions are timed where they stand, each less what others took that it called."""

import contextlib
import functools
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import index.ahead

Args = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A function to time: `name` in `module` (`Class.method`, or as the module that calls it imports it).

    `label` is what its time is booked under, or tells that from the arguments of a call.
    """

    label: str | Callable[[Args], str]
    module: str
    name: str


@dataclass(slots=True)
class Stopwatch:
    """Books time under labels. For one thread: what others do while it waits is time of the one that waits."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # by label; each is booked once
    _inner: list[float] = field(default_factory=list)  # for each open span, what spans inside it took

    @contextlib.contextmanager
    def span(self, label: str) -> Iterator[None]:
        """Book the time of the block, less that of spans inside it."""
        self._inner.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[label] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took

    @contextlib.contextmanager
    def watch(self, points: Sequence[Point]) -> Iterator[None]:
        """Time these functions inside the block. AttributeError for one that there is not."""
        with contextlib.ExitStack() as undo:
            for point in points:
                owner, name = owner_of(point)
                original = getattr(owner, name)
                undo.callback(setattr, owner, name, original)
                setattr(owner, name, self._timed(original, point))
            yield

    def _timed(self, original: Callable[..., Any], point: Point) -> Callable[..., Any]:
        @functools.wraps(original)
        def timed(*args: Any, **named: Any) -> Any:  # noqa: ANN401 (stands for any function)
            with self.span(point.label if isinstance(point.label, str) else point.label(args)):
                return original(*args, **named)

        return timed


@contextlib.contextmanager
def reading_in_turn() -> Iterator[None]:
    """Have `ingest` read and embed in turns and in one thread, as a stopwatch needs it, and not at the same time."""
    with patch.object(index.ahead, "one_ahead", lambda batches, _: batches):
        yield


def owner_of(point: Point) -> tuple[Any, str]:
    """Return what holds the function, a module or a class, and its name there. AttributeError if nothing does."""
    *classes, name = point.name.split(".")
    owner = functools.reduce(getattr, classes, importlib.import_module(point.module))
    getattr(owner, name)
    return owner, name
