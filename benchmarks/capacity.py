"""How many machines a corpus takes: costs measured here, the plan that follows, and a check of both against a cluster.

    python -m benchmarks.capacity --corpus squad/report --gold squad/report.jsonl --save costs.json
    python -m benchmarks.capacity --costs costs.json --cores 32 --memory 128 --rate 50      plans from what was kept

The first measures what a passage and a question cost (`benchmarks.costs`); a store is grown from the corpus to each of
`--sizes`, and the shards of a plan are as large as the largest of these. It prints what `benchmarks.planning` makes of
it for 1, 10 and 100 million passages. Then it sets the model beside what it predicts: a store of `--check` passages is
served in 1, 2 and 4 shards by Ray on this machine, and the corpus is indexed into as many. To see that it runs:

    python -m benchmarks.capacity --corpus seeds --gold seeds/gold.jsonl --sizes 500 --check 500 --seconds 1
"""

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine
from benchmarks.cluster_costs import Bench, check, of_cluster
from benchmarks.costs import load, of_indexing, of_questions, of_shards, read_store, save
from benchmarks.planning import SIZES, Costs, Machine, check_table, plan, plans_table
from benchmarks.rounds import tell
from benchmarks.scale import grow
from index.runtime import cores
from index.store import Store
from rag.evaluate import evenly_spaced
from rag.gold import load_gold


def measure(given: argparse.Namespace, scratch: Path) -> tuple[Costs, Bench]:
    """Return what all parts cost here, and what the check is made with."""
    asked = [one.question for one in evenly_spaced(load_gold(given.gold), given.questions)]
    bench = Bench(scratch / "store", given.corpus, asked, given.seconds, scratch)
    tell("indexing")
    indexing = of_indexing(given.corpus, scratch / "indexed", cores())
    with Store.open(scratch / "indexed" / "0" / "second") as store:
        real, questions = read_store(store, asked)
        manifest = store.manifest
    shards = of_shards(scratch / "grown", manifest, real, questions, given.sizes)
    with Store.open(bench.store, manifest, create=True) as store:
        grow(store, real, given.check)
    tell("questions")
    asking = of_questions(bench.store, asked, cores())
    tell("calls")
    parts = asdict(indexing) | asdict(asking) | asdict(of_cluster(bench))
    return Costs(cores=cores(), shards=shards, **parts), bench


def costs_table(costs: Costs) -> str:
    """Return the costs as Markdown."""
    single = {name: value for name, value in asdict(costs).items() if name != "shards"}
    lines = ["| cost | |", "|---|---|", *(f"| {name} | {value:,.4g} |" for name, value in single.items())]
    names = list(asdict(costs.shards[0]))
    lines += ["", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for shard in costs.shards:
        lines.append(
            f"| {shard.passages:,} | {' | '.join(f'{value:,.4g}' for value in list(asdict(shard).values())[1:])} |"
        )
    return "\n".join(lines)


def plans(costs: Costs, given: argparse.Namespace) -> str:
    """Return the plans for the machines that were named, as Markdown."""
    each = Machine(given.cores, given.memory, given.disk)
    per_shard = given.per_shard or costs.shards[-1].passages
    found, refused = [], []
    for passages in SIZES:
        try:
            found.append(plan(costs, passages, each, given.rate, per_shard))
        except ValueError as error:
            refused.append(f"{error}.")
    about = f"{each.cores} cores, {each.memory_gb:g} GB of memory and {each.disk_gb:g} GB of disk a machine"
    return "\n".join([f"{about}; {given.rate:g} questions a second wanted:\n", plans_table(found), *refused])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--corpus", type=Path, help="a folder of files, to measure with")
    source.add_argument("--costs", type=Path, help="what --save kept: plan alone, measure nothing")
    parser.add_argument("--gold", type=Path, help="questions about the corpus")
    parser.add_argument("--save", type=Path, help="keep the costs here")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 10_000, 20_000, 100_000], help="of shards")
    parser.add_argument("--check", type=int, default=20_000, help="passages to check with (default: %(default)s)")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4], help="to check with (default: 1 2 4)")
    parser.add_argument("--questions", type=int, default=100, help="evenly spaced (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement (default: %(default)s)")
    parser.add_argument("--scratch", type=Path, help="a new folder, to keep the stores")
    parser.add_argument("--per-shard", type=int, help="passages of a planned shard (default: the largest measured)")
    parser.add_argument("--cores", type=int, default=16, help="of a machine (default: %(default)s)")
    parser.add_argument("--memory", type=float, default=64, help="GB of a machine (default: %(default)s)")
    parser.add_argument("--disk", type=float, default=1000, help="GB of a machine (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=10, help="questions a second wanted (default: %(default)s)")
    given = parser.parse_args()
    if given.corpus and not given.gold:
        parser.error("--corpus wants --gold, questions about it")
    return given


def main() -> None:
    """Measure, or read what was kept; print costs, plans and the check."""
    given = _arguments()
    if given.costs:
        costs = load(given.costs)
        print(f"{costs_table(costs)}\n\n{plans(costs, given)}")
        return
    # A client that asks question after question is what the bound on requests is there against.
    os.environ["PINCITE_RATE_PER_MINUTE"] = "0"
    with tempfile.TemporaryDirectory() as temporary:
        scratch = given.scratch or Path(temporary)
        costs, bench = measure(given, scratch.absolute())
        if given.save:
            save(costs, given.save)
        print(f"{machine.line(machine.facts())}\n\n{costs_table(costs)}\n\n{plans(costs, given)}\n", flush=True)
        print(check_table(check(costs, bench, given.shards)))
    print(f"\nModels, clients and Ray share {cores()} cores: more shards than cores can cost here, never gain.")


if __name__ == "__main__":
    main()
