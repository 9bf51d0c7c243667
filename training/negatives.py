"""Hard negatives from retrieval itself: for each question, the passages that a search ranks first, without its answer.

Each data file becomes a store, one document a title, that is cut, embedded and searched as `pincite index` and `pincite
search` do. Written are questions without answers, for a run to take beside the data itself:

    python -m training.negatives --train squad.json --out negatives.jsonl
    python -m training.reader --train squad.json negatives.jsonl --negatives 1 --negatives-each 4 ...
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import track

from api.build import build_embedder, chunk_limits, manifest_for
from api.settings import load_settings
from index.errors import PinciteError, UsageError
from index.files import find_files as find_documents
from index.ingest import IngestOptions, ingest
from index.store import Store
from index.types import Encoder, Filters
from rag.normalise import normalise
from rag.retrieve import retrieve
from training.data import Example, find_files, read_file
from training.similar import holds_answer

DEPTH = 20  # passages looked at for a question
log = logging.getLogger("training")


def mined(examples: Sequence[Example], encoder: Encoder, count: int, folder: Path) -> Iterator[Example]:
    """Yield for each answerable question up to `count` passages, best first, that hold none of its answers.

    They are of the contexts of all `examples`. `folder` is empty; the documents and their index are put there.
    """
    titles = _write_documents(examples, folder / "texts")
    # Nothing is marked as boilerplate: of contexts without their page it would be guessed.
    options = IngestOptions(chunk_limits(encoder), max_bytes=2**40, mark=False)
    with Store.open(folder / "store", manifest_for(encoder, mark_boilerplate=False), create=True) as store:
        ingest(store, find_documents([folder / "texts"]).files, encoder, options, lambda *_: None)
        with store.snapshot() as snapshot:
            for example in (one for one in examples if one.answers):
                vector = encoder.encode_query(example.question)
                ranked = [found for found, _ in retrieve(snapshot, example.question, vector, DEPTH, Filters())]
                texts = ((found.source, found.passage.text) for found in ranked)
                wrong = (pair for pair in texts if not holds_answer(example, pair[1], f" {normalise(pair[1])} "))
                for rank, (source, text) in enumerate(islice(wrong, count), start=1):
                    yield Example(
                        f"{example.id} negative {rank}", example.source, titles[source], text, example.question, ()
                    )


def _write_documents(examples: Sequence[Example], folder: Path) -> dict[str, str]:
    """Write a text file for each title, and for each context without one; return their titles by file name."""
    contexts: dict[str, dict[str, str]] = {}
    for example in examples:
        contexts.setdefault(example.title or example.context, {})[example.context] = example.title
    folder.mkdir(parents=True)
    titles: dict[str, str] = {}
    for number, document in enumerate(contexts.values()):
        name = f"{number:06}.txt"
        (folder / name).write_bytes("\n\n".join(document).encode("utf-8", "replace"))
        titles[name] = next(iter(document.values()))
    return titles


def main() -> None:
    """Run the command; a reason for refusing goes to stderr, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(
        prog="python -m training.negatives", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="files or folders: SQuAD JSON, or JSONL")
    parser.add_argument("--out", type=Path, required=True, help="the JSON Lines file to write")
    parser.add_argument("--count", type=int, default=6, help="most passages for a question (default: %(default)s)")
    args = parser.parse_args()
    try:
        write(args.train, args.out, args.count)
    except PinciteError as error:
        log.error("%s", error)
        sys.exit(2)


def write(train: Sequence[Path], out: Path, count: int) -> None:
    """Mine every file of `train` by itself and write all that is found to `out`."""
    if out.exists():
        raise UsageError(f"{out}: exists already; name another file")
    encoder = build_embedder(load_settings())
    lines: list[str] = []
    for path in find_files(train):
        examples, file = read_file(path, {})
        with tempfile.TemporaryDirectory() as folder:
            found = mined(examples, encoder, count, Path(folder))
            shown = track(found, path.name, file.answerable * count, console=Console(stderr=True), transient=True)
            some = [json.dumps(asdict(example), ensure_ascii=False) for example in shown]
        log.info("%s: %s questions, %s negatives", path.name, f"{file.answerable:,}", f"{len(some):,}")
        lines += some
    out.write_text("".join(f"{line}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    main()
