"""Gold sets sent in, run on the side, and their reports."""

from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.exceptions import HTTPException

from api.evaluations import Evaluations
from api.jobs import Job
from api.problems import GUARDED, refusals
from api.routes.access import Who, needs
from api.routes.batch import NDJSON, require_ndjson
from api.routes.dependencies import Evaluates, spooled
from api.schemas import EvaluationReply, EvaluationsReply, EvaluationSummary, StartedReply

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"], dependencies=[needs("ask")], responses=GUARDED)

_EXAMPLE = '{"id": "q1", "question": "Who leads the SCO?", "answers": ["Vladimir Norov"], "sources": ["summit.txt"]}\n'


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_ndjson)],
    responses=refusals(413, 415, 422),
    response_description="Taken in: it will be run",
    openapi_extra={
        "requestBody": {"required": True, "content": {NDJSON: {"schema": {"type": "string"}, "example": _EXAMPLE}}}
    },
    summary="Begin an evaluation",
)
def begin_evaluation(
    evaluations: Evaluates, who: Who, spool: Annotated[IO[bytes], Depends(spooled)], response: Response
) -> StartedReply:
    """Take in a gold set (JSON Lines, at most 16 MiB) to be asked of the documents; it outlives a restart.

    One evaluation is run at a time, in the order they came. The last 100 that have ended are kept.
    """
    spool.seek(0)
    job = evaluations.submit(spool.read(), who.key_id)
    if job is None:
        raise HTTPException(503, "too many evaluations wait already; try again when some have ended")
    response.headers["location"] = f"/v1/evaluations/{job.job_id}"
    return StartedReply(id=job.job_id, status=job.status)


@router.get("", responses=refusals(422), summary="List evaluations")
def list_evaluations(
    evaluations: Evaluates, limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100
) -> EvaluationsReply:
    """List the evaluations, the latest first, without their reports."""
    return EvaluationsReply(evaluations=[EvaluationSummary.of(job) for job in evaluations.list(limit)])


@router.get("/{evaluation_id}", responses=refusals(404), summary="One evaluation")
def get_evaluation(evaluation_id: str, evaluations: Evaluates) -> EvaluationReply:
    """Tell how far an evaluation is; once it is done, with its report."""
    job = find_evaluation(evaluations, evaluation_id)
    summary = EvaluationSummary.of(job)
    return EvaluationReply(**dict(summary), report=evaluations.report(evaluation_id))


@router.delete("/{evaluation_id}", status_code=204, responses=refusals(404, 409), summary="Cancel an evaluation")
def cancel_evaluation(evaluation_id: str, evaluations: Evaluates, who: Who) -> None:
    """Cancel an evaluation that has not ended (else 409); its own key may, and any with the scope `admin`."""
    job = find_evaluation(evaluations, evaluation_id)
    if job.key_id != who.key_id and "admin" not in who.scopes:
        raise HTTPException(403, "another key began this evaluation; cancel it with that, or with one of scope admin")
    if not evaluations.cancel(evaluation_id):
        raise HTTPException(409, "this evaluation has ended already")


def find_evaluation(evaluations: Evaluations, evaluation_id: str) -> Job:
    """Return an evaluation, or refuse with 404."""
    job = evaluations.get(evaluation_id)
    if job is None:
        raise HTTPException(404, f"there is no evaluation {evaluation_id!r}; GET /v1/evaluations lists those there are")
    return job
