"""What the last `pincite index` made of every file, kept beside the store, so that the library can show it."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from index.files import Skipped
from index.ingest import IngestReport

FILE = "ingest.json"

_COUNTED = ("added", "replaced", "unchanged", "pruned")
_REASONED = ("rejected", "unsupported", "excluded")
_REASONS = {
    "vanished": "its file is gone; it is still answered from until `pincite index --prune`",
    "left_out": "its file is excluded now; it is still answered from until `pincite remove`",
}


@dataclass(frozen=True, slots=True)
class IngestRecord:
    """One run: when it ended (ISO, UTC), how many files it took in, and each one that it did not, with the reason."""

    at: str
    counts: Mapping[str, int]
    passages: int
    left: Mapping[str, Sequence[Skipped]]


def save_record(folder: Path, report: IngestReport, at: str) -> None:
    """Keep the record of a run in the store's folder, in the place of the one before."""
    left = {name: getattr(report, name) for name in _REASONED}
    left |= {name: [Skipped(source, reason) for source in getattr(report, name)] for name, reason in _REASONS.items()}
    record = {
        "at": at,
        "counts": {name: len(getattr(report, name)) for name in _COUNTED},
        "passages": report.passages,
        "left": {name: [[one.source, one.reason] for one in some] for name, some in left.items()},
    }
    # What was indexed is safe in the store: a record that cannot be written is no failure.
    with suppress(OSError):
        partial = folder / f"{FILE}.partial"
        partial.write_text(json.dumps(record, ensure_ascii=False), "utf-8")
        os.replace(partial, folder / FILE)


def load_record(folder: Path) -> IngestRecord | None:
    """Return the record of the last run; None if there is none that can be read."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
        left = {name: [Skipped(str(source), str(why)) for source, why in some] for name, some in found["left"].items()}
        counts = {name: int(found["counts"][name]) for name in _COUNTED}
        return IngestRecord(str(found["at"]), counts, int(found["passages"]), left)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
