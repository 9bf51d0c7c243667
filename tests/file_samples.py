"""Small PDF and Word files, written byte by byte, so that a test can say what is in them."""

import io
import zipfile
import zlib
from xml.sax.saxutils import escape

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def pdf(pages, title="", author="", more=b""):
    """A PDF with a text layer, in Helvetica; each page is a list of lines. `more` goes into the trailer.

    A title or author outside Latin-1 is given as bytes: UTF-16, big-endian, with its byte order mark.
    """
    streams = [_page(lines) for lines in pages]
    kids = b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Title(%s)/Author(%s)>>" % tuple(_property(value) for value in (title, author)),
    ]
    for number, stream in enumerate(streams):
        box = b"/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>"
        objects.append(b"<</Type/Page/Parent 2 0 R%s/Contents %d 0 R>>" % (box, 6 + 2 * number))
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    return _file(objects, more)


def pdf_bomb(megabytes):
    """A PDF whose only page unfolds to so much text."""
    line = b"(" + b"a" * 80 + b") Tj T* "
    content = b"BT /F 12 Tf 10 10 Td " + line * (megabytes * 2**20 // len(line)) + b"ET"
    packed = zlib.compress(zlib.compress(content, 9), 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>/Contents 5 0 R>>",
        b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(packed), packed),
    ]
    return _file(objects, b"")


# What a viewer finds in a file that asks for a password: without it no key fits.
LOCKED = b"/Encrypt<</Filter/Standard/V 1/R 2/Length 40/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"a1" * 32, b"b2" * 32)


def _property(value):
    return value if isinstance(value, bytes) else value.encode("cp1252")


def _page(lines):
    shown = b" T* ".join(b"(%s) Tj" % _escaped(line) for line in lines)
    return b"BT /F 12 Tf 14 TL 50 750 Td %s ET" % shown if lines else b""


def _escaped(line):
    return line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", rb"\(").replace(b")", rb"\)")


def _file(objects, more):
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Size %d/Root 1 0 R/Info 4 0 R%s>>" % (len(objects) + 1, more)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s%s\nstartxref\n%d\n%%%%EOF" % (
        len(objects) + 1,
        table,
        trailer,
        len(out),
    )


def paragraph(text, style="", more=""):
    """A paragraph; `more` is XML of its properties."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{more}</w:pPr>{run(text)}</w:p>"


def run(text, properties=""):
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def table(*rows):
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def style(identity, name, based="", level=None):
    """A style as Word writes it: the identity in the user's language, the name in English."""
    outline = "" if level is None else f'<w:pPr><w:outlineLvl w:val="{level}"/></w:pPr>'
    parent = f'<w:basedOn w:val="{based}"/>' if based else ""
    return f'<w:style w:type="paragraph" w:styleId="{identity}"><w:name w:val="{name}"/>{parent}{outline}</w:style>'


HEADINGS = style("Titel", "Title") + style("berschrift1", "heading 1") + style("berschrift2", "heading 2")


def docx(body, styles=HEADINGS, parts=(), title="", creator=""):
    """A Word file. `parts` are (kind, XML) of further parts, such as ("footnotes", ...)."""
    named = [("styles", f"<w:styles {W}>{styles}</w:styles>"), *parts]
    main = [(f"{OFFICE}/{kind}", f"{kind}{at}.xml") for at, (kind, _) in enumerate(named)]
    core = f"{RELATIONS}/metadata/core-properties"
    files = {
        "_rels/.rels": _rels([(f"{OFFICE}/officeDocument", "word/document.xml"), (core, "docProps/core.xml")]),
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": _rels(main),
        "docProps/core.xml": '<c:coreProperties xmlns:c="c" xmlns:dc="d">'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>{escape(creator)}</dc:creator></c:coreProperties>",
    }
    files |= {f"word/{kind}{at}.xml": xml for at, (kind, xml) in enumerate(named)}
    return zipped(files)


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _rels(relations):
    each = "".join(f'<Relationship Id="r{at}" Type="{kind}" Target="{to}"/>' for at, (kind, to) in enumerate(relations))
    return f'<Relationships xmlns="{RELATIONS}">{each}</Relationships>'
