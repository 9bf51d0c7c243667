"""What a store was made with. A store made with anything else is refused, for its vectors would not compare."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from index.errors import StoreError
from index.types import EmbedderInfo

FORMAT_VERSION = 1
NO_MARKS = "none"  # the chunker's setting `marks` where nothing is marked; else it has none


@dataclass(frozen=True, slots=True)
class Manifest:
    """The embedder and the chunker settings that made a store's passages and vectors."""

    embedder: EmbedderInfo
    chunker: Mapping[str, int | str]
    format_version: int = FORMAT_VERSION

    @property
    def marks(self) -> bool:
        """Whether boilerplate is marked in this store's documents."""
        return self.chunker.get("marks") != NO_MARKS

    def to_json(self) -> str:
        """Return the manifest as JSON, the same text for equal manifests."""
        return json.dumps(
            {"format_version": self.format_version, "embedder": asdict(self.embedder), "chunker": dict(self.chunker)},
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Return the manifest that `to_json` wrote; raises ValueError, KeyError or TypeError on anything else."""
        loaded = json.loads(text)
        return cls(EmbedderInfo(**loaded["embedder"]), loaded["chunker"], loaded["format_version"])

    def settings(self) -> dict[str, int | str | None]:
        """Return every setting under its dotted name, such as `embedder.pooling`."""
        flat: dict[str, int | str | None] = {"format_version": self.format_version}
        flat |= {f"embedder.{name}": value for name, value in asdict(self.embedder).items()}
        flat |= {f"chunker.{name}": value for name, value in self.chunker.items()}
        return flat


def require_same(folder: Path, found: Manifest, expected: Manifest) -> None:
    """Raise StoreError naming every setting in which the store at `folder` differs from what this run expects."""
    if found == expected:  # asked at every look at a store
        return
    there, here = found.settings(), expected.settings()
    differing = [name for name in sorted(there.keys() | here.keys()) if there.get(name) != here.get(name)]
    if not differing:
        return
    listed = "; ".join(f"{name} is {there.get(name)!r}, this run expects {here.get(name)!r}" for name in differing)
    raise StoreError(f"{folder}: {listed}; rebuild it with `pincite index PATHS --rebuild`, or name another --store")
