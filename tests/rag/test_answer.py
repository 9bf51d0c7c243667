import shutil
import threading
from types import SimpleNamespace

import pytest
from fakes import answerer_over, new_store, put

from index import near
from index.errors import UsageError
from index.types import Field, Filters, Metadata
from rag.answer import Request
from rag.calibrate import Calibration
from rag.candidates import reading_text

NILE = "The long river Nile ends near Alexandria."
COPY = "Its bread comes from Memphis bakers.\n"


@pytest.fixture
def store(tmp_path):
    with new_store(tmp_path / "store") as store:
        yield store


@pytest.fixture
def add(store, tmp_path):
    def add(source, text, metadata=Metadata()):  # noqa: B008  frozen
        (tmp_path / source).write_bytes(text.encode())
        return put(store, tmp_path / source, source, metadata)

    return add


def test_an_empty_store_answers_null_with_confidence_0(store):
    answer = answerer_over(store).ask("Where does the river end?")
    assert (answer.answer, answer.confidence, answer.candidate, answer.passages) == (None, 0.0, None, ())
    assert (answer.citations, answer.alternatives) == ((), ())


def test_an_answer_is_cited_at_its_characters_bytes_and_line(store, add):
    add("nile.txt", f"Ünder the sun.\r\n\r\n{NILE}\r\n")
    answer = answerer_over(store).ask("Where does the long river Nile end?")
    assert answer.answer == "Alexandria"
    (citation,) = answer.citations
    start = len("Ünder the sun.\r\n\r\nThe long river Nile ends near ")
    assert (citation.start, citation.end) == (start, start + len("Alexandria"))
    assert (citation.byte_start, citation.byte_end) == (start + 1, start + 1 + len("Alexandria"))  # Ü is two bytes
    assert (citation.line, citation.column) == (3, len("The long river Nile ends near ") + 1)
    assert citation.prefix.endswith("Nile ends near ")
    assert citation.suffix == ".\r\n"
    assert answer.sentence == NILE


def test_below_the_threshold_the_answer_is_null_and_the_candidate_is_kept_inside(store, add):
    add("nile.txt", NILE)
    answer = answerer_over(store, threshold=0.9999).ask("Where does the long river Nile end?")
    assert (answer.answer, answer.sentence, answer.citations, answer.alternatives) == (None, None, (), ())
    assert answer.candidate == "Alexandria"
    assert 0 < answer.confidence < 0.9999
    assert [passage.text for passage in answer.passages] == [NILE]


def test_a_minimum_of_0_is_a_minimum_and_not_the_default(store, add):
    add("nile.txt", "Nothing fits. Paris.")
    answerer = answerer_over(store, threshold=0.9999)
    assert answerer.ask("Where does the long river end?").answer is None
    assert answerer.ask("Where does the long river end?", min_confidence=0).answer == "Nothing"


@pytest.mark.parametrize(
    "question",
    ["Where is the headquarters of the organization?", "Who painted the ceiling of the chapel?", "How many members?"],
)
def test_reading_more_passages_lowers_no_confidence(seed_answerer, question):
    replies = [seed_answerer.ask(question, top_k) for top_k in (1, 2, 5, 10, 30, 100)]
    for of in (lambda reply: reply.candidate_score, lambda reply: reply.confidence):
        assert [of(reply) for reply in replies] == sorted(of(reply) for reply in replies)


def test_two_documents_that_say_the_same_are_both_cited(store, add):
    add("a.txt", NILE)
    add("b.txt", f"old maps agree: {NILE}")
    answer = answerer_over(store).ask("Where does the long river Nile end?")
    assert sorted(citation.source for citation in answer.citations) == ["a.txt", "b.txt"]
    assert {citation.quote for citation in answer.citations} == {"Alexandria"}


class CountingReader:
    """Counts what the real thing behind it is given to read."""

    def __init__(self, reader):
        self._reader, self.info, self.texts = reader, reader.info, []

    def read(self, pairs):
        self.texts += [text for _, text in pairs]
        return self._reader.read(pairs)


def test_an_exact_copy_is_read_once_and_all_places_are_cited(store, add):
    for name in ("a.txt", "b.txt", "c.txt"):
        add(name, NILE)
    answerer = answerer_over(store)
    answerer.reader = CountingReader(answerer.reader)
    answer = answerer.ask("Where does the long river Nile end?")
    assert len(answerer.reader.texts) == 1
    assert [citation.source for citation in answer.citations] == ["a.txt", "b.txt", "c.txt"]


def test_a_byline_is_answered_with_its_own_place(store, add):
    text = "Bread\nBy Ada Miller\n" + "".join(f"\n\nParagraph {i} of bread and nothing else." for i in range(30))
    add("bread.txt", text, Metadata(author=Field("Ada Miller", 9, 19)))
    answer = answerer_over(store).ask("by whom: paragraph of bread and nothing else", top_k=3)
    assert text[9:19] == "Ada Miller"
    assert (9, 19) in {(citation.start, citation.end) for citation in answer.citations}


def test_other_answers_come_with_their_own_citations(store, add):
    add("a.txt", "The long river Nile ends near Alexandria.")
    add("b.txt", "The long river ends near Rosetta.")
    answer = answerer_over(store).ask("Where does the long river Nile end?")
    assert answer.answer == "Alexandria"
    assert [(other.answer, other.citations[0].source) for other in answer.alternatives] == [("Rosetta", "b.txt")]
    assert answer.alternatives[0].confidence < answer.confidence


@pytest.fixture
def compared(monkeypatch):
    """The sources whose texts are taken apart to be compared with others, each as often as that is done."""
    sources = []
    monkeypatch.setattr("rag.candidates.runs", lambda one: sources.append(one.source) or near.runs(one))
    return sources


def test_a_document_is_taken_apart_once_however_many_it_is_compared_with_and_for_how_many_answers(store, add, compared):
    for name in "abcd":
        between = " ".join(f"the {name} word {number} stands between" for number in range(20))
        add(f"{name}.txt", f"{NILE}\n\n{between}.\n\nThe long river ends near Rosetta.")
    answer = answerer_over(store, threshold=0.2).ask("Where does the long river Nile end?", top_k=100)
    places = [(said.answer, len(said.citations)) for said in (answer, *answer.alternatives)]
    assert {("Alexandria", 4), ("Rosetta", 4)} <= set(places)
    assert sorted(compared) == ["a.txt", "b.txt", "c.txt", "d.txt"]


def test_an_answer_of_one_document_is_compared_with_nothing(store, add, compared):
    add("nile.txt", NILE)
    assert answerer_over(store).ask("Where does the long river Nile end?").answer == "Alexandria"
    assert compared == []


def test_the_whole_time_counts_what_it_takes_to_put_the_answer_together(store, add, monkeypatch):
    seconds = []  # the clock stands still, but for one second each time that a confidence is asked for

    class Slow(Calibration):
        def probability(self, score):
            seconds.append(1)
            return super().probability(score)

    monkeypatch.setattr("rag.answer.time", SimpleNamespace(perf_counter=lambda: float(len(seconds))))
    add("nile.txt", NILE)
    answerer = answerer_over(store)
    answerer.calibration = Slow()
    timings = answerer.ask("Where does the long river Nile end?").timings_ms
    assert (timings.embed, timings.search, timings.read) == (0, 0, 0)
    assert seconds  # it was asked for: all of the time is what putting the answer together took
    assert timings.total == 1000 * len(seconds)


def test_only_as_many_passages_are_read_and_returned_as_asked_for(store, add):
    for i in range(12):
        add(f"{i:02}.txt", f"The river number {i} ends somewhere.")
    answerer = answerer_over(store)
    assert len(answerer.ask("river", top_k=3).passages) == 3
    assert len(answerer.ask("river", top_k=100).passages) == 12
    (asked,) = answerer.ask_all([Request("river", top_k=2)], depth=10)
    assert (len(asked.answer.passages), len(asked.ranking)) == (2, 10)


def test_what_the_reader_answers_to_each_passage_is_what_it_answers_to_it_alone(seed_answerer):
    question = "Who is the secretary-general of the organization?"
    (asked,) = seed_answerer.ask_all([Request(question, top_k=4)], depth=10)
    with seed_answerer.store.snapshot() as moment:
        documents = moment.stored_documents({passage.document_id for passage in asked.ranking})
        stored = moment.stored_passages([passage.passage_id for passage in asked.ranking[:4]])
    texts = [reading_text(documents[one.passage.document_id], one.passage) for one in stored]
    assert list(asked.quotes) == seed_answerer.read_alone([(question, text) for text in texts])
    assert any(asked.quotes)


def test_ties_go_to_source_then_place(store, add):
    for name in ("c.txt", "a.txt", "b.txt"):
        add(name, COPY)
    found = answerer_over(store).search("bread from bakers")
    assert [passage.source for passage in found.passages] == ["a.txt", "b.txt", "c.txt"]


def test_equal_passages_beyond_the_candidates_are_cut_by_source_and_not_by_age(store, add):
    for i in reversed(range(130)):
        add(f"{i:03}.txt", COPY)
    found = answerer_over(store).search("bread from bakers", top_k=3)
    assert [passage.source for passage in found.passages] == ["000.txt", "001.txt", "002.txt"]


def test_a_service_whose_store_was_deleted_and_made_anew_answers_from_the_new_one(tmp_path):
    folder = tmp_path / "store"
    (tmp_path / "a.txt").write_text(NILE)
    (tmp_path / "b.txt").write_text("The long river Nile ends near Rosetta.")
    with new_store(folder) as first:
        put(first, tmp_path / "a.txt", "a.txt")
        answerer = answerer_over(first)
        assert answerer.ask("Where does the long river Nile end?").answer == "Alexandria"
        shutil.rmtree(folder)
        with new_store(folder) as second:
            put(second, tmp_path / "b.txt", "b.txt")
        assert answerer.ask("Where does the long river Nile end?").answer == "Rosetta"


def test_filters_act_before_ranking(store, add):
    for i in range(150):
        add(f"many/{i:03}.txt".replace("/", "-"), NILE)
    add("few.txt", "A river.")
    found = answerer_over(store).search("the long river Nile", top_k=5, filters=Filters(source="few*"))
    assert [passage.source for passage in found.passages] == ["few.txt"]


def test_a_search_reads_nothing_and_says_how_long_it_took(store, add):
    add("nile.txt", NILE)
    found = answerer_over(store).search("river")
    assert found.timings_ms.read == 0
    assert found.timings_ms.total >= found.timings_ms.search > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"question": ""}, "empty"),
        ({"question": " \n"}, "empty"),
        ({"question": "x" * 1001}, "1001 characters"),
        ({"question": "x", "top_k": 0}, "top_k is 0"),
        ({"question": "x", "top_k": 101}, "top_k is 101"),
        ({"question": "x", "min_confidence": -0.1}, "min_confidence is -0.1"),
        ({"question": "x", "min_confidence": float("nan")}, "min_confidence is nan"),
        ({"question": "x", "min_confidence": "risk:0"}, "risk:0"),
        ({"question": "x", "min_confidence": "risk:0.05"}, "too few to show so small a risk"),
    ],
)
def test_what_is_out_of_bounds_is_refused(store, arguments, words):
    with pytest.raises(UsageError, match=words):
        answerer_over(store).ask(**arguments)


def test_a_calibration_holds_for_what_it_was_fitted_with_alone(store, add):
    add("nile.txt", NILE)
    answerer = answerer_over(store)
    assert answerer.ask("river").calibrated is True
    assert answerer.ask("river", top_k=9).calibrated is False
    answerer.calibration = Calibration()
    assert answerer.ask("river").calibrated is False


def test_the_same_question_gets_the_same_answer_alone_among_others_and_from_many_threads(seed_answerer):
    question = "In which city is the Regional Anti-Terrorist Structure?"
    alone = said(seed_answerer.ask(question))
    others = [Request(f"What happened in {year}?") for year in range(1990, 2021)]
    among = [asked.answer for asked in seed_answerer.ask_all([*others[:15], Request(question), *others[15:]])][15]
    assert said(among) == alone
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(said(seed_answerer.ask(question)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [alone] * 8


def said(answer):
    places = [(citation.source, citation.start, citation.end) for citation in answer.citations]
    return answer.answer, places, [passage.passage_id for passage in answer.passages], round(answer.confidence, 3)
