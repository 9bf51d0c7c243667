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
from training.data import Example, find_files, read_file
from training.similar import Accepted, answers_by_question, holds_answer, in_words

DEPTH = 20  # passages looked at for a question
_ANY_SIZE = 2**40  # bytes
log = logging.getLogger("training")


def mine_hard_negatives(
    examples: Sequence[Example], accepted: Accepted, encoder: Encoder, count: int, folder: Path
) -> Iterator[list[Example]]:
    """Yield for each answerable question up to `count` passages, best first, that hold nothing `accepted` for it.

    The passages are of documents made of all contexts, so one may hold the end of a context and the beginning of the
    next. `folder` is empty and takes documents and index. Raises UsageError if a context cannot be indexed.
    """
    titles = _write_documents(examples, folder / "texts")
    # Nothing is marked as boilerplate: contexts lack the page that would show it.
    options = IngestOptions(chunk_limits(encoder), max_bytes=_ANY_SIZE, mark=False)
    with Store.open(folder / "store", manifest_for(encoder, mark_boilerplate=False), create=True) as store:
        report = ingest(store, find_documents([folder / "texts"]).files, encoder, options, lambda *_: None)
        if report.rejected:
            first = report.rejected[0]
            text = (folder / "texts" / first.source).read_text("utf-8")
            which = f"{examples[0].source}: {_name(titles[first.source], text)}"
            raise UsageError(f"{which} cannot be indexed ({first.reason}); mend it")
        with store.snapshot() as snapshot:
            for example in (one for one in examples if one.answers):
                vector = encoder.encode_query(example.question)
                texts: dict[str, str] = {}  # copies count once, as the first
                for found in retrieve(snapshot, example.question, vector, DEPTH, Filters()):
                    texts.setdefault(found.stored.passage.text, titles[found.stored.source])
                answers = [answer.text for answer in accepted[normalise(example.question)]]
                wrong = (pair for pair in texts.items() if not holds_answer(answers, pair[0], in_words(pair[0])))
                yield [
                    Example(f"{example.id} negative {rank}", example.source, title, text, example.question, ())
                    for rank, (text, title) in enumerate(islice(wrong, count), start=1)
                ]


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
            which = f"{examples[0].source}: {_name(title, next(iter(contexts)))}"
            raise UsageError(f"{which} holds half a surrogate pair; write it in UTF-8") from None
        titles[name] = title
    return titles


def _name(title: str, text: str) -> str:
    return f"what is titled {title!r}" if title else f"the context that begins {text[:40]!r}"


def mine_files(paths: Sequence[Path], out: Path, count: int, make_encoder: Callable[[], Encoder]) -> None:
    """Mine every file by itself and write all that is found to `out`, a JSON object a line, once it is whole.

    An answer of one file is accepted in all. Raises UsageError if `count` is not 1 to `DEPTH`, `out` is there or cannot
    be made, or a file will not do; only then is the encoder made.
    """
    if not 1 <= count <= DEPTH:
        raise UsageError(f"--count is {count}; give 1 to {DEPTH}")
    if out.exists():
        raise UsageError(f"{out}: is there already; name a new file")
    read = [(path.name, read_file(path, {})[0]) for path in find_files(paths)]
    accepted = answers_by_question([example for _, examples in read for example in examples])
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        written = unfinished.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}; name a file in a folder that can be written") from error
    encoder = make_encoder()
    with written:
        for name, examples in read:
            for example in _mined(name, examples, accepted, encoder, count):
                written.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")
    unfinished.replace(out)


def _mined(
    name: str, examples: Sequence[Example], accepted: Accepted, encoder: Encoder, count: int
) -> Iterator[Example]:
    answerable = sum(bool(example.answers) for example in examples)
    found = 0
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=answerable)
        for some in mine_hard_negatives(examples, accepted, encoder, count, Path(folder)) if answerable else ():
            bar.advance(task)
            found += len(some)
            yield from some
    log.info("%s: %s questions, %s negatives", name, f"{answerable:,}", f"{found:,}")


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
        mine_files(given.train, given.out, given.count, lambda: build_embedder(load_settings()))
    except PinciteError as error:
        log.error("%s", error)
        sys.exit(2)


if __name__ == "__main__":
    main()
