"""The pages in a real browser: the way from a question to the cited place, with scripts and without."""

import json
from urllib.parse import quote

import pytest
from addresses import ADDRESSES, ASKED, ATTACKER, LUKIN, NOT_THERE, SET_UP
from fakes import WINDOW, WordEncoder, answerer_over, new_store
from library import ATTACK
from real_service import ROOT, evaluated, serving
from served import served
from waiting import wait_for

from api.app import create_app
from index.chunk_limits import ChunkLimits
from index.originals import put_bytes
from index.types import document_id_of

BELLS = (
    "<html><head><link rel=canonical href='https://bells.example/mechelen'></head><body><article><h1>Bell towers</h1>"
    "<p>The carillon of Mechelen was built in 1674 by Pieter Hemony. It has forty-nine bells and rings at noon.</p>"
    "</article></body></html>"
)


def text_of(store, document_id):
    with store.snapshot() as snapshot:
        return snapshot.document(document_id).document.text


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()


def highlighted(page):
    return page.locator("#cited").evaluate("mark => mark.textContent")


def top_of_highlight(page):
    return page.locator("#cited").evaluate("mark => mark.getBoundingClientRect().top")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_question_leads_to_a_quote_and_from_there_to_the_highlighted_place(service, open_page, scripts):
    page = open_page(service.address, scripts)
    ask(page, SET_UP)
    page.locator(".quote").wait_for()
    assert page.url.startswith(f"{service.address}/?q={SET_UP.replace(' ', '+').replace('?', '%3F')}")
    place = page.locator(".places li").first
    said, place_of = place.locator("mark").inner_text(), place.locator("a")
    assert said == page.locator(".quote").inner_text()
    assert "line " in place.inner_text()
    place_of.click()
    page.locator("#cited").wait_for()
    assert highlighted(page) == said
    assert 0 < top_of_highlight(page) < 800
    page.go_back()
    page.locator(".quote").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Ask your documents").wait_for()


def test_every_example_leads_to_an_answer_from_the_documents(service, open_page):
    page = open_page(service.address)

    def offered():  # they are looked for once someone is there
        page.wait_for_timeout(100)
        page.reload()
        return page.locator(".examples a").all_inner_texts()

    for question in wait_for(offered, seconds=120):
        page.get_by_role("link", name=question).click()
        page.locator(".quote").wait_for()
        assert page.get_by_label("Your question").input_value() == question
        assert page.locator(".places a").count() > 0
        page.go_back()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_what_the_documents_do_not_say_is_said_with_the_nearest_passages_and_why(service, open_page, scripts):
    page = open_page(service.address, scripts)
    ask(page, NOT_THERE)
    page.get_by_role("heading", name="Not in the documents").wait_for()
    assert page.locator(".passages").first.locator("li").count() == 3
    assert "In no passage that was read: telescope, " in page.locator(".none").inner_text()
    assert "An answer is given from 50%." in page.locator(".none").inner_text()


def test_the_passages_are_shown_while_they_are_read_and_nothing_moves(service, open_page):
    page = open_page(service.address)
    page.wait_for_timeout(600)  # what moves just after an input does not count as a shift
    service.reader.may_read.clear()
    try:
        ask(page, SET_UP)
        page.get_by_role("heading", name="Reading 10 passages").wait_for()
        assert page.locator(".quote").count() == 0
        page.wait_for_timeout(600)
    finally:
        service.reader.may_read.set()
    page.locator(".quote").wait_for()
    assert page.title() == f"{SET_UP} – Pincite"
    assert page.evaluate("document.activeElement.id") == "answer"
    assert page.evaluate("shifted") == []


def test_a_source_and_dates_narrow_the_question_and_stay_in_the_address(service, open_page):
    page = open_page(service.address)
    page.get_by_text("Only some sources or dates").click()
    page.get_by_label("Published from").fill("2018-01-01")
    page.get_by_label("to", exact=True).fill("2018-12-31")
    ask(page, "Who wrote about Sino-Russian ties of the Shanghai Cooperation Organization?")
    page.locator(".colophon").get_by_text("reading").wait_for()
    assert "date_from=2018-01-01&date_to=2018-12-31" in page.url
    found = set(page.locator(".passages .title").evaluate_all("all => all.map(one => one.pathname)"))
    assert found == {f"/read/{document_id_of('001_debf719dca6add62.txt')}"}


def test_a_refused_filter_says_why_and_keeps_the_question(service, open_page):
    page = open_page(service.address + "/?q=Who%3F&date_from=2020-01-02&date_to=2020-01-01")
    assert page.get_by_role("alert").inner_text() == "“Published from” is after “to”"
    assert page.get_by_label("Your question").input_value() == "Who?"


def test_a_question_can_be_asked_and_its_citation_followed_by_keyboard_alone(service, open_page):
    page = open_page(service.address)
    page.keyboard.type(SET_UP)  # the box has the focus
    page.keyboard.press("Enter")
    page.locator(".quote").wait_for()
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.places a')"):
            break
    page.keyboard.press("Enter")
    page.locator("#cited").wait_for()
    page.wait_for_function("document.activeElement.id === 'cited'")


def test_a_citation_is_copied_in_three_forms(service, open_page):
    page = open_page(service.address + ADDRESSES["read"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    said = text_of(service.store, LUKIN)[3000:3120]
    assert highlighted(page) == said
    assert 0 < top_of_highlight(page) < 800  # of an article that is some thousands of pixels long
    page.get_by_text("Copy this citation").click()
    copied = []
    for form in ("Text", "Markdown", "W3C selectors (JSON)"):
        page.get_by_role("button", name=f"Copy as {form}").click()
        page.get_by_role("button", name=f"Copied as {form}").wait_for()
        copied.append(page.evaluate("navigator.clipboard.readText()"))
    assert copied[0].startswith(f"“{' '.join(said.split())}” — Alexander Lukin")
    assert copied[1].startswith("> ")
    assert json.loads(copied[2])["selector"][0]["exact"] == said


def test_the_file_is_downloaded_as_it_was_put_in(service, open_page):
    page = open_page(service.address + ADDRESSES["read"])
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download the file").click()
    assert downloading.value.path().read_bytes() == (ROOT / "seeds" / "003_cb8a02c0b0832459.txt").read_bytes()


def test_the_original_opens_at_the_cited_words(own, open_page):
    put_bytes(own.store, WordEncoder(), ChunkLimits(WINDOW), "bells.html", BELLS.encode())
    page = open_page(f"{own.address}/read/{document_id_of('bells.html')}")
    start = page.locator("article").evaluate("article => article.textContent").index("1674")
    page.goto(f"{page.url}?start={start}&end={start + 4}")
    opens = page.get_by_role("link", name="Open the original at this passage").get_attribute("href")
    assert opens.startswith("https://bells.example/mechelen#:~:text=")
    assert ",1674," in opens


def test_a_file_is_sent_asked_and_removed(own, open_page):
    page = open_page(own.address + "/library")
    text = "Bell towers\n\nThe carillon of Mechelen was tuned by Hemony Brothers.\n"
    files = [("bells.txt", text.encode()), ("scan.txt", b"\x00\x01\x02\x80" * 20), ("photo.png", b"x")]
    page.evaluate(NOTE_PROGRESS)
    page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": data} for name, data in files]
    )
    page.get_by_text("7 documents").wait_for()
    assert page.evaluate("progress") == [name for name, _ in files]
    said = page.locator("#uploads li").all_inner_texts()
    assert [" ".join(line.split())[:24] for line in said] == ["bells.txt added", *(line[:24] for line in REFUSED)]
    page.goto(own.address + "/?q=" + quote("Who tuned the carillon of Mechelen?"))
    assert page.locator(".quote").count() == 1
    page.goto(own.address + "/library?q=bell")
    page.get_by_role("link", name="Remove Bell towers").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("The document was removed.").wait_for()
    assert "bells.txt" not in page.locator("#documents").inner_text()


REFUSED = ("scan.txt binary (NUL at byte 3)", "photo.png files of this kind")
# Which files had their progress shown.
NOTE_PROGRESS = """
    window.progress = [];
    new MutationObserver((all) => {
      for (const { addedNodes } of all) for (const line of addedNodes) {
        const bar = line.querySelector?.("progress");
        if (bar) window.progress.push(bar.getAttribute("aria-label"));
      }
    }).observe(document.querySelector("#uploads"), { childList: true });
"""


def test_a_dropped_file_is_sent_too(own, open_page):
    page = open_page(own.address + "/library")
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['A lone line about Zanzibar.'], 'zanzibar.txt')); return data; }"
    )
    page.dispatch_event("#upload", "drop", {"dataTransfer": dropped})
    page.get_by_text("7 documents").wait_for()


def test_a_document_is_removed_without_scripts(own, open_page):
    page = open_page(own.address + "/library", scripts=False)
    assert page.locator("#upload").is_hidden()
    page.get_by_role("link", name="Remove SCO is 20 and building on Sino-Russian ties").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("5 documents").first.wait_for()


def test_judged_answers_become_a_gold_set_that_can_be_evaluated_and_compared(own, open_page):
    page = open_page(own.address + ASKED)
    page.get_by_role("button", name="Right", exact=True).click()
    page.get_by_text("Kept as a gold question.").wait_for()
    page.goto(own.address + ADDRESSES["no answer"])
    page.get_by_role("button", name="The answer is here").first.click()
    page.get_by_text("Kept as a gold question.").wait_for()
    lines = [json.loads(line) for line in page.request.get(own.address + "/confirmed.jsonl").text().splitlines()]
    assert [(line["question"], len(line["answers"])) for line in lines] == [(SET_UP, 1), (NOT_THERE, 0)]
    page.goto(own.address + "/evaluations")
    for _ in range(2):
        page.get_by_role("button", name="Evaluate on them").click()
    page.locator("#compare").wait_for()  # offered once two runs are done; the list is drawn again until then
    page.get_by_role("link", name="UTC").first.click()
    page.get_by_role("heading", name="2 of 2 questions came out right").wait_for()
    assert page.evaluate("getComputedStyle(document.querySelector('.wordmark')).fontWeight") == "600"
    page.go_back()
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("No difference.").wait_for()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_questions_of_a_report_are_paged_narrowed_and_followed_by_keyboard(own, open_page, scripts):
    page = open_page(f"{own.address}/evaluations/{evaluated(own.address)}", scripts)
    page.get_by_role("link", name="Page 5").focus()
    page.keyboard.press("Enter")
    page.get_by_text("101 to 108 of 108 questions").wait_for()
    assert page.url.endswith("?page=5#questions")
    page.get_by_role("searchbox", name="Search").fill("anti-terrorist structure")
    page.get_by_label("Outcome").select_option("wrong")
    page.get_by_role("searchbox", name="Search").press("Enter")
    page.get_by_text("found among 108 questions.").wait_for()
    assert "?q=anti-terrorist+structure&outcome=wrong&tag=#questions" in page.url
    assert page.get_by_role("searchbox", name="Search").input_value() == "anti-terrorist structure"
    place = page.locator(".where a").first
    said = page.locator("blockquote mark").first.inner_text()
    place.focus()
    page.keyboard.press("Enter")
    page.locator("#cited").wait_for()
    assert highlighted(page) == said
    page.go_back()
    page.get_by_role("link", name="Show all").click()
    page.get_by_text("1 to 25 of 108 questions").wait_for()


def test_a_gold_set_is_sent_and_a_malformed_one_refused_with_its_line(own, open_page):
    page = open_page(own.address + "/evaluations")
    gold = (own.store.folder.parents[0] / "gold.jsonl").name
    for data in (b'{"id": "q1"}\n', b'{"id": "q1", "question": "Who tuned it?", "answerable": false}\n'):
        page.locator("#files").set_input_files([{"name": gold, "mimeType": "text/plain", "buffer": data}])
        page.locator("#uploads li").nth(data.count(b"question")).locator("span").nth(1).wait_for()
    refused, taken = page.locator("#uploads li span:nth-child(2)").all_inner_texts()
    assert ("gold set:1" in refused, taken) == (True, "taken in")
    page.get_by_text("Done", exact=True).wait_for()


def test_a_page_without_scripts_judges_too(own, open_page):
    page = open_page(own.address + ASKED, scripts=False)
    page.get_by_text("Wrong", exact=True).click()
    page.get_by_role("button", name="The documents do not say").click()
    page.get_by_text("The documents do not say.").wait_for()
    page.get_by_role("button", name="Forget").click()
    page.get_by_text("Nothing yet.").wait_for()


def test_a_key_opens_the_pages_and_only_its_scopes_are_offered(tmp_path, open_page):
    with serving(tmp_path, with_keys=True) as guarded:
        page = open_page(guarded.address + ASKED)
        page.get_by_label("Your key").fill("pk_wrong")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("Your key").fill(guarded.reading_key)
        page.get_by_role("button", name="Log in").click()
        page.locator(".quote").wait_for()
        assert page.get_by_role("button", name="Right", exact=True).count() == 0
        page.goto(guarded.address + "/library")
        assert page.locator("#upload, .remove").count() == 0
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Your key").fill(guarded.key)
        page.get_by_role("button", name="Log in").click()
        page.goto(guarded.address + "/library")
        assert page.locator("#upload").is_visible()


def test_nothing_that_anyone_wrote_runs(service, open_page):
    attack = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    page = open_page(service.address + "/?q=" + quote("Who cooked the evil pudding and sauce?"))
    for address in (
        "/?q=" + quote(attack),
        "/?q=a&source=" + quote(attack),
        f"/read/{ATTACKER}?start=2&end=120",
        "/library",
        "/library?q=" + quote(attack),
        f"/library/{ATTACKER}/remove",
        "/" + quote(attack),
    ):
        assert page.locator("main script, main img, main b").count() == 0
        page.goto(service.address + address)
    page.goto(service.address)
    ask(page, attack + " evil pudding sauce")
    page.locator(".colophon").get_by_text("reading").wait_for()
    assert page.locator("main script, main img, main b").count() == 0
    page.goto(f"{service.address}/read/{ATTACKER}")
    assert page.locator("article").evaluate("article => article.textContent") == ATTACK


def test_the_way_past_the_header_does_not_ask_again(service, open_page):
    page = open_page(service.address)
    ask(page, SET_UP)
    page.locator(".quote").wait_for()
    page.evaluate("window.same = true")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")
    assert page.evaluate("window.same && document.activeElement.id") == "main"


def test_an_empty_store_says_how_to_fill_it(tmp_path, open_page):
    with new_store(tmp_path / "store") as store, served(create_app(answerer_over(store))) as address:
        page = open_page(address)
        page.get_by_role("heading", name="There are no documents yet").wait_for()
        ask(page, "Anything?")
        page.get_by_role("heading", name="Not in the documents").wait_for()
