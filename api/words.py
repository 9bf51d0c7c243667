"""How numbers are said, on every door."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 document`, `1,200 documents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
