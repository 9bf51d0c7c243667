r"""How cost grows: an exponent for each curve over passages, `top_k`, the length of a question, and clients.

    python -m benchmarks.scale scifact cranfield cisi time --out scale --json scale.json \
        --sizes 1000 3000 10000 30000 100000 300000 1000000
    python -m benchmarks.growth --scale scale.json --corpus squad/report --gold squad/report.jsonl \
        --json growth.json --plot growth.svg

The curves over passages are read from what the first command keeps (there, building is from nothing to a size, if its
folder was new). The others are measured here: the corpus is indexed, and asked over HTTP of a service that runs with
its defaults, but for the bound on requests a minute. Every question is asked once unmeasured before each point: by then
kernels are compiled for its length. Long questions are real ones, one after the other. Many clients are threads, each
with a question at a time: `--questions` or four for each of the most clients, if that is more, the same at every point.
Time is the median as a client sees it; memory is the most that the service holds while it is asked (RSS), and what it
was given before is in that: sizes ascend.

For each: the exponent of cost = a * size^b by least squares over the logarithms, with its standard error. Exit code 1
if one is above 1.05, or a search's is not below 1 from 100,000 passages on.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain, cycle, islice, repeat
from pathlib import Path
from statistics import median

import httpx2

from api.build import prepare_models
from api.settings import load_settings
from benchmarks import machine, plots
from benchmarks.exponents import FEWEST, Curve, Growth, growth, over_passages, table
from benchmarks.own_service import own_service, resident_mib, watched
from benchmarks.rivals.pincite import Pincite
from benchmarks.rivals.protocol import Job
from benchmarks.rounds import tell
from index.errors import PinciteError
from index.models import default_embedder_folder
from index.store import Store
from rag.answer import TOP_K
from rag.evaluate import evenly_spaced
from rag.gold import load_gold
from rag.types import MAX_QUESTION

EACH = 4  # questions for each of the most clients, so that they are all at work most of the time
TIMEOUT = 120  # seconds for a reply


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs, and its process."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Point:
    """What some questions cost: milliseconds that the median one took, those of all by their number, memory in MiB."""

    each_ms: float
    all_ms: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Plan:
    """At which sizes to measure, for each of the three that grow."""

    top_k: Sequence[int]
    words: Sequence[int]
    clients: Sequence[int]


def texts_of(questions: Sequence[str], words: int, count: int) -> list[str]:
    """Return `count` texts of so many words: the questions one after the other, each text from the next one on.

    Raises ValueError for one that is longer than a question may be.
    """
    split = [question.split() for question in questions]
    ordered = (chain.from_iterable(islice(cycle(split), first, None)) for first in range(count))
    texts = [" ".join(islice(following, words)) for following in ordered]
    if (longest := max(map(len, texts), default=0)) > MAX_QUESTION:
        raise ValueError(f"{words} words have up to {longest} characters, at most {MAX_QUESTION} are read; take fewer")
    return texts


def measured(service: Service, questions: Sequence[str], top_k: int = TOP_K, clients: int = 1) -> Point:
    """Ask all questions unmeasured, then again, by so many clients at once. Raises RuntimeError for a refusal."""
    with httpx2.Client(base_url=service.url, timeout=TIMEOUT) as http, ThreadPoolExecutor(clients) as pool:
        bodies = [{"question": question, "top_k": top_k} for question in questions]
        list(pool.map(_ask, repeat(http), bodies))
        memory = [resident_mib(service.pid)]
        with watched(service.pid, memory):
            began = time.perf_counter()
            each = list(pool.map(_ask, repeat(http), bodies))
            took = (time.perf_counter() - began) * 1000
    return Point(median(each), took / len(questions), max(memory))


def _ask(http: httpx2.Client, body: dict[str, object]) -> float:
    began = time.perf_counter()
    reply = http.post("/v1/ask", json=body)
    if reply.status_code != httpx2.codes.OK:
        raise RuntimeError(f"/v1/ask: {reply.status_code} {reply.text}")
    return (time.perf_counter() - began) * 1000


def over(of: str, sizes: Sequence[int], point: Callable[[int], Point], whole: bool = False) -> list[Curve]:
    """Measure a point at each size; return the curves of time and memory, and of all questions' time if `whole`."""
    found: list[tuple[int, Point]] = []
    for size in sorted(set(sizes)):
        tell(f"{of}: {size}")
        found.append((size, point(size)))
    curves = [Curve("ask", "median", "ms", of, [(size, one.each_ms) for size, one in found])]
    if whole:
        curves.append(Curve("ask", "all, by their number", "ms", of, [(size, one.all_ms) for size, one in found]))
    return [*curves, Curve("service", "memory", "MiB", of, [(size, one.memory_mib) for size, one in found])]


def asking(service: Service, questions: Sequence[str], plan: Plan) -> list[Curve]:
    """Return the curves over `top_k`, words and clients, those of time before those of memory."""
    long = {words: texts_of(questions, words, len(questions)) for words in plan.words}
    crowd = list(islice(cycle(questions), max(len(questions), EACH * max(plan.clients))))
    curves = [
        *over("top_k", plan.top_k, lambda top_k: measured(service, questions, top_k)),
        *over("words of the question", plan.words, lambda words: measured(service, long[words])),
        *over("clients", plan.clients, lambda clients: measured(service, crowd, clients=clients), whole=True),
    ]
    return sorted(curves, key=lambda curve: curve.unit == "MiB")


def measure(corpus: Path, questions: Sequence[str], plan: Plan, scratch: Path) -> tuple[int, list[Curve]]:
    """Index the corpus, serve it and ask; return its passages and the curves. More than all are not asked for."""
    prepare_models(load_settings(), tell)
    tell("indexing")
    ours, store = Pincite(), scratch / "store"
    ours.load(default_embedder_folder(), None)
    ours.index(Job([], corpus, store))
    with Store.open(store) as opened, opened.snapshot() as snapshot:
        passages = snapshot.passages
    fitting = replace(plan, top_k=[top_k for top_k in plan.top_k if top_k <= passages])
    with own_service(store, workers=1) as (url, pid):
        return passages, asking(Service(url, pid), questions, fitting)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=Path, required=True, help="what `benchmarks.scale --json` kept")
    parser.add_argument("--corpus", type=Path, required=True, help="a folder of files")
    parser.add_argument("--gold", type=Path, required=True, help="questions about them")
    parser.add_argument("--questions", type=int, default=40, help="a point, evenly spaced (default: %(default)s)")
    parser.add_argument("--top-k", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50, 100])
    parser.add_argument("--words", type=int, nargs="+", default=[5, 10, 20, 50, 100, 140])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--json", type=Path, help="keep points and exponents here")
    parser.add_argument("--plot", type=Path, help="draw the curves; the ending says in which format")
    given = parser.parse_args()
    if min(len(set(sizes)) for sizes in (given.top_k, given.words, given.clients)) < FEWEST:
        parser.error(f"an exponent is fitted to {FEWEST} different sizes and more")
    return given


def of_scale(file: Path) -> list[Growth]:
    """Return what `benchmarks.scale` kept, fitted. Raises ValueError, naming the file, if that is not in it."""
    try:
        results = json.loads(file.read_text("utf-8"))
        if not isinstance(results, dict):
            raise ValueError("no figures by size; make it with `python -m benchmarks.scale --json`")
        return [growth(curve) for curve in over_passages(results)]
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _measured(given: argparse.Namespace) -> tuple[str, list[Growth]]:
    """Return what was measured, in words, and all curves with what was fitted to them."""
    found = of_scale(given.scale)  # before anything is measured: what is wrong with it is known in no time
    questions = [one.question for one in evenly_spaced(load_gold(given.gold), given.questions)]
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(given.top_k, given.words, given.clients)
        passages, curves = measure(given.corpus, questions, plan, Path(folder))
    about = f"{passages} passages and {len(questions)} questions a point where top_k, words and clients grow"
    return about, [*found, *(growth(curve) for curve in curves)]


def main() -> None:
    """Measure, print the table; exit with 1 if a cost grows as it may not."""
    given = _arguments()
    # A client that asks question after question is what the bound on requests is there against.
    os.environ["PINCITE_RATE_PER_MINUTE"] = "0"
    try:
        about, found = _measured(given)
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, PinciteError) as error:
        sys.exit(str(error))
    here = machine.facts()
    print(f"{about}. {machine.line(here)}.\n\n{table(found)}")
    if given.json:
        kept = [{**asdict(one), "faults": one.faults} for one in found]
        given.json.write_text(json.dumps({"machine": here, "about": about, "curves": kept}, indent=1), "utf-8")
    if given.plot:
        plots.growths(found, f"{about}; {machine.line(here)}", given.plot)
    sys.exit(any(one.faults for one in found))


if __name__ == "__main__":
    main()
