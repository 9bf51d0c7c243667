"""Evaluations that a service runs on the side: they wait in `service.sqlite`, and outlive its processes."""

import json
import logging
import secrets
import threading
import time
from functools import lru_cache
from hashlib import sha256
from typing import Any

from api.evaluating import evaluate_with
from api.jobs import Job
from api.problems import problem_of
from api.service_store import ServiceStore
from index.errors import UsageError
from index.lock import Locked, exclusive
from rag.answer import TOP_K, Answerer
from rag.compare import Baseline, compare
from rag.evaluate import TIMED
from rag.gold import GoldQuestion, parse_gold

MOST_WAITING = 100
KEPT = 100  # that have ended, with their reports
REMEMBERED = 8  # comparisons, each of some megabytes at most: of thousands of questions one takes most of a minute
LOCK = "evaluations.lock"  # held by the process that runs them
LOOK_EVERY = 2.0  # seconds: another process may have taken one in, or died while it ran one
NOTE_EVERY = 0.5  # seconds between two notes of how far one is, each of which is a write to disk

log = logging.getLogger(__name__)


class _Ended(Exception):
    """The evaluation was cancelled, or the service stops: nothing more is to be asked."""


class Evaluations:
    """The evaluations of one store. Of all processes that serve it, one at a time runs them, in the order they came.

    One that a process leaves behind unfinished is taken up by the next where its journal ends. Every method raises
    StoreError where `service.sqlite` cannot be used.
    """

    def __init__(self, answerer: Answerer, service: ServiceStore) -> None:
        """Neither is owned: closing them is the caller's, after `stop`."""
        self._answerer, self._service = answerer, service
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._comparison = lru_cache(maxsize=REMEMBERED)(self._compare)
        self._held_up: str | None = None  # the one of which was said that it has to wait
        # A daemon: a process that is told twice to end does not call `stop`, and is not to wait for hours.
        self._thread = threading.Thread(target=self._work, name="evaluations", daemon=True)

    def start(self) -> None:
        """Begin to run what waits."""
        self._thread.start()

    def stop(self) -> None:
        """Return when nothing is run any more; what was not finished waits for the next process."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def submit(self, gold: bytes, key_id: str | None) -> Job | None:
        """Take in a gold set (JSON Lines); None if too many wait. When this returns, the evaluation will be run.

        Raises UsageError, naming the line, if the gold set is malformed.
        """
        questions = len(_parsed(gold))
        total = questions + min(TIMED, questions)
        job = Job(secrets.token_hex(8), key_id, int(time.time()), "queued", 0, total)
        if not self._service.add_job(job, gold, MOST_WAITING):
            return None
        self._wake.set()
        return job

    def list(self, limit: int) -> list[Job]:
        """Return at most so many, the latest first; of those that have ended, the last 100 are kept."""
        return self._service.jobs(limit)

    def get(self, job_id: str) -> Job | None:
        """Return one; None if there is none of that id."""
        return self._service.job(job_id)

    def report(self, job_id: str) -> dict[str, Any] | None:
        """Return the report (see `rag.evaluate`) of one that is done, else None."""
        kept = self._service.report_of(job_id)
        return None if kept is None else json.loads(kept)

    def comparison(self, job_id: str, baseline_id: str, baseline_name: str, different: bool) -> dict[str, Any]:
        """Return what changed in one that is done since another (see `rag.compare`), which must not be written to.

        A few are remembered, as reports never change. Raises UsageError where the two measured different things, unless
        `different`, or where either has no report.
        """
        return self._comparison(job_id, baseline_id, baseline_name, different)

    def _compare(self, job_id: str, baseline_id: str, baseline_name: str, different: bool) -> dict[str, Any]:
        report, baseline = self.report(job_id), self.report(baseline_id)
        if report is None or baseline is None:
            raise UsageError("one of the two evaluations has no report; choose two that are done")
        return compare(report, Baseline(baseline_name, baseline), different)

    def cancel(self, job_id: str) -> bool:
        """End one that is queued or running, and tell whether it was; one that runs stops at its next question."""
        return self._service.end_job(job_id, "cancelled", KEPT)

    def count(self) -> dict[str, int]:
        """Return how many there are of each status."""
        return self._service.count_jobs()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._run_waiting()
            except Locked:
                pass  # another process runs them
            except Exception:  # whatever it was, the next look may go better, and later ones still have to be run
                log.exception("evaluations cannot be run now")
            self._wake.wait(LOOK_EVERY)
            self._wake.clear()

    def _run_waiting(self) -> None:
        while not self._stopping.is_set() and self._service.next_job():
            with exclusive(self._answerer.store.folder, timeout=0, name=LOCK):
                # Asked again: who held the lock until now may have ended it.
                if job := self._service.next_job():
                    self._run(job)

    def _run(self, job: Job) -> None:
        """Run one to its end. Raises Locked, and leaves it to be run, where another process is to finish first."""
        if not self._service.note_progress(job.job_id, job.done, job.total):
            return  # cancelled since it was looked at
        if job.job_id != self._held_up:
            log.info("evaluation %s begins", job.job_id)
        try:
            self._service.end_job(job.job_id, "done", KEPT, self._report(job))
            log.info("evaluation %s is done", job.job_id)
        except _Ended:
            return
        except Locked as error:
            if job.job_id != self._held_up:
                log.warning("evaluation %s waits: %s", job.job_id, error)
            self._held_up = job.job_id
            raise
        except Exception as error:
            self._fail(job, problem_of(error).detail)

    def _report(self, job: Job) -> bytes:
        """Return the report as JSON; raises what `_Noted` and `evaluate_with` raise."""
        gold = self._service.gold_of(job.job_id)
        if gold is None:
            raise UsageError("its gold set is gone; send it again")
        report = evaluate_with(
            self._answerer,
            _parsed(gold),
            sha256(gold).hexdigest(),
            top_k=TOP_K,
            notify=log.info,
            progress=_Noted(job, self._service, self._stopping),
        )
        return json.dumps(report, ensure_ascii=False).encode()

    def _fail(self, job: Job, reason: str) -> None:
        # Half a surrogate (of a name that is no text) could not be kept, and it would begin again for ever.
        reason = reason.encode(errors="replace").decode()
        log.error("evaluation %s failed: %s", job.job_id, reason)
        self._service.end_job(job.job_id, "failed", KEPT, error=reason)


class _Noted:
    """Progress that is written down now and then, and ends the run when nobody wants it any more."""

    def __init__(self, job: Job, service: ServiceStore, stopping: threading.Event) -> None:
        self._job, self._service, self._stopping = job, service, stopping
        self._next = 0.0

    def __call__(self, done: int, total: int, _: str) -> None:
        if self._stopping.is_set():
            raise _Ended
        if not self._wanted(done, total):
            raise _Ended

    def _wanted(self, done: int, total: int) -> bool:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + NOTE_EVERY
            return self._service.note_progress(self._job.job_id, done, total)
        found = self._service.job(self._job.job_id)
        return found is not None and found.status == "running"


def _parsed(gold: bytes) -> list[GoldQuestion]:
    """Read a gold set as it was sent; UsageError if it is malformed."""
    try:
        return parse_gold(gold.decode(), "gold set")
    except UnicodeDecodeError as error:
        raise UsageError(f"gold set: not UTF-8 at byte {error.start}; send it as UTF-8") from None
