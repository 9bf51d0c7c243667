"""The values of JSON that a user wrote or kept: each is of its kind, or refused by its name and place."""

from index.errors import UsageError
from index.types import is_encodable

_SHOWN = 40  # characters of a wrong value


def text_in(value: object, name: str) -> str:
    """Return a text, which may be empty; UsageError if it is none, or holds half a surrogate pair."""
    if not isinstance(value, str):
        raise _refused(value, name, "text")
    if not is_encodable(value):
        raise UsageError(f"{name} holds half a surrogate pair, which is no character; correct the escape")
    return value


def list_in(value: object, name: str) -> list[object]:
    """Return a list; UsageError if it is none."""
    if not isinstance(value, list):
        raise _refused(value, name, "a list")
    return value


def object_in(value: object, name: str) -> dict[str, object]:
    """Return an object as JSON knows it; UsageError if it is none."""
    if not isinstance(value, dict):
        raise _refused(value, name, "a JSON object")
    return value


def _refused(value: object, name: str, needed: str) -> UsageError:
    return UsageError(f"{name} is {'missing' if value is None else repr(value)[:_SHOWN]}; needs {needed}")
