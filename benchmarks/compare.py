"""Pincite beside other systems: the same passages, questions and models, in turns, each in a process of its own.

    python -m benchmarks.squad squad2_dev_half.jsonl.xz squad
    python -m benchmarks.compare --corpus squad/report --gold squad/report.jsonl --envs FOLDER --json FILE --plot FILE

Rivals are installed into FOLDER, an environment each, from `benchmarks/rivals/*.txt`. Every system embeds the passages
that Pincite cuts from the corpus, with all-MiniLM-L6-v2, finds 10 for a question, and reads those with Pincite's own
reader. Each runs as its library does by default, threads above all; but for the reader in fp32, where a library would
take the float16 that its file is in. Pincite runs in what the processor does best. It searches by words too, the others
by vectors alone. Its indexing has more in it: it finds, reads and cuts the files, and writes texts, vectors and terms
durably, where the others are given the passages. All have their models loaded when the clock of indexing starts.

A round: each system indexes in a new process. Then each starts anew, opens its index and answers one question (that is
the start), and some more that are not counted. Then all stay, and take turns at blocks of questions, which they search
for and answer. Questions are dealt to the rounds, so each is asked once. A figure is the median of the rounds, with the
range; a ratio is the median of the rounds' own ratios. Memory is what the process holds at the end of a round (RSS).
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from api.build import DEFAULT_READER, prepare_models
from api.settings import load_settings
from benchmarks import machine, plots
from benchmarks.quality import judge
from benchmarks.rivals.environments import frozen, python_of
from benchmarks.rivals.pincite import Pincite
from benchmarks.rivals.protocol import Job, Text, WorkerFailed
from benchmarks.rounds import Bench, Contender, Entry, Outcome, measure, tell
from benchmarks.sidebyside import MEASURES, figures_table, quality_table, ratios_table, spreads
from index.errors import PinciteError
from index.models import default_embedder_folder
from index.store import Store
from rag.evaluate import evenly_spaced
from rag.gold import GoldQuestion, load_gold

SYSTEMS: Mapping[str, Entry] = {
    "pincite": Entry("benchmarks.rivals.pincite"),
    "pincite-http": Entry("benchmarks.rivals.service", index_of="pincite"),
    "haystack": Entry("benchmarks.rivals.haystack", "haystack"),
    "haystack-types": Entry("benchmarks.rivals.haystack", "haystack", ("--token-types",), index_of="haystack"),
    "txtai": Entry("benchmarks.rivals.txtai", "txtai"),
    "plain": Entry("benchmarks.rivals.plain", "plain"),
}
OURS = ("pincite", "pincite-http")


def contenders(names: Sequence[str], envs: Path) -> list[Contender]:
    """Return the systems, with environments made where they are not there yet.

    Raises ValueError for one that opens the index of another which is not among them.
    """
    for name in names:
        if (wanted := SYSTEMS[name].index_of) and wanted not in names:
            raise ValueError(f"{name} is measured over the index of {wanted}; name that too")
    pythons = {env: str(python_of(envs, env)) for env in dict.fromkeys(SYSTEMS[name].env for name in names) if env}
    return [
        Contender(name, entry.command(pythons.get(entry.env, sys.executable)), entry.index_of or name)
        for name, entry in ((name, SYSTEMS[name]) for name in names)
    ]


def cut_passages(corpus: Path, into: Path) -> list[Text]:
    """Index the corpus with Pincite into a new folder (its models are converted first); return the passages."""
    prepare_models(load_settings(), tell)
    ours = Pincite()
    ours.load(default_embedder_folder(), None)
    ours.index(Job([], corpus, into))
    with Store.open(into) as store, store.snapshot() as snapshot:
        stored = [one for each in snapshot.list_documents() for one in snapshot.passages_of(each.document_id)]
    return [Text(f"{one.source}:{one.passage.start}", one.passage.text, one.passage.context) for one in stored]


def report(bench: Bench, questions: Sequence[GoldQuestion], outcome: Outcome) -> tuple[str, dict[str, object]]:
    """Return the tables as Markdown, and all that they were made of as JSON takes it."""
    by_id = {one.id: one for one in bench.passages}
    quality = {system: judge(questions, replies, by_id) for system, replies in outcome.replies.items()}
    reference = bench.contenders[0].name
    about = f"{len(bench.passages)} passages, {len(questions)} questions, {len(outcome.rounds)} rounds"
    here = machine.facts()
    parts = [
        f"{about}. {machine.line(here)}.",
        figures_table(outcome.rounds),
        f"{reference} against each other system; above 1 it is better:",
        ratios_table(outcome.rounds, reference),
        "Answers, per cent:",
        quality_table(quality),
        "\n".join(f"- {system}: {machine.line(found)}" for system, found in outcome.facts.items()),
    ]
    return "\n\n".join(parts), {"machine": here, "about": about, "quality": quality, **asdict(outcome)}


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Give a new folder: the one named, else one that is deleted at the end."""
    if given:
        given.mkdir(parents=True)
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="a folder of files")
    parser.add_argument("--gold", type=Path, required=True, help="questions about them")
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=SYSTEMS,
        default=list(SYSTEMS),
        help="the first is what the others are compared to",
    )
    parser.add_argument("--questions", type=int, default=500, help="evenly spaced (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--envs", type=Path, required=True, help="where rivals are installed, or will be")
    parser.add_argument("--scratch", type=Path, help="a new folder, to keep indexes and logs")
    parser.add_argument("--json", type=Path, help="keep figures, answers and every package's version here")
    parser.add_argument("--plot", type=Path, help="draw the figures; the ending says in which format")
    return parser.parse_args()


def main() -> None:
    """Measure and print the tables."""
    given = _arguments()
    questions = evenly_spaced(load_gold(given.gold), given.questions)
    with _folder(given.scratch) as scratch:
        try:
            systems = contenders(given.systems, given.envs)
            passages = cut_passages(given.corpus, scratch / "cut")
            bench = Bench(
                systems, given.corpus, passages, scratch, default_embedder_folder(), DEFAULT_READER.absolute()
            )
            outcome = measure(bench, questions, given.rounds)
        except (ValueError, WorkerFailed, PinciteError) as error:
            sys.exit(str(error))
    text, kept = report(bench, questions, outcome)
    print(text)
    if given.json:
        kept["packages"] = {one.name: frozen(Path(one.command[0])) for one in systems if one.indexes}
        given.json.write_text(json.dumps(kept, indent=1), "utf-8")
    if given.plot:
        drawn = [(one, of) for one in MEASURES if (of := spreads(outcome.rounds, one))]
        plots.bars(drawn, OURS, machine.line(machine.facts()), given.plot)


if __name__ == "__main__":
    main()
