"""An answerer whose questions are counted, timed and, where that is wanted, logged: whichever door they came in by."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from api.metrics import Metrics
from index.types import NO_FILTERS, Filters
from rag.answer import TOP_K, Answerer, Request
from rag.cite import VerificationError
from rag.types import Answer, Asked, SearchResult

log = logging.getLogger("pincite.questions")


class ObservedAnswerer(Answerer):
    """Answers as the answerer that it was made of does."""

    def __init__(self, answerer: Answerer, metrics: Metrics, log_questions: bool) -> None:
        """With `log_questions`, each question goes into the log with its answer."""
        super().__init__(answerer.store, answerer.encoder, answerer.reader, answerer.calibration)
        self._metrics, self._log_questions = metrics, log_questions

    def ask_all(self, requests: Iterable[Request], depth: int = 0) -> Iterator[Asked]:
        """See `Answerer.ask_all`."""
        with self._failures():
            for asked in super().ask_all(requests, depth):
                self._note(asked.answer)
                yield asked

    def ask_in_steps(self, request: Request) -> Iterator[SearchResult | Answer]:
        """See `Answerer.ask_in_steps`."""
        with self._failures():
            for step in super().ask_in_steps(request):
                if isinstance(step, Answer):
                    self._note(step)
                yield step

    def search(self, query: str, top_k: int = TOP_K, filters: Filters = NO_FILTERS) -> SearchResult:
        """See `Answerer.search`."""
        result = super().search(query, top_k, filters)
        self._metrics.observe_stages(result.timings_ms)
        return result

    def _note(self, answer: Answer) -> None:
        self._metrics.observe_stages(answer.timings_ms)
        self._metrics.questions.labels("withheld" if answer.answer is None else "answered").inc()
        if self._log_questions:
            told = {"question": answer.question, "answer": answer.answer, "confidence": answer.confidence}
            log.info("asked", extra=told)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._metrics.questions.labels("failed").inc()
            if isinstance(error, VerificationError):
                self._metrics.verification_failures.inc()
            raise
