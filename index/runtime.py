"""A converted transformer, run on OpenVINO: the only import of openvino. No torch here.

A converted model is a folder: `model.xml` and `model.bin` (the network), `tokenizer.json` (truncation and padding
switched off), and `card.json` (see `ModelCard`). `index/convert.py` makes it.
"""

import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from index.errors import ModelError

AUTO, INT8 = "auto", "int8"
# Lengths are padded to multiples: few shapes, for the runtime compiles its kernels anew for each.
_STEP = 8
# The first inference of a process is alone. OpenVINO makes tables in it and lets go of the GIL meanwhile; another
# thread that comes to need them waits with the GIL in its hands, and then both wait for ever.
_beginning, _begun = threading.Lock(), threading.Event()


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
    by_token: bool  # outputs have a row for each token
    precision: str  # "int8" if quantised; "" is not fixed, see `_precision`

    @classmethod
    def load(cls, folder: Path) -> "ModelCard":
        """Read `card.json`."""
        fields: dict[str, Any] = json.loads((folder / "card.json").read_text("utf-8"))
        return cls(**{**fields, "inputs": tuple(fields["inputs"])})

    def save(self, folder: Path) -> None:
        """Write `card.json`."""
        (folder / "card.json").write_text(json.dumps(asdict(self), indent=1), "utf-8")


class ConvertedModel:
    """Tokenizes and runs one converted model. Safe to use from several threads: they share its workers.

    Each input is computed by itself, on one core: so what comes out cannot depend on what else is asked at the same
    time, nothing is padded to a neighbour's length, and several callers keep every core busy together.
    """

    def __init__(self, folder: Path, threads: int = 0, precision: str = AUTO) -> None:
        """Load the model; `threads` 0 is a worker for every core. ModelError for a precision that cannot be had."""
        self.card = ModelCard.load(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        workers = threads or cores()
        core = openvino.Core()
        self.precision = _precision(self.card.precision, precision)
        options: dict[str, Any] = {
            # What int8 does not cover (attention, norms) takes bf16 too where there is one.
            "INFERENCE_PRECISION_HINT": "f32" if self.precision == "fp32" or not has_bf16() else "bf16",
            "NUM_STREAMS": workers,
            "INFERENCE_NUM_THREADS": workers,
        }
        self._compiled = core.compile_model(folder / "model.xml", "CPU", options)
        self._own = threading.local()
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=self.card.kind)

    def run(self, inputs: Sequence[Encoding]) -> list[list[NDArray[np.float32]]]:
        """Return the outputs of each input, in order; outputs by token have the input's own length.

        Raises ValueError if an input is longer than the model's window.
        """
        order = sorted(range(len(inputs)), key=lambda i: (-len(inputs[i].ids), i))  # the longest last would keep all
        if order and len(inputs[order[0]].ids) > self.card.window:
            raise ValueError(f"{len(inputs[order[0]].ids)} tokens do not fit the window of {self.card.window}")
        results: list[list[NDArray[np.float32]]] = [[]] * len(inputs)
        outputs = self._workers.map(self._infer, [inputs[i] for i in order])
        for position, output in zip(order, outputs, strict=True):
            results[position] = output
        return results

    def _infer(self, encoding: Encoding) -> list[NDArray[np.float32]]:
        if _begun.is_set():
            return self._outputs(encoding)
        with _beginning:
            outputs = self._outputs(encoding)
            _begun.set()
        return outputs

    def _outputs(self, encoding: Encoding) -> list[NDArray[np.float32]]:
        own = len(encoding.ids)
        shape = (1, -(-own // _STEP) * _STEP)
        arrays = {name: np.zeros(shape, np.int64) for name in self.card.inputs}
        arrays["input_ids"][:] = self.card.pad_id
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        for name in self.card.inputs:
            arrays[name][0, :own] = columns[name]
        request = self._request()
        request.infer(arrays)
        rows = [request.get_output_tensor(i).data[0] for i in range(self.card.outputs)]
        return [row[:own].copy() if self.card.by_token else row.copy() for row in rows]

    def _request(self) -> openvino.InferRequest:
        """Return this worker's request: one cannot run twice at once."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        request: openvino.InferRequest = self._own.request
        return request


def cores() -> int:
    """Return how many cores this process may use; systems that cannot say so give all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bf16() -> bool:
    """Return whether the processor multiplies bfloat16 itself. Those that do multiply int8 without overflow too."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _precision(stored: str, wanted: str) -> str:
    """Return what a model runs in: as it was quantised, else as wanted, else as the processor does best."""
    native = "bf16" if has_bf16() else "fp32"
    if wanted not in {AUTO, stored or native, "" if stored else "fp32"}:
        raise ModelError(f"precision {wanted} cannot be had: this processor or model gives {stored or native}")
    return stored or (native if wanted == AUTO else wanted)


def converted_network(module: object, example: dict[str, Any]) -> openvino.Model:
    """Return the network of a torch module that takes `example`'s tensors by name."""
    return openvino.convert_model(module, example_input=example)


def load_network(path: Path) -> openvino.Model:
    """Return the network in `path` (.xml, .bin beside it), not made ready to run."""
    return openvino.Core().read_model(path)


def save_network(network: openvino.Model, path: Path) -> None:
    """Write a network to `path` (.xml, .bin beside it). Weights stay as they are: halving them changes the answers."""
    openvino.save_model(network, path, compress_to_fp16=False)
