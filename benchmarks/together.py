"""What a window costs the processor, read alone and in a batch with others: whether sharing batches would pay.

    python -m benchmarks.together

The windows of a batch have one length, so nothing is padded: a batch of real windows gains less. Alternated, one core.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from api.build import build_reader
from api.settings import load_settings
from benchmarks.machine import facts, line
from index.runtime import ModelCard, precision_hint

LENGTHS = (128, 192, 256)  # tokens
BATCHES = (1, 4, 16)  # windows
WINDOWS, ROUNDS = 32, 5  # windows that are read in each round, and rounds
_OPTIONS = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}


def costs(folder: Path, precision: str, length: int) -> dict[int, float]:
    """Return the milliseconds of processor time that a window of so many tokens takes, by the size of its batch."""
    hint: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision_hint(precision), **_OPTIONS}
    request = openvino.Core().compile_model(folder / "model.xml", "CPU", hint).create_infer_request()
    inputs = {size: _inputs(ModelCard.load(folder), size, length) for size in BATCHES}
    for size in BATCHES:
        request.infer(inputs[size])  # compiles what this shape needs
    seconds = dict.fromkeys(BATCHES, 0.0)
    for _ in range(ROUNDS):
        for size in BATCHES:
            began = time.process_time()
            for _ in range(WINDOWS // size):
                request.infer(inputs[size])
            seconds[size] += time.process_time() - began
    return {size: 1000 * took / (ROUNDS * WINDOWS) for size, took in seconds.items()}


def _inputs(card: ModelCard, size: int, length: int) -> Mapping[str, NDArray[np.int64]]:
    drawn = np.random.default_rng(0).integers(1000, 20_000, (size, length))
    ones = {name: np.ones((size, length), np.int64) for name in card.inputs}
    return {**ones, "input_ids": drawn}


def main() -> None:
    """Print the costs as Markdown."""
    reader = build_reader(load_settings(), print)
    print(line(facts()))
    print(f"| tokens | {' | '.join(f'{size} at once, ms a window' for size in BATCHES)} |")
    print("|---" * (len(BATCHES) + 1) + "|")
    for length in LENGTHS:
        found = costs(reader.folder, reader.info.precision, length)
        print(f"| {length} | {' | '.join(f'{one:.1f}' for one in found.values())} |")


if __name__ == "__main__":
    main()
