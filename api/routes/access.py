"""Who asks, and what they may: keys, sessions of browsers, writes from other sites, requests too many."""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Security, params
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.keys import SCOPES, Key, digest_of, key_id_in
from api.limits import RateLimit
from api.service_store import ServiceStore
from index.errors import PinciteError

COOKIE = "pincite_session"
SESSION_SECONDS = 12 * 60 * 60
# What is served without a key: whether the service lives, and the page that takes a key with what it is drawn with.
_LOOKS = {f"/static/{name}" for name in ("palette.css", "pincite.css", "favicon.svg")}
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", *_LOOKS})
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

Explain = Callable[[Request, Exception], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a key, or anyone (`key_id` None) where the service asks for no keys."""

    key_id: str | None
    scopes: frozenset[str]
    in_session: bool = False  # came in through /login


ANYONE = Caller(None, frozenset(SCOPES))
NOBODY = Caller(None, frozenset())


class Gate:
    """Lets in who has a key (else 401), refuses writes from other sites (403) and more requests than agreed (429)."""

    def __init__(self, app: ASGIApp, keys: ServiceStore | None, rate: RateLimit | None, explain: Explain) -> None:
        """Ask for `keys`, unless None; `explain` turns a refusal into the response."""
        self._app = app
        self._keys, self._rate, self._explain = keys, rate, explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the caller in the request's state, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            request.state.caller = self._admit(request)
        except (HTTPException, PinciteError) as refusal:
            response = await self._explain(request, refusal)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, request: Request) -> Caller:
        caller = self._caller(request)
        _refuse_other_sites(request, in_session=caller is not None and caller.in_session)
        if request.scope["path"] in OPEN_PATHS:
            return caller or NOBODY
        if caller is None:
            raise _unknown(request)
        if self._rate and caller.key_id and (wait := self._rate.seconds_to_wait(caller.key_id)):
            refusal = f"this key has used up its requests for this minute; try again in {wait} s"
            raise HTTPException(429, refusal, {"retry-after": str(wait)})
        return caller

    def _caller(self, request: Request) -> Caller | None:
        if self._keys is None:
            return ANYONE
        if "authorization" in request.headers:
            key = find_key(self._keys, _bearer_text(request))
            return Caller(key.key_id, key.scopes) if key else None
        key = _session_key(self._keys, request)
        return Caller(key.key_id, key.scopes, in_session=True) if key else None


def find_key(keys: ServiceStore, text: str) -> Key | None:
    """Return the usable key whose text this is; None if there is none."""
    key_id = key_id_in(text)
    key = keys.key(key_id) if key_id else None
    return key if key and key.opens_with(text) and key.usable(time.time()) else None


def begin_session(keys: ServiceStore, key: Key) -> str:
    """Return the token of a new session, which ends with the key at the latest."""
    token, now = secrets.token_hex(32), time.time()
    keys.add_session(digest_of(token), key.key_id, now + SESSION_SECONDS, now)
    return token


def end_session(keys: ServiceStore, request: Request) -> None:
    """End the session that the request came in with, if any."""
    keys.end_session(digest_of(request.cookies.get(COOKIE, "")))


def _session_key(keys: ServiceStore, request: Request) -> Key | None:
    token, now = request.cookies.get(COOKIE), time.time()
    key = keys.session_key(digest_of(token), now) if token else None
    return key if key and key.usable(now) else None


def _bearer_text(request: Request) -> str:
    """Return the text of the one bearer key that was sent; empty, which is no key, for anything else."""
    given = request.headers.getlist("authorization")
    scheme, _, text = given[0].partition(" ")
    return text.strip() if len(given) == 1 and scheme.lower() == "bearer" else ""


def _unknown(request: Request) -> HTTPException:
    if "authorization" in request.headers:
        refusal = "this key is not known, has expired or was revoked"
        return HTTPException(401, refusal, {"www-authenticate": 'Bearer error="invalid_token"'})
    refusal = "a key is needed: send Authorization: Bearer pk_..., or come in through /login"
    return HTTPException(401, refusal, {"www-authenticate": "Bearer"})


def _refuse_other_sites(request: Request, in_session: bool) -> None:
    """Refuse a write that a page of another site has a browser send.

    Browsers say where a request comes from, and no page can change what they say; a program says nothing, which is
    enough with a key of its own, and not with the cookie of a session.
    """
    if request.method in _SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    elif origin is not None:
        ours = origin.partition("://")[2] == request.headers.get("host")
    else:
        ours = not in_session
    if not ours:
        raise HTTPException(403, "this was sent by a page of another site; only pages of this service may write")


async def caller_of(request: Request) -> Caller:
    """Return who asks, as the gate found out."""
    caller: Caller = request.state.caller
    return caller


_key_scheme = HTTPBearer(
    scheme_name="key", bearerFormat="pk_...", auto_error=False, description="Made with `pincite keys create`."
)


async def _in_scope(
    needed: SecurityScopes, caller: Annotated[Caller, Depends(caller_of)], _: Annotated[object, Security(_key_scheme)]
) -> None:
    if missing := [scope for scope in needed.scopes if scope not in caller.scopes]:
        header = f'Bearer error="insufficient_scope", scope="{" ".join(needed.scopes)}"'
        refusal = f"this key has no scope {', '.join(missing)}; use one that has"
        raise HTTPException(403, refusal, {"www-authenticate": header})


def needs(scope: str) -> params.Security:
    """Return the dependency of endpoints that only keys of this scope may use."""
    if scope not in SCOPES:
        raise ValueError(f"no scope {scope!r}")
    found: params.Security = Security(_in_scope, scopes=[scope])
    return found


Who = Annotated[Caller, Depends(caller_of)]
