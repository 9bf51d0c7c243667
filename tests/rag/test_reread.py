"""Citations read again from the file, or from the stored text where the file is gone."""

import codecs
from dataclasses import dataclass, replace

import pytest

from rag.reread import Reread
from rag.types import Citation

TEXT = "Ægypt lies on the Nile."
NILE = TEXT.index("Nile")


@dataclass(frozen=True)
class Disk:
    """One document."""

    body: str | None = TEXT
    file: bytes | None = TEXT.encode()
    codec: str | None = "utf-8"

    def text_of(self, document_id):
        return self.body

    def file_of(self, document_id):
        return self.file

    def encoding_of(self, document_id):
        return self.codec


def cite(codec="utf-8", bom=b""):
    """The word Nile, as a file of this codec and BOM has it."""
    byte_start = None if codec is None else len(bom + TEXT[:NILE].encode(codec))
    return Citation(
        document_id="d",
        source="a.txt",
        sha256="0" * 64,
        start=NILE,
        end=NILE + 4,
        byte_start=byte_start,
        byte_end=None if codec is None else byte_start + len("Nile".encode(codec)),
        line=1,
        column=NILE + 1,
        page=None,
        quote="Nile",
        prefix="",
        suffix="",
        title=None,
        url=None,
        verified=True,
    )


BOM16 = codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")


@pytest.mark.parametrize(
    ("disk", "citation", "confirmed"),
    [
        (Disk(), cite(), True),
        (Disk(), replace(cite(), start=NILE + 1, end=NILE + 5), False),
        (Disk(), replace(cite(), byte_start=NILE, byte_end=NILE + 4), False),  # Æ is two bytes
        (Disk(), replace(cite(), byte_start=None), False),
        (Disk(), replace(cite(), quote="nile"), False),
        (Disk(file=b"x" + TEXT.encode()), cite(), False),  # the file has changed since it was indexed
        (Disk(file=b"\xff"), cite(), False),
        (Disk(file=codecs.BOM_UTF8 + TEXT.encode()), cite(bom=codecs.BOM_UTF8), True),
        (Disk(file=codecs.BOM_UTF8 + TEXT.encode()), cite(), False),
        (Disk(file=BOM16, codec="utf-16-le"), cite(codec="utf-16-le", bom=codecs.BOM_UTF16_LE), True),
        (Disk(file=None), cite(), True),
        (Disk(file=None), cite(bom=codecs.BOM_UTF8), True),
        (Disk(file=None), replace(cite(), byte_start=NILE, byte_end=NILE + 4), False),
        (Disk(file=b"%PDF", codec=None), cite(codec=None), True),  # extracted: the stored text is what is cited
        (Disk(file=b"%PDF", codec=None), cite(), False),
        (Disk(body=None, file=None), cite(), False),
        (Disk(body=None, file=None, codec=None), cite(codec=None), False),
    ],
)
def test_a_citation_is_confirmed_by_characters_and_bytes_read_again(disk, citation, confirmed):
    assert Reread(disk).confirms(citation) is confirmed
