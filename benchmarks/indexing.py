"""What indexing costs beside embedding alone: the same passages, alternated in one run.

    python -m benchmarks.indexing cranfield cisi time --articles 2000

The documents of folders of judged questions (`benchmarks.judged`) are written as text files, evenly spaced ones up to
`--articles`. A round embeds their passages, all in one call, and then indexes the files into a new store, as
`pincite index` does: they are found, read, decoded, looked through for boilerplate and metadata, cut, embedded, and
written with their terms and vectors. Of equal files one is taken, and equal passages are embedded once.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from api.build import build_embedder, chunk_limits, manifest_for
from api.settings import load_settings
from benchmarks import machine
from benchmarks.judged import load_collection
from index.embed import Embedder
from index.files import find_files
from index.ingest import IngestOptions, ingest
from index.store import Store
from index.types import Document
from rag.evaluate import evenly_spaced


def write_articles(documents: Iterable[Document], count: int, folder: Path) -> int:
    """Write up to `count` documents of different texts, evenly spaced; return how many they are."""
    different = list({document.text: document for document in documents if document.text.strip()}.values())
    chosen = evenly_spaced(different, count)
    for number, document in enumerate(chosen):
        title = document.metadata.title
        lines = [title.value, ""] if title else []
        (folder / f"{number:05}.txt").write_text("\n".join([*lines, document.text]), "utf-8")
    return len(chosen)


def index(files: Path, into: Path, embedder: Embedder, options: IngestOptions) -> float:
    """Index the folder into a new store; return the seconds that took. SystemExit if a file is rejected."""
    began = time.perf_counter()
    with Store.open(into, manifest_for(embedder, options.mark), create=True) as store:
        report = ingest(store, find_files([files], []).files, embedder, options, lambda *_: None)
    took = time.perf_counter() - began
    if report.rejected:
        raise SystemExit(f"{report.rejected[0].source} was rejected: {report.rejected[0].reason}")
    return took


def embed(texts: Sequence[str], embedder: Embedder) -> float:
    """Embed the passages; return the seconds that took."""
    began = time.perf_counter()
    embedder.encode_passages(list(texts))
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--articles", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    given = parser.parse_args()
    settings = load_settings()
    embedder = build_embedder(settings)
    options = IngestOptions(chunk_limits(embedder), settings.max_file_mb * 2**20, settings.mark_boilerplate)
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "articles"
        files.mkdir()
        count = write_articles(
            (one for folder in given.folders for one in load_collection(folder).documents), given.articles, files
        )
        index(files, Path(scratch) / "warm", embedder, options)
        with Store.open(Path(scratch) / "warm") as store, store.snapshot() as snapshot:
            stored = [one for each in snapshot.list_documents() for one in snapshot.passages_of(each.document_id)]
        texts = list(dict.fromkeys(one.passage.embedding_text for one in stored))  # equal ones are embedded once
        rounds = []
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
            rounds.append((embed(texts, embedder), index(files, Path(scratch) / str(number), embedder, options)))
    ratios = [raw / whole for raw, whole in rounds]
    print(f"{count} articles, {len(texts)} passages. {machine.line(machine.facts())}.")
    print(f"embedding alone: {len(texts) / median(raw for raw, _ in rounds):.1f} passages/s")
    print(f"indexing: {len(texts) / median(whole for _, whole in rounds):.1f} passages/s")
    print(f"indexing over embedding alone: {median(ratios):.3f} ({min(ratios):.3f} .. {max(ratios):.3f})")


if __name__ == "__main__":
    main()
