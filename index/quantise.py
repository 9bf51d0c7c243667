"""Converted models -> static int8: the only import of nncf.

Run as a process of its own (`python -m index.quantise`), as `index/convert.py` is.
"""

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

# nncf and OpenVINO report their use over the network where this package is found. Pincite calls nobody.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import nncf  # noqa: E402
import numpy as np  # noqa: E402
from nncf.quantization.range_estimator import RangeEstimatorParametersSet  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from index.network import contributions, load_network, repeat_channels, save_network  # noqa: E402
from index.runtime import INT8, ModelCard, columns  # noqa: E402

Texts = tuple[str, ...]

_USUAL = 0.99  # quantile of what the channels contribute; who has more has copies to share it among
_MOST = 8  # copies of one channel, but for what fills up the last multiple
_ALIGNED = 16  # the number of channels is a multiple of it, as the runtime's kernels like it
# Where there are no channels to split the first layer's way back, which has outliers in many models, stays as it is.
_LEFT_AS_IT_IS = nncf.IgnoredScope(patterns=[r".*layer\.0\.output\.dense.*MatMul"], validate=False)
# Measured by how near the cosines between 150 passages of other texts stay to those in fp32: ranges as wide as what was
# seen, and activations smoothed by this much.
_RANGES = nncf.AdvancedQuantizationParameters(
    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
    smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=0.8),
)


def quantise(folder: Path, out: Path, sample: list[Texts]) -> None:
    """Write the converted model in `folder` to `out` with int8 weights and activations.

    `sample` are texts, or (question, passage) pairs for a reader: each layer's range is what it takes on them. The
    ranges are fixed then, so that a window's result depends on nothing but itself. Outlying channels are split and
    layers smoothed before, and corrected after (Zhao et al., "Outlier Channel Splitting", ICML 2019; Xiao et al.,
    "SmoothQuant", ICML 2023; Nagel et al., "Data-Free Quantization", ICCV 2019).
    """
    card = ModelCard.load(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(card.window)
    inputs = [_inputs(tokenizer, card, texts) for texts in sample]
    network = load_network(folder / "model.xml")
    found = contributions(network, inputs)
    repeat_channels(network, [copies(most) for most in found])
    small = nncf.quantize(
        network,
        nncf.Dataset(inputs),
        subset_size=len(sample),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope() if found else _LEFT_AS_IT_IS,
        advanced_parameters=_RANGES,
    )
    save_network(small, out / "model.xml")
    shutil.copy(folder / "tokenizer.json", out)
    replace(card, precision=INT8).save(out)


def copies(most: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return how often each channel is to be there, shape (channels,), so that few contribute far more than the others.

    `most` is the most that each contributes. One range of 255 steps serves all: the MiniLM embedder has a channel whose
    values are four times those of any other, with weights larger than theirs, which leaves the others few of the steps.
    """
    most = most.astype(np.float64)  # small numbers divide large ones
    usual = np.quantile(most, _USUAL)
    times = np.clip(np.ceil(most / usual), 1, _MOST).astype(np.int64) if usual > 0 else np.ones(len(most), np.int64)
    for _ in range(-int(times.sum()) % _ALIGNED):
        times[np.argmax(most / times)] += 1
    return times


def _inputs(tokenizer: Tokenizer, card: ModelCard, texts: Texts) -> dict[str, Any]:
    # `encode` would take a text and its pair apart; a batch takes both kinds.
    encoding = tokenizer.encode_batch([texts[0] if len(texts) == 1 else texts])[0]
    found = columns(encoding)
    return {name: np.array([found[name]], np.int64) for name in card.inputs}


def read_sample(path: Path, kind: str) -> list[Texts]:
    """Read lines of `{"question", "passage"}` as a model of this kind sees them: a reader both at once."""
    pairs = [(pair["question"], pair["passage"]) for pair in map(json.loads, path.read_text("utf-8").splitlines())]
    return list(pairs) if kind == "reader" else [(text,) for pair in pairs for text in pair]


def main() -> None:
    """Quantise one converted model."""
    parser = argparse.ArgumentParser(prog="python -m index.quantise", description=main.__doc__)
    parser.add_argument("sample", type=Path, help="lines of question and passage")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    quantise(args.folder, args.out, read_sample(args.sample, ModelCard.load(args.folder).kind))


if __name__ == "__main__":
    main()
