"""Evaluations in the browser: gold sets sent in, how far each is, its report, and one run against another."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.evaluations import Evaluations
from api.jobs import ENDED, Job
from api.pages.confirmed import Service
from api.pages.narrowed import (
    MOVED,
    Listing,
    Wanted,
    listing,
    moved_rows,
    outcomes,
    tags_of,
    text_of_moved,
    text_of_question,
    wanted_in,
)
from api.pages.render import render
from api.routes.access import Caller, Who, needs
from api.routes.dependencies import Evaluates
from api.routes.evaluations import cancel_evaluation, find_evaluation
from api.routes.guard import PAGE_POLICY
from rag.compare import Report
from rag.report import has_gold, render_report, render_sections, style

SHOWN = 100
MOST_TAGS = 50  # to choose from; the others are found by their words
MEASURED_TAGS = 12  # the report as a file has the measures of all
PLACES = 2  # of an answer that are shown beside it
# A report's drawings and bars have styles of their own; its pages have no script.
_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "script-src 'self'", "script-src 'none'"
)

Asked = Annotated[Wanted, Depends(wanted_in)]

router = APIRouter(prefix="/evaluations", include_in_schema=False, dependencies=[needs("ask")])


@dataclass(frozen=True, slots=True)
class Entry:
    """An evaluation as it is listed; `name` tells it from the others, `ours` that the reader may cancel it."""

    job: Job
    began: str
    name: str
    waits: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs to be compared; with `different`, even if they are of other gold sets or documents."""

    run: str
    baseline: str
    different: bool = False

    @property
    def parameters(self) -> dict[str, str]:
        """The pair as it stands in an address."""
        return {"run": self.run, "baseline": self.baseline} | ({"different": "true"} if self.different else {})


Compared = Annotated[Pair, Depends()]


@router.get("")
def evaluations_page(evaluations: Evaluates, service: Service, who: Who) -> HTMLResponse:
    """List the evaluations, the latest first."""
    entries = [_entry(job, who) for job in evaluations.list(SHOWN)]
    context = {
        "entries": entries,
        "done": [entry for entry in entries if entry.job.status == "done"],
        "waits": any(entry.waits for entry in entries),
        "confirmed": len(service.confirmed_lines()),
        "signed_in": who.in_session,
    }
    return render("evaluations.html", context)


@router.post("/confirmed")
def evaluate_confirmed(evaluations: Evaluates, service: Service, who: Who) -> Response:
    """Begin an evaluation of the answers that readers judged."""
    gold = "".join(f"{line}\n" for line in service.confirmed_lines())
    if evaluations.submit(gold.encode(), who.key_id) is None:
        raise HTTPException(503, "too many evaluations wait already; try again when some have ended")
    return RedirectResponse("/evaluations", 303)


@router.get("/compare")
def comparison_page(evaluations: Evaluates, pair: Compared, wanted: Asked, who: Who) -> HTMLResponse:
    """Show what changed in one run since another; 422 if they measured different things."""
    report = _compared(evaluations, pair)
    moved = listing(moved_rows(report["comparison"]), text_of_moved, wanted, pair.parameters)
    context = {
        **_told(find_evaluation(evaluations, pair.run), report, moved, who),
        "before": report["comparison"]["baseline"]["file"],
        "file": f"/evaluations/compare/report.html?{urlencode(pair.parameters)}",
        "sections": _sections(report, moved, "comparison"),
        "outcomes": MOVED,
        "tags": [],
    }
    return _styled(render("comparison.html", context))


@router.get("/compare/report.html")
def comparison_file(evaluations: Evaluates, pair: Compared) -> Response:
    """Return the report of one run with what changed since another, as one file; 422 as `comparison_page`."""
    return _file(_compared(evaluations, pair), f"{pair.run}-{pair.baseline}")


@router.get("/{evaluation_id}")
def report_page(evaluation_id: str, evaluations: Evaluates, wanted: Asked, who: Who) -> HTMLResponse:
    """Show the report of an evaluation that is done: its measures on the first page, and a page of its questions."""
    report = _report(evaluations, evaluation_id)
    rows, tags = report["questions"], tags_of(report["questions"])
    found = listing(rows, text_of_question, wanted)
    context = {
        **_told(find_evaluation(evaluations, evaluation_id), report, found, who),
        "file": f"/evaluations/{evaluation_id}/report.html",
        "sections": _sections(report, found, "blame", "measures", "confidence", "slices", "run"),
        "outcomes": outcomes(rows),
        "tags": tags[:MOST_TAGS],
        "more_tags": len(tags[MEASURED_TAGS:]),
        "has_gold": has_gold(rows),
        "PLACES": PLACES,
    }
    return _styled(render("evaluation.html", context))


@router.get("/{evaluation_id}/report.html")
def report_file(evaluation_id: str, evaluations: Evaluates) -> Response:
    """Return the whole report as one file."""
    return _file(_report(evaluations, evaluation_id), evaluation_id)


@router.post("/{evaluation_id}/cancel")
def cancel(evaluation_id: str, evaluations: Evaluates, who: Who) -> Response:
    """Cancel an evaluation that has not ended."""
    cancel_evaluation(evaluation_id, evaluations, who)
    return RedirectResponse("/evaluations", 303)


def _entry(job: Job, who: Caller) -> Entry:
    began = datetime.fromtimestamp(job.created, UTC).isoformat()
    return Entry(
        job=job,
        began=began,
        name=_name(job),
        waits=job.status not in ENDED,
        ours=job.key_id == who.key_id or "admin" in who.scopes,
    )


def _name(job: Job) -> str:
    return f"{datetime.fromtimestamp(job.created, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _report(evaluations: Evaluations, evaluation_id: str) -> Report:
    job = find_evaluation(evaluations, evaluation_id)
    report = evaluations.report(evaluation_id)
    if report is None:
        raise _no_report(job)
    return report


def _no_report(job: Job) -> HTTPException:
    return HTTPException(409, f"this evaluation has no report: it is {job.status}")


def _compared(evaluations: Evaluates, pair: Pair) -> Report:
    before = find_evaluation(evaluations, pair.baseline)  # 404 once it is gone, though the comparison be remembered
    if before.status != "done":
        raise _no_report(before)
    report = _report(evaluations, pair.run)
    return {**report, "comparison": evaluations.comparison(pair.run, pair.baseline, _name(before), pair.different)}


def _told(job: Job, report: Report, found: Listing, who: Caller) -> dict[str, Any]:
    """Return what every page about a run is drawn from."""
    stages = [row["stage"] for row in report["questions"]]
    return {
        "run": job,
        "name": _name(job),
        "right": stages.count("ok"),
        "total": len(stages),
        "listing": found,
        "style": style(),
        "signed_in": who.in_session,
    }


def _sections(report: Report, found: Listing, *names: str) -> dict[str, str]:
    """Return what a report says of all its questions together, which the first page alone has room for."""
    return render_sections(report, names, MEASURED_TAGS) if found.whole else {}


def _styled(page: HTMLResponse) -> HTMLResponse:
    page.headers["content-security-policy"] = _POLICY
    return page


def _file(report: Report, name: str) -> Response:
    named = f'attachment; filename="evaluation-{name}.html"'
    return HTMLResponse(render_report(report), headers={"content-disposition": named})
