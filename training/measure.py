"""Measures readers with the gold paragraph given: what a reader does when retrieval has done its work.

The model is converted and read with as in `pincite ask`, so what is measured is what ships.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.errors import PinciteError
from index.models import converted, find_reader
from rag.metrics import Metric, estimate, exact_match, f1
from rag.read import Piece, Reader, Span
from training.data import Example, find_files, read_file

_BATCH = 256  # questions read between two lines of progress
log = logging.getLogger("training")


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one set. Each None where the set has no question that it is about.

    `exact`, `f1`: has-answer questions, no threshold. `answered`: share of the has-answer questions with a margin
    above 0; `misled`: the same of the others. `overall_f1`: all questions, an answer given above `threshold` only,
    the margin that makes it greatest on this very set (SQuAD 2.0's "best F1", so an optimistic one).
    """

    name: str
    exact: Metric | None
    f1: Metric | None
    answered: Metric | None
    misled: Metric | None
    overall_f1: Metric | None
    threshold: float | None


def measure(reader: Reader, name: str, examples: Sequence[Example]) -> Measures:
    """Read each question with its own context and score the best span of all its windows."""
    spans = _read(reader, name, examples)
    margins = np.array([span.margin if span else -np.inf for span in spans])
    wanted = [[answer.text for answer in example.answers] for example in examples]
    pairs = [(span.quote if span else "", texts) for span, texts in zip(spans, wanted, strict=True) if texts]
    has = np.array([bool(texts) for texts in wanted])
    scores = np.zeros(len(examples))
    scores[has] = [f1(quote, texts) for quote, texts in pairs]
    threshold = best_threshold(margins, scores, has) if has.any() and not has.all() else None
    overall = None if threshold is None else estimate(np.where(margins > threshold, scores, ~has))
    return Measures(
        name,
        _metric([exact_match(quote, texts) for quote, texts in pairs]),
        _metric(scores[has].tolist()),
        _metric((margins[has] > 0).tolist()),
        _metric((margins[~has] > 0).tolist()),
        overall,
        threshold,
    )


def best_threshold(margins: np.ndarray, scores: np.ndarray, has: np.ndarray) -> float:
    """Return the margin above which answering gives the greatest mean score; the lowest of equally good ones.

    All three are (n,). `scores` count where a question is answered; silence counts 1 where `has` is False, else 0.
    """
    order = np.argsort(-margins, kind="stable")
    gain = np.cumsum(scores[order] - (~has)[order])  # by answering the first 1, 2, ... n
    ranked = margins[order]
    # Questions of equal margin are answered together: only the last of them can be the cut.
    last = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.argmax(np.where(last, gain, -np.inf)))
    if gain[best] <= 0:
        return float(ranked[0])
    return float(ranked[best + 1]) if best + 1 < len(ranked) else float("-inf")


def _metric(rows: Sequence[float]) -> Metric | None:
    return estimate(rows) if rows else None


def _read(reader: Reader, name: str, examples: Sequence[Example]) -> list[Span | None]:
    spans: list[Span | None] = []
    for first in range(0, len(examples), _BATCH):
        block = examples[first : first + _BATCH]
        spans += reader.read([(example.question, (Piece(example.context, 0),)) for example in block])
        log.info("%s: %s of %s", name, len(spans), len(examples))
    return spans


def table(measured: Sequence[Measures]) -> str:
    """Return the measures as a Markdown table, in percent, each with its 95 % bootstrap interval."""
    lines = [
        "| set | n | EM | F1 | margin above 0 | n without answer | margin above 0, wrongly | best overall F1 | at |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in measured:
        cells = [one.name, _n(one.f1), _cell(one.exact), _cell(one.f1), _cell(one.answered), _n(one.misled)]
        cells += [_cell(one.misled), _cell(one.overall_f1)]
        cells.append("-" if one.threshold is None else f"{one.threshold:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _n(metric: Metric | None) -> str:
    return f"{metric['n']:,}" if metric else "0"


def _cell(metric: Metric | None) -> str:
    if not metric:
        return "-"
    return f"{100 * metric['value']:.1f} ({100 * metric['ci_low']:.1f}-{100 * metric['ci_high']:.1f})"


def main() -> None:
    """Run the command; a reason for refusing goes to stderr, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(prog="python -m training.measure", description=__doc__)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("data", type=Path, nargs="+", help="files or folders: SQuAD JSON, or JSONL")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/pincite-measure"), help="for the converted model")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--json", action="store_true", help="JSON with the intervals, one set a line; not a table")
    given = parser.parse_args()
    try:
        files = find_reader(str(given.model), given.model, "")
        folder = converted(files, "reader", given.cache.expanduser(), log.info)
        reader = Reader(files, folder, given.threads)
        read = [(path, read_file(path, {})[0]) for path in find_files(given.data)]
        measured = [measure(reader, path.name.partition(".")[0], examples) for path, examples in read]
    except PinciteError as error:
        log.error("%s", error)
        sys.exit(2)
    rows = [json.dumps({name: getattr(one, name) for name in Measures.__slots__}) for one in measured]
    sys.stdout.write(("\n".join(rows) if given.json else table(measured)) + "\n")


if __name__ == "__main__":
    main()
