"""Judgements become gold lines; runs on them are watched, read and compared."""

import json
import time

from guarded import bearer, guarded, key_for
from library import EIGER
from test_pages import CLIMBED, EIGER_ID, Page, asked

from index.types import document_id_of
from rag.gold import parse_gold

NOT_THERE = "Which telescope discovered seventeen planets?"


def judge(client, page, words):
    """Press the button of an answer page."""
    found = [attrs for attrs, text in page.all("button") if text == words]
    return client.post("/confirmed", data={found[0]["name"]: found[0]["value"]})


def lines(client):
    return [json.loads(line) for line in client.get("/confirmed.jsonl").text.splitlines()]


def test_a_right_answer_becomes_a_line_with_its_citations_as_evidence(own):
    response = judge(own, asked(own), "Right")
    assert (response.status_code, str(response.url)) == (200, "http://testserver/confirmed")
    at = EIGER.index("Charles")
    (line,) = lines(own)
    assert (line["question"], line["answers"], line["answerable"]) == (CLIMBED, ["Charles Barrington"], True)
    assert line["evidence"] == [
        {"source": source, "start": at, "end": at + 18} for source in ("alps/copy.txt", "alps/eiger.txt")
    ]


def test_a_rightly_withheld_answer_becomes_an_unanswerable_line(own):
    judge(own, asked(own, NOT_THERE), "Right")
    assert [(line["answerable"], line["answers"]) for line in lines(own)] == [(False, [])]


def test_a_passage_that_answers_becomes_a_line_that_measures_retrieval(own):
    judge(own, asked(own, NOT_THERE), "The answer is here")
    (line,) = lines(own)
    assert (line["answerable"], line["answers"], len(line["evidence"])) == (True, [], 1)


def test_a_wrong_answer_is_judged_by_what_is_right_instead(own):
    page = asked(own)
    choices = [text for attrs, text in page.all("button") if attrs.get("name") == "answer"]
    assert choices[0] == "Right"
    assert choices[-1] == "The documents do not say"
    judge(own, page, choices[1])
    assert lines(own)[0]["answers"] == [choices[1].removeprefix("“").removesuffix("” is right")]


def test_judging_a_question_again_takes_the_place_of_what_was_judged_before(own):
    page = asked(own)
    judge(own, page, "Right")
    judge(own, asked(own, NOT_THERE), "Right")
    judge(own, page, "The documents do not say")
    assert [(line["question"], line["answerable"]) for line in lines(own)] == [(NOT_THERE, False), (CLIMBED, False)]


def test_the_lines_are_a_gold_set_and_lead_back_to_their_places(own):
    judge(own, asked(own), "Right")
    judge(own, asked(own, NOT_THERE), "Right")
    response = own.get("/confirmed.jsonl")
    assert len(parse_gold(response.text, "confirmed.jsonl")) == 2
    assert response.headers["content-disposition"] == 'attachment; filename="confirmed.jsonl"'
    page = Page(own.get("/confirmed"))
    hrefs = [attrs["href"] for attrs, _ in page.all("a") if EIGER_ID in attrs["href"]]
    assert [Page(own.get(href)).text("mark", id="cited") for href in hrefs] == ["Charles Barrington"]


def test_a_judgement_can_be_forgotten(own):
    judge(own, asked(own), "Right")
    own.post("/confirmed/drop", data={"question": CLIMBED})
    assert lines(own) == []
    assert "Nothing yet." in Page(own.get("/confirmed")).text("main", id="main")


def test_what_the_documents_no_longer_say_is_not_kept(own, store):
    page = asked(own)
    with store.write() as writer:
        writer.remove(EIGER_ID)
        writer.remove(document_id_of("alps/copy.txt"))
    response = judge(own, page, "Right")
    assert (response.status_code, lines(own)) == (409, [])
    assert "ask the question again" in response.text


NO_REPLIES = (
    *("", "x", "[]", "{}", "[[[", '{"question": 1}', '{"question": "a", "answer": "b"}'),
    json.dumps({"question": "a" * 1001, "answer": None}),
    json.dumps({"question": " ", "answer": None}),
    '{"question": "a", "answer": "b", "citations": [{"start": -1, "end": 1, "quote": "b"}]}',
)


def test_what_is_no_reply_is_refused(own):
    statuses = {own.post("/confirmed", data={"answer": sent}).status_code for sent in NO_REPLIES}
    assert statuses <= {409, 422}
    assert lines(own) == []


def test_judging_needs_the_scope_to_write_and_names_the_key(store, tmp_path):
    with guarded(store, tmp_path) as (client, keys):
        reply = json.dumps({"question": CLIMBED, "answer": None})
        asks, writes = bearer(key_for(keys, "ask")), bearer(key_for(keys, "ask", "write"))
        page = Page(client.get("/", params={"q": CLIMBED}, headers=asks))
        assert [text for _, text in page.all("button")] == ["Ask"]
        for address in ("/confirmed", "/confirmed/drop"):
            assert client.post(address, data={"answer": reply}, headers=asks).status_code == 403
        assert client.post("/confirmed", data={"answer": reply}, headers=writes).status_code == 200
        assert len(client.get("/confirmed.jsonl", headers=asks).text.splitlines()) == 1


def test_a_page_of_another_site_cannot_judge(own):
    reply = json.dumps({"question": CLIMBED, "answer": None})
    response = own.post("/confirmed", data={"answer": reply}, headers={"sec-fetch-site": "cross-site"})
    assert (response.status_code, lines(own)) == (403, [])


def finished(client, number):
    """Wait for the runs; give their ids, the latest first."""
    until = time.monotonic() + 20
    while True:
        runs = client.get("/v1/evaluations").json()["evaluations"]
        if [run["status"] for run in runs] == ["done"] * number:
            return [run["id"] for run in runs]
        assert time.monotonic() < until, runs
        time.sleep(0.02)


def test_confirmed_answers_are_evaluated_and_two_runs_compared(own):
    judge(own, asked(own), "Right")
    judge(own, asked(own, NOT_THERE), "Right")
    for number in (1, 2):
        assert str(own.post("/evaluations/confirmed").url) == "http://testserver/evaluations"
        finished(own, number)
    latest, first = finished(own, 2)
    page = Page(own.get("/evaluations"))
    assert [attrs["href"] for attrs, _ in page.all("a") if attrs["href"].startswith("/evaluations/")] == [
        *(f"/evaluations/{latest}", f"/evaluations/{first}")
    ]
    assert "2 of 2 questions came out right" in own.get(f"/evaluations/{latest}").text
    compared = own.get("/evaluations/compare", params={"run": latest, "baseline": first})
    assert "No difference." in compared.text


def test_runs_that_measured_other_things_are_compared_only_if_that_is_asked_for(own):
    for number, question in enumerate((CLIMBED, NOT_THERE), start=1):
        judge(own, asked(own, question), "Right")
        own.post("/evaluations/confirmed")
        finished(own, number)
    latest, first = finished(own, 2)
    params = {"run": latest, "baseline": first}
    refused = own.get("/evaluations/compare", params=params, headers={"accept": "text/html"})
    assert refused.status_code == 422
    assert "of another gold set" in Page(refused).text("main", id="main")
    assert own.get("/evaluations/compare", params={**params, "different": "true"}).status_code == 200


def test_nothing_confirmed_cannot_be_evaluated(own):
    assert own.post("/evaluations/confirmed").status_code == 422
    assert "Nothing has been evaluated yet." in Page(own.get("/evaluations")).text("main", id="main")


def test_a_run_that_is_not_there_has_no_report(own):
    for address in ("/evaluations/none", "/evaluations/compare?run=none&baseline=none"):
        assert own.get(address, headers={"accept": "text/html"}).status_code == 404
    assert own.post("/evaluations/none/cancel").status_code == 404
