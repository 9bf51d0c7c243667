"""A gold set asked of an answerer: the report, its table and its gates. Judging one reply is `judge`'s work."""

import codecs
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Protocol

from rag import metrics
from rag.gold import GoldQuestion
from rag.judge import DEPTH, candidate_right, measures, stage
from rag.metrics import Metric
from rag.types import Answer, Asked, Citation

TIMED = 100  # the most questions that are asked alone for the latency
_REREAD = 8  # documents kept decoded while citations are read again
_CONFIDENCE_DIGITS = 4  # as reported, so that noise below them cannot reorder the risk-coverage curve
_BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
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
)

Progress = Callable[[int, int], None]  # (done, total)


class Asks(Protocol):
    """Answers questions."""

    def ask_many(self, questions: Sequence[str], top_k: int, depth: int) -> Iterable[Asked]:
        """Yield one reply a question, lazily and in order, each with at least `depth` ranked passages if there are."""
        ...

    def ask(self, question: str, top_k: int) -> Answer:
        """Answer one question alone."""
        ...


class Sources(Protocol):
    """The documents behind the answers."""

    def sources(self) -> AbstractSet[str]:
        """Return the sources that are indexed."""
        ...

    def text_of(self, document_id: str) -> str | None:
        """Return the stored text, None if there is no such document."""
        ...

    def file_of(self, document_id: str) -> bytes | None:
        """Return the file as it is on disk now, None if it is gone."""
        ...

    def encoding_of(self, document_id: str) -> str | None:
        """Return the codec that makes the text the file's bytes after its BOM; None where the text was extracted."""
        ...


@dataclass(frozen=True, slots=True)
class _Judged:
    """One question, judged."""

    measures: dict[str, float]
    confidence: float
    right: bool | None
    row: dict[str, Any]


def evaluate(
    answerer: Asks,
    sources: Sources,
    gold: Sequence[GoldQuestion],
    *,
    top_k: int = 10,
    run_info: Mapping[str, object],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask every gold question and return the report: `run`, `metrics`, `questions`.

    `run` is `run_info` with the seed and the number of questions. `progress` is told (done, total) after each question,
    the ones asked again for their latency included; it may raise to stop the run. Raises ValueError if `gold` is empty.
    """
    if not gold:
        raise ValueError("no question to evaluate with")
    timed = _evenly_spaced(gold, TIMED)
    total = len(gold) + len(timed)
    judged = []
    indexed, reread = sources.sources(), Reread(sources)
    replies = answerer.ask_many([question.question for question in gold], top_k, DEPTH)
    for done, (question, asked) in enumerate(zip(gold, replies, strict=True), start=1):
        judged.append(_judge(question, asked, indexed, reread))
        if progress:
            progress(done, total)
    latencies = []
    for done, question in enumerate(timed, start=len(gold) + 1):
        latencies.append(answerer.ask(question.question, top_k).timings_ms.total)
        if progress:
            progress(done, total)
    return {
        "run": {**run_info, "seed": metrics.SEED, "n": len(gold)},
        "metrics": _summary(judged, latencies),
        "questions": [one.row for one in judged],
    }


def _evenly_spaced(gold: Sequence[GoldQuestion], most: int) -> list[GoldQuestion]:
    count = min(most, len(gold))
    return [gold[number * len(gold) // count] for number in range(count)]


def _judge(gold: GoldQuestion, asked: Asked, indexed: AbstractSet[str], reread: "Reread") -> _Judged:
    answer = asked.answer
    scores = measures(gold, asked)
    if answer.citations:
        scores["citation_verified"] = sum(map(reread.confirms, answer.citations)) / len(answer.citations)
    confidence = round(answer.confidence, _CONFIDENCE_DIGITS)
    row = {
        "id": gold.id,
        "question": gold.question,
        "answerable": gold.answerable,
        "tags": list(gold.tags),
        "prediction": answer.answer,
        "candidate": answer.candidate,
        "confidence": confidence,
        "exact_match": scores.get("overall_exact_match"),
        "f1": scores.get("overall_f1"),
        "citations": [asdict(citation) for citation in answer.citations],
        "stage": stage(gold, asked, indexed),
    }
    return _Judged(scores, confidence, candidate_right(gold, answer.candidate), row)


def _summary(judged: Sequence[_Judged], latencies: Sequence[float]) -> dict[str, Metric]:
    summary = {}
    for name in _MEANS:
        if values := [one.measures[name] for one in judged if name in one.measures]:
            summary[name] = metrics.estimate(values)
    known = [(one.confidence, one.right) for one in judged if one.right is not None]
    if known:
        pairs = metrics.calibration_pairs(*zip(*known, strict=True))
        summary["ece"] = metrics.estimate(pairs, metrics.ece_statistic(metrics.ECE_BINS))
        summary["aurc"] = metrics.estimate(pairs, metrics.aurc_statistic)
    for percent in (50, 95):
        summary[f"latency_ms_p{percent}"] = metrics.estimate(latencies, metrics.percentile(percent))
    return summary


class Reread:
    """Reads cited spans again, from the file on disk or, where that is gone, from the stored text."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._images = lru_cache(maxsize=_REREAD)(self._read)

    def confirms(self, citation: Citation) -> bool:
        """Tell whether the characters and, if the text is a decoded file, the bytes at the citation are its quote."""
        text, codec, images = self._images(citation.document_id)
        if text is None or text[citation.start : citation.end] != citation.quote:
            return False
        if codec is None or citation.byte_start is None or citation.byte_end is None:
            return codec is None and citation.byte_start is None and citation.byte_end is None
        quoted = citation.quote.encode(codec)
        return any(image[citation.byte_start : citation.byte_end] == quoted for image in images)

    def _read(self, document_id: str) -> tuple[str | None, str | None, tuple[bytes, ...]]:
        """Return the text, its codec and the bytes that the file has or, if it is gone, may have had."""
        codec = self._sources.encoding_of(document_id)
        file = None if codec is None else self._sources.file_of(document_id)
        if codec is None or file is None:
            text = self._sources.text_of(document_id)
            if codec is None or text is None:
                return text, codec, ()
            body = text.encode(codec)
            return text, codec, (body, _BOMS.get(codecs.lookup(codec).name, b"") + body)
        try:
            return file.decode(codec).removeprefix("\ufeff"), codec, (file,)
        except UnicodeDecodeError:  # the file has changed since it was indexed
            return None, codec, ()


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
