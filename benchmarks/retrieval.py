"""Quality of retrieval on judged questions: dense, lexical and fused rankings, side by side.

Folders are BEIR's (corpus.jsonl, queries.jsonl, qrels.tsv) or documents with a gold set; see `benchmarks.judged`. Each
is cut, embedded and stored as `pincite index` would, and searched as `pincite search` would; a document's score is that
of its best passage. Without options the product's own settings are measured. Options that take several values are tried
in every combination. `--json` keeps the scores of every question, and `--baseline` compares with those kept before: the
mean difference over the same questions, with a paired bootstrap interval.

    python -m benchmarks.retrieval scifact cranfield cisi time
    python -m benchmarks.retrieval scifact --split train --fusion min-max rrf --dense-weight 0.4 0.5 0.6
"""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api.build import build_embedder, build_reader, chunk_limits
from api.settings import Settings
from benchmarks.bm25 import Knobs
from benchmarks.duplicates import near_duplicates
from benchmarks.evidence import evidence_measures
from benchmarks.fusion import FUSIONS
from benchmarks.judged import Collection, load_collection
from benchmarks.passages import Cut, Progress, Vectors, fill
from benchmarks.rankings import Fuse, margins, matching, nearest, ordered, passages, reread
from index.chunk_limits import ChunkLimits
from index.rankings import Ranking
from index.snapshot import Snapshot
from index.types import Encoder, StoredPassage
from rag.gold import GoldQuestion
from rag.judge import retrieval_measures
from rag.metrics import estimate, ndcg, recall
from rag.paired import compare_pairs
from rag.read import Reads
from rag.retrieve import CANDIDATES, DENSE_WEIGHT
from rag.types import FoundPassage

Scores = dict[str, float]  # by the measure's name
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried on a collection. `reread` passages are read again, with each of `reread_weights`."""

    cut: Cut
    fuses: tuple[Fuse, ...]
    knobs: Knobs | None = None
    reread: int = 0
    reread_weights: tuple[float, ...] = (1.0,)


def judge(gold: GoldQuestion, ranked: Sequence[StoredPassage]) -> Scores:
    """Return every measure that the question allows."""
    sources = list(dict.fromkeys(one.source for one in ranked))
    wanted = set(gold.sources)
    scores = {"ndcg@10": ndcg(wanted, sources, 10)}
    scores |= {f"recall@{k}": recall(wanted, sources, k) for k in (10, 100)}
    scores["near_duplicates@10"] = near_duplicates([one.passage.text for one in ranked[:10]])
    if gold.evidence or gold.answers:
        judged = retrieval_measures(gold, [as_found(one) for one in ranked[:10]])
        scores |= {name: score for name, score in judged.items() if "_hit@" in name}
    return scores | evidence_measures(gold, ranked)


def as_found(stored: StoredPassage) -> FoundPassage:
    """Return the passage as `rag.judge` takes it."""
    one = stored.passage
    return FoundPassage(
        stored.passage_id, one.document_id, stored.source, None, one.start, one.end, one.text, score=0.0
    )


def measure(
    collection: Collection, encoder: Encoder, vectors: Vectors, trial: Trial, reader: Reads | None = None
) -> Iterator[Row]:
    """Yield one row a ranking: dense, lexical, each fusion's, and what the reader makes of the first fusion's."""
    questions = [question.question for question in collection.questions]
    with tempfile.TemporaryDirectory() as folder:
        store = fill(Path(folder), collection.documents, encoder, vectors, trial.cut)
        with store, store.snapshot() as snapshot:
            dense = nearest(snapshot, vectors.of_questions(questions))
            lexical = matching(snapshot, questions, trial.knobs)
            known = passages(snapshot)
            rows = _Rows(collection, known, trial)
            yield rows.row("dense", {}, dense)
            yield rows.row("lexical", {}, lexical)
            for fuse in trial.fuses:
                yield rows.row("fused", asdict(fuse), list(map(fuse, dense, lexical)))
            if trial.reread and reader:
                fused = list(map(trial.fuses[0], dense, lexical))
                yield from rows.read_again(snapshot, reader, fused)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Makes rows of rankings over one collection."""

    collection: Collection
    known: dict[int, StoredPassage]
    trial: Trial

    def row(self, side: str, settings: Row, rankings: Sequence[Ranking]) -> Row:
        return self._row(side, settings, [ordered(ranking, self.known) for ranking in rankings])

    def read_again(self, snapshot: Snapshot, reader: Reads, rankings: Sequence[Ranking]) -> Iterator[Row]:
        n = self.trial.reread
        lists = [ordered(ranking, self.known) for ranking in rankings]
        questions = [gold.question for gold in self.collection.questions]
        read = [margins(snapshot, reader, *pair) for pair in zip(questions, [one[:n] for one in lists], strict=True)]
        settings = {"reread": n, "ms": round(sum(spent for _, spent in read) / max(1, len(read)))}
        for weight in self.trial.reread_weights:
            again = [reread(one, margin, weight) for one, (margin, _) in zip(lists, read, strict=True)]
            yield self._row("reread", {**settings, "weight": weight}, again)

    def _row(self, side: str, settings: Row, rankings: Sequence[Sequence[StoredPassage]]) -> Row:
        questions = self.collection.questions
        judged = {gold.id: judge(gold, ranked) for gold, ranked in zip(questions, rankings, strict=True)}
        names = dict.fromkeys(name for scores in judged.values() for name in scores)
        metrics = {name: estimate([scores[name] for scores in judged.values() if name in scores]) for name in names}
        about = {"folder": self.collection.name, "passages": len(self.known), "cut": asdict(self.trial.cut)}
        return {**about, "side": side, "settings": settings, "metrics": metrics, "questions": judged}


def difference(row: Row, baseline: Sequence[Row], metric: str) -> str:
    """Return how far a row is from the baseline's first of its folder and side: the mean difference, its interval."""
    sides = ("reread", "fused") if row["side"] == "reread" else (row["side"],)
    rows = [old for side in sides for old in baseline if (old["folder"], old["side"]) == (row["folder"], side)]
    before = rows[0]["questions"] if rows else {}
    pairs = [
        [[before[name][metric]], [now[metric]]]
        for name, now in row["questions"].items()
        if metric in before.get(name, {})
    ]
    if not pairs:
        return ""
    paired = compare_pairs(pairs)
    return f"{paired['difference']:+.4f} ({paired['ci_low']:+.4f}..{paired['ci_high']:+.4f})"


def print_rows(rows: Sequence[Row], baseline: Sequence[Row], metric: str) -> None:
    """Print a table a folder."""
    for folder, group in itertools.groupby(rows, key=lambda row: str(row["folder"])):
        some = list(group)
        names = list(some[0]["metrics"])
        against = [f"{metric} against the baseline"] if baseline else []
        print(f"\n{folder}: {len(some[0]['questions'])} questions, {some[0]['passages']} passages\n")
        print("| ranking | " + " | ".join([*names, *against]) + " |")
        print("|---" * (1 + len(names) + len(against)) + "|")
        for row in some:
            label = " ".join([row["side"], *(str(value) for value in row["settings"].values())])
            cells = [f"{row['metrics'][name]['value']:.4f}" for name in names]
            cells += [difference(row, baseline, metric)] if baseline else []
            print(f"| {label} | " + " | ".join(cells) + " |")


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--split", default="", help="train, for example: qrels.train.tsv instead of qrels.tsv")
    fusing = parser.add_argument_group("fusion")
    fusing.add_argument("--fusion", nargs="+", default=["product"], choices=FUSIONS)
    fusing.add_argument("--dense-weight", nargs="+", type=float, default=[DENSE_WEIGHT])
    fusing.add_argument("--candidates", nargs="+", type=int, default=[CANDIDATES], help="passages from each side")
    cutting = parser.add_argument_group("passages")
    cutting.add_argument("--target-tokens", type=int, help="what a passage's length aims at")
    cutting.add_argument("--overlap", type=int, help="sentences shared by neighbours")
    cutting.add_argument("--no-title", choices=["dense", "lexical", "both"], help="who is not shown title and headings")
    terms = parser.add_argument_group("lexical index (any of these replaces Tantivy by a plain BM25)")
    terms.add_argument("--plain", action="store_true", help="with Tantivy's own settings")
    terms.add_argument("--k1", type=float)
    terms.add_argument("--b", type=float)
    terms.add_argument("--context-weight", type=int, help="how often title and headings count")
    terms.add_argument("--stop-words", choices=["nothing", "questions", "all"], help="what they are left out of")
    terms.add_argument(
        "--repeats", action="store_true", default=None, help="a question's repeated terms count so often"
    )
    terms.add_argument("--no-stems", dest="stems", action="store_false", default=None)
    parser.add_argument("--reread", type=int, default=0, help="let the reader rank the first N again")
    parser.add_argument("--reread-weight", nargs="+", type=float, default=[1.0], help="the reader's part in that")
    parser.add_argument("--cache", type=Path, help="folder where vectors are kept for the next run")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all figures, those of single questions too")
    parser.add_argument("--baseline", type=Path, help="a file made by --json")
    parser.add_argument("--metric", default="ndcg@10", help="what is compared with the baseline")
    return parser


def trial_of(args: argparse.Namespace, product: ChunkLimits) -> Trial:
    """Return what the arguments ask for; where they are silent, the product's settings."""
    limits = ChunkLimits(
        window=product.window,
        target=product.target if args.target_tokens is None else args.target_tokens,
        overlap_sentences=product.overlap_sentences if args.overlap is None else args.overlap,
    )
    fuses = tuple(Fuse(*each) for each in itertools.product(args.fusion, args.dense_weight, args.candidates))
    given = {name: getattr(args, name) for name in ("k1", "b", "context_weight", "stop_words", "stems", "repeats")}
    changed = {name: value for name, value in given.items() if value is not None}
    knobs = Knobs(**changed) if changed or args.plain else None
    cut = Cut(limits, args.no_title not in ("dense", "both"), args.no_title not in ("lexical", "both"))
    return Trial(cut, fuses, knobs, args.reread, tuple(args.reread_weight))


def reporter(stream: Any) -> Progress:  # noqa: ANN401 (anything with isatty and write)
    """Return what shows progress on a terminal, and stays silent elsewhere."""
    shown = stream.isatty()
    return lambda what, done, total: shown and print(f"\r{what}: {done} of {total} ", end="", file=stream, flush=True)


def main(argv: Sequence[str] | None = None, load: Callable[[Settings], Encoder] = build_embedder) -> None:
    """Measure every folder and print its table."""
    args = arguments().parse_args(argv)
    settings = Settings(threads=args.threads)
    encoder = load(settings)
    trial = trial_of(args, chunk_limits(encoder))
    vectors = Vectors(encoder, args.cache, reporter(sys.stderr))
    reader = build_reader(settings) if args.reread else None
    rows: list[Row] = []
    for folder in args.folders:
        rows += measure(load_collection(folder, args.split), encoder, vectors, trial, reader)
    print_rows(rows, json.loads(args.baseline.read_text("utf-8")) if args.baseline else [], args.metric)
    if args.json:
        args.json.write_text(json.dumps(rows), "utf-8")


if __name__ == "__main__":
    main()
