"""Hard negatives from retrieval itself: for each question, the passages that a search ranks first, without its answer.

Each data file becomes a store, one document a title, that is cut, embedded and searched as `pincite index` and `pincite
search` do. Written are questions without answers, for a run to take beside the data itself:

    python -m training.negatives --train squad.json --out negatives.jsonl
    python -m training.reader --train squad.json negatives.jsonl --negatives 1 --max-negatives 4 ...
"""

import argparse
import json
import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from api.build import build_embedder, chunk_limits, manifest_for
from api.settings import load_settings
from index.errors import PinciteError, UsageError
from index.files import find_files as find_documents
from index.ingest import IngestOptions, ingest
from index.store import Store
from index.types import Encoder, Filters
from rag.normalise import normalise
from rag.retrieve import retrieve
from training.data import Answer, Example, find_files, read_file
from training.similar import holds_answer, padded

DEPTH = 20  # passages looked at for a question
_ANY_SIZE = 2**40  # bytes
log = logging.getLogger("training")


def mine_hard_negatives(
    examples: Sequence[Example], encoder: Encoder, count: int, folder: Path, asked: Callable[[], None]
) -> Iterator[Example]:
    """Yield for each answerable question up to `count` passages, best first, that hold none of its answers.

    The passages are of documents made of all contexts, so one may hold the end of one and the beginning of the next.
    A question that is asked of several contexts has the answers of all. `folder` is empty and takes documents and
    index; `asked` is called after each question. Raises UsageError if a context cannot be indexed.
    """
    titles = _write_documents(examples, folder / "texts")
    answers: dict[str, list[Answer]] = defaultdict(list)
    for example in examples:
        answers[normalise(example.question)] += example.answers
    # Nothing is marked as boilerplate: contexts lack the page that would show it.
    options = IngestOptions(chunk_limits(encoder), max_bytes=_ANY_SIZE, mark=False)
    with Store.open(folder / "store", manifest_for(encoder, mark_boilerplate=False), create=True) as store:
        report = ingest(store, find_documents([folder / "texts"]).files, encoder, options, lambda *_: None)
        if report.rejected:
            title = titles[report.rejected[0].source]
            raise UsageError(f"contexts of {title!r} cannot be indexed ({report.rejected[0].reason}); mend them")
        with store.snapshot() as snapshot:
            for example in (one for one in examples if one.answers):
                vector = encoder.encode_query(example.question)
                ranked = [found for found, _ in retrieve(snapshot, example.question, vector, DEPTH, Filters())]
                texts = {found.passage.text: titles[found.source] for found in ranked}  # copies count once
                right = answers[normalise(example.question)]
                wrong = (pair for pair in texts.items() if not holds_answer(right, pair[0], padded(pair[0])))
                for rank, (text, title) in enumerate(islice(wrong, count), start=1):
                    yield Example(f"{example.id} negative {rank}", example.source, title, text, example.question, ())
                asked()


def _write_documents(examples: Sequence[Example], folder: Path) -> dict[str, str]:
    """Write a text file for each title, and for each context without one; return their titles by file name."""
    documents: dict[tuple[str, str], dict[str, None]] = {}
    for example in examples:
        key = (example.title, "" if example.title else example.context)
        documents.setdefault(key, {})[example.context] = None
    folder.mkdir(parents=True)
    titles: dict[str, str] = {}
    for number, ((title, _), contexts) in enumerate(documents.items()):
        name = f"{number:06}.txt"
        try:
            (folder / name).write_bytes("\n\n".join(contexts).encode())
        except UnicodeEncodeError:
            raise UsageError(f"contexts of {title!r} hold half a surrogate pair; write them in UTF-8") from None
        titles[name] = title
    return titles


def mine_files(paths: Sequence[Path], out: Path, count: int, encoder: Encoder) -> None:
    """Mine every file by itself and write all that is found to `out`, a JSON object a line.

    Raises UsageError if `count` is not 1 to `DEPTH`, `out` is there or cannot be made, or a file will not do.
    """
    if not 1 <= count <= DEPTH:
        raise UsageError(f"--count is {count}; give 1 to {DEPTH}")
    files = find_files(paths)
    try:
        with out.open("x", encoding="utf-8") as written:
            for path in files:
                for example in _mined(path, encoder, count):
                    written.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}; name a new file in a folder that is there") from error


def _mined(path: Path, encoder: Encoder, count: int) -> Iterator[Example]:
    examples, file = read_file(path, {})
    found = 0
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(path.name, total=file.answerable)
        if file.answerable:
            for example in mine_hard_negatives(examples, encoder, count, Path(folder), lambda: bar.advance(task)):
                found += 1
                yield example
    log.info("%s: %s questions, %s negatives", path.name, f"{file.answerable:,}", f"{found:,}")


def main() -> None:
    """Run the command; a reason for refusing goes to stderr, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(
        prog="python -m training.negatives", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="files or folders: SQuAD JSON, or JSONL")
    parser.add_argument("--out", type=Path, required=True, help="the JSON Lines file to write")
    most = f"most passages for a question, up to {DEPTH} (default: %(default)s)"
    parser.add_argument("--count", type=int, default=6, help=most)
    given = parser.parse_args()
    try:
        mine_files(given.train, given.out, given.count, build_embedder(load_settings()))
    except PinciteError as error:
        log.error("%s", error)
        sys.exit(2)


if __name__ == "__main__":
    main()
