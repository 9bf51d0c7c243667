"""Keys: what one is, how it is made, and how one that is presented is compared. Times are Unix seconds."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from index.errors import UsageError

SCOPES = ("ask", "write", "admin")
MAX_NAME = 100
DAY = 24 * 60 * 60

_FORM = re.compile(r"pk_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: sha256 (32 bytes) of the text that opens with it, never the text.

    A scope grants what it names and nothing else.
    """

    key_id: str
    name: str
    scopes: frozenset[str]
    digest: bytes
    created: int
    expires: int | None = None
    revoked: int | None = None

    def usable(self, now: float) -> bool:
        """Tell whether it may be used at that time."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def opens_with(self, text: str) -> bool:
        """Tell whether `text` is this key. What is compared has the same length whatever was presented."""
        return hmac.compare_digest(self.digest, digest_of(text))


def new_key(name: str, scopes: Iterable[str], days: int | None, now: float) -> tuple[Key, str]:
    """Return a new key and its text, which exists nowhere else; `days` until it expires, None for never.

    Raises UsageError for a scope that there is not, and for a name that is no line of at most 100 characters.
    """
    wanted = frozenset(scopes)
    if unknown := wanted - set(SCOPES):
        raise UsageError(f"no scope {', '.join(map(repr, sorted(unknown)))}; give {', '.join(SCOPES)}")
    if not wanted:
        raise UsageError(f"a key without a scope opens nothing; give {', '.join(SCOPES)}")
    if len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(f"the name of a key is one line of at most {MAX_NAME} characters; choose a shorter one")
    key_id, created = secrets.token_hex(6), int(now)
    text = f"pk_{key_id}_{secrets.token_hex(32)}"
    expires = None if days is None else created + days * DAY
    return Key(key_id, name, wanted, digest_of(text), created, expires), text


def key_id_in(text: str) -> str | None:
    """Return the public part of a key's text; None where it does not have the form of one."""
    found = _FORM.fullmatch(text)
    return found[1] if found else None


def digest_of(text: str) -> bytes:
    """Return sha256 of a key or a session's token.

    They are 256 random bits, so nothing is gained by a slow hash: there is no list of likely ones to try.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
