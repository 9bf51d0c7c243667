import io
import zipfile

import pytest
from file_samples import HEADINGS, W, docx, paragraph, run, style, table, zipped

import index.docx_parts
from index.errors import Rejected
from index.load import load_bytes
from index.sections import regions

PROSE = "The bridge over the river was opened on Monday, and many people came to see it."


def load(body, **more):
    return load_bytes("a.docx", docx(body, **more))


def levels(document):
    return [(heading.level, document.text[heading.start : heading.end]) for heading in document.headings]


def test_paragraphs_headings_lists_and_tables_come_in_order():
    listed = "<w:numPr/>"
    body = paragraph("A bridge", "Titel") + paragraph("History", "berschrift1") + paragraph(PROSE)
    body += paragraph("one", more=listed) + paragraph("two", more=listed) + table(("year", "length"), ("2020", "300 m"))
    document = load(body)
    assert document.text == f"A bridge\n\nHistory\n\n{PROSE}\n\none\ntwo\n\nyear\tlength\n2020\t300 m"
    assert (document.encoding, document.bom_bytes) == (None, 0)
    assert levels(document) == [
        (1, "A bridge"),
        (1, "History"),
    ]


def test_a_place_has_the_headings_above_it_and_passages_lie_under_them():
    body = paragraph("History", "berschrift1") + paragraph("Early", "berschrift2") + paragraph(PROSE)
    body += paragraph("# no heading\n---") + paragraph("Today", "berschrift1") + paragraph("It is closed.")
    document = load(body)
    assert document.headings_at(document.text.index("bridge")) == ("History", "Early")
    assert document.headings_at(document.text.index("# no")) == ("History", "Early")
    assert document.headings_at(document.text.index("closed")) == ("Today",)
    assert document.page_at(5) is None
    assert [region.path for region in regions(document)] == [("History", "Early"), ("Today",)]


def test_a_style_has_its_level_from_its_english_name_its_outline_or_the_style_it_is_based_on():
    styles = (
        HEADINGS + style("Kapitel", "Kapitel", based="berschrift2") + style("X", "X", level=3) + style("L", "L", "L")
    )
    body = paragraph("a", "Kapitel") + paragraph("b", "X") + paragraph("c", "L") + paragraph("d", "none")
    document = load(body, styles=styles)
    assert levels(document) == [
        (2, "a"),
        (4, "b"),
    ]


def test_a_circle_of_styles_has_no_level():
    circle = style("A", "a", based="B") + style("B", "b", based="A") + style("C", "c", based="A")
    assert levels(load(paragraph("a", "A") + paragraph("b", "C"), styles=circle)) == []


@pytest.mark.parametrize(("number", "level"), [("0", None), ("1", 1), ("9", 6), ("10", None), ("9" * 5000, None)])
def test_headings_are_numbered_from_1_to_9(number, level):
    document = load(paragraph("a", "H"), styles=style("H", f"heading {number}"))
    assert levels(document) == ([] if level is None else [(level, "a")])


def test_a_number_that_is_no_outline_level_is_none():
    outline = f'<w:outlineLvl w:val="{"9" * 5000}"/>'
    assert levels(load(paragraph("a", more=outline))) == []


def test_what_is_inside_a_paragraph_is_read_wherever_it_stands_in_a_long_document():
    body = "".join(paragraph(f"No {at}.") + "<w:sectPr><w:cols/></w:sectPr>" for at in range(3000))
    assert load(body).text.split("\n\n") == [f"No {at}." for at in range(3000)]


def test_elements_are_counted_over_all_parts_and_let_go_once_read(monkeypatch):
    body = paragraph(PROSE) + "<w:x/>" * 1000
    monkeypatch.setattr(index.docx_parts.Parts.__init__, "__defaults__", (index.docx_parts.LARGEST, 1000))
    with pytest.raises(Rejected, match=r"a\.docx: holds more than 2,000,000 XML elements"):
        load(body)


def test_no_element_is_kept_after_its_end():
    data = docx(f"<w:p>{'<w:x/>' * 20_000}</w:p>" + "<w:y><w:z/></w:y>" * 20_000)
    kept = 0
    for event, element in index.docx_parts.Parts("a.docx", data).events("word/document.xml"):
        kept = max(kept, len(element)) if event == "end" else kept
    assert kept == 0


def test_what_is_inserted_is_read_and_what_is_deleted_or_hidden_is_not():
    inserted = f"<w:ins>{run('new ')}</w:ins>"
    gone = f"<w:del><w:r><w:delText>old </w:delText></w:r></w:del><w:moveFrom>{run('moved ')}</w:moveFrom>"
    hidden = run("secret ", "<w:vanish/>") + run("shown ", '<w:vanish w:val="0"/>')
    control = f"<w:sdt><w:sdtContent>{run('filled in ')}</w:sdtContent></w:sdt>"
    link = f"<w:hyperlink>{run('a link')}</w:hyperlink>"
    assert load(f"<w:p>{inserted}{gone}{hidden}{control}{link}</w:p>").text == "new shown filled in a link"


def test_text_boxes_notes_headers_and_footers_are_read_and_those_of_the_pages_marked():
    box = f"<w:r><w:txbxContent>{paragraph('In a box.')}</w:txbxContent><w:t> and after it</w:t></w:r>"
    notes = f'<w:footnote w:type="separator"/><w:footnote>{paragraph("A note.")}</w:footnote>'
    note = f"<w:footnotes {W}>{notes}</w:footnotes>"
    head = f"<w:hdr {W}>{paragraph('The Post')}</w:hdr>"
    document = load(f"<w:p>{run('Before')}{box}</w:p>", parts=[("footnotes", note), ("header", head), ("header", head)])
    assert document.text == "In a box.\n\nBefore and after it\n\nA note.\n\nThe Post"
    (mark,) = document.marks
    assert (mark.label, document.text[mark.start : mark.end]) == ("page header", "The Post")


BODY_OF_BOX = paragraph("Box one", more="<w:rPr><w:vanish/></w:rPr>") + paragraph("Box two")


def test_a_hidden_paragraph_mark_in_a_text_box_hides_no_text():
    box = f"<w:r><w:txbxContent>{BODY_OF_BOX}</w:txbxContent><w:t>after</w:t></w:r>"
    assert load(f"<w:p>{box}</w:p>").text == "Box one\n\nBox two\n\nafter"
    hidden = f"<w:r><w:rPr><w:vanish/></w:rPr><w:txbxContent>{BODY_OF_BOX}</w:txbxContent></w:r>"
    assert load(f"<w:p>{hidden}{run('shown')}</w:p>").text == "shown"


DELETED = "<w:rPr><w:del/></w:rPr>"


@pytest.mark.parametrize("mark", [DELETED, "<w:rPr><w:ins/><w:moveFrom/></w:rPr>"])
def test_a_paragraph_whose_mark_is_deleted_is_joined_to_the_next(mark):
    body = (
        paragraph("It was paid by ", "berschrift1", mark) + "<w:bookmarkStart/>" + paragraph("Karl Moll, ", more=mark)
    )
    document = load(body + paragraph("for the bank.") + paragraph(PROSE))
    assert document.text == f"It was paid by Karl Moll, for the bank.\n\n{PROSE}"
    assert levels(document) == []


def test_a_paragraph_whose_mark_is_deleted_stays_where_none_follows_it():
    last = paragraph("last", more=DELETED)
    cells = f"<w:tbl><w:tr><w:tc>{last}</w:tc><w:tc>{paragraph('cell')}</w:tc></w:tr></w:tbl>"
    box = f"<w:p>{run('Outer')}<w:r><w:txbxContent>{last}</w:txbxContent></w:r></w:p>"
    notes = (
        f"<w:footnotes {W}><w:footnote>{last}</w:footnote><w:footnote>{paragraph('note')}</w:footnote></w:footnotes>"
    )
    document = load(last + cells + box + paragraph("Text") + last, parts=[("footnotes", notes)])
    assert document.text == "last\n\nlast\tcell\n\nlast\n\nOuter\n\nText\n\nlast\n\nlast\n\nnote"


def test_a_mark_deleted_in_the_fallback_of_a_text_box_joins_nothing():
    fallback = (
        f"<mc:Fallback xmlns:mc='m'><w:txbxContent>{paragraph('box', more=DELETED)}</w:txbxContent></mc:Fallback>"
    )
    assert load(f"<w:p>{run('one')}<w:r>{fallback}</w:r></w:p>" + paragraph("two")).text == "one\n\ntwo"


@pytest.mark.parametrize("part", ["document", "footnotes"])
def test_a_file_that_takes_in_another_is_rejected_rather_than_read_without_it(part):
    chunk = '<w:altChunk r:id="r9" xmlns:r="r"/>'
    note = f"<w:footnotes {W}><w:footnote>{chunk}</w:footnote></w:footnotes>"
    with pytest.raises(
        Rejected, match=r"a\.docx: another file is put in whole .altChunk.; open it in Word, and save it"
    ):
        load(paragraph(PROSE) + chunk) if part == "document" else load(paragraph(PROSE), parts=[(part, note)])


def test_a_name_that_is_a_heading_is_no_author():
    body = paragraph("Lease of the Old Mill", "berschrift1") + paragraph("Jane Mill", "berschrift2")
    assert load(body + paragraph("3 May 2019") + paragraph(PROSE)).metadata.author is None
    body = body.replace('<w:pStyle w:val="berschrift2"/>', "")
    assert load(body + paragraph("3 May 2019") + paragraph(PROSE)).metadata.author.value == "Jane Mill"


def test_title_and_author_come_with_their_places_and_else_from_the_properties():
    body = paragraph("A bridge", "Titel") + paragraph("By Jane Doe") + paragraph(PROSE)
    metadata = load(body, title="draft 3", creator="john roe").metadata
    assert (metadata.title.value, metadata.title.start) == ("A bridge", 0)
    assert (metadata.author.value, metadata.author.start) == ("Jane Doe", len("A bridge\n\nBy "))
    metadata = load(paragraph(PROSE), title="A bridge", creator="Jane Doe").metadata
    assert (metadata.title.value, metadata.title.start) == ("A bridge", None)
    assert (metadata.author.value, metadata.author.start) == ("Jane Doe", None)


def test_a_file_that_unfolds_to_too_much_is_rejected_whatever_its_archive_says():
    bomb = docx("<w:p><w:r><w:t>" + "a" * (140 * 2**20) + "</w:t></w:r></w:p>")
    assert len(bomb) < 2**20
    with pytest.raises(Rejected, match=r"a\.docx: unfolds to more than 128 MiB"):
        load_bytes("a.docx", bomb)
    understated = bomb.replace((140 * 2**20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    with pytest.raises(Rejected, match=r"a\.docx: "):
        load_bytes("a.docx", understated)


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {two} "{f"&{one};" * 100}">' for one, two in zip("abcdef", "bcdefg", strict=True)
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY g SYSTEM "file:///etc/hostname">'


@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE])
def test_entities_that_multiply_or_come_from_outside_are_rejected(doctype):
    main = f"{doctype}]><w:document {W}><w:body>{run('&g;').replace('&amp;', '&')}</w:body></w:document>"
    with pytest.raises(Rejected, match=r"a\.docx: damaged"):
        load_bytes("a.docx", zipped({"word/document.xml": main}))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "protected with a password, or an old .doc"),
        (b"", "damaged"),
        (b"PK\x03\x04 and then nothing", "damaged"),
        (zipped({"mimetype": "application/zip"}), "not a Word document .no word/document.xml"),
        (docx(paragraph(PROSE))[:300], "damaged"),
        (docx("<w:p>"), "damaged"),
        (docx(paragraph("")), "no text"),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected_with_the_reason(data, reason):
    with pytest.raises(Rejected, match=rf"a\.docx: {reason}"):
        load_bytes("a.docx", data)


def test_a_part_packed_with_lzma_and_damaged_is_rejected():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("word/document.xml", PROSE * 50)
    data = bytearray(packed.getvalue())
    at = data.index(b"word/document.xml") + len("word/document.xml")
    data[at + 4 : at + 9] = b"\xff" * 5  # the properties, after version and length
    with pytest.raises(Rejected, match=r"a\.docx: damaged"):
        load_bytes("a.docx", bytes(data))


def test_a_part_in_an_encoding_that_is_none_of_text_is_rejected():
    main = f'<?xml version="1.0" encoding="hex"?><w:document {W}/>'
    with pytest.raises(Rejected, match=r"a\.docx: damaged"):
        load_bytes("a.docx", zipped({"word/document.xml": main}))


def test_a_part_whose_bytes_are_damaged_is_rejected():
    data = bytearray(docx(paragraph(PROSE * 50)))
    at = data.index(b"word/document.xml") + 60
    data[at : at + 20] = bytes(20)
    with pytest.raises(Rejected, match=r"a\.docx: damaged"):
        load_bytes("a.docx", bytes(data))


def test_a_long_chain_of_styles_gives_each_the_level_at_its_end():
    chain = "".join(style(f"S{i}", f"s{i}", based=f"S{i + 1}") for i in range(3000))
    document = load(paragraph("a", "S0") + paragraph("b", "S7"), styles=chain + style("S3000", "heading 2"))
    assert levels(document) == [(2, "a"), (2, "b")]


@pytest.mark.parametrize("code", ["zzzz", "-1", "d800", ""])
def test_a_symbol_that_is_no_character_is_left_out(code):
    document = load(paragraph("a") + f'<w:p><w:r><w:sym w:char="{code}"/><w:t>end</w:t></w:r></w:p>')
    assert document.text.split() == ["a", "end"]
