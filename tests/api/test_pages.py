"""The pages: what they show is what the documents say, whatever it is."""

import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from fakes import answerer_over, new_store, put
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from library import ATTACK, EIGER, NILE, TEXTS

from api.app import create_app
from api.pages.render import exact, likelihood, percent
from api.pages.segments import EXCERPT, excerpt, segments, shown
from index.types import Mark, document_id_of

CLIMBED = "Who first climbed the mountain Eiger?"
NILE_TEXT = NILE.removeprefix("\ufeff")
NILE_ID, EIGER_ID = document_id_of("rivers/nile.txt"), document_id_of("alps/eiger.txt")
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """A page as a browser sees it: each element as (tag, attributes, text content)."""

    def __init__(self, response):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(response.content.decode())
        assert not self._open, "an element is not closed"

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def all(self, tag, **wanted):
        return [(attrs, text) for name, attrs, text in self.elements if name == tag and wanted.items() <= attrs.items()]

    def text(self, tag, **wanted):
        ((_, text),) = self.all(tag, **wanted)
        return text


def asked(client, question=CLIMBED, **more):
    return Page(client.get("/", params={"q": question, **more}))


def read(client, document_id, start=None, end=None):
    span = {} if start is None else {"start": start, "end": end}
    return Page(client.get(f"/read/{document_id}", params=span))


def test_an_answer_is_shown_as_a_quote_in_its_sentence(client):
    page = asked(client)
    assert page.text("p", **{"class": "quote"}) == "Charles Barrington"
    sentences = [text for _, text in page.all("p", **{"class": "sentence"})]
    assert sentences == ["The mountain Eiger was first climbed by Charles Barrington."] * 2  # the article and its copy
    assert page.all("mark")[0][1] == "Charles Barrington"
    assert "Very likely right: 98% confidence" in page.text("article")
    assert page.all("input", id="q")[0][0]["value"] == CLIMBED


def test_every_place_and_passage_links_to_the_span_that_it_quotes(client):
    page = asked(client)
    links = [(attrs["href"], text) for attrs, text in page.all("a") if attrs["href"].startswith("/read/")]
    assert len(links) == 2 + 2 + 4  # places, other possible answers, passages read
    for href, _ in links[:2]:
        assert Page(client.get(href)).text("mark", id="cited") == "Charles Barrington"
        assert href.endswith("#cited")
    places = [text.split() for _, text in page.all("li")][:2]
    assert [words[-3:] for words in places[:1]] == [["alps/copy.txt,", "line", "3"]]


def test_no_answer_says_so_and_shows_the_nearest_passages(client):
    page = asked(client, "Which telescope discovered seventeen planets?")
    assert page.text("h2") == "Not in the documents"
    assert page.all("blockquote") == []
    assert [text for _, text in page.all("summary")][-1].strip() == "1 further passage read"


def test_a_source_that_nothing_matches_is_named(client):
    page = asked(client, source="none/*")
    assert "No passage was found in sources that match none/*." in page.text("section")
    assert page.all("input", id="source")[0][0]["value"] == "none/*"


def test_a_source_pattern_restricts_the_answer(client):
    page = asked(client, source="alps/e*")
    assert "alps/copy.txt" not in page.text("main", id="main")


def test_an_uncalibrated_confidence_is_not_put_into_words(store):
    answerer = answerer_over(store)
    answerer.calibration = type(answerer.calibration)()
    page = asked(TestClient(create_app(answerer)))
    assert "not calibrated" in page.text("article")
    assert "likely right" not in page.text("article").lower()


@pytest.mark.parametrize("question", ["", "   ", "a" * 1001])
def test_a_question_that_cannot_be_asked_is_a_422_that_says_why_in_the_page(client, question):
    response = client.get("/", params={"q": question})
    assert response.status_code == 422
    assert "question" in Page(response).text("p", id="error")


def test_an_empty_store_says_how_to_fill_it(empty):
    assert "pincite index FOLDER" in Page(empty.get("/")).text("section")
    assert "pincite index FOLDER" in asked(empty).text("section")


def test_the_highlight_is_the_cited_text_to_the_character(client):
    for source, text in TEXTS.items():
        text = text.removeprefix("\ufeff")
        for start, end in ((0, 1), (3, 20), (0, len(text)), (len(text) - 18, len(text))):
            page = read(client, document_id_of(source), start, end)
            assert page.text("mark", id="cited") == text[start:end]
            assert page.text("article") == text


def test_an_article_without_a_span_is_shown_whole_with_no_highlight(client):
    page = read(client, NILE_ID)
    assert page.all("mark") == []
    assert page.text("article") == NILE_TEXT


def test_what_is_not_part_of_the_article_is_marked_with_its_label(client):
    page = read(client, NILE_ID)
    assert page.text("span", title="share buttons") == "Share this page"


def test_the_reading_page_says_where_the_article_comes_from(client):
    page = read(client, EIGER_ID, 0, 9)
    words = " ".join(page.text("dl").split())
    assert words.startswith("AuthorGrace Tell Published1858-08 Sourcealps/eiger.txt SHA-256")
    assert f"/v1/documents/{EIGER_ID}/file" in [attrs["href"] for attrs, _ in page.all("a")]
    assert page.text("h1") == "The Eiger"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0", None),
        (None, "5"),
        ("5", "5"),
        ("6", "5"),
        ("-1", "5"),
        ("0", "99999"),
        ("a", "5"),
        ("1_0", "12"),
        ("0", "9" * 5000),
        ("٣", "5"),
        ("", ""),
        (" 1", "5"),
        ("1.0", "5"),
    ],
)
def test_a_span_that_the_text_does_not_have_is_a_422_page(client, start, end):
    params = {name: value for name, value in (("start", start), ("end", end)) if value is not None}
    response = client.get(f"/read/{EIGER_ID}", params=params)
    assert (response.status_code, response.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert f"has {len(EIGER)}" in Page(response).text("main", id="main")


def test_a_link_to_an_article_that_has_changed_since_says_so_and_highlights_nothing(own, store, tmp_path):
    page = asked(own)
    links = [attrs["href"] for attrs, _ in page.all("a") if attrs["href"].startswith(f"/read/{EIGER_ID}")]
    assert len(links) == 2  # the place, and the passage that was read
    path = tmp_path / "files" / "alps/eiger.txt"
    path.write_text("The Matterhorn\n\n" + EIGER)
    put(store, path, "alps/eiger.txt")
    for link in links:
        reply = own.get(link)
        assert reply.status_code == 200
        assert "This article has changed since it was cited" in Page(reply).text("main", id="main")
        assert Page(reply).all("mark") == []
        without = own.get(
            link.replace("&sha256=", "&other=")
        )  # as such a link was made before: not known to be another
        assert "has changed since" not in without.text
        assert len(Page(without).all("mark")) == 1


def test_an_unknown_document_is_a_404_page(client):
    response = client.get("/read/0000000000000000")
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_an_unknown_address_is_a_page_for_a_browser_and_a_problem_for_a_program(client):
    assert client.get("/nothing", headers={"accept": "text/html"}).headers["content-type"].startswith("text/html")
    assert client.get("/v1/x", headers={"accept": "text/html"}).headers["content-type"] == "application/problem+json"


def test_a_store_that_fails_is_a_page_too(own, store):
    store.close()
    response = own.get("/", params={"q": CLIMBED})
    assert (response.status_code, Page(response).text("h1")) == (503, "Service Unavailable")


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/?q=" + quote("Who cooked the evil pudding & sauce?"),
        "/?q=" + quote('"><script>alert(4)</script><img src=x onerror=alert(5)>'),
        "/?q=a&source=" + quote('"><script>alert(6)</script>'),
        f"/read/{document_id_of('<i>.txt')}",
        f"/read/{document_id_of('<i>.txt')}?start=2&end=60",
        "/read/" + quote("<script>alert(7)</script>"),
        f"/read/{EIGER_ID}?start=" + quote("<script>alert(8)</script>"),
        "/" + quote("<script>alert(9)</script>"),
    ],
)
def test_nothing_that_anyone_wrote_becomes_markup(client, address):
    response = client.get(address, headers={"accept": "text/html"})
    page = Page(response)
    assert page.all("script") == [({"src": "/static/pincite.js", "defer": None}, "")]
    assert page.all("img") == page.all("b") == page.all("i") == page.all("style") == []
    for _, attrs, _ in page.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        assert not attrs.get("href", "/").lower().startswith("javascript:")
        assert attrs.get("href", "/")[0] in "/#"
    assert "script-src 'self'" in response.headers["content-security-policy"]


def test_a_page_has_a_language_a_title_labels_and_a_way_past_its_header(client):
    for page in (Page(client.get("/")), asked(client), read(client, EIGER_ID, 0, 3)):
        assert page.all("html")[0][0]["lang"] == "en"
        assert page.text("title").endswith("Pincite")
        assert page.all("a", href="#main")
        assert len(page.all("h1")) == 1
        labelled = {attrs["for"] for attrs, _ in page.all("label")}
        assert {attrs["id"] for tag in ("input", "textarea") for attrs, _ in page.all(tag)} == labelled
        ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
        assert len(ids) == len(set(ids))


def test_a_document_deleted_after_it_was_cited_is_a_404_page(own, store):
    page = asked(own)
    with store.write() as writer:
        writer.remove(EIGER_ID)
    hrefs = {attrs["href"] for attrs, _ in page.all("a") if EIGER_ID in attrs["href"]}
    assert [own.get(href).status_code for href in hrefs] == [404] * len(hrefs)


TEXT = st.text(st.sampled_from("ab \n\r\t<>&\"'\u2028\x0c\U00013000"), max_size=40)
SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted)


@given(TEXT, st.lists(SPAN, max_size=6), SPAN)
def test_the_parts_of_a_text_are_the_text_and_each_label_lies_where_it_was_marked(text, spans, cited):
    inside = [(start, end) for start, end in spans if start < end <= len(text)]
    marks = [Mark(start, end, f"label {number}") for number, (start, end) in enumerate(inside)]
    start, end = (min(edge, len(text)) for edge in cited)
    found = shown(text, marks, start, end)
    joined = ["".join(segment.text for segment in part) for part in (found.before, found.cited, found.after)]
    assert joined == [text[:start], text[start:end], text[end:]]
    at = 0
    for segment in (*found.before, *found.cited, *found.after):
        assert segment.text
        covering = {mark.label for mark in marks if mark.start <= at and at + len(segment.text) <= mark.end}
        touching = [mark.label for mark in marks if mark.start < at + len(segment.text) and at < mark.end]
        assert segment.label in covering and segment.label == touching[0] if segment.label else not touching
        at += len(segment.text)


def test_where_marks_overlap_the_label_of_the_first_given_holds_wherever_it_begins():
    marks = [Mark(3, 6, "first"), Mark(1, 5, "second"), Mark(2, 9, "third")]
    assert [(part.text, part.label) for part in segments("0123456789", marks, 0, 10)] == [
        ("0", None),
        ("12", "second"),
        ("345", "first"),
        ("678", "third"),
        ("9", None),
    ]


def test_a_span_outside_the_text_has_no_parts():
    with pytest.raises(ValueError, match="does not lie in a text of 3 characters"):
        shown("abc", [], 2, 4)


@given(TEXT, st.lists(SPAN, max_size=4), st.integers(0, 300))
def test_an_excerpt_is_a_run_of_the_text_with_the_first_mark_in_it(text, spans, far):
    text = "a " * far + text + "b " * 300
    marks = [Mark(2 * far + start, 2 * far + end, "word") for start, end in spans if start < end]
    parts = excerpt(text, marks)
    shown_text = "".join(part.text for part in parts).removeprefix("… ").removesuffix(" …")
    assert shown_text in text
    assert len(shown_text) <= EXCERPT + 40
    if marks:
        assert next(part for part in parts if part.label).text


@given(TEXT)
def test_escaped_text_reads_back_as_it_was(text):
    class Texts(HTMLParser):
        found = ""

        def handle_data(self, data):
            self.found += data

    parser = Texts()
    # A browser makes every CR and CRLF of the source a LF before it reads on.
    parser.feed(re.sub("\r\n?", "\n", f"<p>{exact(text)}</p>"))
    parser.close()
    assert parser.found == text


def test_probabilities_are_put_into_words_that_do_not_claim_certainty():
    assert [percent(share) for share in (0.0, 0.004, 0.005, 0.5, 0.994, 0.996, 1.0)] == [
        *("below 1%", "below 1%", "below 1%", "50%", "99%", "above 99%", "above 99%")
    ]
    words = [likelihood(share) for share in (0.95, 0.8, 0.6, 0.4)]
    assert words == ["Very likely right", "Likely right", "More likely right than wrong", "Uncertain"]


def test_a_text_of_old_mac_line_ends_is_broken_into_lines(tmp_path):
    path = tmp_path / "mac.txt"
    path.write_bytes(b"One\rTwo\rThree")
    with new_store(tmp_path / "store") as store:
        document = put(store, path, "mac.txt")
        page = read(TestClient(create_app(answerer_over(store))), document.document_id, 4, 7)
    assert (page.text("article"), page.text("mark", id="cited")) == ("One\rTwo\rThree", "Two")
    assert len(page.all("br")) == 2


def test_the_attack_is_cited_as_it_is_written(client):
    page = asked(client, "Who cooked the evil pudding & sauce?")
    assert page.text("p", **{"class": "quote"}) in ATTACK
    assert "<b>pudding</b> & sauce" in page.text("main", id="main")
