"""What stands before every route: how many come, by what host name, with how long a body; what a reply allows."""

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import MCP_PATH, problem, refusal_response

KIB, MIB = 2**10, 2**20
BODY_LIMIT = 64 * KIB
BODY_LIMITS = {
    "/v1/chat/completions": 1 * MIB,  # with the turns before the question
    "/v1/batch": 16 * MIB,
    "/v1/evaluations": 16 * MIB,
    "/v1/citations/verify": 4 * MIB,
    MCP_PATH: 4 * MIB,  # the longest call is a verification
}
UPLOADS = "/v1/documents"

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Swagger UI sets styles of its own.
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    # Not "no-referrer": with it browsers hide where a form of our own was sent from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # A deleted document is not to live on in a cache.
    "cache-control": "no-store",
}


class ReplyHeaders:
    """Gives every reply the `HEADERS` that it does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add to the reply's first message."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if scope["path"].startswith("/static/"):  # ours, and the same for everyone: asked for by its ETag
                    headers.setdefault("cache-control", "no-cache")
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Heads:
    """Answers HEAD as GET, without the body: load balancers and `curl -I` ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on as GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_no_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_no_body)
        finally:
            scope["route"] = as_get.get("route")  # for who counts requests


class Crowd:
    """Refuses (503) at once what comes while `most` requests are being served, so that no queue grows behind them."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most, self._here = most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count and pass on, or refuse; whether the service is alive is told to as many as ask."""
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
        elif self._here >= self._most:
            refusal = problem(503, f"{self._here} requests are being served already; try again later")
            await refusal_response(scope["path"], refusal)(scope, receive, send)
        else:
            self._here += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._here -= 1


class KnownHosts:
    """Refuses (403) what is sent to a name that is not ours.

    A page of another site can have its own name resolve to this machine (DNS rebinding), and would read every reply.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] != "http" or _host(Headers(scope=scope)) in self._hosts:
            await self._app(scope, receive, send)
            return
        refusal = problem(403, f"this service is not reached by that host name; use {' or '.join(sorted(self._hosts))}")
        await refusal_response(scope["path"], refusal)(scope, receive, send)


class BodyLimit:
    """Refuses a body that is longer than its path may have (413), compressed (415), or too long on its way (503)."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int], seconds: float) -> None:
        """Allow `limits` bytes by path, `BODY_LIMIT` elsewhere, and `seconds` from the first look at it to its end."""
        self._app = app
        self._limits, self._seconds = limits, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a `receive` that counts."""
        if scope["type"] == "http":
            limit = self._limits.get(scope["path"], BODY_LIMIT)
            headers = Headers(scope=scope)
            refusal = None
            codings = {coding.strip() for coding in headers.get("content-encoding", "").lower().split(",")}
            if codings - {"", "identity"}:
                refusal = HTTPException(415, "the body is compressed; send it as it is, without Content-Encoding")
            elif _number(headers.get("content-length", "")) > limit:
                refusal = _too_long(limit)
            receive = _Bounded(receive, limit, self._seconds, refusal)
        await self._app(scope, receive, send)


class _Bounded:
    """A `receive` that counts bytes and seconds until the body has ended."""

    def __init__(self, receive: Receive, limit: int, seconds: float, refusal: HTTPException | None) -> None:
        """Raise `refusal`, if there is one already, in the place of the body."""
        self._receive = receive
        self._limit, self._seconds, self._refusal = limit, seconds, refusal
        self._received, self._until, self._ended = 0, 0.0, False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()  # which waits for the client to go, however long that takes
        if self._refusal:
            raise self._refusal
        self._until = self._until or asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(503, f"the body did not arrive within {self._seconds:g} s; send it faster") from None
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise _too_long(self._limit)
        self._ended = not message.get("more_body", False)
        return message


def _too_long(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is over the limit of {limit:,} bytes; send less at a time")


def _number(text: str) -> int:
    """Return a number in plain digits; 0 for anything else, which is then counted as it comes."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0


def _host(headers: Headers) -> str | None:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return None
