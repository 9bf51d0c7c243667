"""What is counted and timed, for Prometheus: the only import of prometheus_client. Holds no question and no text."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from rag.types import Timings

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name for where several processes keep their numbers
STAGES = ("embed", "search", "read", "total")
OUTCOMES = ("answered", "withheld", "failed")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# When each was first seen: as many lines again, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of the gauge `name`, as it is at the moment of asking."""

    name: str
    help: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


class Metrics:
    """The numbers of one service. Thread-safe; with `share_between_processes`, those of all its processes."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "pincite_requests", "Requests, by the endpoint's path.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "pincite_request_seconds",
            "From a request's arrival to the end of its reply.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "pincite_stage_seconds",
            "Where the time of a question or search went.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.questions = Counter(
            "pincite_questions", "Questions, by what came of them.", ["outcome"], registry=registry
        )
        self.verification_failures = Counter(
            "pincite_verification_failures", "Quotes that were not where they were to be cited.", registry=registry
        )
        self.waiting = _level("pincite_waiting", "Requests that wait for the models.", registry)
        self.using_models = _level("pincite_using_models", "Requests that use the models.", registry)
        # So that each is there, as 0, before it first happens.
        for stage in STAGES:
            self._stage_seconds.labels(stage)
        for outcome in OUTCOMES:
            self.questions.labels(outcome)

    def observe_stages(self, timings: Timings) -> None:
        """Take note of where the time of one question or search went; a stage that there was not took 0 ms."""
        for stage in STAGES:
            if milliseconds := getattr(timings, stage):
                self._stage_seconds.labels(stage).observe(milliseconds / 1000)

    def exposition(self, readings: Sequence[Reading]) -> bytes:
        """Return all numbers, with `readings`, in Prometheus' text format (`CONTENT_TYPE`)."""
        registry = self._registry
        if FOLDER in os.environ:
            _forget_the_dead(Path(os.environ[FOLDER]))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_Readings(readings))


def share_between_processes(folder: Path) -> None:
    """Have the processes that are started from now on keep their numbers together, in this empty folder."""
    os.environ[FOLDER] = str(folder)


class _Readings(Collector):
    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for reading in self._readings:
            family = families.setdefault(
                reading.name, GaugeMetricFamily(reading.name, reading.help, labels=list(reading.labels))
            )
            family.add_metric(list(reading.labels.values()), reading.value)
        yield from families.values()


def _level(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, text, registry=registry, multiprocess_mode="livesum")


def _forget_the_dead(folder: Path) -> None:
    """Take out the levels of processes that have ended: nobody waits there any more."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
