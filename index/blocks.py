"""Blocks of an extracted document -> its text, with the spans of headings and of what is not the article."""

from collections.abc import Sequence
from dataclasses import dataclass

from index.errors import Rejected
from index.marks import find_marks, merged_marks
from index.plain import LONGEST
from index.types import Heading, Mark


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, list item or table row, as it is read: no whitespace at its ends.

    `level`: of a heading, 1 to 6; 0 for other blocks. `label`: why it is not part of the article, None where it is.
    `tight`: it follows the block before it on the next line, as the items of a list do; else after a blank line.
    """

    text: str
    level: int = 0
    label: str | None = None
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The text of a document's blocks, in order, and where each lies in it."""

    text: str
    spans: tuple[tuple[int, int], ...]
    headings: tuple[Heading, ...]
    marks: tuple[Mark, ...]


def lay_out(source: str, blocks: Sequence[Block]) -> Layout:
    """Return the blocks as one text. Marked are those with a label, and the lines that look like boilerplate.

    Raises Rejected where the text would be longer than `LONGEST`.
    """
    if sum(len(block.text) + 2 for block in blocks) > LONGEST:
        raise Rejected(f"{source}: holds more than {LONGEST:,} characters of text; split it")
    spans: list[tuple[int, int]] = []
    parts: list[str] = []
    end = 0
    for block in blocks:
        gap = "" if not parts else "\n" if block.tight else "\n\n"
        start, end = end + len(gap), end + len(gap) + len(block.text)
        parts += [gap, block.text]
        spans.append((start, end))
    text = "".join(parts)
    headings = tuple(
        Heading(*span, block.level)
        for block, span in zip(blocks, spans, strict=True)
        if block.level and not block.label
    )
    labelled = [Mark(*span, block.label) for block, span in zip(blocks, spans, strict=True) if block.label]
    return Layout(text, tuple(spans), headings, merged_marks(text, labelled, find_marks(text)))
