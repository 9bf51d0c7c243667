"""The page of an evaluation: its measures, and its questions a page at a time, narrowed by the address."""

import json
import time
from dataclasses import dataclass
from itertools import pairwise

import pytest
from fakes import WINDOW, WordEncoder, answerer_over, new_store
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from library import ATTACK, EIGER
from test_pages import Page
from waiting import wait_for

from api.app import create_app
from api.jobs import Job
from api.pages.evaluations import MEASURED_TAGS
from api.pages.narrowed import ROWS, Wanted, listing
from api.service_store import ServiceStore
from index.chunk_limits import ChunkLimits
from index.originals import put_bytes
from index.types import document_id_of
from rag.compare import compare

N = 2 * ROWS + 10  # questions: even ones are answered right, odd ones wrong
RIGHT, WRONG = "Charles Barrington", "Edward Whymper"
EVIL = '"><script>alert(1)</script>'


def gold(n, answer_of, tags_of=lambda number: ["even", "odd"][number % 2 :][:1]):
    """The lines of a gold set of `n` questions, all of which are answered alike."""
    lines = (
        {
            "id": f"q{number:03}",
            "question": f"Who first climbed the mountain Eiger, says book {number:03}?",
            "answers": [answer_of(number)],
            "sources": ["eiger.txt"],
            "tags": tags_of(number),
        }
        for number in range(n)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def evaluated(client, lines):
    """Evaluate; return the path of the run's page."""
    reply = client.post("/v1/evaluations", content=lines, headers={"content-type": "application/x-ndjson"})
    path = f"/evaluations/{reply.json()['id']}"
    wait_for(lambda: client.get(f"/v1{path}").json()["status"] == "done")
    return path


@dataclass
class Runs:
    """A service that has run gold sets; paths of the pages of the runs."""

    client: TestClient
    half: str  # every other question right
    fine: str  # all three right
    swapped: str  # the other half right

    def page(self, path, **asked):
        response = self.client.get(path, params=asked)
        assert response.status_code == 200, response.text
        return Page(response)

    def compared(self, **asked):
        run, baseline = (path.rpartition("/")[2] for path in (self.swapped, self.half))
        return self.page("/evaluations/compare", run=run, baseline=baseline, different="true", **asked)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with new_store(folder / "store") as store:
        for source, text in (("eiger.txt", EIGER), ("<i>.txt", ATTACK)):
            put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), source, text.encode())
        with TestClient(create_app(answerer_over(store))) as client:
            yield Runs(
                client,
                evaluated(client, gold(N, lambda number: WRONG if number % 2 else RIGHT)),
                evaluated(client, gold(3, lambda number: RIGHT)),
                evaluated(client, gold(N, lambda number: RIGHT if number % 2 else WRONG)),
            )


def listed(page):
    """The ids of the questions that a page lists, in its order."""
    return [text for _, text in page.all("code") if text.startswith("q")]


def ids(numbers):
    return [f"q{number:03}" for number in numbers]


def said(page):
    return " ".join(page.text("p", role="status").split())


def links(page):
    """The links to pages of the list: what each is called, and where it leads."""
    return {attrs.get("aria-label") or text: attrs["href"] for attrs, text in page.all("a") if "page=" in attrs["href"]}


def test_the_pages_together_list_every_question_once_in_the_order_of_the_gold_set(runs):
    pages = [runs.page(runs.half, page=number) for number in (1, 2, 3)]
    assert [said(page) for page in pages] == [f"{one} of 60 questions" for one in ("1 to 25", "26 to 50", "51 to 60")]
    assert [one for page in pages for one in listed(page)] == ids(range(N))


def test_a_page_names_the_one_it_is_and_leads_to_its_neighbours(runs):
    page = runs.page(runs.half, page=2)
    ((here, number),) = [one for one in page.all("a", **{"aria-current": "page"}) if "aria-label" in one[0]]
    assert (here["aria-label"], number) == ("Page 2", "2")
    assert page.all("nav", **{"aria-label": "Pages of the questions"})
    assert links(page) == {
        "Next page": "?page=3#questions",
        "Page 2": "?page=2#questions",
        "Page 3": "?page=3#questions",
    }
    assert [text for attrs, text in page.all("a") if attrs["href"] == "?#questions"] == ["Previous page", "1"]
    assert "page 2 of 3" in page.text("title")


def test_the_first_page_has_the_measures_of_all_questions_and_the_others_lead_back_to_it(runs):
    first, second = runs.page(runs.half), runs.page(runs.half, page=2)
    for page in (first, second):
        assert page.text("h1") == "30 of 60 questions came out right"
    assert [text for _, text in first.all("h2")] == [
        "Where answers were lost",
        "Measures",
        "Can confidence be trusted?",
        "By kind of question",
        "Every question",
        "How this was made",
    ]
    assert [text for _, text in second.all("h2")] == ["Every question"]
    assert ("?", "All measures") in [(attrs["href"], text) for attrs, text in second.all("a")]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("0", 1), ("-3", 1), ("4", 3), ("9" * 5000, 3), ("two", 1), ("1.5", 1)],
)
def test_a_page_that_is_not_there_is_named_and_the_nearest_shown(runs, asked, shown):
    page = runs.page(runs.half, page=asked)
    assert said(page).startswith(f"There is no page {asked[:19]}")
    assert f"this is page {shown} of 3" in said(page)
    assert listed(page) == ids(range(N))[(shown - 1) * ROWS : shown * ROWS]
    assert len(said(page)) < 200


def test_a_page_left_empty_is_the_first(runs):
    assert said(runs.page(runs.half, page="", q="", outcome="", tag="")) == "1 to 25 of 60 questions"


def test_wrong_ones_are_looked_for_among_all_questions_and_paged_too(runs):
    odd = ids(range(1, N, 2))
    first, second = (runs.page(runs.half, outcome="wrong", page=number) for number in ("", "2"))
    assert said(first) == "1 to 25 of 30 found among 60 questions. Show all"
    assert [listed(first), listed(second)] == [odd[:ROWS], odd[ROWS:]]
    assert links(first)["Next page"] == "?outcome=wrong&page=2#questions"
    assert second.all("option", value="wrong", selected=None)


def test_what_was_lost_leads_to_its_questions(runs):
    page = runs.page(runs.half)
    assert {"href": "?outcome=not_retrieved#questions"} in [
        attrs for attrs, text in page.all("a") if text == "not found"
    ]
    assert listed(runs.page(runs.half, outcome="not_retrieved")) == ids(range(1, N, 2))[:ROWS]


def test_words_outcome_and_tag_narrow_together_whatever_the_case(runs):
    assert listed(runs.page(runs.half, q="BOOK 059")) == ["q059"]
    assert listed(runs.page(runs.half, q="Q05 book", outcome="ok")) == ids(range(50, N, 2))
    assert listed(runs.page(runs.half, q="Q05 book", tag="odd")) == ids(range(51, N, 2))
    assert listed(runs.page(runs.half, outcome="ok", tag="odd")) == []


def test_words_are_found_in_answers_gold_answers_and_sources(runs):
    assert said(runs.page(runs.half, q="barrington book")).startswith("1 to 25 of 60 found")
    assert said(runs.page(runs.half, q="whymper")).startswith("1 to 25 of 30 found")
    assert said(runs.page(runs.half, q="eiger.txt 007")).startswith("1 to 1 of 1 found")


def test_the_address_and_the_form_hold_what_was_asked_for(runs):
    page = runs.page(runs.half, q="book & Eiger", outcome="ok", tag="even")
    assert page.all("input", name="q", value="book & Eiger")
    assert [attrs["value"] for attrs, _ in page.all("option") if "selected" in attrs] == ["ok", "even"]
    page = runs.page(runs.half, q="first climbed Eiger", tag="even")
    assert links(page)["Next page"] == "?q=first+climbed+Eiger&tag=even&page=2#questions"
    assert [attrs["method"] for attrs, _ in page.all("form")] == ["get"]


def test_a_run_without_a_wrong_answer_says_so_when_asked_for_them(runs):
    page = runs.page(runs.fine, outcome="wrong")
    assert said(page) == "None went wrong: every question came out right. Show all"
    assert (page.all("table"), page.all("nav", **{"aria-label": "Pages of the questions"})) == ([], [])
    whole = runs.page(runs.fine)
    assert said(whole) == "1 to 3 of 3 questions"
    assert "Where answers were lost" not in whole.text("main", id="main")


@pytest.mark.parametrize(
    "asked", [{"q": "zanzibar"}, {"outcome": "nothing"}, {"tag": EVIL}, {"q": EVIL}, {"q": "x" * 999}]
)
def test_what_nothing_is_like_finds_nothing_and_leads_back_to_all(runs, asked):
    page = runs.page(runs.half, **asked)
    assert said(page) == "None of 60 questions is found by this. Show all"
    assert page.all("a", href="?#questions")
    assert page.all("script") == []


def test_an_answer_leads_to_its_place_in_the_document(runs):
    page = runs.page(runs.half)
    place = next(attrs["href"] for attrs, _ in page.all("a") if attrs["href"].startswith("/read/"))
    assert place.startswith(f"/read/{document_id_of('eiger.txt')}?start={EIGER.index(RIGHT)}&end=")
    read = Page(runs.client.get(place))
    assert read.text("mark", id="cited") == RIGHT


def test_the_whole_report_is_downloaded_as_one_file_that_runs_its_own_script(runs):
    response = runs.client.get(f"{runs.half}/report.html")
    assert response.headers["content-disposition"] == f'attachment; filename="evaluation-{runs.half[-16:]}.html"'
    assert all(f"<code>{one}</code>" in response.text for one in ids(range(N)))
    assert "script-src 'sha256-" in response.text
    for path in (runs.half, f"{runs.half}?page=2"):
        assert f"{runs.half}/report.html" in [attrs["href"] for attrs, _ in Page(runs.client.get(path)).all("a")]


def test_the_pages_of_a_run_have_no_script_and_may_have_none(runs):
    response = runs.client.get(runs.half)
    assert "script-src 'none'" in response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert Page(response).all("script") == []


def test_what_went_otherwise_in_two_runs_is_paged_too_and_stays_their_comparison(runs):
    first, second = runs.compared(), runs.compared(page=2)
    assert "30 won, 30 lost" in first.text("main", id="main")
    assert said(second) == "26 to 50 of 60 questions"
    assert listed(first) == ids(range(0, N, 2))[:ROWS]  # those that were lost come first
    won = runs.compared(outcome="won", page=2)
    assert listed(won) == ids(range(1, N, 2))[ROWS:]
    assert links(first)["Next page"].startswith("?run=")
    assert {attrs["name"] for attrs, _ in won.all("input", type="hidden")} == {"run", "baseline", "different"}


def test_a_comparison_can_be_downloaded_as_one_file(runs):
    ((link, _),) = [one for one in runs.compared().all("a") if "download" in one[0]]
    response = runs.client.get(link["href"])
    assert response.headers["content-disposition"].startswith('attachment; filename="evaluation-')
    assert "Won: 30" in response.text
    assert runs.client.get("/evaluations/compare/report.html?run=none&baseline=none").status_code == 404


def test_a_comparison_of_a_run_with_itself_lists_nothing(runs):
    run = runs.half.rpartition("/")[2]
    page = runs.page("/evaluations/compare", run=run, baseline=run)
    assert "No difference." in page.text("main", id="main")
    assert page.all("table") == []


def test_two_runs_are_compared_once_however_many_pages_of_that_are_asked_for(runs, monkeypatch):
    made = []
    monkeypatch.setattr("api.evaluations.compare", lambda *given: made.append(given) or compare(*given))
    run, baseline = (path.rpartition("/")[2] for path in (runs.half, runs.swapped))
    pair = {"run": run, "baseline": baseline, "different": "true"}
    pages = [runs.page("/evaluations/compare", **pair, **asked) for asked in ({}, {"page": 2}, {"outcome": "won"})]
    assert [said(page).split(". ")[0] for page in pages] == [
        "1 to 25 of 60 questions",
        "26 to 50 of 60 questions",
        "1 to 25 of 30 found among 60 questions",
    ]
    assert "Won: 30" in runs.client.get("/evaluations/compare/report.html", params=pair).text
    assert len(made) == 1


def test_a_comparison_with_a_run_that_is_gone_or_was_not_done_is_refused_whatever_was_shown_before(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("api.evaluations.KEPT", 2)
    with new_store(tmp_path / "store") as store, TestClient(create_app(answerer_over(store))) as client:
        baseline, run = (evaluated(client, gold(3, lambda number: RIGHT)).rpartition("/")[2] for _ in range(2))

        def status(run, baseline):
            return client.get("/evaluations/compare", params={"run": run, "baseline": baseline}).status_code

        assert status(run, baseline) == 200
        evaluated(client, gold(3, lambda number: RIGHT))
        assert status(run, baseline) == 404
        with ServiceStore(store.folder) as service:
            service.add_job(Job("failed", None, int(time.time()), "failed", 0, 1), b"", most=1)
        assert (status(run, "failed"), status("failed", run)) == (409, 409)


def test_of_very_many_tags_some_are_measured_and_the_rest_counted(runs):
    path = evaluated(runs.client, gold(40, lambda number: RIGHT, lambda number: [EVIL, f"tag {number:02}"]))
    page = runs.page(path)
    shown = [text for attrs, text in page.all("th", scope="row") if text.startswith("#")]
    assert shown == [f"#{EVIL}", *(f"#tag {number:02}" for number in range(MEASURED_TAGS - 1))]
    assert f"The measures of {40 + 1 - MEASURED_TAGS} rarer tags" in page.text("main", id="main")
    assert listed(runs.page(path, tag="tag 39")) == ["q039"]
    assert page.all("script") == []


def rows_of(stages):
    return [{"stage": stage, "tags": [], "text": f"number {n}"} for n, stage in enumerate(stages)]


@given(st.lists(st.sampled_from(["ok", "missed", "withheld"])), st.sampled_from(["", "ok", "wrong", "missed"]))
def test_the_pages_of_any_list_hold_each_row_that_is_wanted_once_and_in_order(stages, outcome):
    rows = rows_of(stages)
    wanted = [row for row in rows if outcome in ("", row["stage"]) or (outcome == "wrong" and row["stage"] != "ok")]
    pages = listing(rows, str, Wanted(outcome=outcome)).pages
    shown = [listing(rows, str, Wanted(outcome=outcome, page=str(page))) for page in range(1, pages + 1)]
    assert [row for one in shown for row in one.rows] == wanted
    assert all(len(one.rows) == one.last - one.first + 1 for one in shown if wanted)
    assert not any(one.missed for one in shown)


@given(st.integers(1, 500), st.integers(1, 500))
def test_the_first_the_last_and_the_neighbouring_pages_are_linked_in_order(pages, page):
    page = min(page, pages)
    near = listing(rows_of(["ok"]) * (pages * ROWS), str, Wanted(page=str(page))).near()
    numbers = [number for number in near if number]
    assert numbers == sorted(set(numbers))
    assert {1, page, pages} <= set(numbers) <= set(range(1, pages + 1))
    assert len(near) <= 9
    gaps = [after - before > 1 for before, after in pairwise(numbers)]
    assert gaps.count(True) == near.count(0)


def test_long_questions_with_many_gold_answers_and_places_do_not_make_a_page_heavy(tmp_path):
    with new_store(tmp_path / "store") as store:
        for number in range(12):
            put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), f"a/rather/long/path/{number}.txt", EIGER.encode())
        with TestClient(create_app(answerer_over(store))) as client:
            lines = [json.loads(line) for line in gold(N, lambda number: RIGHT).splitlines()]
            for line in lines:
                line["question"] = (
                    f"Who first climbed the mountain Eiger, book {line['id']}" + " the mountain Eiger" * 8 + "?"
                )
                line["answers"] += [f"{RIGHT} of Bunratty in County Clare, with two guides from Grindelwald"] * 2
                line["tags"] = [f"a tag of the question {line['id']}", "one of all", "another of all"]
            path = evaluated(client, "".join(json.dumps(line) + "\n" for line in lines))
            page = client.get(path)
            assert "further place" in page.text
            loaded = ("/static/run.css", "/static/favicon.svg")
            assert len(page.content) + sum(len(client.get(address).content) for address in loaded) < 100_000
