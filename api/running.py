"""What goes on beside the requests: the models are loaded, evaluations are run, examples are looked for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Protocol

from api.evaluations import Evaluations
from api.examples import Examples
from api.metrics import Metrics
from api.observed import ObservedAnswerer
from api.service_store import ServiceStore
from index.errors import PinciteError
from rag.answer import Answerer

Load = Callable[[], Answerer]

log = logging.getLogger(__name__)


class Parts(Protocol):
    """What requests are answered with; those that may be None are so as long as they are not there."""

    answerer: Answerer | None
    evaluations: Evaluations | None
    examples: Examples | None
    keys: ServiceStore | None
    metrics: Metrics
    log_questions: bool


def show(parts: Parts, answerer: Answerer) -> None:
    """Have requests answered from now on."""
    parts.answerer = ObservedAnswerer(answerer, parts.metrics, parts.log_questions)


@asynccontextmanager
async def running(parts: Parts, given: Answerer | Load) -> AsyncIterator[None]:
    """Load the answerer, unless it is given, while the block runs already.

    Until it ends, evaluations are run and examples looked for. Only what was loaded or opened here is closed then.
    """
    with ExitStack() as opened:
        if isinstance(given, Answerer):
            _run_beside(parts, given, opened)
            yield
            return
        loading = asyncio.create_task(asyncio.to_thread(_load, parts, given, opened))
        try:
            yield
        finally:
            await loading  # a thread cannot be cancelled, and what it opens is still to be closed


def _load(parts: Parts, load: Load, opened: ExitStack) -> None:
    try:
        answerer = load()
        opened.callback(answerer.store.close)
        examples = _run_beside(parts, answerer, opened)
        show(parts, answerer)
        log.info("ready: questions are answered from now on")
        examples.prepare()  # before anyone looks
    except PinciteError as error:
        log.error("%s", error)
    except Exception:
        log.exception("the service cannot begin")


def _run_beside(parts: Parts, answerer: Answerer, opened: ExitStack) -> Examples:
    service = parts.keys or opened.enter_context(ServiceStore(answerer.store.folder))
    # Both around the plain answerer: what is counted is what people ask.
    evaluations = Evaluations(answerer, service)
    evaluations.start()
    opened.callback(evaluations.stop)
    parts.evaluations = evaluations
    examples = parts.examples = Examples(answerer)
    opened.callback(examples.stop)
    return examples
