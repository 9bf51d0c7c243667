"""A gold set asked of an answerer: the report, its table and its gates. Judging one reply is `judge`'s work."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from rag import metrics
from rag.answer import BATCH
from rag.gold import GoldQuestion
from rag.judge import DEPTH, candidate_right, evidence_held, is_gold_passage, measures, stage
from rag.metrics import Metric
from rag.read import Piece
from rag.reread import Files, Reread
from rag.types import Answer, Asked, FoundPassage

T = TypeVar("T")

TIMED = 100  # the most questions that are asked alone for the latency
_CONFIDENCE_DIGITS = 4  # as reported, so that noise below them cannot reorder the risk-coverage curve
_MEANS = (
    "exact_match",
    "f1",
    "has_answer_rate",
    "no_answer_accuracy",
    "overall_exact_match",
    "overall_f1",
    *(f"source_hit@{k}" for k in (1, 5, 10)),
    *(f"recall@{k}" for k in (5, 10)),
    "mrr@10",
    "ndcg@10",
    *(f"passage_hit@{k}" for k in (1, 5, 10)),
    "citation_precision",
    "citation_recall",
    "citation_verified",
    "gold_passage_f1",
)

Progress = Callable[[int, int], None]  # (done, total)
_Place = tuple[str, int, int]  # of a passage: document id, start, end
Record = dict[str, Any]  # one question, judged, as JSON: `row` of the report, `measures`, `right`


class Asks(Protocol):
    """Answers questions."""

    def ask_many(self, questions: Sequence[str], top_k: int, depth: int) -> Iterable[Asked]:
        """Yield one reply a question, lazily and in order, each with at least `depth` ranked passages if there are."""
        ...

    def ask(self, question: str, top_k: int) -> Answer:
        """Answer one question alone."""
        ...

    def read_alone(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> Sequence[str | None]:
        """Return what the reader answers to each question given one text, however unsure; None if nothing."""
        ...


class Sources(Files, Protocol):
    """The documents behind the answers."""

    def sources(self) -> AbstractSet[str]:
        """Return the sources that are indexed."""
        ...

    def passages_to_read(self, source: str) -> Iterable[tuple[FoundPassage, tuple[Piece, ...]]]:
        """Yield the passages of a source, in order, each with what the reader reads of it; none if not indexed."""
        ...


class Records(Protocol):
    """Keeps what was judged, in order. A list does, and so does a `journal.Journal`."""

    def append(self, record: Record, /) -> None:
        """Add the record of the next question."""
        ...

    def __iter__(self) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What the metrics need of one question: all that is kept in memory of it."""

    measures: dict[str, float]
    confidence: float
    right: bool | None


def evaluate(
    answerer: Asks,
    sources: Sources,
    gold: Sequence[GoldQuestion],
    *,
    top_k: int = 10,
    run_info: Mapping[str, object],
    progress: Progress | None = None,
    records: Records | None = None,
) -> dict[str, Any]:
    """Ask every gold question and return the report: `run`, `metrics`, `questions`.

    `run` is `run_info` with the seed and the number of questions. `records` are those of an earlier run of the same
    questions that was cut short, and get the others: questions that have one are not asked again. `progress` is told
    (done, total) after each question, the ones asked again for their latency included; it may raise to stop the run.
    Raises ValueError if `gold` is empty.
    """
    if not gold:
        raise ValueError("no question to evaluate with")
    records = [] if records is None else records
    numbers = [_numbers(record) for record in records]
    timed = evenly_spaced(gold, TIMED)
    tell, total = progress or _untold, len(gold) + len(timed)
    if numbers:
        tell(len(numbers), total)
    for record in _judged(answerer, sources, gold[len(numbers) :], top_k):
        records.append(record)
        numbers.append(_numbers(record))
        tell(len(numbers), total)
    latencies = []
    for done, question in enumerate(timed, start=len(gold) + 1):
        latencies.append(answerer.ask(question.question, top_k).timings_ms.total)
        tell(done, total)
    return {
        "run": {**run_info, "seed": metrics.SEED, "n": len(gold)},
        "metrics": _summary(numbers, latencies),
        "questions": [{**record["row"], "measures": record["measures"]} for record in records],
    }


def _untold(done: int, total: int) -> None:
    """Leave the progress untold."""


def _numbers(record: Record) -> _Numbers:
    return _Numbers(record["measures"], record["row"]["confidence"], record["right"])


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """Return `most` of the items, evenly spaced and in order; all where there are not more."""
    count = min(most, len(items))
    return [items[number * len(items) // count] for number in range(count)]


def _judged(answerer: Asks, sources: Sources, gold: Sequence[GoldQuestion], top_k: int) -> Iterator[Record]:
    """Yield the record of each question, in order, lazily: as many at a time as are asked together."""
    indexed, reread = sources.sources(), Reread(sources)
    asked = zip(gold, answerer.ask_many([question.question for question in gold], top_k, DEPTH), strict=True)
    while some := list(islice(asked, BATCH)):
        records = [_record(question, reply, indexed, reread) for question, reply in some]
        _read_gold_passages(answerer, sources, some, records)
        yield from records


def _record(gold: GoldQuestion, asked: Asked, indexed: AbstractSet[str], reread: Reread) -> Record:
    answer = asked.answer
    scores = measures(gold, asked)
    if answer.citations:
        scores["citation_verified"] = sum(map(reread.confirms, answer.citations)) / len(answer.citations)
    row = {
        "id": gold.id,
        "question": gold.question,
        "answerable": gold.answerable,
        "tags": list(gold.tags),
        "gold_answers": list(gold.answers),
        "prediction": answer.answer,
        "candidate": answer.candidate,
        "confidence": round(answer.confidence, _CONFIDENCE_DIGITS),
        "exact_match": scores.get("overall_exact_match"),
        "f1": scores.get("overall_f1"),
        "citations": [asdict(citation) for citation in answer.citations],
        "stage": stage(gold, asked, indexed),
        "gold_passage": None,
    }
    return {"row": row, "measures": scores, "right": candidate_right(gold, answer.candidate)}


def _read_gold_passages(
    answerer: Asks, sources: Sources, asked: Sequence[tuple[GoldQuestion, Asked]], records: Sequence[Record]
) -> None:
    """Add to the record of each wrong answer what the reader makes of the gold passage, where there is one."""
    wrong = [
        (question, record, *gold_passage, _quotes(reply))
        for (question, reply), record in zip(asked, records, strict=True)
        if record["row"]["stage"] != "ok" and question.answers and (gold_passage := _gold_passage(question, sources))
    ]
    unread = {
        question.id: (question.question, text) for question, _, place, text, quotes in wrong if place not in quotes
    }
    read = dict(zip(unread, answerer.read_alone(list(unread.values())), strict=True))
    for question, record, place, _, quotes in wrong:
        answer = quotes[place] if place in quotes else read[question.id]
        f1 = 0.0 if answer is None else metrics.f1(answer, question.answers)
        record["row"]["gold_passage"] = {"answer": answer, "f1": f1}
        record["measures"]["gold_passage_f1"] = f1


def _gold_passage(gold: GoldQuestion, sources: Sources) -> tuple[_Place, tuple[Piece, ...]] | None:
    """Return where the gold passage is and what is read of it: of several, the first that holds the most evidence."""
    held = [
        (evidence_held(gold, passage), _place(passage), text)
        for source in gold.sources
        for passage, text in sources.passages_to_read(source)
        if is_gold_passage(gold, passage)
    ]
    return max(held, key=lambda one: one[0])[1:] if held else None


def _quotes(asked: Asked) -> dict[_Place, str | None]:
    return {_place(passage): quote for passage, quote in zip(asked.ranking, asked.quotes, strict=False)}


def _place(passage: FoundPassage) -> _Place:
    return passage.document_id, passage.start, passage.end


def _summary(numbers: Sequence[_Numbers], latencies: Sequence[float]) -> dict[str, Metric]:
    summary = {}
    for name in _MEANS:
        if values := [one.measures[name] for one in numbers if name in one.measures]:
            summary[name] = metrics.estimate(values)
    known = [(one.confidence, one.right) for one in numbers if one.right is not None]
    if known:
        pairs = metrics.calibration_pairs(*zip(*known, strict=True))
        summary["ece"] = metrics.estimate(pairs, metrics.ece_statistic(metrics.ECE_BINS))
        summary["aurc"] = metrics.estimate(pairs, metrics.aurc_statistic)
    for percent in (50, 95):
        summary[f"latency_ms_p{percent}"] = metrics.estimate(latencies, metrics.percentile(percent))
    return summary


def check_gates(
    measured: Mapping[str, Metric], minimums: Mapping[str, float], maximums: Mapping[str, float]
) -> list[str]:
    """Return a sentence for each limit that is not kept; a metric that is absent keeps none."""
    limits = [(name, "minimum", limit) for name, limit in minimums.items()]
    limits += [(name, "maximum", limit) for name, limit in maximums.items()]
    return [failure for name, kind, limit in limits if (failure := _failure(measured.get(name), name, kind, limit))]


def _failure(metric: Metric | None, name: str, kind: str, limit: float) -> str | None:
    if metric is None:
        return f"{name} was not measured, so its {kind} {limit:g} is not kept"
    value = metric["value"]
    kept = value >= limit if kind == "minimum" else value <= limit
    return None if kept else f"{name} is {value:.4f}, its {kind} is {limit:g}"


def format_table(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return the report's metrics as rows (name, value, 95 % interval, n): milliseconds to one decimal, else four."""
    rows = []
    for name, metric in report["metrics"].items():
        digits = 1 if name.startswith("latency_ms") else 4
        interval = f"{metric['ci_low']:.{digits}f}..{metric['ci_high']:.{digits}f}"
        rows.append((name, f"{metric['value']:.{digits}f}", interval, str(metric["n"])))
    return rows


def stages(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return how many questions ended at each stage, the most frequent first."""
    counted = Counter(question["stage"] for question in report["questions"])
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))
