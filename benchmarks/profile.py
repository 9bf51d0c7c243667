"""Where each millisecond goes, of one question and of indexing, and how far the models are from the machine's limit.

    python -m benchmarks.profile --corpus squad/report --gold squad/report.jsonl

The real code runs, with its functions timed where they stand (`benchmarks.stopwatch`): a line's time is its own, less
that of other lines' functions that it called, so the lines add up to the whole. A line is the mean of all questions, or
of all passages. All is done once before, unmeasured: by then kernels are compiled for every length. What HTTP adds is
measured at a service that runs in another process: the round trip, less what the reply says that the answer took.

A model's limit: its FLOPs for the tokens that it was given (matrix products alone, padding not counted) in the time
that its inference took, against the fastest product of two large matrices in the same precision on all cores, in the
same run. The embedder is given a single short question when asked, which leaves the cores little to share.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch

from api.build import DEFAULT_READER
from api.schemas import AskReply
from benchmarks import machine
from benchmarks.rivals.pincite import Pincite
from benchmarks.rivals.protocol import DEPTH, Job
from benchmarks.rivals.service import PinciteService
from benchmarks.stopwatch import Args, Point, Stopwatch, reading_in_turn
from index.models import default_embedder_folder
from rag.answer import Answerer
from rag.evaluate import evenly_spaced
from rag.gold import load_gold

PEAK_SIZE, PEAK_SECONDS = 2048, 1.5
HTTP, JSON = "HTTP: parse, check, wait for a turn, send, receive", "reply: JSON"


@dataclass(frozen=True, slots=True)
class Shape:
    """A BERT's sizes, as its config.json gives them."""

    layers: int
    hidden: int
    inner: int

    @classmethod
    def of(cls, folder: Path) -> "Shape":
        """Read it from a model's folder."""
        config = json.loads((folder / "config.json").read_text("utf-8"))
        return cls(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])

    def flops(self, tokens: int) -> int:
        """Return the operations of the matrix products for one input; a multiplication and its addition are two.

        In each layer four matrices are hidden x hidden, two hidden x inner, and attention's two have tokens x tokens.
        """
        weights = 4 * self.hidden * self.hidden + 2 * self.hidden * self.inner
        return 2 * self.layers * tokens * (weights + 2 * tokens * self.hidden)


class Inference:
    """Counts what the models are given: FLOPs by the label of their inference."""

    def __init__(self) -> None:
        """Know the default models' shapes."""
        self._shapes = {"embedder": Shape.of(default_embedder_folder()), "reader": Shape.of(DEFAULT_READER)}
        self.flops: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def label(self, args: Args) -> str:
        """Return the label of a call of `ConvertedModel.run` or `run_alone`, and count what it is given."""
        model, given = args
        inputs = given if isinstance(given, list) else [given]
        kind = model.card.kind
        name = f"{kind}: inference"
        self.flops[name] += sum(self._shapes[kind].flops(len(one.ids)) for one in inputs)
        self.tokens[name] += sum(len(one.ids) for one in inputs)
        return name


def models(inference: Inference) -> tuple[Point, ...]:
    """Return the functions that both asking and indexing call."""
    return (
        Point(inference.label, "index.runtime", "ConvertedModel.run"),
        Point(inference.label, "index.runtime", "ConvertedModel.run_alone"),
        Point("embedder: tokenize, make rows unit", "index.embed", "Embedder.encode_passages"),
    )


ASKING = (
    Point("embedder: tokenize the question, make its row unit", "index.embed", "Embedder.encode_query"),
    Point("search: begin a snapshot", "index.store", "Store._current"),
    Point("search: vectors", "index.vector", "VectorView.search"),
    Point("search: words", "index.lexical", "LexicalView.search"),
    Point("search: fuse and rank", "rag.answer", "retrieve"),
    Point("fetch: passages", "index.snapshot", "Snapshot.stored_passages"),
    Point("fetch: documents", "index.snapshot", "Snapshot.stored_documents"),
    Point("reader: put bylines before passages", "rag.answer", "reading_text"),
    Point("reader: tokenize", "rag.read", "Reader._windows"),
    Point("reader: choose spans", "rag.read", "best_span"),
    Point("reader: choose spans", "rag.read", "Reader.read"),
    Point("answer: weigh the evidence", "rag.answer", "candidates"),
    Point("answer: group", "rag.answer", "group"),
    Point("answer and alternatives: sentence, citations", "rag.answer", "statements"),
    Point("answer: passages of the reply", "rag.answer", "found_passages"),
    Point("answer: all else", "rag.answer", "Answerer.ask"),
)
INDEXING = (
    Point("files: find", "benchmarks.rivals.pincite", "find_files"),
    Point("files: read, decode, language", "index.ingest", "look_at"),
    Point("files: mark boilerplate", "index.load", "find_marks"),
    Point("files: metadata", "index.load", "find_metadata"),
    Point("cut: sentences to passages", "index.ingest", "chunk"),
    Point("cut: tokenize", "index.embed", "Embedder.token_spans"),
    Point("store: look up known texts", "index.ahead", "vectors_of"),
    Point("store: texts, passages, vectors (SQLite)", "index.writer", "Writer.put"),
    Point("store: terms (Tantivy)", "index.lexical", "LexicalIndex.rebuild"),
    Point("store: terms (Tantivy)", "index.lexical", "LexicalIndex.update"),
    Point("store: vectors (FAISS)", "index.derived", "write_base"),
    Point("store: vectors (FAISS)", "index.derived", "extend_base"),
    Point("store: begin and commit", "index.ingest", "write_documents"),
    Point("all else", "benchmarks.rivals.pincite", "ingest"),
)


def of_questions(answerer: Answerer, questions: Sequence[str], inference: Inference) -> Stopwatch:
    """Ask everything once unmeasured, then once more; return where the time went, writing of JSON included."""
    for question in questions:
        answerer.ask(question, DEPTH)
    watch = Stopwatch()
    with watch.watch((*ASKING, *models(inference))):
        for question in questions:
            answer = answerer.ask(question, DEPTH)
            with watch.span(JSON):
                AskReply.model_validate(answer).model_dump_json()
    return watch


def of_indexing(corpus: Path, into: Path, inference: Inference) -> Stopwatch:
    """Index a folder into a new store, after another unmeasured; return where the time went."""
    ours = Pincite()
    ours.load(default_embedder_folder(), None)
    ours.index(Job([], corpus, into.with_name("first")))
    watch = Stopwatch()
    with reading_in_turn(), watch.watch((*INDEXING, *models(inference))):
        ours.index(Job([], corpus, into))
    return watch


def over_http(store: Path, questions: Sequence[str]) -> float:
    """Return the seconds, mean of all questions, that a round trip takes beside the answer itself."""
    service = PinciteService()
    try:
        service.open(store)
        for question in questions:
            service.reply(question)
        return mean(_beside(service, question) for question in questions)
    finally:
        service.close()


def _beside(service: PinciteService, question: str) -> float:
    began = time.perf_counter()
    reply = service.reply(question)
    return time.perf_counter() - began - float(reply["timings_ms"]["total"]) / 1000


def peak(precision: str) -> float:
    """Return operations a second of the fastest of many products of two large matrices, on all cores."""
    dtype = {"int8": torch.int8, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    left, right = ((torch.rand(PEAK_SIZE, PEAK_SIZE) * 100).to(dtype) for _ in range(2))
    multiply = torch._int_mm if precision == "int8" else torch.mm  # it has no public name for whole numbers
    fastest, until = float("inf"), time.perf_counter() + PEAK_SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        multiply(left, right)
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * PEAK_SIZE**3 / fastest


def time_table(seconds: Mapping[str, float], count: int, unit: str) -> str:
    """Return Markdown: a line a label, longest first, in milliseconds of one of `count`, with its share."""
    whole = sum(seconds.values())
    lines = [f"| step | ms a {unit} | share |", "|---|---|---|"]
    for label, took in sorted(seconds.items(), key=lambda pair: -pair[1]):
        lines.append(f"| {label} | {took / count * 1000:.3f} | {took / whole:.1%} |")
    lines.append(f"| **together** | **{whole / count * 1000:.3f}** | |")
    return "\n".join(lines)


def limit_table(runs: dict[str, tuple[Inference, Stopwatch]], limit: float) -> str:
    """Return Markdown: a line for each model in each run; `limit` in FLOP/s."""
    lines = ["| inference | tokens | GFLOP | s | GFLOP/s | of the limit |", "|---|---|---|---|---|---|"]
    for run, (inference, watch) in runs.items():
        for label, flops in inference.flops.items():
            took = watch.seconds[label]
            share = flops / took / limit
            figures = f"{inference.tokens[label]:,} | {flops / 1e9:,.1f} | {took:.2f} | {flops / took / 1e9:,.0f}"
            lines.append(f"| {run}, {label.partition(':')[0]} | {figures} | {share:.0%} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="a folder of files")
    parser.add_argument("--gold", type=Path, required=True, help="questions about them")
    parser.add_argument("--questions", type=int, default=100, help="evenly spaced (default: %(default)s)")
    return parser.parse_args()


def _profile(given: argparse.Namespace, into: Path, show: Callable[[str], None]) -> None:
    questions = [one.question for one in evenly_spaced(load_gold(given.gold), given.questions)]
    indexing, asking, ours = Inference(), Inference(), Pincite()
    ours.load(default_embedder_folder(), DEFAULT_READER)
    indexed = of_indexing(given.corpus, into, indexing)
    precision = ours.open(into)["precision"]
    limit = peak(precision)
    asked = of_questions(ours.answerer, questions, asking)
    limit = max(limit, peak(precision))
    asked.seconds[HTTP] = (over_http(into, questions) - asked.seconds[JSON] / len(questions)) * len(questions)
    passages = ours.answerer.store.at_one_moment(lambda moment: moment.passages)
    show(f"{passages} passages, {len(questions)} questions. {machine.line(machine.facts())}.")
    show(time_table(asked.seconds, len(questions), "question"))
    show(time_table(indexed.seconds, passages, "passage"))
    show(f"The limit: {limit / 1e9:,.0f} GFLOP/s ({precision}, {PEAK_SIZE} x {PEAK_SIZE}).")
    show(limit_table({"asking": (asking, asked), "indexing": (indexing, indexed)}, limit))


def main() -> None:
    """Measure and print the tables."""
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        _profile(given, Path(folder) / "store", lambda text: print(text, end="\n\n", flush=True))


if __name__ == "__main__":
    main()
