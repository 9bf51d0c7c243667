"""The promises of the README over generated documents, from bytes on disk to a citation and back."""

import codecs
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

from fakes import MANIFEST, WINDOW, AnySpanReader, NameReader, WordEncoder, answerer_over
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.chunk_limits import ChunkLimits
from index.files import FoundFile
from index.ingest import IngestOptions, ingest, remove
from index.store import Store
from rag.answer import Request
from rag.documents import StoredDocuments
from rag.evaluate import Reread
from rag.read import Piece
from rag.verify import claims_from, verify

OPTIONS = IngestOptions(ChunkLimits(WINDOW), 2**20)
ODD = [
    "\r\n",
    "\r",
    "\n",
    "\n\n",
    "\f",
    "\t",
    "\x0b",
    "\x85",
    "\u2028",
    "\ufeff",
    "e\u0301",
    "👩‍👩‍👧",
    "𝒜",
    "中文。",
    "ﷺ",
    "\u200f",
]
SENTENCES = ["Nile ends near Alexandria. ", "Bakers of Thebes bought yeast from Memphis. ", "In 1970 it was done. "]
ODD_TEXTS = st.lists(st.sampled_from(ODD + SENTENCES) | st.text(max_size=8), min_size=1, max_size=30).map("".join)
LONG_LINES = st.integers(1, 400).map(lambda n: "The river Nile ends near Alexandria, they say, " * n)
WESTERN_WORDS = st.sampled_from(["café ", "naïve ", "“Nile” ", "Müller – ", "Alexandria.\r\n"])
WESTERN = st.lists(WESTERN_WORDS, min_size=4).map("".join)
UNICODE = st.sampled_from([("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE)])
UNICODE |= st.just(("utf-16-be", codecs.BOM_UTF16_BE))
FILES = st.tuples(ODD_TEXTS | LONG_LINES, UNICODE).map(lambda made: made[1][1] + encoded(made[0], made[1][0]))
FILES |= WESTERN.map(lambda text: text.encode("cp1252"))
QUESTIONS = ["Where does the Nile end?", "Who bought yeast from Memphis?", "When was it done?"]


def encoded(text, codec):
    return text.encode(codec, "ignore")


class Library:
    """A folder of generated files and a store of them, gone when its block ends."""

    def __init__(self, contents):
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.files = []
        for number, content in enumerate(contents):
            path = self.folder / f"{number}.txt"
            path.write_bytes(content)
            self.files.append(FoundFile(path, path.name))
        self.store = Store.open(self.folder / "store", MANIFEST, create=True)
        self.report = ingest(self.store, self.files, WordEncoder(), OPTIONS, lambda *_: None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.store.close()
        self._temporary.cleanup()


def all_citations(answer):
    return [*answer.citations, *(c for other in answer.alternatives for c in other.citations)]


property_test = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@property_test
@given(st.lists(FILES, min_size=1, max_size=3), st.sampled_from([NameReader(), AnySpanReader()]))
def test_every_citation_resolves_to_its_characters_bytes_and_line_of_the_file(contents, reader):
    with Library(contents) as made, made.store.snapshot() as snapshot:
        reread = Reread(StoredDocuments(snapshot))
        for asked in answerer_over(made.store, 0.0, reader).ask_all(map(Request, QUESTIONS)):
            for passage in asked.answer.passages:
                text = snapshot.document(passage.document_id).document.text
                assert text[passage.start : passage.end] == passage.text
            for citation in all_citations(asked.answer):
                stored = snapshot.document(citation.document_id).document
                data = (made.folder / citation.source).read_bytes()
                assert stored.text[citation.start : citation.end] == citation.quote
                assert data[citation.byte_start : citation.byte_end].decode(stored.encoding) == citation.quote
                before = re.split("\r\n|\r|\n", stored.text[: citation.start])
                if not stored.text[: citation.start + 1].endswith("\r\n"):  # else the start lies inside a line end
                    assert (citation.line, citation.column) == (len(before), len(before[-1]) + 1)
                assert reread.confirms(citation)
                assert asked.answer.answer is not None


@property_test
@given(st.lists(FILES, min_size=1, max_size=3), st.floats(0, 1))
def test_an_answer_is_given_from_the_threshold_on_and_below_it_null_with_the_nearest_passages(contents, threshold):
    with Library(contents) as made:
        for asked in answerer_over(made.store, threshold, AnySpanReader()).ask_all(map(Request, QUESTIONS)):
            answer = asked.answer
            given = answer.candidate is not None and answer.confidence >= threshold
            assert (answer.answer, answer.sentence is None) == (answer.candidate if given else None, not given)
            assert bool(answer.citations) == given
            assert all(other.confidence <= answer.confidence for other in answer.alternatives)
            assert bool(answer.passages) == bool(answer.store.passages)


@property_test
@given(st.lists(FILES, min_size=1, max_size=3))
def test_every_file_is_indexed_or_listed_with_its_reason_and_no_character_is_lost(contents):
    with Library(contents) as made, made.store.snapshot() as snapshot:
        report = made.report
        assert sorted([*report.added, *(item.source for item in report.rejected)]) == [f.source for f in made.files]
        assert all(item.reason for item in report.rejected)
        for stored in snapshot.iter_documents():
            document = stored.document
            data = (made.folder / document.source).read_bytes()
            assert data[document.bom_bytes :] == document.text.encode(document.encoding)


@property_test
@given(st.lists(FILES, min_size=1, max_size=4), st.data())
def test_what_is_removed_is_never_found_again_and_what_is_kept_always_is(contents, data):
    with Library(contents) as made:
        added = made.report.added
        gone = data.draw(st.sets(st.sampled_from(added))) if added else set()
        remove(made.store, sorted(gone))
        answerer = answerer_over(made.store, threshold=0.0)
        for question in QUESTIONS:
            answer = answerer.ask(question, top_k=100)
            sources = {passage.source for passage in answer.passages} | {c.source for c in all_citations(answer)}
            assert sources.isdisjoint(gone)
        with made.store.snapshot() as snapshot:
            assert [summary.source for summary in snapshot.list_documents()] == sorted(set(added) - gone)


@property_test
@given(st.lists(FILES, min_size=1, max_size=3), st.permutations(QUESTIONS))
def test_the_same_store_and_question_give_the_same_answer_in_any_batch_and_after_reopening(contents, questions):
    with Library(contents) as made:
        answerer = answerer_over(made.store)
        alone = {question: said(answerer.ask(question)) for question in QUESTIONS}
        together = answerer.ask_all(map(Request, questions))
        assert {asked.answer.question: said(asked.answer) for asked in together} == alone
        with Store.open(made.folder / "store", MANIFEST) as again:
            answerer = answerer_over(again)
            assert {question: said(answerer.ask(question)) for question in QUESTIONS} == alone


def said(answer):
    return answer.answer, answer.citations, answer.alternatives, answer.passages, answer.confidence


@property_test
@given(st.lists(FILES, min_size=1, max_size=2))
def test_a_saved_answer_is_verified_as_it_stands(contents):
    with Library(contents) as made, made.store.snapshot() as snapshot:
        answer = answerer_over(made.store, threshold=0.0).ask(QUESTIONS[0])
        claims = claims_from({"citations": [asdict(citation) for citation in all_citations(answer)]})
        assert all(verdict.status == "ok" for verdict in verify(claims, StoredDocuments(snapshot)))


def test_the_reader_of_these_tests_can_find_something():
    (span,) = NameReader().read([(QUESTIONS[0], (Piece(SENTENCES[0], 0),))])
    assert span.quote == "Alexandria"
