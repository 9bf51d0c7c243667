"""A store kept up to date with folders: one look at every file at a time, with the models loaded once."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from api.build import build_embedder, chunk_limits, manifest_for
from api.settings import Settings
from index.errors import UsageError
from index.files import Skipped, find_files, identity
from index.gone import not_found, remove_gone
from index.ingest import IngestOptions, IngestReport, ingest, known_documents
from index.originals import sweep
from index.store import Store
from index.types import Encoder


@dataclass(slots=True)
class Watcher:
    """Brings a store up to date with what lies under `paths`, whenever it is told to."""

    paths: tuple[Path, ...]
    exclude: tuple[str, ...]
    settings: Settings
    notify: Callable[[str], None]
    encoder: Encoder | None = None  # loaded at the first look
    _said: set[Skipped] = field(default_factory=set, init=False)  # what was bad at the last look
    _filled: dict[Path, tuple[int, int]] = field(default_factory=dict, init=False)  # folders seen with files in them

    def update(self) -> IngestReport | None:
        """Index what is new or changed and remove what is gone; return the report, None where there was nothing to do.

        Raises UsageError for a path that is missing: a drive that is not mounted looks as if all were deleted.
        """
        found = find_files(list(self.paths), list(self.exclude))
        encoder = self.encoder = self.encoder or build_embedder(self.settings, self.notify)
        mark = self.settings.mark_boilerplate
        options = IngestOptions(chunk_limits(encoder), self.settings.max_file_mb * 2**20, mark)
        with Store.open(self.settings.store, manifest_for(encoder, mark), create=True) as store:
            known = known_documents(store)
            gone, _ = not_found(known, self.paths, found.files)
            self._require_some_left([summary.origin for summary in known.values()])
            report = ingest(store, found.files, encoder, options, lambda *_: None)
            if gone:
                report.pruned += remove_gone(store, gone)
            sweep(store)
        report.rejected += found.rejected
        report.found = len(report.files)
        bad = report.rejected
        # A file stays bad at every look, and is news once; again where it was good in between.
        report.rejected, self._said = [one for one in bad if one not in self._said], set(bad)
        return report if report.added or report.replaced or report.pruned or report.rejected else None

    def _require_some_left(self, origins: list[str | None]) -> None:
        """Raise UsageError where all the documents of a path are gone at once, and it has nothing else to index.

        That the only one is gone is believed where the folder is the one that had files in it: a place where nothing is
        mounted is another one.
        """
        for path in self.paths:
            if _has_files(path):
                self._filled[path] = identity(path)
                continue
            root = os.path.abspath(path)
            here = [origin for origin in origins if origin and Path(origin).is_relative_to(root)]
            believed = len(here) == 1 and self._filled.get(path) == identity(path)
            if here and not believed and not any(Path(origin).exists() for origin in here):
                raise UsageError(
                    f"{path}: all of its documents ({len(here)}) are gone at once, as if it were not mounted; "
                    "they are kept. If that is meant, run `pincite index` on it with `--prune`"
                )


def _has_files(path: Path) -> bool:
    return path.is_dir() and any(files for _, _, files in os.walk(path))
