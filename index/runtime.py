"""A converted transformer, run on OpenVINO. No torch here.

A converted model is a folder: `model.xml` and `model.bin` (the network), `tokenizer.json` (truncation and padding
switched off), and `card.json` (see `ModelCard`). `index/convert.py` makes it.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from index.durable import publish
from index.errors import ModelError
from index.processor import has

# The package loads its converter with itself: a good part of a start, which running a model never needs. None makes
# that import fail, which the package passes over; `openvino.convert_model` is then absent from this process.
_CONVERTER = "openvino.tools.ovc"
_left_out = sys.modules.setdefault(_CONVERTER, None) is None  # type: ignore[arg-type]
import openvino  # noqa: E402

if _left_out:
    del sys.modules[_CONVERTER]

AUTO, INT8 = "auto", "int8"
# Lengths are padded to multiples: few shapes, for the runtime compiles its kernels anew for each, and that costs as
# much as an inference. A length between takes as long as the next multiple of 16, or longer.
_STEP = 16
# Inputs of one padded length are computed this many at a time where there are enough for so many turns of every core:
# the weights, more than a core's own cache holds, are then fetched once for all of them.
_TOGETHER, _TURNS = 4, 8
# The first inference of a process is alone, and so is what makes tensors before it. OpenVINO makes tables then and lets
# go of the GIL meanwhile; another thread that comes to need them waits with the GIL in its hands, and both for ever.
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

    What comes out for an input does not depend on what else is asked at the same time: only inputs of one padded length
    are computed together, each in rows of its own. Either way of running compiles the network at its first use.
    """

    def __init__(self, folder: Path, threads: int = 0, precision: str = AUTO) -> None:
        """Look at the model; `threads` 0 is one for every core. ModelError for a precision that cannot be had."""
        self.card = ModelCard.load(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.precision = _precision(self.card.precision, precision)
        self._network = folder / "model.xml"
        self._threads = threads or cores()
        self._compiled: dict[int, openvino.CompiledModel] = {}  # by the number of inputs that it computes at once
        self._compiling = threading.Lock()
        self._own = threading.local()
        self._workers = ThreadPoolExecutor(self._threads, thread_name_prefix=self.card.kind)

    def run(self, inputs: Sequence[Encoding]) -> list[list[NDArray[np.float32]]]:
        """Return the outputs of each input, in order; outputs by token have the input's own length.

        Each is computed on one core, so several callers keep every core busy together.
        Raises ValueError if an input is longer than the model's window.
        """
        for encoding in inputs:
            self._check(encoding)
        groups = self._groups(inputs)
        results: list[list[NDArray[np.float32]]] = [[]] * len(inputs)
        outputs = self._workers.map(self._some_of_many, [[inputs[i] for i in group] for group in groups])
        for group, found in zip(groups, outputs, strict=True):
            for position, output in zip(group, found, strict=True):
                results[position] = output
        return results

    def make_ready(self) -> None:
        """Compile what `run` needs, so that its first call need not."""
        self._ready(self._threads)

    def run_alone(self, encoding: Encoding) -> list[NDArray[np.float32]]:
        """Return the outputs of one input, as `run` does, that all cores compute together: it is there sooner."""
        self._check(encoding)
        return self._infer([encoding], at_once=1)[0]

    def _check(self, encoding: Encoding) -> None:
        if len(encoding.ids) > self.card.window:
            raise ValueError(f"{len(encoding.ids)} tokens do not fit the window of {self.card.window}")

    def _groups(self, inputs: Sequence[Encoding]) -> list[list[int]]:
        """Return the positions of what is computed together, the longest first: all would wait for a long one last."""
        order = sorted(range(len(inputs)), key=lambda i: (-len(inputs[i].ids), i))
        size = _TOGETHER if len(inputs) >= _TURNS * _TOGETHER * self._threads else 1
        groups: list[list[int]] = []
        for _, alike in itertools.groupby(order, key=lambda i: _padded(inputs[i])):
            positions = list(alike)
            whole = len(positions) - len(positions) % size
            groups += [positions[first : first + size] for first in range(0, whole, size)]
            groups += [[position] for position in positions[whole:]]  # other numbers would need kernels of their own
        return groups

    def _some_of_many(self, encodings: Sequence[Encoding]) -> list[list[NDArray[np.float32]]]:
        return self._infer(encodings, at_once=self._threads)

    def _infer(self, encodings: Sequence[Encoding], at_once: int) -> list[list[NDArray[np.float32]]]:
        request = self._request(at_once)
        if _begun.is_set():
            return self._outputs(encodings, request)
        with _beginning:
            outputs = self._outputs(encodings, request)
            _begun.set()
        return outputs

    def _outputs(
        self, encodings: Sequence[Encoding], request: openvino.InferRequest
    ) -> list[list[NDArray[np.float32]]]:
        """Return the outputs of each of some inputs of one padded length."""
        shape = (len(encodings), _padded(encodings[0]))
        arrays = {name: np.zeros(shape, np.int64) for name in self.card.inputs}
        arrays["input_ids"][:] = self.card.pad_id
        for row, encoding in enumerate(encodings):
            for name, column in columns(encoding).items():
                if name in arrays:
                    arrays[name][row, : len(column)] = column
        request.infer(arrays, share_inputs=True, share_outputs=True)
        found = [request.get_output_tensor(i).data for i in range(self.card.outputs)]
        if not self.card.by_token:
            return [[rows[n].copy() for rows in found] for n in range(len(encodings))]
        return [[rows[n, : len(one.ids)].copy() for rows in found] for n, one in enumerate(encodings)]

    def _request(self, at_once: int) -> openvino.InferRequest:
        """Return this thread's request: one cannot run twice at once."""
        if not hasattr(self._own, "requests"):
            self._own.requests = {}
        requests: dict[int, openvino.InferRequest] = self._own.requests
        if at_once not in requests:
            requests[at_once] = self._ready(at_once).create_infer_request()
        return requests[at_once]

    def _ready(self, at_once: int) -> openvino.CompiledModel:
        with self._compiling:
            if at_once not in self._compiled:
                options: dict[str, Any] = {
                    "INFERENCE_PRECISION_HINT": precision_hint(self.precision),
                    "NUM_STREAMS": at_once,
                    "INFERENCE_NUM_THREADS": self._threads,
                }
                self._compiled[at_once] = _compiled(self._network, options)
            return self._compiled[at_once]


def _padded(encoding: Encoding) -> int:
    return -(-len(encoding.ids) // _STEP) * _STEP


def columns(encoding: Encoding) -> dict[str, list[int]]:
    """Return what a model may take of an input, by the names that models give it."""
    return {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "token_type_ids": encoding.type_ids,
    }


@functools.cache  # first called by whoever makes a model, before there are threads that run it
def _core() -> openvino.Core:
    """Return the one runtime of a process that answers: each one more would load a plugin and threads of its own."""
    return openvino.Core()


def _compiled(network: Path, options: dict[str, Any]) -> openvino.CompiledModel:
    """Return the network ready to run, from the compiled form beside it if that was made here: four times as fast."""
    core = _core()
    machine = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    facts = json.dumps([openvino.get_version(), *machine, options]).encode()
    kept = network.with_name(f"compiled-{hashlib.sha256(facts).hexdigest()[:16]}.blob")
    if kept.is_file():
        # What cannot be read or imported is made again.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            with _beginning:
                blob = openvino.Tensor(np.memmap(kept, np.uint8, "r"))  # a copy: the model goes on reading it
            return core.import_model(blob, "CPU", options)
    compiled = core.compile_model(network, "CPU", options)
    with contextlib.suppress(OSError, RuntimeError):  # where models are not to be written, they are compiled each time
        _keep(compiled, kept)
    return compiled


def _keep(compiled: openvino.CompiledModel, kept: Path) -> None:
    unfinished = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        with unfinished.open("wb") as file:
            file.write(compiled.export_model().getvalue())
            file.flush()
            os.fsync(file.fileno())
        publish(unfinished, kept)
    finally:
        unfinished.unlink(missing_ok=True)


def cores() -> int:
    """Return how many cores this process may use; systems that cannot say so give all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bf16() -> bool:
    """Return whether the processor multiplies bfloat16 itself."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def has_int8() -> bool:
    """Return whether the processor is known to add products of int8 without overflow; those with bf16 do."""
    # OpenVINO does not tell; NumPy's own table does, but for AVX-VNNI without AVX-512, and for ARM.
    return has_bf16() or has("AVX512VNNI")


def precision_hint(precision: str) -> str:
    """Return what OpenVINO is told: what int8 does not cover (attention, norms) takes bf16 too where there is one."""
    return "f32" if precision == "fp32" or not has_bf16() else "bf16"


def _precision(stored: str, wanted: str) -> str:
    """Return what a model runs in: as it was quantised, else as wanted, else as the processor does best."""
    native = "bf16" if has_bf16() else "fp32"
    possible = (stored,) if stored else (native, "fp32")
    if wanted not in (AUTO, *possible):
        raise ModelError(f"precision {wanted} cannot be had: this processor or model gives {possible[0]}")
    return possible[0] if wanted == AUTO else wanted
