"""The way in for browsers: a key is given once, and a cookie stands for it until the session ends."""

import re
from typing import Annotated
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.render import render
from api.routes.access import COOKIE, SESSION_SECONDS, Who, begin_session, end_session, find_key
from api.routes.dependencies import require_media_type
from api.service_store import ServiceStore

# A path of ours: a second slash (or a backslash, which browsers take for one) would lead to another host.
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")

router = APIRouter(include_in_schema=False)


async def form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form; 415 or 422 for what is none."""
    require_media_type(request, ("application/x-www-form-urlencoded",))
    try:
        return dict(parse_qsl((await request.body()).decode(), max_num_fields=10))
    except ValueError:
        raise HTTPException(422, "the body is no form in UTF-8 of at most 10 fields") from None


async def keys_of(request: Request) -> ServiceStore:
    """Return the keys that this service asks for; 404 where it asks for none."""
    keys: ServiceStore | None = request.app.state.keys
    if keys is None:
        raise HTTPException(404, "this service asks for no key")
    return keys


Fields = Annotated[dict[str, str], Depends(form_fields)]
Keys = Annotated[ServiceStore, Depends(keys_of)]


@router.get("/login")
def login_page(keys: Keys, who: Who) -> Response:
    """Show the form that takes a key."""
    return render("login.html", {"next": "/", "error": None, "signed_in": who.in_session})


@router.post("/login")
def log_in(request: Request, keys: Keys, fields: Fields) -> Response:
    """Begin a session, and go on to where the browser wanted to go."""
    key = find_key(keys, fields.get("key", "").strip())
    wanted = own_path(fields.get("next", ""))
    if key is None:
        error = "This key is not known, has expired or was revoked."
        return render("login.html", {"next": wanted, "error": error}, 401)
    response = RedirectResponse(wanted, 303)
    response.set_cookie(
        COOKIE,
        begin_session(keys, key),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
def log_out(request: Request, keys: Keys) -> Response:
    """End the session, here and in the browser."""
    end_session(keys, request)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def login_form(request: Request) -> Response:
    """Return the form in the place of a page that needs a key; it leads back there."""
    query = request.scope["query_string"].decode("latin-1")
    asked = quote(request.scope["path"]) + (f"?{query}" if query else "")
    wanted = own_path(asked) if request.method == "GET" else "/"
    return render("login.html", {"next": wanted, "error": None}, 401)


def own_path(path: str) -> str:
    """Return the path if it is one of this service, else the first page."""
    return path if _OWN_PATH.fullmatch(path) else "/"
