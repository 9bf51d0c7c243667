"""Templates -> pages. Everything that a page shows is escaped, whoever wrote it."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from api.citation_forms import read_path
from api.words import count, done_without
from rag.report import AROUND, STAGES, TEMPLATES

HERE = Path(__file__).parent
STATIC = HERE / "static"


def render(template: str, context: Mapping[str, object], status: int = 200) -> HTMLResponse:
    """Return the response that is a page made from one of the templates."""
    return HTMLResponse(page_of(template, context), status)


def page_of(template: str, context: Mapping[str, object]) -> str:
    """Return the HTML made from one of the templates; a name that the context lacks is an error."""
    return _ENVIRONMENT.get_template(template).render(context)


def exact(text: str) -> Markup:
    """Return HTML whose text content is `text` to the character, with a line break shown for each of its own.

    A parser would read CR and CRLF as LF; a character reference keeps the CR. Browsers break lines at LF alone, so a
    CR that stands alone is followed by an element that breaks the line and holds no text.
    """
    return Markup(str(escape(text)).replace("\r\n", "&#13;\n").replace("\r", "&#13;<br>"))


def percent(share: float) -> str:
    """Return a probability in words short enough for a page; never 0% or 100%, which it is not."""
    rounded = round(share * 100)
    if rounded <= 0:
        return "below 1%"
    return "above 99%" if rounded >= 100 else f"{rounded}%"


def likelihood(confidence: float) -> str:
    """Return what a confidence means, in words."""
    words = ((0.9, "Very likely right"), (0.75, "Likely right"), (0.5, "More likely right than wrong"))
    return next((word for least, word in words if confidence >= least), "Uncertain")


def moment(written: str) -> str:
    """Return an ISO time as it is read: "2026-11-22 03:14 UTC"."""
    return f"{written[:16].replace('T', ' ')} UTC"


def milliseconds(spent: float) -> str:
    """Return a duration as it is read: "84 ms", "2.3 s"."""
    return f"{spent:.0f} ms" if spent < 1000 else f"{spent / 1000:.1f} s"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader([HERE / "templates", TEMPLATES]),  # a question looks as it does in a report
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["signed_in"] = False  # for pages that are shown to anyone
_ENVIRONMENT.globals |= {"read_path": read_path, "STAGES": STAGES, "AROUND": AROUND}
_ENVIRONMENT.filters |= {
    "exact": exact,
    "percent": percent,
    "likelihood": likelihood,
    "count": count,
    "done_without": done_without,
    "moment": moment,
    "milliseconds": milliseconds,
}
