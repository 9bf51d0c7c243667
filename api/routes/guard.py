"""What stands before every route: the hosts served, the length of a body, what a browser may do with a reply."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem, problem_response

KIB, MIB = 2**10, 2**20
BODY_LIMIT = 64 * KIB
BODY_LIMITS = {"/v1/batch": 16 * MIB, "/v1/citations/verify": 4 * MIB}

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Swagger UI fetches the schema, tries requests out and sets styles of its own.
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'; connect-src 'self'")
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
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
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


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
        await problem_response(refusal)(scope, receive, send)


class BodyLimit:
    """Refuses (413) a body that is longer than its path may have, told by its header or counted as it comes."""

    def __init__(self, app: ASGIApp, default: int = BODY_LIMIT, limits: Mapping[str, int] = BODY_LIMITS) -> None:
        self._app = app
        self._default, self._limits = default, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a `receive` that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._default)
        declared = Headers(scope=scope).get("content-length", "")
        too_long = declared.isdecimal() and int(declared) > limit
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message: Message = {} if too_long else await receive()
            received += len(message.get("body", b""))
            if too_long or received > limit:
                raise HTTPException(413, f"the body is over the limit of {limit:,} bytes; send less at a time")
            return message

        await self._app(scope, receive_within_limit, send)


def _host(headers: Headers) -> str | None:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return None
