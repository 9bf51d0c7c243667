"""Documents spread over several ordinary stores by their ids, and asked as if they lay in one. Knows no network.

A passage's id here tells its shard too: `id in the shard * shards + number of the shard`.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from heapq import merge
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.durable import publish
from index.errors import StoreError, Unreachable, UsageError
from index.manifest import Manifest
from index.moment import Moment
from index.rankings import Ranking, Rankings, WordCounts, merged
from index.snapshot import DocumentSummary
from index.store import IN_SHARDS, Store
from index.types import Filters, StoredDocument, StoredPassage

MOST = 1024  # shards of a store

_ID = re.compile(r"[0-9a-f]{16}")

T = TypeVar("T")


class ShardsMissing(Unreachable):
    """Some shards do not answer, and what was asked for needs them."""

    def __init__(self, numbers: Iterable[int]) -> None:
        """Name the shards by their numbers."""
        self.numbers = tuple(sorted(numbers))
        listed = ", ".join(map(str, self.numbers))
        super().__init__(f"of the documents' shards these do not answer: {listed}; try again soon")


class AskEach(Protocol):
    """Asks each of some parts the same, all at once or one by one."""

    def __call__(self, parts: Mapping[int, Moment], question: Callable[[int, Moment], T]) -> dict[int, T]:
        """Return what each part said, by number; raises ShardsMissing, naming all of them, where parts do not."""
        ...


def one_by_one(parts: Mapping[int, Moment], question: Callable[[int, Moment], T]) -> dict[int, T]:
    """Ask shards of this process: they do not go missing."""
    return {number: question(number, part) for number, part in parts.items()}


def shard_of(document_id: str, shards: int) -> int:
    """Return the number of the shard, from 0, that a document belongs to."""
    return int(document_id, 16) % shards


def shard_folder(folder: Path, number: int) -> Path:
    """Return where a shard's own store lies."""
    return folder / f"shard-{number:04d}"


def shard_count(folder: Path) -> int | None:
    """Return how many shards the store in `folder` has; None where it is none in shards. StoreError if damaged."""
    try:
        count = json.loads((folder / IN_SHARDS).read_text("utf-8"))["shards"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder / IN_SHARDS}: cannot be read ({error}); put it back from a backup") from error
    if type(count) is not int or not 1 <= count <= MOST:
        raise StoreError(f"{folder / IN_SHARDS}: says {count!r} shards, 1 to {MOST} can be; put it back from a backup")
    return count


def make_shards(folder: Path, shards: int | None, default: int) -> int:
    """Decide how many shards the store in `folder` has: those it has, else `shards`, else `default`; return it.

    UsageError where it has another number than `shards`, or holds a store that is not in shards.
    """
    there = shard_count(folder)
    if there is not None:
        if shards not in (None, there):
            raise UsageError(f"{folder} has {there} shards, not {shards}; name another --store for another number")
        return there
    if Store.exists(folder):
        raise UsageError(f"{folder} holds a store that is not in shards; name another --store")
    count = default if shards is None else shards
    if not 1 <= count <= MOST:
        raise UsageError(f"{count} shards cannot be; give 1 to {MOST}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{IN_SHARDS}.partial"
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"shards": count}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        publish(partial, folder / IN_SHARDS)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; name a writable --store") from error
    return count


class ShardedMoment:
    """A moment of each shard, together one `index.moment.Moment`; some shards may be missing.

    What is ranked over the shards that are there is marked as such (`missing_shards`); a list of documents is whole, or
    it raises ShardsMissing.
    """

    def __init__(self, parts: Mapping[int, Moment], shards: int, ask: AskEach = one_by_one) -> None:
        """Put together the moments in `parts`, by the numbers of their shards, out of so many shards."""
        self._parts, self._shards, self._ask = parts, shards, ask

    @property
    def generation(self) -> int:
        """The sum of the generations of the shards: it grows with each write to any."""
        return self._sum(lambda part: part.generation)

    @property
    def documents(self) -> int:
        """The number of documents in the shards that are there."""
        return self._sum(lambda part: part.documents)

    @property
    def passages(self) -> int:
        """The number of passages in the shards that are there."""
        return self._sum(lambda part: part.passages)

    @property
    def missing_shards(self) -> tuple[int, ...]:
        """The numbers of the shards that are not there, ascending."""
        return tuple(sorted(set(range(self._shards)) - set(self._parts)))

    def word_counts(self, question: str) -> WordCounts:
        """See `Moment.word_counts`."""
        return WordCounts.of_all(self._ask(self._parts, lambda _, part: part.word_counts(question)).values())

    def rankings(
        self,
        question: str,
        vector: NDArray[np.float32],
        reach: int,
        filters: Filters,
        counts: WordCounts | None = None,
    ) -> Rankings:
        """See `Moment.rankings`: each side is merged by itself.

        In BM25 a word weighs what it does over all shards that are there; how long passages are is a shard's own mean.
        """
        all_counts = counts or self.word_counts(question)
        found = self._ask(self._parts, lambda _, part: part.rankings(question, vector, reach, filters, all_counts))
        dense = [self._ids_outside(number, rankings.dense) for number, rankings in found.items()]
        lexical = [self._ids_outside(number, rankings.lexical) for number, rankings in found.items()]
        return Rankings(merged(dense, reach), merged(lexical, reach))

    def stored_passages(self, ids: Iterable[int]) -> list[StoredPassage]:
        """See `Moment.stored_passages`."""
        wanted = list(ids)
        inside: dict[int, list[int]] = {}
        for passage_id in wanted:
            inside.setdefault(passage_id % self._shards, []).append(passage_id // self._shards)
        found = self._ask(self._only(inside), lambda number, part: part.stored_passages(inside[number]))
        passages = [self._outside(number, passage) for number, some in found.items() for passage in some]
        by_id = {passage.passage_id: passage for passage in passages}
        return [by_id[passage_id] for passage_id in wanted]

    def stored_documents(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        """See `Moment.stored_documents`."""
        wanted: dict[int, list[str]] = {}
        for document_id in document_ids:
            wanted.setdefault(shard_of(document_id, self._shards), []).append(document_id)
        found = self._ask(self._only(wanted), lambda number, part: part.stored_documents(wanted[number]))
        return {document_id: stored for some in found.values() for document_id, stored in some.items()}

    def document(self, document_id: str) -> StoredDocument | None:
        """See `Moment.document`; None for what is no id of a document at all."""
        if not _is_id(document_id):
            return None
        return self.stored_documents([document_id]).get(document_id)

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """See `Moment.passages_of`."""
        if not _is_id(document_id):
            return []
        home = self._only([shard_of(document_id, self._shards)])
        found = self._ask(home, lambda _, part: part.passages_of(document_id))
        return [self._outside(number, passage) for number, some in found.items() for passage in some]

    def documents_by_sha256(self, sha256: str) -> list[DocumentSummary]:
        """See `Moment.documents_by_sha256`."""
        found = self._ask(self._whole(), lambda _, part: part.documents_by_sha256(sha256))
        return sorted((summary for some in found.values() for summary in some), key=_source)

    def list_documents(self, limit: int | None = None, after: str | None = None) -> list[DocumentSummary]:
        """See `Moment.list_documents`."""
        found = self._ask(self._whole(), lambda _, part: part.list_documents(limit, after))
        return sorted((summary for some in found.values() for summary in some), key=_source)[:limit]

    def iter_documents(self) -> Iterator[StoredDocument]:
        """See `Moment.iter_documents`."""
        parts = [part.iter_documents() for part in self._whole().values()]
        return merge(*parts, key=lambda stored: stored.document.source)

    def _sum(self, number_of: Callable[[Moment], int]) -> int:
        return sum(self._ask(self._parts, lambda _, part: number_of(part)).values())

    def _only(self, numbers: Iterable[int]) -> Mapping[int, Moment]:
        """Return these parts; ShardsMissing where one of them is not there."""
        wanted = set(numbers)
        if missing := wanted - set(self._parts):
            raise ShardsMissing(missing)
        return {number: self._parts[number] for number in sorted(wanted)}

    def _whole(self) -> Mapping[int, Moment]:
        return self._only(range(self._shards))

    def _ids_outside(self, number: int, ranking: Ranking) -> Ranking:
        return [(passage_id * self._shards + number, score) for passage_id, score in ranking]

    def _outside(self, number: int, passage: StoredPassage) -> StoredPassage:
        return replace(passage, passage_id=passage.passage_id * self._shards + number)


class ShardedStore:
    """All shards of a store, open in this process: an `index.moment.Corpus`. Thread-safe; close it when done."""

    def __init__(self, folder: Path, stores: Sequence[Store]) -> None:
        """Use `ShardedStore.open`."""
        self._folder, self._stores = folder, stores

    @classmethod
    def open(cls, folder: Path, manifest: Manifest | None = None) -> "ShardedStore":
        """Open every shard; raises StoreError where one is absent or damaged, or their manifests differ."""
        shards = shard_count(folder)
        if shards is None:
            raise StoreError(f"no store in shards at {folder}; make one with `pincite index PATHS --cluster ADDRESS`")
        with ExitStack() as opened:
            stores = []
            for number in range(shards):
                stores.append(opened.enter_context(Store.open(shard_folder(folder, number), manifest)))
                manifest = manifest or stores[0].manifest
            opened.pop_all()
        return cls(folder.absolute(), stores)

    @property
    def folder(self) -> Path:
        """The absolute path of the folder that the shards' own folders lie in."""
        return self._folder

    @property
    def manifest(self) -> Manifest:
        """What the shards were made with, read now."""
        return self._stores[0].manifest

    @property
    def is_empty(self) -> bool:
        """Tell whether it holds no document now."""
        return all(store.is_empty for store in self._stores)

    @contextmanager
    def snapshot(self) -> Iterator[ShardedMoment]:
        """Read each shard as it is now; raises StoreError as `Store.snapshot` does."""
        with ExitStack() as opened:
            parts = {number: opened.enter_context(store.snapshot()) for number, store in enumerate(self._stores)}
            yield ShardedMoment(parts, len(parts))

    def at_one_moment(self, look: Callable[[Moment], T]) -> T:
        """Return what `look` finds in one snapshot."""
        with self.snapshot() as moment:
            return look(moment)

    def close(self) -> None:
        """Close every shard."""
        for store in self._stores:
            store.close()

    def __enter__(self) -> "ShardedStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _source(summary: DocumentSummary) -> str:
    return summary.source


def _is_id(document_id: str) -> bool:
    return _ID.fullmatch(document_id) is not None
