"""What became of one file: enough to see what was read of it, what was left out, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from index.pdf import blank_pages
from index.sketches import Copy
from index.snapshot import DocumentSummary
from index.types import Document, Field, Mark, Metadata

_SHOWN = 10  # pages without text that are named


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file, or folder that was left out whole (its name ends in "/").

    `status`: added, replaced, unchanged, rejected, unsupported or excluded; the last three have a `reason`. `encoding`
    is the file's, also where the text was extracted from it (None where that has none). `marked` counts characters.
    `duplicate_of` has the same bytes, `near_duplicate_of` nearly the same text (`likeness`, 0 to 1).
    """

    source: str
    status: str
    reason: str | None = None
    media_type: str | None = None
    encoding: str | None = None
    language: str | None = None
    characters: int | None = None
    marked: int | None = None
    passages: int | None = None
    metadata: Mapping[str, Field] | None = None
    marks: Sequence[Mark] | None = None
    notes: Sequence[str] = ()
    sha256: str | None = None
    duplicate_of: str | None = None
    near_duplicate_of: str | None = None
    likeness: float | None = None


def of_document(document: Document, status: str, passages: int) -> FileReport:
    """Return what was read of a file."""
    media_type, _, charset = document.media_type.partition("; charset=")
    return FileReport(
        source=document.source,
        status=status,
        media_type=media_type,
        encoding=document.encoding or charset or None,
        language=_language(document.metadata),
        characters=len(document.text),
        marked=sum(mark.end - mark.start for mark in document.marks),
        passages=passages,
        metadata=_facts(document.metadata),
        marks=document.marks,
        notes=tuple(_notes(document, passages)),
        sha256=document.sha256,
    )


def of_summary(summary: DocumentSummary) -> FileReport:
    """Return what the store says of a file that was not read again."""
    return FileReport(
        source=summary.source,
        status="unchanged",
        language=_language(summary.metadata),
        characters=summary.characters,
        passages=summary.passages,
        metadata=_facts(summary.metadata),
        sha256=summary.sha256,
    )


def linked(files: Sequence[FileReport], near: Mapping[str, Copy]) -> list[FileReport]:
    """Return the reports with their copies named: the first file with the same bytes, or nearly the same text."""
    first: dict[str, str] = {}
    found: list[FileReport] = []
    for file in files:
        same = first.setdefault(file.sha256, file.source) if file.sha256 else file.source
        copy = near.get(file.source)
        if same != file.source:
            file = replace(file, duplicate_of=same)
        elif copy:
            file = replace(file, near_duplicate_of=copy.source, likeness=copy.likeness)
        found.append(file)
    return found


def _facts(metadata: Metadata) -> dict[str, Field]:
    return dict(metadata.items())


def _language(metadata: Metadata) -> str | None:
    return metadata.language.value if metadata.language else None


def _notes(document: Document, passages: int) -> list[str]:
    notes = []
    if blank := blank_pages(document):
        named = ", ".join(map(str, blank[:_SHOWN])) + (" ..." if len(blank) > _SHOWN else "")
        notes.append(f"no text on {len(blank)} of its pages ({named}); they may be scanned")
    if not passages:
        notes.append("all of its text is marked as boilerplate, so no question is answered from it")
    return notes
