"""A converted transformer, run on OpenVINO: the only import of openvino. No torch here.

A converted model is a folder: `model.xml` and `model.bin` (the network), `tokenizer.json` (truncation and padding
switched off), and `card.json` (see `ModelCard`). `index/convert.py` makes it.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

PRECISION = "fp32"
# Padded tokens in one call. Larger batches were no faster on two cores, and smaller ones waste calls.
TOKEN_BUDGET = 4096


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a converted model besides its weights."""

    kind: str  # "embedder" or "reader"
    inputs: tuple[str, ...]
    outputs: int
    window: int  # most tokens in one input, special tokens counted
    pad_id: int
    dimension: int  # of a vector; 0 for a reader
    pooling: str
    query_prefix: str
    passage_prefix: str

    @classmethod
    def load(cls, folder: Path) -> "ModelCard":
        """Read `card.json`."""
        fields: dict[str, Any] = json.loads((folder / "card.json").read_text("utf-8"))
        return cls(**{**fields, "inputs": tuple(fields["inputs"])})

    def save(self, folder: Path) -> None:
        """Write `card.json`."""
        (folder / "card.json").write_text(json.dumps(asdict(self), indent=1), "utf-8")


class ConvertedModel:
    """Tokenizes and runs one converted model. Safe to use from several threads: calls take turns."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """Load the model; `threads` 0 lets OpenVINO use every core."""
        self.card = ModelCard.load(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", options)
        self._request = self._compiled.create_infer_request()
        # One request uses every core already; two at once would only fight over them.
        self._turn = threading.Lock()

    def run(self, inputs: Sequence[Encoding]) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
        """Yield (position in `inputs`, its row of every output), in no particular order.

        Inputs of like length share a batch. A row's length is that of its batch, so outputs by token have padding
        after the input's own tokens. Raises ValueError if an input is longer than the model's window.
        """
        order = sorted(range(len(inputs)), key=lambda i: (len(inputs[i].ids), i))
        if order and len(inputs[order[-1]].ids) > self.card.window:
            raise ValueError(f"{len(inputs[order[-1]].ids)} tokens do not fit the window of {self.card.window}")
        for batch in _batches(order, [len(encoding.ids) for encoding in inputs]):
            outputs = self._infer([inputs[i] for i in batch])
            for row, position in enumerate(batch):
                yield position, [output[row] for output in outputs]

    def _infer(self, batch: list[Encoding]) -> list[NDArray[np.float32]]:
        length = max(len(encoding.ids) for encoding in batch)
        arrays = {name: np.zeros((len(batch), length), np.int64) for name in self.card.inputs}
        arrays["input_ids"][:] = self.card.pad_id
        for row, encoding in enumerate(batch):
            columns = {
                "input_ids": encoding.ids,
                "attention_mask": encoding.attention_mask,
                "token_type_ids": encoding.type_ids,
            }
            for name in self.card.inputs:
                arrays[name][row, : len(encoding.ids)] = columns[name]
        with self._turn:
            self._request.infer(arrays)
            return [self._request.get_output_tensor(i).data.copy() for i in range(self.card.outputs)]


def _batches(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut `order` (ascending in length) into runs whose padded size keeps to the budget; never an empty run."""
    batch: list[int] = []
    for position in order:
        if batch and (len(batch) + 1) * lengths[position] > TOKEN_BUDGET:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def save_network(module: object, example: dict[str, Any], path: Path) -> None:
    """Convert a torch module that takes `example`'s tensors by name, and write it to `path` (.xml, .bin beside it).

    Weights stay fp32: halving them on disk would change the answers.
    """
    openvino.save_model(openvino.convert_model(module, example_input=example), path, compress_to_fp16=False)


def runtime_version() -> str:
    """Return the version that a converted network depends on."""
    return f"openvino-{openvino.__version__}"
