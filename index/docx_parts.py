"""The parts of a Word file: an archive unfolded within bounds, and the XML in it. Standard library alone."""

import io
import lzma
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from index.errors import Rejected
from index.plain import one_line

LARGEST = 128 * 2**20  # bytes that all parts which are read may unfold to, together
MOST = 2_000_000  # elements that all parts which are read may hold, together: seconds of work
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # an old .doc, or a .docx encrypted with a password
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)


@dataclass(slots=True)
class Parts:
    """The file `source`, whose bytes are `data`; `left` bytes may still be unfolded, `unread` elements read."""

    source: str
    data: bytes
    archive: zipfile.ZipFile = field(init=False)
    left: int = LARGEST
    unread: int = MOST

    def __post_init__(self) -> None:
        if self.data.startswith(_OLE):
            raise Rejected(f"{self.source}: protected with a password, or an old .doc; save it as .docx without one")
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(self.data))
        except _BROKEN as error:
            raise self._broken(error) from error

    def has(self, name: str) -> bool:
        """Tell whether there is such a part."""
        return name in self.archive.NameToInfo

    def xml(self, name: str) -> bytes:
        """Return a part; Rejected if it is not there, damaged, or unfolds to too much."""
        try:
            with self.archive.open(name) as file:
                part = file.read(self.left + 1)  # what the archive says of its size may be wrong
        except KeyError:
            raise Rejected(f"{self.source}: not a Word document (no {name}); name it after what it is") from None
        except _BROKEN as error:
            raise self._broken(error) from error
        if len(part) > self.left:
            raise Rejected(f"{self.source}: unfolds to more than {LARGEST >> 20} MiB; split it, or exclude it")
        self.left -= len(part)
        return part

    def events(self, name: str) -> Iterator[tuple[str, ElementTree.Element]]:
        """Yield ("start" or "end", element) of a part; Rejected where it is not well formed, or has too many elements.

        At its end an element has its attributes and its own text; the elements in it have been let go.
        """
        above: list[ElementTree.Element] = []
        for event, element in self._parsed(self.xml(name)):
            if event == "start":
                self._count()
                above.append(element)
            yield event, element
            if event == "end":
                above.pop()
                if above:
                    above[-1].remove(element)  # it is the first: those before it are gone

    def _parsed(self, xml: bytes) -> Iterator[tuple[str, ElementTree.Element]]:
        try:
            yield from ElementTree.iterparse(io.BytesIO(xml), events=("start", "end"))
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise self._broken(error) from error

    def _count(self) -> None:
        self.unread -= 1
        if self.unread < 0:
            raise Rejected(f"{self.source}: holds more than {MOST:,} XML elements; split it, or exclude it")

    def elements(self, name: str | None) -> Iterator[ElementTree.Element]:
        """Yield the elements of a part as they end; none if there is no such part."""
        if name is not None and self.has(name):
            yield from (element for event, element in self.events(name) if event == "end")

    def targets(self, part: str, kind: str) -> list[str]:
        """Return the parts that `part` ("" for the package) names as being of a kind."""
        folder, name = posixpath.split(part)
        found = []
        for relation in self.elements(posixpath.join(folder, "_rels", f"{name}.rels")):
            target, outside = relation.get("Target"), relation.get("TargetMode") == "External"
            if target and not outside and (relation.get("Type") or "").endswith(f"/{kind}"):
                found.append(posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/"))
        return found

    def target(self, part: str, kind: str) -> str | None:
        """Return the first part of a kind, None if there is none."""
        return next(iter(self.targets(part, kind)), None)

    def _broken(self, error: Exception) -> Rejected:
        return Rejected(f"{self.source}: damaged ({one_line([str(error)])}); open it in Word, and save it again")


def local_name(element: ElementTree.Element) -> str:
    """Return an element's name without its namespace: the strict and the usual form of the format differ in it."""
    return str(element.tag).rpartition("}")[2]


def value_of(element: ElementTree.Element, key: str = "val") -> str:
    """Return an attribute, whatever its namespace; "" where there is none."""
    return next((value for name, value in element.items() if name.rpartition("}")[2] == key), "")
