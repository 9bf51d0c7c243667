import asyncio
from collections import Counter
from urllib.parse import unquote

import httpx2
import pytest

from benchmarks.load import FLAT, Pace, Part, failures, gain, growth, table
from benchmarks.visitors import BARE, NO_REPLY, UPLOAD_EVERY, Errand, Tally, Visitor

TEXT = "The Nile ends in Egypt.\n"
ERRAND = Errand("http://service", ["Where does the Nile end?"], {"nile.txt": TEXT})
EGYPT = {"source": "nile.txt", "start": 17, "end": 22, "quote": "Egypt", "verified": True}
FINE = Tally(Counter({"200": 4, "503": 1}), [0.1] * 4, citations=4, shown=1)


def reply(citations=(), passages=(), others=()):
    return {"citations": list(citations), "passages": list(passages), "alternatives": [{"citations": list(others)}]}


def seen(answer, steps=(1,), errand=ERRAND):
    """Return the tally of one client of a service whose response to a request is what `answer` returns."""
    tally = Tally()

    async def visit():
        async with httpx2.AsyncClient(base_url=errand.url, transport=httpx2.MockTransport(answer)) as http:
            visitor = Visitor(0, http, errand, tally)
            for number in steps:
                await visitor.step(number)

    asyncio.run(visit())
    return tally


def test_a_citation_counts_as_wrong_unless_the_text_itself_has_its_words_there():
    def cite(**changed):
        return seen(lambda _: httpx2.Response(200, json=reply([EGYPT | changed], others=[EGYPT])))

    assert (cite().citations, cite().wrong) == (2, 0)
    assert [cite(**one).wrong for one in ({"start": 16}, {"quote": "Sudan"}, {"verified": False})] == [1, 1, 1]
    assert cite(source="of-someone-else.txt").citations == 1  # its text is not known here


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (httpx2.Response(503, headers={"retry-after": "5"}), "503"),
        (httpx2.Response(503), BARE),
        (httpx2.Response(500), "500"),
    ],
)
def test_a_refusal_is_counted_and_is_no_answer(response, status):
    tally = seen(lambda _: response)
    assert (tally.statuses, tally.seconds) == (Counter({status: 1}), [])


def test_a_connection_that_breaks_is_a_request_without_a_reply():
    def breaks(_):
        raise httpx2.ReadError("reset")

    assert seen(breaks).statuses == Counter({NO_REPLY: 1})


class Library:
    """A service that keeps what is put and shows it when it is asked for, or what was there `late` changes before."""

    def __init__(self, late=0, shows=True):
        self.versions, self.late, self.shows = [None], late, shows

    def __call__(self, request):
        if request.method == "POST":
            text = self.versions[-1 - min(self.late, len(self.versions) - 1)]
            return httpx2.Response(200, json=self.answer(text) if text and self.shows else reply())
        assert unquote(str(request.url)).startswith("http://service/v1/documents")
        self.versions.append(request.content.decode() if request.method == "PUT" else None)
        return httpx2.Response(201 if request.method == "PUT" else 204)

    def answer(self, text):
        place = {"source": "load/0.txt", "start": 0, "end": len(text)}
        return reply([place | {"quote": text, "verified": True}], [place | {"text": text}])


UPLOADS = tuple(UPLOAD_EVERY * number for number in (1, 2, 3, 4))  # put, put another, delete, put
UPLOADING = Errand("http://service", ["Where does the Nile end?"], uploads=True)


def test_what_was_put_is_shown_and_what_was_replaced_or_deleted_is_stale():
    tally = seen(Library(), UPLOADS, UPLOADING)
    assert (tally.shown, tally.missing, tally.stale) == (3, 0, 0)
    late = seen(Library(late=1), UPLOADS, UPLOADING)
    # Passage and citation: of the first text after the second put, of the second after the deletion.
    assert late.stale == 2 * 2
    assert late.missing == 2  # after the first put and the last


def test_a_document_that_was_put_and_is_not_found_is_missing():
    tally = seen(Library(shows=False), UPLOADS, UPLOADING)
    assert (tally.shown, tally.missing, tally.stale) == (0, 3, 0)


def test_a_part_in_which_all_went_well_has_no_failure():
    assert failures(Part("part", 4, 1.0, FINE, [100.0] * 9, watched=True, uploads=True, crowded=True)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        *[({"statuses": Counter({"200": 4, status: 2})}, f"{status} (2 times)") for status in ("500", "429", "401")],
        ({"statuses": Counter({"200": 4, BARE: 1})}, f"{BARE} (1 times)"),
        ({"statuses": Counter({"200": 4, NO_REPLY: 1})}, f"{NO_REPLY} (1 times)"),
        ({"stale": 2}, "stale passages or citations (2)"),
        ({"wrong": 1}, "citations that are not the characters they name"),
        ({"missing": 1}, "documents that were put and not found"),
        ({"seconds": []}, "no question was answered"),
        ({"citations": 0}, "no citation could be compared"),
    ],
)
def test_what_clients_saw_and_should_not_have_is_a_failure(changed, said):
    assert failures(Part("part", 4, 1.0, Tally(**{**vars(FINE), **changed}))) == [f"part: {said}"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"uploads": True, "tally": Tally(FINE.statuses, FINE.seconds, 4)}, "no document that was put was asked about"),
        ({"crowded": True, "tally": Tally(Counter({"200": 4}), [0.1], 4)}, "the queue was never full"),
        ({"recovered": False}, "it did not recover"),
        ({"watched": True}, "its memory could not be looked at"),
        ({"watched": True, "memory": [0.0] * 9}, "its memory could not be looked at"),
        ({"memory": [100.0, 100.0, 115.0]}, "memory grew to 1.15 times of what it was"),
    ],
)
def test_what_the_service_did_and_should_not_have_is_a_failure(given, said):
    assert failures(Part("part", 4, 1.0, **{"tally": FINE, **given})) == [f"part: {said}"]


def test_growth_is_the_most_of_the_last_third_by_the_most_of_the_first():
    assert growth([100.0, 90.0, 300.0, 300.0, 110.0, 105.0]) == 110 / 100
    assert growth([100.0, 100.0]) == growth([]) == 1.0
    assert growth([100.0, 100.0, 100.0 * FLAT]) <= FLAT


def test_the_gain_is_the_least_of_the_rounds_and_none_where_one_client_got_no_answer():
    rounds = [(Pace(1, 2.0, 1.0), Pace(16, 5.0, 2.0)), (Pace(1, 2.0, 1.0), Pace(16, 3.0, 2.0))]
    assert gain(rounds) == 3 / 2
    assert gain([(Pace(1, 0.0, 0.0), Pace(16, 3.0, 2.0))]) == 0.0


def test_the_table_has_a_line_for_each_part_whatever_came_of_it():
    lines = table([Part("one", 4, 2.0, FINE, [100.0, 101.0, 102.0]), Part("none", 4, 1.0)]).split("\n")
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| one", "| none"]
    assert "200 4, 503 1 | 2.0 | 0.100 | 0.100 | 100, 102" in lines[2]
