"""The promises of the README for texts that are extracted from HTML, PDF and Word files."""

import tempfile
from pathlib import Path

from fakes import MANIFEST, WINDOW, AnySpanReader, NameReader, WordEncoder, answerer_over
from file_samples import docx, paragraph, pdf, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.chunk_limits import ChunkLimits
from index.files import FoundFile
from index.ingest import IngestOptions, ingest
from index.rebuild import rebuild
from index.store import Store
from rag.answer import Request
from rag.documents import StoredDocuments
from rag.reread import Reread

QUESTIONS = ["Where does the Nile end?", "Who bought yeast from Memphis?"]
WORDS = [
    "The Nile ends near Alexandria.",
    "Bakers of Thebes bought yeast from Memphis.",
    "In 1970 it was done.",
    "👩‍👩‍👧 e\u0301",
]
WORDS += ["Share on Facebook", "# Not a heading", "---", "中文。"]
LINES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12)
TAGS = ["<p>{}</p>", "<h2>{}</h2>", "<nav>{}</nav>", "<li>{}", "<pre>{}\n  {}</pre>", "{}<br>{}", "<td>{}</td><td>{}"]
PAGES = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(WORDS)), min_size=1, max_size=15)
STYLES = st.sampled_from(["", "Titel", "berschrift1", "berschrift2"])
PARAGRAPHS = st.lists(st.tuples(st.sampled_from(WORDS), STYLES), min_size=1, max_size=10)


def web_page(blocks):
    return "".join(tag.replace("{}", words) for tag, words in blocks).encode()


def word_file(paragraphs, rows):
    return docx("".join(paragraph(*each) for each in paragraphs) + table(*([words, words] for words in rows)))


FILES = PAGES.map(web_page).map(lambda data: ("a.html", data))
FILES |= st.tuples(PARAGRAPHS, LINES).map(lambda made: ("a.docx", word_file(*made)))


def check(folder, reader):
    """Hold every passage and citation of a store against its text; return the citations."""
    cited = []
    with Store.open(folder, MANIFEST) as store, store.snapshot() as snapshot:
        reread = Reread(StoredDocuments(snapshot))
        for asked in answerer_over(store, 0.0, reader).ask_all(map(Request, QUESTIONS)):
            for found in asked.answer.passages:
                document = snapshot.document(found.document_id).document
                assert document.text[found.start : found.end] == found.text
            for citation in (*asked.answer.citations, *(c for a in asked.answer.alternatives for c in a.citations)):
                document = snapshot.document(citation.document_id).document
                assert document.encoding is None
                assert document.text[citation.start : citation.end] == citation.quote
                assert (citation.byte_start, citation.byte_end, citation.line, citation.column) == (None,) * 4
                assert reread.confirms(citation)
                cited.append((document, citation))
    return cited


def indexed(folder, name, data):
    (folder / name).write_bytes(data)
    options = IngestOptions(ChunkLimits(WINDOW), 2**20)
    with Store.open(folder / "store", MANIFEST, create=True) as store:
        return ingest(store, [FoundFile(folder / name, name)], WordEncoder(), options, lambda *_: None)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, st.sampled_from([NameReader(), AnySpanReader()]))
def test_every_citation_of_a_page_or_word_file_is_its_text_under_the_headings_above_it(file, reader):
    with tempfile.TemporaryDirectory() as made:
        report = indexed(Path(made), *file)
        assert len(report.added) + len(report.rejected) == 1
        for document, citation in check(Path(made) / "store", reader):
            above = [one for one in document.headings if one.start <= citation.start]
            last = document.text[above[-1].start : above[-1].end] if above else ""
            assert list(citation.headings[-1:]) == ([" ".join(last.split())] if above else [])
            assert citation.page is None


def test_the_page_of_a_citation_is_the_one_that_holds_its_start(tmp_path):
    pages = [
        ["The river is long."],
        [],
        ["The Nile ends near Alexandria, and Hapi guarded"],
        ["its floods. Bread is baked."],
    ]
    indexed(tmp_path, "a.pdf", pdf(pages))
    cited = check(tmp_path / "store", NameReader())
    assert cited
    for document, citation in cited:
        starts = [document.text.index(lines[0]) if lines else None for lines in pages]
        assert citation.page == max(
            n for n, start in enumerate(starts, 1) if start is not None and start <= citation.start
        )


def test_extracted_documents_come_through_a_rebuild_without_their_files(tmp_path):
    indexed(tmp_path, "a.docx", word_file([("The Nile ends near Alexandria.", ""), ("Bread", "berschrift1")], ["1970"]))
    with Store.open(tmp_path / "store", MANIFEST) as store:
        with store.snapshot() as snapshot:
            before = next(snapshot.iter_documents()).document
        (tmp_path / "a.docx").unlink()
        rebuild(store, MANIFEST, WordEncoder(), ChunkLimits(WINDOW), lambda *_: None)
        with store.snapshot() as snapshot:
            assert next(snapshot.iter_documents()).document == before
    assert before.headings
    assert check(tmp_path / "store", NameReader())
