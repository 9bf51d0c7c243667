"""Questions that a store should be able to answer, made from what its documents say of themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from index.snapshot import DocumentSummary

EXAMPLES = 5
_LONGEST = 90  # characters of a title that reads well in a question
_KINDS = (
    ("author", "Who wrote “{}”?"),
    ("published", "When was “{}” published?"),
    ("publisher", "Who published “{}”?"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question that the store should be able to answer."""

    question: str
    href: str


def examples(documents: Sequence[DocumentSummary]) -> list[Example]:
    """Return questions about documents that state what is asked; kinds take turns, a document gives one."""
    found: list[Example] = []
    for summary in documents:
        title = summary.metadata.title
        known = {name for name, field in summary.metadata.items() if field.start is not None}
        turns = (_KINDS[(len(found) + shift) % len(_KINDS)] for shift in range(len(_KINDS)))
        words = next((words for name, words in turns if name in known), None)
        if title and words and len(title.value) <= _LONGEST:
            question = words.format(title.value)
            example = Example(question, "/?" + urlencode({"q": question}))
            found += [example] if example not in found else []
    return found[:EXAMPLES]
