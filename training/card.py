"""The model card that a run writes beside its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data import DataFile


@dataclass(frozen=True, slots=True)
class Made:
    """What a run did, for the card."""

    init: str
    init_sha256: str
    files: Sequence[DataFile]
    settings: Mapping[str, str]
    counts: Mapping[str, int]
    sha256: str


def write_card(made: Made, folder: Path) -> None:
    """Write README.md in `folder`: data with licences, settings, what was read, and the hash of the weights."""
    files = [
        f"| {file.name} | {file.answerable:,} | {file.unanswerable:,} | {file.licence} | `{file.sha256[:16]}` |"
        for file in made.files
    ]
    lines = [
        "# A reader for Pincite",
        "",
        "Extractive question answering: start and end logits by token; position 0 stands for no answer. The margin of",
        "a window is the best start + end of a span of the text less start + end at position 0.",
        "",
        f"Weights: `model.safetensors`, fp16, sha256 `{made.sha256}`. Load them with `dtype=torch.float32` on a CPU.",
        f"Fine-tuned from `{made.init}` (weights sha256 `{made.init_sha256}`).",
        "Written by `python -m training.reader`; see `docs/reader.md` for what it does and how it is measured.",
        "",
        "## Data",
        "",
        "| file | answerable | unanswerable | from, and licence as stated | sha256 begins |",
        "|---|---|---|---|---|",
        *files,
        "",
        "Near misses, hard negatives and lines above passages are made from these; names in such lines are made up.",
        "",
        "## Read in training",
        "",
        "| what | n |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in made.counts.items()),
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in made.settings.items()),
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
