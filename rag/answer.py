"""Questions -> answers with citations, or an honest null: retrieval, reading and confidence put together."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple, TypeVar

from index.errors import UsageError
from index.moment import Corpus, Moment
from index.types import NO_FILTERS, Encoder, Filters, StoredDocument, is_encodable
from rag.calibrate import Calibration, Fingerprint
from rag.candidates import Candidate, candidates, group, reading_text
from rag.compose import found_passages, statements
from rag.evidence import weights_for
from rag.read import Piece, Reads, Span
from rag.retrieve import FUSION, Retrieved, retrieve
from rag.types import MAX_QUESTION, Answer, Asked, FoundPassage, SearchResult, StoreInfo, Timings, is_blank

T = TypeVar("T")
Spans = list[Span | None]

TOP_K = 10
MAX_TOP_K = 100
BATCH = 16  # questions read together: some 160 windows, enough to keep every core busy
# What a calibration cannot tell apart: `python -m benchmarks.models` shows by how much the margins differ.
_ALIKE = {"fp32": "float", "bf16": "float"}


@dataclass(frozen=True, slots=True)
class Request:
    """One question and how to answer it.

    `min_confidence` is None for the calibrated threshold, a probability, or "risk:0.05": answer only where at most
    5 % of the answers given would be wrong. UsageError if anything is out of bounds.
    """

    question: str
    top_k: int = TOP_K
    min_confidence: float | str | None = None
    filters: Filters = NO_FILTERS

    def __post_init__(self) -> None:
        if is_blank(self.question):
            raise UsageError("the question is empty; ask something in words")
        if len(self.question) > MAX_QUESTION:
            raise UsageError(f"the question has {len(self.question)} characters; at most {MAX_QUESTION} are read")
        if not is_encodable(self.question):
            raise UsageError("the question is not text (half a surrogate pair); write it in UTF-8")
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise UsageError(f"top_k is {self.top_k}; give 1 to {MAX_TOP_K}")


class _Found(NamedTuple):
    """What retrieval gave for one request; `texts` are the first `top_k` of `ranking`, as the reader reads them."""

    ranking: list[Retrieved]
    documents: dict[str, StoredDocument]
    texts: list[tuple[Piece, ...]]
    info: StoreInfo
    embed_ms: float
    search_ms: float

    def passages(self, top: int | None = None) -> tuple[FoundPassage, ...]:
        return found_passages([(one.stored, one.score) for one in self.ranking[:top]], self.documents)


class _Batch(NamedTuple):
    """Requests that are read together, the confidence each asks for, and what was found, in `ms` milliseconds each."""

    requests: Sequence[Request]
    thresholds: Sequence[float]
    finds: Sequence[_Found]
    ms: float


class _Reading(NamedTuple):
    """The best span of each text of a batch, in order, read in `ms` milliseconds a request."""

    spans: Spans
    ms: float


class Answerer:
    """Answers from one store, or one in shards. Safe to use from several threads."""

    def __init__(self, store: Corpus, encoder: Encoder, reader: Reads, calibration: Calibration) -> None:
        """Put the parts together; none is owned, so closing the store is the caller's."""
        self.store, self.encoder, self.reader, self.calibration = store, encoder, reader, calibration
        self._weights = weights_for(encoder.info.sha256, reader.info.sha256)

    def fingerprint(self, top_k: int = TOP_K) -> Fingerprint:
        """Return what a calibration must have been fitted with to hold here."""
        embedder, reader = self.encoder.info, self.reader.info
        precision = "/".join(_ALIKE.get(info.precision, info.precision) for info in (embedder, reader))
        return Fingerprint(embedder.sha256, reader.sha256, precision, top_k, FUSION + self._weights.key)

    def threshold(self, min_confidence: float | str | None) -> float:
        """Return the confidence from which an answer is given; UsageError for a value that means nothing."""
        if min_confidence is None:
            return self.calibration.threshold
        if isinstance(min_confidence, str):
            return self.calibration.at_risk(_risk(min_confidence))
        if not 0 <= min_confidence <= 1:
            raise UsageError(f'min_confidence is {min_confidence}; give 0 to 1, or "risk:0.2"')
        return min_confidence

    def ask(
        self,
        question: str,
        top_k: int = TOP_K,
        min_confidence: float | str | None = None,
        filters: Filters = NO_FILTERS,
    ) -> Answer:
        """Return the answer to one question; UsageError if an argument is out of bounds."""
        return next(iter(self.ask_all([Request(question, top_k, min_confidence, filters)]))).answer

    def ask_all(self, requests: Iterable[Request], depth: int = 0) -> Iterator[Asked]:
        """Yield an answer to each request, in order. They are read in batches, and do not depend on the batch.

        Each `ranking` is at least `depth` long where the store holds that many passages. Requests are taken, and the
        store is looked at, in the caller's thread; a batch is read in another while the next is found, so up to 32 are
        taken before the first answer. An error in finding a batch is raised in place of the answers being read.
        """
        waiting = iter(requests)
        being_read: tuple[_Batch, Future[_Reading]] | None = None
        with ThreadPoolExecutor(1, "reading") as reading:
            while some := list(islice(waiting, BATCH)):
                batch = self._find_batch(some, depth)
                if len(some) < BATCH and not being_read:  # there is nothing to do meanwhile
                    yield from self._composed(batch, self._read_batch(batch))
                    return
                read = reading.submit(self._read_batch, batch)
                if being_read:
                    yield from self._composed(being_read[0], being_read[1].result())
                being_read = batch, read
            if being_read:
                yield from self._composed(being_read[0], being_read[1].result())

    def ask_in_steps(self, request: Request) -> Iterator[SearchResult | Answer]:
        """Yield the passages as soon as they are found, then the answer read from them: that which `ask` gives."""
        batch = self._find_batch([request], depth=0)
        (found,) = batch.finds
        timings = _timings(found.embed_ms, found.search_ms, 0.0, batch.ms)
        yield SearchResult(request.question, found.passages(request.top_k), timings, found.info)
        yield from (asked.answer for asked in self._composed(batch, self._read_batch(batch)))

    def ask_many(self, questions: Iterable[str], top_k: int, depth: int) -> Iterator[Asked]:
        """Yield an answer to each question, as `ask_all` does, with the calibrated threshold."""
        return self.ask_all((Request(question, top_k) for question in questions), depth)

    def read_alone(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[str | None]:
        """Return what the reader answers to each question given one text (see `reading_text`), however unsure.

        None where it finds nothing to say; there is no retrieval and no threshold.
        """
        return list(map(_quote, self._read_once(pairs)))

    def search(self, query: str, top_k: int = TOP_K, filters: Filters = NO_FILTERS) -> SearchResult:
        """Return the best passages without reading them."""
        began = time.perf_counter()
        found = self._find(Request(query, top_k, None, filters), depth=0, read=False)
        timings = _timings(found.embed_ms, found.search_ms, 0.0, _since(began))
        return SearchResult(query, found.passages(), timings, found.info)

    def _find_batch(self, requests: Sequence[Request], depth: int) -> _Batch:
        began = time.perf_counter()
        thresholds = [self.threshold(request.min_confidence) for request in requests]
        finds = [self._find(request, depth) for request in requests]
        return _Batch(requests, thresholds, finds, _since(began) / len(requests))

    def _read_batch(self, batch: _Batch) -> _Reading:
        began = time.perf_counter()
        pairs = [
            (request.question, text)
            for request, found in zip(batch.requests, batch.finds, strict=True)
            for text in found.texts
        ]
        return _Reading(self._read_once(pairs), _since(began) / len(batch.requests))

    def _composed(self, batch: _Batch, reading: _Reading) -> Iterator[Asked]:
        spans = iter(reading.spans)
        for request, threshold, found in zip(batch.requests, batch.thresholds, batch.finds, strict=True):
            own = [next(spans) for _ in found.texts]
            timings = _timings(found.embed_ms, found.search_ms, reading.ms, batch.ms + reading.ms)
            began = time.perf_counter()
            read = candidates(request.question, found.ranking, found.texts, own, self._weights)
            answer = self._answer(request, threshold, found, read, timings, began)
            yield Asked(answer, found.passages(), tuple(read))

    def _find(self, request: Request, depth: int, read: bool = True) -> _Found:
        began = time.perf_counter()
        vector = self.encoder.encode_query(request.question)
        embed_ms = _since(began)

        def look(moment: Moment) -> tuple[list[Retrieved], dict[str, StoredDocument], StoreInfo]:
            ranking = retrieve(moment, request.question, vector, max(depth, request.top_k), request.filters)
            wanted = dict.fromkeys(one.stored.passage.document_id for one in ranking)
            return ranking, moment.stored_documents(wanted), self._info(moment)

        ranking, documents, info = self._at_one_moment(look)
        chosen = [one.stored.passage for one in ranking[: request.top_k]] if read else []
        texts = [reading_text(documents[passage.document_id], passage) for passage in chosen]
        return _Found(ranking, documents, texts, info, embed_ms, _since(began) - embed_ms)

    def _at_one_moment(self, look: Callable[[Moment], T]) -> T:
        """Return what `look` finds in what a request reads the documents from."""
        return self.store.at_one_moment(look)

    def _read_once(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> Spans:
        """Read each distinct text of a question once, wherever it lies."""
        keys = [(question, *(piece.text for piece in text)) for question, text in pairs]
        distinct = dict(zip(keys, pairs, strict=True))
        spans = dict(zip(distinct, self.reader.read(list(distinct.values())), strict=True))
        return [spans[key] for key in keys]

    def _info(self, moment: Moment) -> StoreInfo:
        return StoreInfo(
            generation=moment.generation,
            documents=moment.documents,
            passages=moment.passages,
            embedder=self.encoder.info.name,
            reader=self.reader.info.name,
            missing_shards=moment.missing_shards,
        )

    def _answer(
        self,
        request: Request,
        threshold: float,
        found: _Found,
        read: Sequence[Candidate | None],
        spent: Timings,
        began: float,
    ) -> Answer:
        groups = group(one for one in read if one)
        said = statements(groups, found.documents, self.calibration, threshold)
        best = said[0] if said else None
        given = best if best and best.confidence >= threshold else None
        return Answer(
            question=request.question,
            answer=given.answer if given else None,
            sentence=given.sentence if given else None,
            confidence=best.confidence if best else 0.0,
            calibrated=self.calibration.fingerprint == self.fingerprint(request.top_k),
            citations=given.citations if given else (),
            alternatives=tuple(other.as_alternative() for other in said[1:]),
            passages=found.passages(request.top_k),
            timings_ms=replace(spent, total=round(spent.total + _since(began), 3)),
            store=found.info,
            candidate=best.answer if best else None,
            candidate_score=groups[0].best.score if groups else None,
            candidate_citations=best.citations if best else (),
        )


class AnswererAt(Answerer):
    """Answers from one moment, whatever is written meanwhile; for its thread and inside its block, as it is."""

    def __init__(self, answerer: Answerer, moment: Moment) -> None:
        """Answer with the parts of `answerer`."""
        super().__init__(answerer.store, answerer.encoder, answerer.reader, answerer.calibration)
        self._moment = moment

    def _at_one_moment(self, look: Callable[[Moment], T]) -> T:
        return look(self._moment)


def _quote(span: Span | None) -> str | None:
    return span.quote if span else None


def _risk(text: str) -> float:
    kind, _, share = text.partition(":")
    try:
        target = float(share)
    except ValueError:
        target = -1.0
    if kind != "risk" or not 0 < target < 1:
        raise UsageError(f'min_confidence is {text!r}; give 0 to 1, or "risk:0.2"')
    return target


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _timings(embed: float, search: float, read: float, total: float) -> Timings:
    return Timings(round(embed, 3), round(search, 3), round(read, 3), round(total, 3))
