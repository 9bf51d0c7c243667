"""Documents whose files are gone: found by a look at a folder, removed after another."""

import os
from collections.abc import Sequence
from pathlib import Path

from index.files import FoundFile
from index.ingest import Known, known_documents, origin_of
from index.store import Store
from index.types import document_id_of


def not_found(known: Known, folders: Sequence[Path], found: Sequence[FoundFile]) -> tuple[list[str], list[str]]:
    """Return the stored sources from under `folders` that were not found: those whose files are gone or left out.

    A file that may be there (its folder cannot be read) is neither, nor is one that was found under another source.
    """
    here, read = {file.source for file in found}, {origin_of(file.path) for file in found}
    roots = [Path(origin_of(folder)) for folder in folders]
    missed = {
        source: Path(summary.origin)
        for source, summary in known.items()
        if summary.origin and source not in here and any(Path(summary.origin).is_relative_to(root) for root in roots)
    }
    gone = [source for source, origin in missed.items() if _is_gone(origin)]
    there = [source for source, origin in missed.items() if str(origin) not in read and _is_there(origin, roots)]
    return gone, there


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


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _is_there(path: Path, roots: Sequence[Path]) -> bool:
    """Tell whether a file is there for sure, and the folders from a root down to it can be searched."""
    folders = [folder for folder in path.parents if any(folder.is_relative_to(root) for root in roots)]
    try:
        return path.is_file() and all(os.access(folder, os.R_OK | os.X_OK) for folder in folders)
    except OSError:
        return False
