"""Evaluations in the browser: gold sets sent in, how far each is, its report, and one run against another."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.evaluations import Evaluations
from api.jobs import ENDED, Job
from api.pages.confirmed import Service
from api.pages.render import render
from api.routes.access import Caller, Who, needs
from api.routes.dependencies import Evaluates
from api.routes.evaluations import cancel_evaluation, find_evaluation
from rag.compare import Baseline, Report, compare
from rag.report import render_report

SHOWN = 100
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')

router = APIRouter(prefix="/evaluations", include_in_schema=False, dependencies=[needs("ask")])


@dataclass(frozen=True, slots=True)
class Entry:
    """An evaluation as it is listed; `name` tells it from the others, `ours` that the reader may cancel it."""

    job: Job
    began: str
    name: str
    waits: bool
    ours: bool


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
def comparison_page(evaluations: Evaluates, baseline: str, run: str, different: bool = False) -> HTMLResponse:
    """Show the report of one run with what changed since another; 422 if they measured different things."""
    earlier, report = _report(evaluations, baseline), _report(evaluations, run)
    changed = compare(report, Baseline(_name(find_evaluation(evaluations, baseline)), earlier), different)
    return _report_page({**report, "comparison": changed})


@router.get("/{evaluation_id}")
def report_page(evaluation_id: str, evaluations: Evaluates) -> HTMLResponse:
    """Show the report of an evaluation that is done."""
    return _report_page(_report(evaluations, evaluation_id))


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
        raise HTTPException(409, f"this evaluation has no report: it is {job.status}")
    return report


def _report_page(report: Report) -> HTMLResponse:
    page = render_report(report)
    # The report brings its style and its one script with it, and says by their hash which may run.
    policy = _POLICY.search(page)
    headers = {"content-security-policy": f"{policy[1]}; frame-ancestors 'none'"} if policy else {}
    return HTMLResponse(page, headers=headers)
