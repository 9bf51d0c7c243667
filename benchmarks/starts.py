"""How soon commands are there: each in a process of its own, from nothing, in turns.

`ask` answers one question over the store; `serve` is there once `/readyz` says so (the store is copied for it first);
`help` is `pincite --help`. `torch` imports torch and transformers and does nothing: what it would cost to begin so.

    pincite index seeds --store seeds.store
    python -m benchmarks.starts seeds.store
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.machine import facts, line
from benchmarks.own_service import own_service
from benchmarks.sidebyside import Spread

QUESTION = "In which city did the leaders of the SCO countries meet?"
_PINCITE = (sys.executable, "-m", "api.cli")
_ANSWERED = (0, 3)  # exit codes of `pincite ask`: an answer, or none in the documents


def starts_of(store: Path) -> dict[str, Callable[[], float]]:
    """Return what is measured, by name; each returns its seconds."""
    return {
        "ask": lambda: _run(*_PINCITE, "ask", QUESTION, "--store", str(store), expected=_ANSWERED),
        "serve": lambda: _serve(store),
        "help": lambda: _run(*_PINCITE, "--help"),
        "torch": lambda: _run(sys.executable, "-c", "import torch, transformers"),
    }


def measured(starts: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Spread]:
    """Return what each took over the rounds, taken in turns; a round before them brings the files into memory."""
    seconds = [{name: start() for name, start in starts.items()} for _ in range(rounds + 1)][1:]
    return {name: Spread.of([one[name] for one in seconds]) for name in starts}


def table(spreads: Mapping[str, Spread]) -> str:
    """Return a Markdown table of one row: medians, with their ranges."""
    cells = [list(spreads), ["---"] * len(spreads), [spread.show(2, " s") for spread in spreads.values()]]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _run(*command: str, expected: tuple[int, ...] = (0,)) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    took = time.perf_counter() - began
    if done.returncode not in expected:
        raise SystemExit(f"{' '.join(command[1:])}: exit code {done.returncode}: {done.stderr.strip()}")
    return took


def _serve(store: Path) -> float:
    began = time.perf_counter()
    with own_service(store, workers=1):
        return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.starts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path, help="a filled store")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds: one at least")
    print(table(measured(starts_of(args.store), args.rounds)))
    print(f"\nMedian (range) of {args.rounds} rounds. {line(facts())}")


if __name__ == "__main__":
    main()
