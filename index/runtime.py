"""A converted transformer, run on OpenVINO: the only import of openvino. No torch here.

A converted model is a folder: `model.xml` and `model.bin` (the network), `tokenizer.json` (truncation and padding
switched off), and `card.json` (see `ModelCard`). `index/convert.py` makes it.
"""

import contextlib
import functools
import hashlib
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
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from index.durable import publish
from index.errors import ModelError

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

    Each input is computed by itself: so what comes out cannot depend on what else is asked at the same time, and
    nothing is padded to a neighbour's length. Either way of running it compiles the network at its first use.
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
        order = sorted(range(len(inputs)), key=lambda i: (-len(inputs[i].ids), i))  # the longest last would keep all
        if order:
            self._check(inputs[order[0]])
        results: list[list[NDArray[np.float32]]] = [[]] * len(inputs)
        outputs = self._workers.map(self._one_of_many, [inputs[i] for i in order])
        for position, output in zip(order, outputs, strict=True):
            results[position] = output
        return results

    def make_ready(self) -> None:
        """Compile what `run` needs, so that its first call need not."""
        self._ready(self._threads)

    def run_alone(self, encoding: Encoding) -> list[NDArray[np.float32]]:
        """Return the outputs of one input, as `run` does, that all cores compute together: it is there sooner."""
        self._check(encoding)
        return self._infer(encoding, at_once=1)

    def _check(self, encoding: Encoding) -> None:
        if len(encoding.ids) > self.card.window:
            raise ValueError(f"{len(encoding.ids)} tokens do not fit the window of {self.card.window}")

    def _one_of_many(self, encoding: Encoding) -> list[NDArray[np.float32]]:
        return self._infer(encoding, at_once=self._threads)

    def _infer(self, encoding: Encoding, at_once: int) -> list[NDArray[np.float32]]:
        request = self._request(at_once)
        if _begun.is_set():
            return self._outputs(encoding, request)
        with _beginning:
            outputs = self._outputs(encoding, request)
            _begun.set()
        return outputs

    def _outputs(self, encoding: Encoding, request: openvino.InferRequest) -> list[NDArray[np.float32]]:
        own = len(encoding.ids)
        shape = (1, -(-own // _STEP) * _STEP)
        arrays = {name: np.zeros(shape, np.int64) for name in self.card.inputs}
        arrays["input_ids"][:] = self.card.pad_id
        for name, column in columns(encoding).items():
            if name in arrays:
                arrays[name][0, :own] = column
        request.infer(arrays, share_inputs=True, share_outputs=True)
        rows = [request.get_output_tensor(i).data[0] for i in range(self.card.outputs)]
        return [row[:own].copy() if self.card.by_token else row.copy() for row in rows]

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


def columns(encoding: Encoding) -> dict[str, list[int]]:
    """Return what a model may take of an input, by the names that models give it."""
    return {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "token_type_ids": encoding.type_ids,
    }


@functools.cache  # first called by whoever makes a model, before there are threads that run it
def _core() -> openvino.Core:
    """Return the one runtime of this process: each one more would load, and end, a plugin and threads of its own."""
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
    return has_bf16() or bool(__cpu_features__.get("AVX512VNNI", False))


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


def converted_network(module: object, example: dict[str, Any]) -> openvino.Model:
    """Return the network of a torch module that takes `example`'s tensors by name."""
    from openvino.tools.ovc import convert_model

    return convert_model(module, example_input=example)


def load_network(path: Path) -> openvino.Model:
    """Return the network in `path` (.xml, .bin beside it), not made ready to run."""
    return _core().read_model(path)


def save_network(network: openvino.Model, path: Path) -> None:
    """Write a network to `path` (.xml, .bin beside it). Weights stay as they are: halving them changes the answers."""
    openvino.save_model(network, path, compress_to_fp16=False)
