import pytest
from file_samples import LOCKED, docx, pdf, pdf_bomb

from index.errors import Rejected
from index.load import load_bytes
from index.pdf import blank_pages

PROSE = ["The bridge over the river was opened on Monday, and many people came", "to see it. Nobody knows why."]


def load(pages, **more):
    return load_bytes("a.pdf", pdf(pages, **more))


def test_the_pages_are_the_parts_between_form_feeds_and_each_place_has_its_page():
    document = load([["The first page."], ["The second page."], ["The third page."]])
    assert document.text == "The first page.\f\nThe second page.\f\nThe third page."
    assert (document.encoding, document.media_type) == (None, "application/pdf")
    for number, word in enumerate(("first", "second", "third"), start=1):
        assert document.page_at(document.text.index(word)) == number
    ends = len("The first page.")
    assert [document.page_at(at) for at in (ends - 1, ends + 1, ends + 2)] == [1, 2, 2]


def test_a_page_without_text_keeps_its_number_and_is_reported():
    document = load([["One."], [], ["Three."]])
    assert document.page_at(document.text.index("Three")) == 3
    assert blank_pages(document) == [2]
    assert blank_pages(load([["One."]])) == []


def test_a_sentence_goes_on_over_a_page_break():
    from index.sentences import sentences

    full = "The bridge over the river was paid for by the many people who"
    text = load([[full], ["Monday brought to the banks, and it cost more than was told."]]).text
    assert len(list(sentences(text, 0, len(text)))) == 1


def test_running_heads_and_page_numbers_are_marked_and_nothing_else():
    pages = [["The Post", f"Page {n} says this once. It is {word}.", f"{n}"] for n, word in enumerate("abcde", start=1)]
    document = load(pages)
    marked = [document.text[mark.start : mark.end] for mark in document.marks]
    assert all(mark.label == "page header" for mark in document.marks)
    assert "".join(marked).count("The Post") == 5
    assert not any("says this once" in words for words in marked)


def test_a_line_that_two_pages_share_is_no_running_head():
    assert load([["Dear Sir,", *PROSE], ["Dear Sir,", *PROSE]]).marks == ()


def test_the_title_of_the_properties_is_found_on_the_first_page_over_its_line_break():
    document = load([["A bridge and", "its makers", "", *PROSE]], title="A Bridge and its Makers")
    title = document.metadata.title
    assert title.value == "A Bridge and its Makers"
    assert document.text[title.start : title.end] == "A bridge and\nits makers"


@pytest.mark.parametrize("title", ["Microsoft Word - draft.doc", "untitled", "report_final.indd", "   ", "1234"])
def test_what_programs_write_for_a_title_is_none(title):
    assert load([PROSE], title=title).metadata.title is None


def test_a_title_cut_inside_a_character_is_none_and_the_rest_is_read():
    document = load([PROSE], title=b"\xfe\xff\0A\xd8\0", author="Jane Doe")
    assert "The bridge" in document.text
    assert (document.metadata.title, document.metadata.author.value) == (None, "Jane Doe")


def test_control_characters_in_the_properties_are_no_text():
    title, author = (b"\xfe\xff" + said.encode("utf-16-be") for said in ("A\x01 bridge\x7f", "Jane\x02 Doe"))
    metadata = load([PROSE], title=title, author=author).metadata
    assert (metadata.title.value, metadata.author.value) == ("A bridge", "Jane Doe")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pdf([["Secret."]], more=LOCKED), "is protected with a password"),
        (pdf([[], []]), r"no text on its 2 pages \(scanned\?\); run it through OCR"),
        (pdf([["Cut off."]])[:200], "is damaged or no PDF"),
        (b"%PDF-1.7\n", "is damaged or no PDF"),
        (b"", "not a PDF"),
        (docx("<w:p/>"), "not a PDF"),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected_with_the_reason(data, reason):
    with pytest.raises(Rejected, match=rf"a\.pdf: {reason}"):
        load_bytes("a.pdf", data)


def test_a_file_that_unfolds_to_more_than_memory_holds_ends_its_own_process_alone():
    bomb = pdf_bomb(100)
    assert len(bomb) < 10_000
    with pytest.raises(Rejected, match=r"a\.pdf: (cannot be read \(PDFium gave up|holds more than)"):
        load_bytes("a.pdf", bomb)
