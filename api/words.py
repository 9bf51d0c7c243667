"""How numbers are said, on every door."""

from collections.abc import Sequence


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 document`, `1,200 documents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def done_without(missing_shards: Sequence[int]) -> str:
    """Return the sentence that goes with a partial reply."""
    listed = ", ".join(map(str, missing_shards))
    return f"Not all documents were asked: {count(len(missing_shards), 'shard')} did not answer ({listed})."
