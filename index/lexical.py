"""Matching terms (BM25): the only import of tantivy.

Tantivy counts deleted passages in its statistics until it merges them away, so scores drift a little with deletions;
the store bounds that by writing the folder anew (`rebuild`) whenever it rewrites the vectors after deletions.
"""

import hashlib
import json
import math
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tantivy import Document, Filter, Index, Occur, Query, SchemaBuilder, TextAnalyzerBuilder, Tokenizer

from index.errors import StoreError
from index.rankings import WordCounts

ANALYZER = "pincite_english_2"  # the number changes with the terms made below; an index of another is rebuilt
LONGEST_TERM = 40  # bytes; what is longer is noise (hashes, base64), by Tantivy's own default
HEAP = 64_000_000  # bytes a writer collects before it writes a segment
SLACK = 32  # passages fetched beyond those wanted, for equals are common and a second search costs as much as the first
DECIMALS = 4  # Tantivy adds the terms' float32 scores in no fixed order; beyond this equal texts may differ

# What is not seen, or only above a letter, and yet would cut its word in two: soft hyphens, joiners, spaces without a
# width (which do part words where the script has no other spaces: Thai, Lao, Burmese, Khmer), and those accents that
# NFC has no letter for.
_WITHIN_WORDS = re.compile(
    r"[\u00ad\u0300-\u036f\u200c\u200d\u2060\ufeff]|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
)


def _made(*without: Any) -> Any:  # noqa: ANN401 (tantivy has no types here)
    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase()).filter(Filter.ascii_fold())
    for left_out in (Filter.remove_long(LONGEST_TERM), *without):
        builder = builder.filter(left_out)
    return builder.filter(Filter.stemmer("english")).build()


_analyzer = _made()
_without_stop_words = _made(Filter.stopword("english"))


def terms(question: str) -> dict[str, int]:
    """Return what a question is matched by: its terms, and how often each is in it.

    They are folded to lower-case ASCII and stemmed. English stop words are left out, unless there is nothing else;
    they stay in the passages, so the choice binds no index.
    """
    plain = _plain(question)
    return dict(Counter(_without_stop_words.analyze(plain) or _analyzer.analyze(plain)))


def _plain(text: str) -> str:
    """Return the text with its words whole, however its accents are written. Offsets differ: for terms alone."""
    return _WITHIN_WORDS.sub("", unicodedata.normalize("NFC", text))


class LexicalView:
    """An immutable state of the index. Searching needs no lock."""

    def __init__(
        self,
        path: Path,
        searcher: Any,  # noqa: ANN401 (tantivy has no types here)
        schema: Any,  # noqa: ANN401
        counted: int,
    ) -> None:
        self._path, self._searcher, self._schema, self._counted = path, searcher, schema, counted

    def word_counts(self, text: str) -> WordCounts:
        """Return in how many passages of this index each term of `text` is, as Tantivy counts: deleted ones too."""
        with _trouble(self._path):
            holding = {term: self._searcher.doc_freq("body", term) for term in terms(text)}
            return WordCounts(max(0, self._counted - 1), holding)  # the marker, if any, is no passage

    def search(
        self, text: str, k: int, allowed: Iterable[str] | None = None, counts: WordCounts | None = None
    ) -> list[tuple[int, float]]:
        """Return at most `k` (passage_id, BM25) pairs that share a term with `text`, best first; ties by id.

        `text` is plain words, never a query language; a word that it repeats counts as often (see `terms`). `allowed`,
        where given, are the only document ids ranked. `counts`, where given, weigh the terms in the place of this
        index's own: those of all the indexes that it is one of.
        Raises ValueError if `k` < 1.
        """
        if k < 1:
            raise ValueError(f"need k >= 1, got {k}")
        wanted = terms(text)
        if not wanted:
            return []
        query = _any_of(self._schema, self._weighed(text, wanted, counts))
        if allowed is not None:
            inside = Query.term_set_query(self._schema, "document_id", sorted(allowed))
            query = Query.boolean_query([(Occur.Must, query), (Occur.Must, Query.const_score_query(inside, 0.0))])
        with _trouble(self._path):
            return self._best(query, k)

    def _weighed(self, text: str, wanted: Mapping[str, int], counts: WordCounts | None) -> dict[str, float]:
        """Return how much each term counts: Tantivy weighs it by its own counts, which the others take the place of."""
        if counts is None:
            return {term: float(times) for term, times in wanted.items()}
        own = self.word_counts(text)
        return {
            term: times * (_idf(counts.passages, counts.holding[term]) / _idf(own.passages, own.holding[term]))
            for term, times in wanted.items()
        }

    def _best(self, query: Any, k: int) -> list[tuple[int, float]]:  # noqa: ANN401 (tantivy has no types here)
        """Fetch until what ties with the last one wanted is there too, for Tantivy breaks ties its own way."""
        fetch = k + SLACK
        while True:
            hits = [(round(score, DECIMALS), address) for score, address in self._searcher.search(query, fetch).hits]
            if len(hits) < fetch or hits[-1][0] < hits[k - 1][0]:
                break
            fetch *= 2
        ids = self._searcher.fast_field_values("passage_id", [address for _, address in hits])
        found = [(int(passage_id), score) for passage_id, (score, _) in zip(ids, hits, strict=True)]
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:k]

    def ids(self) -> list[int]:
        """Return the ids of all passages, ascending (for checking the index)."""
        with _trouble(self._path):
            hits = self._searcher.search(Query.all_query(), max(1, self._searcher.num_docs)).hits
            found = self._searcher.fast_field_values("passage_id", [address for _, address in hits])
        return sorted(int(passage_id) for passage_id in found if passage_id is not None)


class LexicalIndex:
    """The folder that Tantivy keeps. Changing it needs the store's lock; opening it does not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: dict[tuple[str, int, int, int], bytes] = {}  # Tantivy never changes a file, it makes another

    def empty(self) -> LexicalView:
        """Return the view of a store that nothing was written to: it has no files."""
        index = _registered(Index(_schema()))
        return LexicalView(self._path, index.searcher(), index.schema, 0)

    def open(self, marker: str, sha256: str) -> LexicalView:
        """Return a view of the state `marker`; raises StoreError unless its files are the ones that were written."""
        with _trouble(self._path):
            if self.fingerprint() != sha256:
                raise StoreError(f"{self._path}: not the bytes that were written; run `pincite doctor --repair`")
            index = _registered(Index.open(str(self._path)))
            index.config_reader("manual")
            # The searcher's own number leaves out the deleted, which its `doc_freq` and its scores count.
            meta = json.loads((self._path / "meta.json").read_bytes())
            counted = sum(segment["max_doc"] for segment in meta["segments"])
            index.reload()
            searcher = index.searcher()
            # A writer may have been here since the files were read.
            if not searcher.search(_marked(index.schema, marker), 1).hits:
                raise StoreError(f"{self._path}: holds another generation than {marker}; try again")
            return LexicalView(self._path, searcher, index.schema, counted)

    def update(self, marker: str, removed: Iterable[int], added: Iterable[tuple[int, str, str]]) -> str:
        """Remove and add passages, (id, document_id, text) each, as one commit; return the new fingerprint."""
        with _trouble(self._path):
            _commit(_registered(Index.open(str(self._path))), marker, removed, added)
        return self.fingerprint()

    def rebuild(self, marker: str, added: Iterable[tuple[int, str, str]]) -> str:
        """Write the folder anew with these passages alone; return its fingerprint."""
        partial = self._path.with_suffix(".partial")
        with _trouble(self._path):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _commit(_registered(Index(_schema(), path=str(partial))), marker, (), added)
            self.clear()
            partial.rename(self._path)
        return self.fingerprint()

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._path, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what a `rebuild` that was cut short left."""
        shutil.rmtree(self._path.with_suffix(".partial"), ignore_errors=True)

    def fingerprint(self) -> str:
        """Return one sha256 over the files that the last commit names; "" where they are not all there.

        The analyzer is in it: so an index of another is taken for a damaged one, and made anew by whoever would use it.
        """
        try:
            meta = (self._path / "meta.json").read_bytes()
            segments = {
                entry["segment_id"].replace("-", ""): entry["deletes"] for entry in json.loads(meta)["segments"]
            }
            files = [file for file in sorted(self._path.iterdir()) if _is_of(segments, file.name)]
            digests = {file: self._digest(file) for file in files}
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        whole = hashlib.sha256(ANALYZER.encode() + b"\0" + meta)
        for file, digest in digests.items():
            whole.update(file.name.encode() + b"\0" + digest)
        return whole.hexdigest()

    def _digest(self, file: Path) -> bytes:
        """Return the sha256 of a file, read again only where it seems another one."""
        facts = file.stat()
        key = (file.name, facts.st_size, facts.st_mtime_ns, facts.st_ino)
        if key not in self._digests:
            with file.open("rb") as opened:
                self._digests[key] = hashlib.file_digest(opened, "sha256").digest()
        return self._digests[key]


def _is_of(segments: dict[str, dict[str, int] | None], name: str) -> bool:
    """Tell whether a file belongs to these segments: `<segment>.<part>`, or `<segment>.<opstamp>.del`."""
    segment, _, part = name.partition(".")
    if segment not in segments:
        return False
    deletes = segments[segment]
    return not part.endswith(".del") or (deletes is not None and part == f"{deletes['opstamp']}.del")


def _schema() -> Any:  # noqa: ANN401 (tantivy has no types here)
    builder = SchemaBuilder()
    builder.add_integer_field("passage_id", indexed=True, fast=True)
    builder.add_text_field("document_id", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("marker", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("body", tokenizer_name=ANALYZER, index_option="freq")
    return builder.build()


def _registered(index: Any) -> Any:  # noqa: ANN401 (tantivy has no types here)
    index.register_tokenizer(ANALYZER, _analyzer)
    return index


def _commit(index: Any, marker: str, removed: Iterable[int], added: Iterable[tuple[int, str, str]]) -> None:  # noqa: ANN401
    writer = index.writer(HEAP, 1)  # one thread: the same passages always make the same segments
    for passage_id in removed:
        writer.delete_documents_by_term("passage_id", int(passage_id))
    for passage_id, document_id, text in added:
        writer.add_document(Document(passage_id=passage_id, document_id=document_id, body=_plain(text)))
    # The marker is a document of its own in the same commit: so an index always knows which generation it holds.
    writer.delete_documents_by_term("marker", "any")
    writer.add_document(Document(marker=["any", f"{ANALYZER}:{marker}"]))
    writer.commit()
    # Merging drops deleted passages from the statistics: it must be over before anyone asks.
    writer.wait_merging_threads()


def _marked(schema: Any, marker: str) -> Any:  # noqa: ANN401 (tantivy has no types here)
    return Query.term_query(schema, "marker", f"{ANALYZER}:{marker}", "basic")


def _idf(passages: int, holding: int) -> float:
    """Return what Tantivy multiplies a term's score by: ln(1 + (N - n + 0.5) / (n + 0.5)), its marker among the N."""
    return math.log(1 + (passages + 1 - holding + 0.5) / (holding + 0.5))


def _any_of(schema: Any, wanted: Mapping[str, float]) -> Any:  # noqa: ANN401 (tantivy has no types here)
    each = (Query.boost_query(Query.term_query(schema, "body", term, "freq"), times) for term, times in wanted.items())
    return Query.boolean_query([(Occur.Should, query) for query in each])


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    """Turn whatever Tantivy raises into a StoreError."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise StoreError(f"{path}: {error}; run `pincite doctor --repair`") from error
    except BaseException as error:
        # A panic in Rust comes as a BaseException of a class that no module exports.
        if type(error).__name__ != "PanicException":
            raise
        raise StoreError(f"{path}: {error}; run `pincite doctor --repair`") from error
