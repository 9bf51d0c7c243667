"""Citations to be passed on: text, Markdown, W3C selectors, and links into the page that an article was saved from."""

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_pages import EIGER_ID, read

from api.pages.cite_as import as_json, as_markdown, as_text, original_link
from index.types import Document, Field, Metadata, StoredDocument
from rag.cite import cite

TEXT = "The Eiger\n\nIt was, so they say, first climbed by Charles Barrington-Smith & friends.\nHe was Irish.\n"
QUOTE = "Charles Barrington-Smith"
AT = TEXT.index(QUOTE)
END = AT + len(QUOTE)


def document(text=TEXT, url="https://alps.example/eiger?x=1", **metadata):
    fields = {name: Field(value) for name, value in {"url": url, **metadata}.items() if value is not None}
    return Document("alps/eiger.txt", text, "0" * 64, "utf-8", 0, "text/plain", (), Metadata(**fields))


def cited(of, start=AT, end=END):
    return cite(StoredDocument(of, None, 1, 1), start, end, of.text[start:end])


def test_the_text_names_everything_that_is_known_once():
    whole = document(title="The Eiger", author="Grace Tell", publisher="Grace Tell", published="1858-08")
    assert as_text(whole, cited(whole)) == (
        "“Charles Barrington-Smith” — Grace Tell, “The Eiger”, 1858-08, https://alps.example/eiger?x=1, "
        f"alps/eiger.txt, line 3, characters {AT}–{END}"
    )
    bare = document(url=None)
    assert as_text(bare, cited(bare)) == (f"“Charles Barrington-Smith” — alps/eiger.txt, line 3, characters {AT}–{END}")


def test_the_selectors_are_those_of_the_citation():
    found = json.loads(as_json(cited(document())))
    assert found["source"] == "https://alps.example/eiger?x=1"
    quoted, placed = found["selector"]
    assert quoted == {
        "type": "TextQuoteSelector",
        "exact": QUOTE,
        "prefix": TEXT[AT - 32 : AT],
        "suffix": TEXT[END:][:32],
    }
    assert placed == {"type": "TextPositionSelector", "start": AT, "end": END}


@given(st.text("ab1. \n-+=*_[]()<>#|~`\\&!;:/x", min_size=1, max_size=30).filter(str.strip))
def test_markdown_shows_the_quote_as_it_is(quote):
    markdown_it = pytest.importorskip("markdown_it")
    one = document(quote, url=None)
    parsed = markdown_it.MarkdownIt("commonmark").parse(as_markdown(one, cited(one, 0, len(quote))))
    assert [token.type for token in parsed].count("paragraph_open") == 2
    first = next(token for token in parsed if token.type == "inline")
    assert {child.type for child in first.children} <= {"text", "text_special"}
    assert first.children is not None
    assert "".join(child.content for child in first.children) == " ".join(quote.split())


def test_markdown_links_to_the_original_and_to_nothing_that_could_run():
    linked = document(title="A [b] c", url="https://alps.example/a(b) c>d")
    assert "[A \\[b\\] c](<https://alps.example/a(b)%20c%3Ed>)" in as_markdown(linked, cited(linked))
    for url in ("javascript:alert(1)", "data:text/html,x", "//elsewhere"):
        unsafe = document(title="Eiger", url=url)
        assert url not in as_markdown(unsafe, cited(unsafe)) + as_text(unsafe, cited(unsafe)) + as_json(cited(unsafe))
        assert original_link(unsafe, AT, AT + 5) is None


def test_the_link_to_the_original_names_the_words_and_those_around_them():
    link = original_link(document(), AT, END)
    before, directive = link.split("#:~:text=")
    assert before == "https://alps.example/eiger?x=1"
    assert [unquote(part) for part in directive.split(",")] == [
        "It was, so they say, first climbed by-",
        QUOTE,
        "-& friends.",
    ]
    # Hyphens, commas and ampersands of the text have no meaning in the directive.
    assert directive.count("-") == 2
    assert "&" not in directive


def test_a_long_quote_is_named_by_its_ends_and_a_cut_word_beside_it_is_left_out():
    text = "word " * 20 + "one two three four five six seven eight nine ten eleven twelve thirteen" + " next" * 20
    start, end = text.index("one"), text.index("thirteen") + len("thirteen")
    directive = original_link(document(text), start, end).split("#:~:text=")[1]
    before, first, last, after = (unquote(part) for part in directive.split(","))
    assert (first, last) == ("one two three four five", "nine ten eleven twelve thirteen")
    assert set(before.removesuffix("-").split()) == {"word"}
    assert set(after.removeprefix("-").split()) == {"next"}


def test_an_address_with_a_fragment_keeps_it():
    assert original_link(document(url="https://a.example/#top"), 0, 3).startswith("https://a.example/#top:~:text=")


@pytest.mark.parametrize("url", ["http://[news]/a#part", "http://[news#part", "https://ex\u2100mple.com/a#b"])
def test_an_address_that_is_no_proper_one_is_passed_on_as_the_article_states_it(url):
    assert original_link(document(url=url), 0, 3).startswith(f"{url}:~:text=")


def test_the_reading_page_offers_the_forms_for_a_span_and_none_without(client):
    page = read(client, EIGER_ID, 11, 33)
    assert [attrs["id"] for attrs, _ in page.all("textarea")] == ["cite-text", "cite-markdown", "cite-json"]
    assert page.text("textarea", id="cite-text").startswith("“The mountain Eiger was” — Grace Tell, “The Eiger”")
    assert read(client, EIGER_ID).all("textarea") == []
