"""Averages readers: the mean of their weights, which often answers better than any of them.

    python -m training.average one-reader another-reader --out mean-reader

"Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time"
(Wortsman et al., ICML 2022). It holds for readers that were fine-tuned from the same encoder.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from index.errors import PinciteError, UsageError
from index.models import check_files, sha256_of

_WEIGHTS = "model.safetensors"
_COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json")


def average(folders: Sequence[Path], out: Path) -> Path:
    """Write the mean of the readers' weights, in fp16, as a model folder; return `out`.

    Configuration and tokenizer are the first one's. Raises UsageError if there are not two at least, their weights
    differ in name or shape or are in several files, their tokens differ or are not there, or `out` holds a model;
    ModelError for a folder that is no model.
    """
    if len(folders) < 2:
        raise UsageError("one reader has no mean; name two or more")
    if (out / _WEIGHTS).exists():
        raise UsageError(f"{out}: holds a model already; name another folder")
    hashes = [check_files(str(folder), folder).sha256 for folder in folders]
    tokens = [_tokens(folder) for folder in folders]
    for folder, others in zip(folders, tokens, strict=True):
        if others != tokens[0]:
            raise UsageError(f"{folder}: it has other tokens than {folders[0]}; average readers of one encoder")
    mean = mean_weights(folders)
    out.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        if (folders[0] / name).exists():
            shutil.copyfile(folders[0] / name, out / name)
    save_file(mean, out / _WEIGHTS, metadata={"format": "pt"})
    (out / "README.md").write_text(_card(folders, hashes, sha256_of(out / _WEIGHTS)), encoding="utf-8")
    return out


def mean_weights(folders: Sequence[Path]) -> dict[str, NDArray[np.float16]]:
    """Return each tensor's mean, summed in float64. Raises UsageError where names or shapes differ."""
    sums: dict[str, NDArray[np.float64]] = {}
    for folder in folders:
        if not (folder / _WEIGHTS).is_file():
            raise UsageError(f"{folder}: no {_WEIGHTS}; save the model in one file")
        tensors = load_file(folder / _WEIGHTS)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if sums and shapes != {name: tensor.shape for name, tensor in sums.items()}:
            raise UsageError(f"{folder}: its weights have other names or shapes than those of {folders[0]}")
        sums = {name: sums.get(name, 0.0) + tensor.astype(np.float64) for name, tensor in tensors.items()}
    return {name: (total / len(folders)).astype(np.float16) for name, total in sums.items()}


def _tokens(folder: Path) -> dict[str, int]:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise UsageError(f"{folder}: no {file.name}; save the tokenizer with the model, as a fast one")
    tokens: dict[str, int] = Tokenizer.from_file(str(file)).get_vocab()
    return tokens


def _card(folders: Sequence[Path], hashes: Sequence[str], sha256: str) -> str:
    """Return the model card: what was averaged, and the cards of that, one level lower."""
    lines = [
        "# A reader for Pincite",
        "",
        f"Weights: `model.safetensors`, fp16, sha256 `{sha256}`. Load them with `dtype=torch.float32` on a CPU.",
        "They are the mean of the weights of the readers below. Written by `python -m training.average`.",
        "",
    ]
    for folder, digest in zip(folders, hashes, strict=True):
        lines += [f"## `{folder.resolve().name}` (weights sha256 `{digest}`)", ""]
        card = folder / "README.md"
        text = card.read_text("utf-8").split("\n") if card.exists() else ["It has no card.", ""]
        lines += [f"##{line}" if line.startswith("#") else line for line in text]
    return "\n".join(lines)


def main() -> None:
    """Run the command; a reason for refusing goes to stderr, with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m training.average", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", type=Path, nargs="+", help="model folders")
    parser.add_argument("--out", type=Path, required=True, help="the folder to make")
    given = parser.parse_args()
    try:
        print(f"made: {average(given.readers, given.out)}")
    except PinciteError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
