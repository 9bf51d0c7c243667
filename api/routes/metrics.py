"""The service in numbers, for Prometheus."""

from contextlib import suppress

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.evaluations import Evaluations
from api.metrics import CONTENT_TYPE, Reading
from api.problems import GUARDED
from api.routes.access import needs
from index.errors import StoreError
from rag.answer import Answerer

router = APIRouter(tags=["health"], dependencies=[needs("admin")], responses=GUARDED)


@router.get(
    "/metrics",
    responses={200: {"content": {"text/plain": {}}}},
    response_class=Response,
    summary="Numbers for Prometheus",
)
def metrics(request: Request) -> Response:
    """Count and time requests, stages, questions, what waits, and say what the store and the models are."""
    state = request.app.state
    readings = [*_of_models(state.answerer), *_of_evaluations(state.evaluations)]
    return Response(state.metrics.exposition(readings), media_type=CONTENT_TYPE)


def _of_models(answerer: Answerer | None) -> list[Reading]:
    readings = [Reading("pincite_ready", "1 once the models are loaded.", float(answerer is not None))]
    if answerer is None:
        return readings
    for kind, info in (("embedder", answerer.encoder.info), ("reader", answerer.reader.info)):
        labels = {"kind": kind, "name": info.name, "sha256": info.sha256}
        readings.append(Reading("pincite_model", "The models that answer.", 1, labels))
    # Without these where the store is in trouble: the others are wanted most then.
    with suppress(StoreError), answerer.store.snapshot() as snapshot:
        readings += [
            Reading("pincite_store_generation", "The store's generation.", snapshot.generation),
            Reading("pincite_store_documents", "Documents in the store.", snapshot.documents),
            Reading("pincite_store_passages", "Passages in the store.", snapshot.passages),
        ]
    return readings


def _of_evaluations(evaluations: Evaluations | None) -> list[Reading]:
    counted: dict[str, int] = {}
    with suppress(StoreError):
        counted = evaluations.count() if evaluations else {}
    return [
        Reading("pincite_evaluations", "Evaluations that are kept, by status.", count, {"status": status})
        for status, count in sorted(counted.items())
    ]
