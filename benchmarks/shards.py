"""One store against the same documents in shards: whether answers, citations and their order are the same.

    python -m benchmarks.shards STORE GOLD [--shards 1 2 4 7] [--questions 200]

Dense retrieval alone has to agree exactly. BM25 knows the mean length of a shard's passages alone, so with fusion some
replies may differ: they are listed. Scores of passages are left out with fusion, for they are scaled by those of BM25.
"""

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from api.build import build_embedder, build_reader, load_calibration
from api.settings import Settings
from index.manifest import Manifest
from index.moment import Corpus, Moment
from index.rankings import Rankings, WordCounts
from index.shards import ShardedStore, make_shards, shard_folder, shard_of
from index.snapshot import Snapshot
from index.store import Store
from index.types import Filters, StoredDocument
from rag.answer import Answerer
from rag.calibrate import Calibration
from rag.gold import load_gold
from rag.read import Piece, ReaderInfo, Reads, Span
from rag.types import Answer

T = TypeVar("T")
AT_ONCE = 64  # documents written together


def spread(store: Store, folder: Path, shards: int) -> None:
    """Write the documents of a store into so many shards, with the vectors that they have."""
    make_shards(folder, shards, shards)
    for number in range(shards):
        with (
            Store.open(shard_folder(folder, number), store.manifest, create=True) as shard,
            store.snapshot() as snapshot,
        ):
            here = (one for one in snapshot.iter_documents() if shard_of(one.document.document_id, shards) == number)
            for some in _some(here):
                _copy(store, snapshot, shard, some)


def _some(documents: Iterator[StoredDocument]) -> Iterator[list[StoredDocument]]:
    while some := [one for _, one in zip(range(AT_ONCE), documents, strict=False)]:
        yield some


def _copy(store: Store, snapshot: Snapshot, shard: Store, documents: Sequence[StoredDocument]) -> None:
    with shard.write() as writer:
        for stored in documents:
            passages = [one.passage for one in snapshot.passages_of(stored.document.document_id)]
            vectors = store.vectors_by_key(passage.embedding_key for passage in passages)
            rows = np.array([vectors[passage.embedding_key] for passage in passages], np.float32)
            rows = rows.reshape(len(passages), shard.manifest.embedder.dimension)
            writer.put(stored.document, stored.origin, stored.size, passages, rows)


class DenseMoment:
    """A moment whose lexical side finds nothing; everything else is the moment's own."""

    def __init__(self, moment: Moment) -> None:
        """Stand in front of `moment`."""
        self._moment = moment

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the moment has)
        return getattr(self._moment, name)

    def rankings(
        self,
        question: str,
        vector: NDArray[np.float32],
        reach: int,
        filters: Filters,
        counts: WordCounts | None = None,
    ) -> Rankings:
        """Return the dense side alone."""
        return Rankings(self._moment.rankings(question, vector, reach, filters).dense, ())


class DenseCorpus:
    """A corpus that is asked by vectors alone."""

    def __init__(self, corpus: Corpus) -> None:
        """Stand in front of `corpus`, which stays the caller's to close."""
        self._corpus = corpus

    @property
    def folder(self) -> Path:
        """See `Corpus.folder`."""
        return self._corpus.folder

    @property
    def manifest(self) -> Manifest:
        """See `Corpus.manifest`."""
        return self._corpus.manifest

    @contextmanager
    def snapshot(self) -> Iterator[Moment]:
        """See `Corpus.snapshot`."""
        with self._corpus.snapshot() as moment:
            yield DenseMoment(moment)

    def at_one_moment(self, look: Callable[[Moment], T]) -> T:
        """See `Corpus.at_one_moment`."""
        return self._corpus.at_one_moment(lambda moment: look(DenseMoment(moment)))

    def close(self) -> None:
        """Leave it open."""


class Remembering:
    """A reader that reads each text for a question once: what it finds does not depend on what is read beside it."""

    def __init__(self, reader: Reads) -> None:
        """Read with `reader`."""
        self._reader = reader
        self._found: dict[tuple[str, tuple[Piece, ...]], Span | None] = {}

    @property
    def info(self) -> ReaderInfo:
        """See `Reads.info`."""
        return self._reader.info

    def read(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[Span | None]:
        """See `Reads.read`."""
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._found]
        self._found |= zip(new, self._reader.read(new), strict=True)
        return [self._found[pair] for pair in pairs]


def told(answer: Answer, scores: bool) -> dict[str, Any]:
    """Return what has to be the same in both replies: all but times, the store's state, and the ids of passages."""
    reply = dataclasses.asdict(answer)
    for name in ("timings_ms", "store"):
        del reply[name]
    for passage in reply["passages"]:
        del passage["passage_id"]
        if not scores:
            del passage["score"]
    return reply


def answers_only(reply: dict[str, Any]) -> dict[str, Any]:
    """Return of what was told the answer and its citations, in order."""
    return {name: reply[name] for name in ("answer", "citations")}


def main() -> None:
    """Print for each number of shards how many replies are the same, and those that are not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("gold", type=Path)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4, 7])
    parser.add_argument("--questions", type=int, default=1_000_000, help="evenly spaced ones")
    given = parser.parse_args()
    settings = Settings(store=given.store)
    gold = [one.question for one in load_gold(given.gold)]
    questions = gold[:: max(1, len(gold) // given.questions)]
    encoder, reader = build_embedder(settings), Remembering(build_reader(settings))

    def ask(corpus: Corpus) -> list[Answer]:
        answerer = Answerer(corpus, encoder, reader, Calibration())
        answerer.calibration = load_calibration(settings, answerer.fingerprint())
        return [asked.answer for asked in answerer.ask_many(questions, top_k=10, depth=0)]

    with Store.open(given.store) as store:
        expected = {"dense": ask(DenseCorpus(store)), "fused": ask(store)}
        for shards in given.shards:
            with tempfile.TemporaryDirectory() as folder:
                spread(store, Path(folder), shards)
                with ShardedStore.open(Path(folder)) as sharded:
                    _report(shards, "dense", expected["dense"], ask(DenseCorpus(sharded)))
                    _report(shards, "fused", expected["fused"], ask(sharded))


def _report(shards: int, side: str, expected: Sequence[Answer], got: Sequence[Answer]) -> None:
    pairs = [
        (told(one, side == "dense"), told(other, side == "dense")) for one, other in zip(expected, got, strict=True)
    ]
    alike = sum(one == other for one, other in pairs)
    same = [answers_only(one) == answers_only(other) for one, other in pairs]
    print(f"{shards} shards, {side}: of {len(pairs)} replies {alike} are the same in everything, {sum(same)} in answer"
          f" and citations ({sum(same) / len(pairs):.2%})")  # fmt: skip
    for (one, other), alright in zip(pairs, same, strict=True):
        if not alright:
            print(json.dumps({"question": one["question"], "one": _brief(one), "shards": _brief(other)}))


def _brief(reply: dict[str, Any]) -> dict[str, Any]:
    places = [f"{one['source']}:{one['start']}-{one['end']}" for one in reply["citations"]]
    return {"answer": reply["answer"], "confidence": reply["confidence"], "citations": places}


if __name__ == "__main__":
    main()
