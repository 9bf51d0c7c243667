"""Example questions that are known to work: each was asked, and was answered from the place that it was made from."""

import logging
import threading
from collections.abc import Iterator

from api.example_questions import Candidate, candidates
from index.moment import Moment
from index.types import Document
from rag.answer import Answerer, AnswererAt
from rag.types import Answer

SHOWN = 5
ASKED = 12  # at most, to find them
LOOKED_AT = 50  # documents

log = logging.getLogger(__name__)


class Examples:
    """The examples of one store. They are asked in a thread of their own, once for each state of the documents."""

    def __init__(self, answerer: Answerer) -> None:
        """Ask this one; its store is the caller's to close, after `stop`."""
        self._answerer = answerer
        self._known: tuple[int, tuple[str, ...]] = (-1, ())
        self._busy, self._stopping = threading.Lock(), threading.Event()

    def at(self, generation: int) -> tuple[str, ...]:
        """Return the examples of this generation that are known by now, the surest first."""
        known, questions = self._known
        if known == generation:
            return questions
        self.prepare()
        return ()

    def prepare(self) -> None:
        """Begin to look for the examples of now, unless that is under way."""
        if not self._busy.acquire(blocking=False):
            return
        if self._stopping.is_set():  # asked while `stop` has to wait: nothing begins after it
            self._busy.release()
            return
        try:
            threading.Thread(target=self._prepare, name="examples", daemon=True).start()
        except RuntimeError:  # no thread can be had now; the next look at the page tries again
            self._busy.release()

    def stop(self) -> None:
        """Return when nothing is asked any more."""
        self._stopping.set()
        with self._busy:
            pass

    def _prepare(self) -> None:
        try:
            self._answerer.store.at_one_moment(self._look)
        except Exception:  # the page is whole without them
            log.exception("no examples could be found")
        finally:
            self._busy.release()

    def _look(self, moment: Moment) -> None:
        answerer = AnswererAt(self._answerer, moment)
        sound: list[Answer] = []
        self._known = (moment.generation, ())
        for candidate in candidates(_documents(moment))[:ASKED]:
            if self._stopping.is_set():
                return
            answer = answerer.ask(candidate.question)
            if _answers(answer, candidate):
                sound = sorted([*sound, answer], key=lambda one: -one.confidence)[:SHOWN]
                self._known = (moment.generation, tuple(one.question for one in sound))


def _documents(moment: Moment) -> Iterator[Document]:
    for summary in moment.list_documents(LOOKED_AT):
        if stored := moment.document(summary.document_id):
            yield stored.document


def _answers(answer: Answer, candidate: Candidate) -> bool:
    return any(
        cited.document_id == candidate.document_id and cited.start < candidate.end and candidate.start < cited.end
        for cited in answer.citations
    )
