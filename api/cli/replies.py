"""Saved replies, as `verify` and `gold new` read them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import UsageError


def read_replies(name: str) -> object:
    """Return the JSON of a file (`-`: of stdin), or a list where values stand one after another, as in JSON Lines.

    UsageError if it is no JSON.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; name a file of saved replies, or - for stdin") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 at byte {error.start}; save the replies as JSON") from None
    found = list(_values(text, name))
    if not found:
        raise UsageError(f"{name}: empty; give replies as JSON or JSON Lines")
    return found[0] if len(found) == 1 else found


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Put the file's name before what is wrong with its replies."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _values(text: str, name: str) -> Iterator[object]:
    """Yield the JSON values that stand one after another in a text."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line, why = 1 + text.count("\n", 0, at), getattr(error, "msg", error)
            raise UsageError(f"{name}:{line}: not JSON ({why}); give replies as JSON or JSON Lines") from None
        yield value
