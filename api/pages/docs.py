"""The interactive API reference: Swagger UI, served from here, so that it works without a network."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from api.pages.render import render
from api.routes.guard import DOCS_POLICY

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs_page() -> HTMLResponse:
    """Show the API reference."""
    page = render("docs.html", {})
    page.headers["content-security-policy"] = DOCS_POLICY
    return page
