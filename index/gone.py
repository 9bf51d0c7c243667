"""Documents whose files are gone: found by a look at a folder, removed after another."""

from collections.abc import Sequence
from pathlib import Path

from index.files import Found, Skipped
from index.ingest import IngestReport, Known, known_documents, origin_of
from index.load import NO_TEXT
from index.store import Store
from index.types import document_id_of


def not_found(known: Known, folders: Sequence[Path], found: Found) -> tuple[list[str], list[str]]:
    """Return the stored sources from under `folders` that were not found: those whose files are gone or left out.

    A file that may be there (its folder cannot be read) is neither, nor is one that was found under another source.
    """
    here = {file.source for file in found.files}
    roots = [origin_of(folder) for folder in folders]
    missed = {
        source: Path(summary.origin)
        for source, summary in known.items()
        if summary.origin and source not in here and any(Path(summary.origin).is_relative_to(root) for root in roots)
    }
    gone = [source for source, origin in missed.items() if _is_gone(origin)]
    read = {origin_of(file.path) for file in found.files}
    return gone, [
        source
        for source, origin in missed.items()
        if source not in gone and str(origin) not in read and not _is_within(source, found.rejected)
    ]


def emptied(known: Known, report: IngestReport) -> list[str]:
    """Return the stored sources whose files were found, and have no text any more."""
    return [one.source for one in report.rejected if one.source in known and one.reason.startswith(NO_TEXT)]


def remove_gone(store: Store, sources: Sequence[str]) -> list[str]:
    """Remove documents whose files were found to be gone, as one generation; return the sources of those removed.

    The look is taken again while no one else can write: what was uploaded in the place of one stays, and so does what
    has its file again.
    """
    with store.write() as writer:
        now = known_documents(store)
        origins = {source: now[source].origin for source in sources if source in now}
        gone = [source for source, origin in origins.items() if origin and _is_gone(Path(origin))]
        for source in gone:
            writer.remove(document_id_of(source))
    return gone


def _is_within(source: str, unreadable: Sequence[Skipped]) -> bool:
    """Tell whether a source is one of these, or below one that is a folder ("./" is the whole)."""
    return any(
        source == one.source or (one.source.endswith("/") and source.startswith(one.source.removeprefix("./")))
        for one in unreadable
    )


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
