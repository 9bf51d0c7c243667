"""Networks as OpenVINO keeps them: made of torch modules, read, written, and changed before they are quantised."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# OpenVINO's converter reports its use over the network where this package is found. Pincite calls nobody.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import numpy as np  # noqa: E402
import openvino  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

_ACTIVATIONS = {"Gelu", "Relu", "Swish"}  # each channel by itself


@dataclass(frozen=True, slots=True)
class _FeedForward:
    """Two linear layers with an activation function between them: `down(activation(up(x) + bias))`."""

    up: Any
    bias: Any
    activation: Any
    down: Any


def converted_network(module: object, example: dict[str, Any]) -> openvino.Model:
    """Return the network of a torch module that takes `example`'s tensors by name."""
    from openvino.tools.ovc import convert_model

    return convert_model(module, example_input=example)


def load_network(path: Path) -> openvino.Model:
    """Return the network in `path` (.xml, .bin beside it), not made ready to run."""
    return openvino.Core().read_model(path)


def save_network(network: openvino.Model, path: Path) -> None:
    """Write a network to `path` (.xml, .bin beside it). Weights stay as they are: halving them changes the answers."""
    openvino.save_model(network, path, compress_to_fp16=False)


def contributions(network: openvino.Model, inputs: Iterable[Mapping[str, NDArray[Any]]]) -> list[NDArray[np.float32]]:
    """Return the most that each inner channel of each feed-forward block adds to an output of it on `inputs`, in order.

    One array a block, shape (channels,): the largest magnitude that the activation function gives, times the largest
    of the weights that the second layer has for it.
    """
    watched = network.clone()
    blocks = list(_feed_forwards(watched))
    if not blocks:
        return []
    watched.add_outputs([block.activation.output(0) for block in blocks])
    run = openvino.Core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    seen = run.outputs[-len(blocks) :]
    weights = [np.abs(_weights(block.down)).max(axis=0) for block in blocks]
    peaks = [np.zeros_like(weight) for weight in weights]
    for tensors in inputs:
        given = run(dict(tensors))
        for peak, output in zip(peaks, seen, strict=True):
            np.maximum(peak, np.abs(given[output]).reshape(-1, len(peak)).max(axis=0), out=peak)
    return [peak * weight for peak, weight in zip(peaks, weights, strict=True)]


def repeat_channels(network: openvino.Model, copies: Sequence[NDArray[np.int64]]) -> None:
    """Have channel j of each feed-forward block `copies[j]` times, its weights in the second layer shared among them.

    `copies` are as many, in the same order and of the same lengths as `contributions` returns. What the network
    computes stays the same but for rounding.
    """
    for block, times in zip(_feed_forwards(network), copies, strict=True):
        chosen = np.repeat(np.arange(len(times)), times)
        _replace(block.up, _weights(block.up)[chosen])
        _replace(block.bias, _weights(block.bias)[..., chosen])
        _replace(block.down, _weights(block.down)[:, chosen] / np.float32(times[chosen]))
    network.validate_nodes_and_infer_types()


def _feed_forwards(network: openvino.Model) -> Iterator[_FeedForward]:
    for down in network.get_ordered_ops():
        activation = _before(down, "MatMul")
        bias = _before(activation, *_ACTIVATIONS)
        up = _before(bias, "Add")
        if (
            up is not None
            and all(_is_linear(layer) for layer in (up, down))
            and _holds(bias)
            and _weights(bias).shape[-1:] == _weights(up).shape[:1]
            and all(len(node.output(0).get_target_inputs()) == 1 for node in (up, bias, activation))
        ):
            yield _FeedForward(up, bias, activation, down)


def _before(node: Any, *kinds: str) -> Any:  # noqa: ANN401 (openvino's nodes have no one type)
    """Return what gives a node of one of these kinds its first input; None for any other, and for None."""
    return node.input_value(0).get_node() if node is not None and node.get_type_name() in kinds else None


def _is_linear(node: Any) -> bool:  # noqa: ANN401
    """Return whether a node multiplies its input by constant weights of shape (outputs, inputs)."""
    if node.get_type_name() != "MatMul" or not _holds(node):
        return False
    turned = node.get_attributes()
    return bool(turned["transpose_b"] and not turned["transpose_a"] and len(_weights(node).shape) == 2)


def _holds(node: Any) -> bool:  # noqa: ANN401
    """Return whether a node's second input is a constant."""
    return bool(node.input_value(1).get_node().get_type_name() == "Constant")


def _weights(node: Any) -> NDArray[np.float32]:  # noqa: ANN401
    values: NDArray[np.float32] = node.input_value(1).get_node().get_data()
    return values


def _replace(node: Any, values: NDArray[np.float32]) -> None:  # noqa: ANN401
    was = node.input_value(1).get_node()
    constant = openvino.op.Constant(np.ascontiguousarray(values, was.get_data().dtype))
    constant.set_friendly_name(was.get_friendly_name())
    node.input(1).replace_source_output(constant.output(0))
