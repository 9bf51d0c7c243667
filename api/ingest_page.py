"""An ingestion report as one HTML file that needs nothing else: every file, and what is marked in it, in its place."""

from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from api.pages.segments import segments
from index.errors import Rejected
from index.file_report import FileReport
from index.ingest import IngestReport
from index.load import load_bytes
from rag.report import palette

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What was made of every file</title>
<meta name="viewport" content="width=device-width"><style>
@PALETTE
body {
  font: 16px/1.5 var(--sans); background: var(--paper); color: var(--ink);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem
}
table { border-collapse: collapse } td, th { text-align: left; padding: .1rem 1rem .1rem 0; vertical-align: top }
summary { cursor: pointer; padding: .3rem 0 } summary b { font-weight: 600 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; background: var(--raised); padding: 1rem }
mark { background: var(--mark); color: var(--on-mark) } mark::before { content: attr(title) ": "; font-size: .75em }
.rejected, .unsupported { color: var(--accent) } .excluded, .unchanged { color: var(--soft) }
</style></head><body><h1>What was made of every file</h1>
"""
_WHOLE = 1_000_000  # characters of a text that are shown


def pages(report: IngestReport, paths: Mapping[str, Path], mark: bool) -> Iterator[str]:
    """Yield the report in parts. `paths` tells where each source lies; a file is read again when its turn comes."""
    yield _HEAD.replace("@PALETTE", palette())
    counts = Counter(file.status for file in report.files)
    rows = "".join(f"<tr><td>{escape(status)}<td>{number:,}" for status, number in sorted(counts.items()))
    yield f"<table>{rows}<tr><th>found<th>{len(report.files):,}</table>\n"
    yield from (f"<p><b>{escape(warning)}</b></p>\n" for warning in report.warnings)
    gone = {"vanished": report.vanished, "pruned": report.pruned, "indexed before, excluded now": report.left_out}
    yield from (f"<p>{what}: {escape(', '.join(sources))}</p>\n" for what, sources in gone.items() if sources)
    for file in report.files:
        yield _section(file, paths.get(file.source), mark)
    yield "</body></html>\n"


def _section(file: FileReport, path: Path | None, mark: bool) -> str:
    head = f'<span class="{file.status}">{file.status}</span> <b>{escape(file.source)}</b> {escape(_said(file))}'
    if file.characters is None or path is None:
        return f"<p>{head}</p>\n"
    return f"<details><summary>{head}</summary>{_facts(file)}{_text(file.source, path, mark)}</details>\n"


def _said(file: FileReport) -> str:
    """Return what a reader wants to know first."""
    marked = f"{file.marked:,} of {file.characters:,} characters marked" if file.marked else None
    same = f"the same bytes as {file.duplicate_of}" if file.duplicate_of else None
    near = f"{file.likeness:.0%} the same as {file.near_duplicate_of}" if file.likeness else None
    told = (file.reason, file.encoding, file.language, marked, same, near, *file.notes)
    return " · ".join(one for one in told if one)


def _facts(file: FileReport) -> str:
    rows = [
        f"<tr><th>{escape(name)}<td>{escape(field.value)}"
        f"<td>{'not in the text' if field.start is None else f'{field.start} to {field.end}'}"
        for name, field in (file.metadata or {}).items()
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _text(source: str, path: Path, mark: bool) -> str:
    try:
        document = load_bytes(source, path.read_bytes(), mark)
    except (OSError, Rejected) as error:
        return f"<p>It cannot be read any more: {escape(str(error))}</p>"
    end = min(len(document.text), _WHOLE)
    shown = (
        f'<mark title="{escape(part.label)}">{escape(part.text)}</mark>' if part.label else escape(part.text)
        for part in segments(document.text, document.marks, 0, end)
    )
    cut = "" if end == len(document.text) else f"<p>The first {end:,} characters of {len(document.text):,}.</p>"
    return f"<pre>{''.join(shown)}</pre>{cut}"
