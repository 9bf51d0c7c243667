"""A gold set against the documents: every kind of fault, and what is none."""

import pytest
from fakes import new_store, put

from rag.documents import StoredDocuments
from rag.gold import Evidence, GoldQuestion, Placed
from rag.goldcheck import check_gold

TEXTS = {
    "nile.txt": "The long river Nile ends near Alexandria, in “lower Egypt”. A party is not art.",
    "bread.txt": "Bread came from St. Petersburg.\n\n\nThe end.",
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gold")
    with new_store(folder / "store") as store:
        for source, text in TEXTS.items():
            (folder / source).write_bytes(text.encode())
            put(store, folder / source, source)
        with store.snapshot() as snapshot:
            yield StoredDocuments(snapshot)


@pytest.fixture
def found(documents):
    """The findings about some questions, as (place, kind)."""

    def check(*questions):
        placed = [Placed(f"g:{number}", question) for number, question in enumerate(questions, start=1)]
        return [(finding.place, finding.kind) for finding in check_gold(placed, documents)]

    return check


def gold(*answers, sources=("nile.txt",), evidence=(), question="Where?", id="q", answerable=True):
    return GoldQuestion(id, question, answers, tuple(sources), tuple(evidence), answerable, ())


def evidence(words, source="nile.txt"):
    start = TEXTS[source].index(words)
    return Evidence(source, start, start + len(words))


@pytest.mark.parametrize("answer", ["Alexandria", "The long river", "lower Egypt", "“lower Egypt”", "art"])
def test_an_answer_that_is_there_word_for_word_is_fine(found, answer):
    assert found(gold(answer)) == []


@pytest.mark.parametrize("answer", ["alexandria", "the long river", "The Alexandria!", "a long  river"])
def test_an_answer_that_is_there_in_its_normalised_form_alone_is_noted_and_is_no_fault(found, documents, answer):
    (finding,) = check_gold([Placed("g:1", gold(answer))], documents)
    assert (finding.kind, finding.note) == ("answer_normalised", True)


@pytest.mark.parametrize("answer", ["Cairo", "Alexandri", "rty", "St. Petersburg"])
def test_an_answer_that_is_not_in_its_sources_or_only_within_a_word_is_found(found, documents, answer):
    assert found(gold(answer)) == [("g:1", "answer_not_found")]


def test_an_answer_may_stand_in_any_one_of_its_sources_and_without_sources_anywhere(found):
    assert found(gold("St. Petersburg", sources=("nile.txt", "bread.txt"))) == []
    assert found(gold("alexandria", "Alexandria", sources=("bread.txt", "nile.txt"))) == [("g:1", "answer_normalised")]
    assert found(gold("St. Petersburg", sources=())) == []
    assert found(gold("Cairo", sources=())) == [("g:1", "answer_not_found")]


def test_a_source_that_is_not_indexed_is_found_and_so_are_its_answers(found):
    assert found(gold("Alexandria", sources=("gone.txt",))) == [
        ("g:1", "source_not_indexed"),
        ("g:1", "answer_not_found"),
    ]
    assert found(gold("Alexandria", sources=("gone.txt", "nile.txt"))) == [("g:1", "source_not_indexed")]
    assert found(gold(sources=("gone.txt",), answerable=False)) == [("g:1", "source_not_indexed")]


def test_an_answer_that_is_nothing_after_normalisation_is_found(found):
    assert found(gold("The")) == [("g:1", "answer_empty")]
    assert found(gold("“…”", sources=())) == [("g:1", "answer_not_found")]  # not ASCII punctuation: a token


def test_evidence_must_lie_within_its_document(found):
    end = len(TEXTS["nile.txt"])
    assert found(gold("art", evidence=[Evidence("nile.txt", end - 4, end)])) == []
    assert found(gold("art", evidence=[Evidence("nile.txt", end - 4, end + 1)])) == [("g:1", "evidence_outside")]


@pytest.mark.parametrize("words", ["ends near Alexandria,", "Alexandria", "near Alexandria, in", "near"])
def test_evidence_that_holds_an_answer_or_is_words_of_one_is_fine(found, words):
    assert found(gold("near Alexandria", evidence=[evidence(words)])) == []


@pytest.mark.parametrize("words", ["lower Egypt", "lexandria", "The", ", "])
def test_evidence_that_holds_no_accepted_answer_is_found(found, words):
    assert found(gold("near Alexandria", evidence=[evidence(words)])) == [("g:1", "evidence_without_answer")]


def test_without_answers_evidence_need_only_hold_text(found):
    assert found(gold(evidence=[evidence("The")])) == []
    assert found(gold(sources=("bread.txt",), evidence=[evidence("\n\n\n", "bread.txt")])) == [
        ("g:1", "evidence_without_answer")
    ]


def test_ids_and_questions_that_come_twice_are_found_at_the_later_one(found):
    again = gold("Alexandria", question="where")
    assert found(gold("Alexandria"), again) == [("g:2", "id_twice"), ("g:2", "question_twice")]
    unanswerable = gold(question="Where, the?", id="q2", sources=(), answerable=False)
    assert found(gold("Alexandria"), unanswerable) == [("g:2", "question_twice")]
    assert found(gold("Alexandria", question="?"), gold("Alexandria", question="!", id="q2")) == []


def test_findings_come_in_the_order_of_the_gold_set_and_say_what_to_do(documents):
    placed = [
        Placed("g:1", gold("Cairo", evidence=[Evidence("nile.txt", 0, 500)])),
        Placed("g:3", gold("Moscow", id="q3", question="Who?", sources=("bread.txt",))),
    ]
    findings = check_gold(placed, documents)
    assert [(finding.place, finding.id, finding.what) for finding in findings] == [
        (
            "g:1",
            "q",
            f"evidence 0:500 of nile.txt is not in its {len(TEXTS['nile.txt'])} characters; correct the offsets",
        ),
        ("g:1", "q", "“Cairo” is not in nile.txt; correct the answer or its sources"),
        ("g:3", "q3", "“Moscow” is not in bread.txt; correct the answer or its sources"),
    ]


class CountsTexts:
    def __init__(self, documents):
        self.sources, self.texts, self.read = documents.sources, documents.texts, []
        self._text_of = documents.text_of

    def text_of(self, document_id):
        self.read.append(document_id)
        return self._text_of(document_id)


def test_each_named_document_is_read_once_however_many_questions_name_it(documents):
    counting = CountsTexts(documents)
    questions = [Placed(f"g:{n}", gold("Alexandria", id=str(n), question=f"Where is {n}?")) for n in range(9)]
    assert check_gold(questions, counting) == []
    assert len(counting.read) == 1
