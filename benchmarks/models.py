"""Runtimes and precisions side by side, alternated in one run: speed, and what the faster ones cost in quality.

    python -m benchmarks.models squad2_dev_half.jsonl.xz --questions 600

Speed is compared with torch in fp32: sentence-transformers for the embedder, transformers for the reader (which reads
the first 512 tokens of a text only). Loss is compared with the first of ours, fp32. What the embedder's precision costs
in retrieval is told by `benchmarks.retrieval`, run with PINCITE_PRECISION=fp32 and with another, and `--baseline`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median

import numpy as np
from numpy.typing import NDArray

from api.build import DEFAULT_READER, DEFAULT_READER_SHA256, build_embedder, build_reader
from api.settings import Precision, Settings
from benchmarks import reference
from index.models import DEFAULT_EMBEDDER, find_embedder, find_reader
from index.runtime import has_bf16
from rag.metrics import Metric, estimate, f1
from rag.read import Piece, Span
from training.data import Example, read_file

ROUNDS, PASSAGES, AT_ONCE = 5, 128, 10


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. Ratios are to the reference, the same texts in the same run."""

    model: str
    runtime: str
    each_second: float  # passages embedded, or questions read with ten passages each
    ratio: float
    question_ms: float  # one question embedded, or read with ten passages: median
    loss: str


def alternate(jobs: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return each job's median seconds; one of each a round, after a round that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            if number:
                taken[name].append(time.perf_counter() - began)
    return {name: median(seconds) for name, seconds in taken.items()}


def embedder_rows(embedders: dict[str, reference.Encodes], texts: list[str], questions: list[str]) -> list[Row]:
    """Measure embedders on passages and single questions; loss is 1 - cosine to the reference's rows."""
    rows = {name: encoder.encode_passages(texts) for name, encoder in embedders.items()}
    speed = alternate({name: lambda e=e: e.encode_passages(texts) for name, e in embedders.items()})  # type: ignore[misc]
    single = {name: _each(encoder.encode_query, questions) for name, encoder in embedders.items()}
    first = next(iter(embedders))
    made = []
    for name in embedders:
        cosines = (rows[name] * rows[first]).sum(axis=1)
        loss = f"cosine {cosines.mean():.5f}, least {cosines.min():.5f}"
        made.append(
            Row("embedder", name, len(texts) / speed[name], speed[first] / speed[name], single[name] * 1e3, loss)
        )
    return made


def reader_rows(readers: dict[str, reference.Reads], examples: Sequence[Example], speed_on: int) -> list[Row]:
    """Measure readers: ten passages a question for speed; F1 on all examples, paired with the first of ours."""
    pairs = [(example.question, (Piece(example.context, 0),)) for example in examples]
    groups = [pairs[i : i + AT_ONCE] for i in range(0, min(len(pairs), speed_on * AT_ONCE), AT_ONCE)]
    speed = alternate({name: lambda r=r: [r.read(group) for group in groups] for name, r in readers.items()})  # type: ignore[misc]
    first, ours = list(readers)[:2]
    spans = {name: reader.read(pairs) for name, reader in readers.items()}
    scores = {name: _scores(found, examples) for name, found in spans.items()}
    made = []
    for name in readers:
        gain = estimate((scores[name] - scores[ours]) * 100)
        margins = _margins(spans[name]) - _margins(spans[ours])
        loss = f"F1 {scores[name].mean() * 100:.2f}, {_signed(gain)}; margin sd {margins.std():.3f}"
        each = speed[name] / len(groups)
        made.append(Row("reader", name, 1 / each, speed[first] / speed[name], each * 1e3, loss))
    return made


def _each(call: Callable[[str], object], texts: Sequence[str]) -> float:
    seconds = []
    for text in texts:
        began = time.perf_counter()
        call(text)
        seconds.append(time.perf_counter() - began)
    return median(seconds[len(seconds) // 4 :])  # the first compile kernels for their lengths


def _scores(spans: Sequence[Span | None], examples: Sequence[Example]) -> NDArray[np.float64]:
    wanted = [[answer.text for answer in example.answers] for example in examples]
    return np.array([f1(span.quote if span else "", texts) for span, texts in zip(spans, wanted, strict=True)])


def _margins(spans: Sequence[Span | None]) -> NDArray[np.float64]:
    return np.array([span.margin if span else 0.0 for span in spans])


def _signed(gain: Metric) -> str:
    return f"{gain['value']:+.2f} [{gain['ci_low']:+.2f}, {gain['ci_high']:+.2f}]"


def measure(examples: Sequence[Example]) -> list[Row]:
    """Measure the default embedder and reader in every runtime and precision that this machine offers."""
    files = find_embedder(DEFAULT_EMBEDDER), find_reader("", DEFAULT_READER, DEFAULT_READER_SHA256)
    embedders: dict[str, reference.Encodes] = {"torch fp32": reference.TorchEmbedder(files[0].folder)}
    readers: dict[str, reference.Reads] = {"torch fp32": reference.TorchReader(files[1].folder)}
    precisions: tuple[Precision, ...] = ("fp32", "bf16", "int8") if has_bf16() else ("fp32", "int8")
    for precision in precisions:
        settings = Settings(precision=precision)
        embedders[f"openvino {precision}"] = build_embedder(settings, _tell)
        readers[f"openvino {precision}"] = build_reader(settings, _tell)
    ours = build_embedder(Settings(), _tell)
    contexts = dict.fromkeys(example.context for example in examples)
    texts = [text for text in contexts if len(ours.token_spans(text)) <= ours.window][:PASSAGES]
    questions = [example.question for example in examples[:60]]
    return embedder_rows(embedders, texts, questions) + reader_rows(readers, examples, speed_on=6)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Print the table; `--json` for the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument("squad", type=Path, help="answerable questions with their contexts, as for training")
    parser.add_argument("--questions", type=int, default=600, help="for the reader's F1 (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    examples = [example for example in read_file(given.squad, {})[0] if example.answers]
    Random(0).shuffle(examples)
    rows = measure(examples[: given.questions])
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    for row in rows:
        speed = f"{row.each_second:7.1f}/s  {row.ratio:5.2f}  {row.question_ms:8.2f} ms"
        print(f"{row.model:9} {row.runtime:14} {speed}  {row.loss}")


if __name__ == "__main__":
    main()
