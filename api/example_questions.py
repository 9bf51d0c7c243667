"""Questions made from what documents say, each with the place that answers it. Pure functions; no model."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from index.sentences import sentences
from index.types import Document

_READ = 20_000  # characters of a document, from its beginning
_LONGEST = 90  # characters of a title that reads well in a question
_KINDS = (
    ("author", "Who wrote “{}”?"),
    ("published", "When was “{}” published?"),
    ("publisher", "Who published “{}”?"),
)
_WORD = r"[A-Z][\w’'-]+"
_NAME = rf"(?:[Tt]he\ )?{_WORD}(?:\ (?:(?:and|for|of|on)\ (?:the\ )?)?{_WORD})*"
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
# A sentence that is plain enough to be turned into a question by rule: "The Louvre was opened in 1793".
_TELLS = re.compile(
    rf"""(?:(?:After|Before|Since|When|While)\ )?(?P<name>{_NAME})\ (?P<was>was|were)\ (?:also\ |officially\ )?
    (?P<done>(?:first\ )?(?:adopted|born|built|completed|created|designed|developed|discovered|established|formed
      |founded|held|introduced|invented|launched|opened|proposed|published|released|set\ up|signed))
    (?:\ by\ (?P<who>{_NAME})
      |\ (?:in|at)\ (?P<where>(?!{_MONTH}){_NAME})
      |(?:\ [^\s.;:,]+){{0,8}}?\ (?:in|on)\ (?P<when>(?:(?:{_MONTH})\ (?:\d\d?,?\ )?)?\d{{4}}))\b""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question, and the span of a document's text that states its answer (characters, end exclusive)."""

    question: str
    document_id: str
    start: int
    end: int


def candidates(documents: Iterable[Document]) -> list[Candidate]:
    """Return questions of what the documents tell, then of themselves; the documents take turns.

    Each is there once, with the place that it was made from first.
    """
    told, about = [], []
    for turn, document in enumerate(documents):
        told.append(list(_told(document)))
        about.append(list(_about(document, turn)))
    found: dict[str, Candidate] = {}
    for candidate in chain(_in_turn(told), _in_turn(about)):
        found.setdefault(candidate.question, candidate)
    return list(found.values())


def _in_turn(rows: list[list[Candidate]]) -> Iterator[Candidate]:
    return (candidate for column in zip_longest(*rows) for candidate in column if candidate)


def _told(document: Document) -> Iterator[Candidate]:
    text = document.text[:_READ]
    for start, end in sentences(text, 0, len(text)):
        found = _TELLS.match(text, start, end)
        if found and _is_name(found["name"], text) and not _marked(document, start, end):
            question, answer = _asked(found)
            yield Candidate(question, document.document_id, *found.span(answer))


def _asked(found: re.Match[str]) -> tuple[str, str]:
    """Return the question, and which group of the match answers it."""
    name = found["name"].removeprefix("The ")
    name = name if name == found["name"] else f"the {name}"
    if found["who"]:
        return f"Who {found['done']} {name}?", "who"
    answer = "where" if found["where"] else "when"
    return f"{answer.title()} {found['was']} {name} {found['done']}?", answer


def _is_name(words: str, text: str) -> bool:
    """Tell whether it begins as a name does: with a capital that it has within a sentence too."""
    first = words.split()[0]
    return first in ("The", "the") or re.search(rf"[a-z,] {re.escape(first)}\b", text) is not None


def _marked(document: Document, start: int, end: int) -> bool:
    return any(mark.start < end and start < mark.end for mark in document.marks)


def _about(document: Document, turn: int) -> Iterator[Candidate]:
    """Yield a question for each fact about itself that the text states; which comes first changes with `turn`."""
    title, known = document.metadata.title, dict(document.metadata.items())
    if title is None or len(title.value) > _LONGEST:
        return
    for shift in range(len(_KINDS)):
        name, words = _KINDS[(turn + shift) % len(_KINDS)]
        field = known.get(name)
        if field and field.start is not None and field.end is not None:
            yield Candidate(words.format(title.value), document.document_id, field.start, field.end)
