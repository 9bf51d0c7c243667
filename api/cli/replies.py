"""Saved replies, as `verify` and `gold new` read them."""

import json
import sys
from pathlib import Path

from index.errors import UsageError


def read_replies(name: str) -> object:
    """Return the JSON of a file (`-`: of stdin), or a list of its lines' JSON. UsageError if it is neither."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; name a file of saved replies, or - for stdin") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 at byte {error.start}; save the replies as JSON") from None
    if not text.strip():
        raise UsageError(f"{name}: empty; give replies as JSON or JSON Lines")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [_reply(line, f"{name}:{number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _reply(line: str, place: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON ({error}); give replies as JSON or JSON Lines") from None
