"""An answer as its page shows it: each place in its sentence, each passage with what matters in it marked."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from api.citation_forms import version_of
from api.pages.segments import Segment, excerpt
from index.moment import Moment
from index.offsets import sentence_at
from index.types import Field, Mark
from rag.types import Alternative, Answer, Citation, FoundPassage

_TELLING = 4  # letters of a word that says what a question is about
# Words of a question that say how it asks, not what about.
_ASKING = re.compile(
    "about|does|from|have|many|much|that|their|there|these|they|this|those|were|what|when|where|which|whom|whose|will|with"
    "|would|your"
)


@dataclass(frozen=True, slots=True)
class Quoted:
    """A citation with the words around it, as they stand in the document, and what is known of that document."""

    citation: Citation
    before: str
    after: str
    publisher: str | None
    published: str | None


@dataclass(frozen=True, slots=True)
class Other:
    """Another answer in its sentence; `reply` is what confirms it."""

    alternative: Alternative
    quoted: Quoted
    reply: str


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """An excerpt of a passage with spans marked, and what is known of its document; `reply` says the answer is here.

    `sha256` is of the file that has the passage, None where the document has changed since it was found.
    """

    passage: FoundPassage
    segments: tuple[Segment, ...]
    publisher: str | None
    published: str | None
    sha256: str | None
    reply: str

    @property
    def marked(self) -> bool:
        """Tell whether anything in it is."""
        return any(segment.label for segment in self.segments)


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What the page shows of an answer.

    `disagreeing` are other answers that would have been given too, from sources that the answer is not cited from;
    `missing` are words of the question that no passage read has. `reply` is what confirms the answer, or that there
    is none; `no_answer` confirms that there is none.
    """

    answer: Answer
    threshold: float
    places: tuple[Quoted, ...]
    disagreeing: tuple[Other, ...]
    others: tuple[Other, ...]
    passages: tuple[ShownPassage, ...]
    missing: tuple[str, ...]
    reply: str
    no_answer: str


def shown_answer(snapshot: Moment, answer: Answer, threshold: float) -> ShownAnswer:
    """Return what the page shows of an answer; `threshold` is the confidence from which one is given."""
    cited = {citation.document_id for citation in answer.citations}
    others = [_other(snapshot, answer.question, alternative) for alternative in answer.alternatives]
    disagreeing = [
        other
        for other in others
        if other.alternative.confidence >= threshold and other.quoted.citation.document_id not in cited
    ]
    return ShownAnswer(
        answer=answer,
        threshold=threshold,
        places=tuple(quoted(snapshot, citation) for citation in answer.citations),
        disagreeing=tuple(disagreeing),
        others=tuple(other for other in others if other not in disagreeing),
        passages=shown_passages(snapshot, answer.question, answer.passages, answer),
        missing=missing_words(answer.question, answer.passages),
        reply=_reply(answer.question, answer.answer, answer.citations),
        no_answer=_reply(answer.question, None, ()),
    )


def quoted(snapshot: Moment, citation: Citation) -> Quoted:
    """Return a citation in its sentence; in its prefix and suffix if the document has changed since it was cited."""
    stored = snapshot.document(citation.document_id)
    if stored is None or stored.document.sha256 != citation.sha256:
        return Quoted(citation, citation.prefix, citation.suffix, None, None)
    text, metadata = stored.document.text, stored.document.metadata
    start, end = sentence_at(text, citation.start, citation.end)
    return Quoted(
        citation,
        before=text[start : citation.start],
        after=text[citation.end : end],
        publisher=_value(metadata.publisher),
        published=_value(metadata.published),
    )


def shown_passages(
    snapshot: Moment, question: str, passages: Sequence[FoundPassage], answer: Answer | None = None
) -> tuple[ShownPassage, ...]:
    """Return passages with what an answer cites in them marked; with no answer, the words of the question."""
    return tuple(_shown_passage(snapshot, question, passage, answer) for passage in passages)


def _shown_passage(snapshot: Moment, question: str, passage: FoundPassage, answer: Answer | None) -> ShownPassage:
    stored = snapshot.document(passage.document_id)
    metadata = stored.document.metadata if stored else None
    marks = _cited_in(passage, answer) if answer and answer.answer is not None else _shared_words(question, passage)
    return ShownPassage(
        passage=passage,
        segments=excerpt(passage.text, marks),
        publisher=_value(metadata.publisher) if metadata else None,
        published=_value(metadata.published) if metadata else None,
        sha256=version_of(stored, passage),
        reply=_place_reply(question, passage),
    )


def _cited_in(passage: FoundPassage, answer: Answer) -> list[Mark]:
    """Return what the answer and the others cite in a passage, as spans of its text; the answer's own come first."""
    others = chain.from_iterable(other.citations for other in answer.alternatives)
    named = [*(("answer", citation) for citation in answer.citations), *(("other", citation) for citation in others)]
    return [
        Mark(citation.start - passage.start, citation.end - passage.start, label)
        for label, citation in named
        if citation.document_id == passage.document_id
        and passage.start <= citation.start
        and citation.end <= passage.end
    ]


def _shared_words(question: str, passage: FoundPassage) -> list[Mark]:
    asked = set(telling_words(question))
    return [Mark(start, end, "word") for start, end, word in _words(passage.text) if word.casefold() in asked]


def telling_words(question: str) -> list[str]:
    """Return the words that say what a question is about, in lower case, each once, in order.

    Short words say little, except for numbers and abbreviations.
    """
    words = (word for _, _, word in _words(question))
    telling = (word for word in words if len(word) >= _TELLING or word.isdecimal() or _is_short(word))
    lower = dict.fromkeys(word.casefold() for word in telling)
    return [word for word in lower if not _ASKING.fullmatch(word)]


def _words(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each word lies, and the word in NFC: a document may spell its accents as characters of their own."""
    end = 0
    for inside, run in groupby(text, _is_of_word):
        start, end = end, end + len(list(run))
        if inside:
            yield start, end, unicodedata.normalize("NFC", text[start:end])


def _is_of_word(character: str) -> bool:
    """Tell whether it is a letter, a digit or "_", or a combining mark, which does not end a word."""
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _is_short(word: str) -> bool:
    """Tell whether a word is an abbreviation in capitals: "SCO", but not "I"."""
    return len(word) > 1 and word.isupper()


def missing_words(question: str, passages: Iterable[FoundPassage]) -> tuple[str, ...]:
    """Return the telling words of the question that stand in none of the passages, nor in their titles."""
    texts = ((passage.title or "", passage.text) for passage in passages)
    there = {word.casefold() for text in chain.from_iterable(texts) for _, _, word in _words(text)}
    return tuple(word for word in telling_words(question) if word not in there)


def _other(snapshot: Moment, question: str, alternative: Alternative) -> Other:
    reply = _reply(question, alternative.answer, alternative.citations)
    return Other(alternative, quoted(snapshot, alternative.citations[0]), reply)


def _reply(question: str, answer: str | None, citations: Sequence[Citation]) -> str:
    """Return as much of a reply, as JSON, as a gold line is made of (see `rag.goldnew`)."""
    claims = [
        {"document_id": one.document_id, "sha256": one.sha256, "start": one.start, "end": one.end, "quote": one.quote}
        for one in citations
    ]
    return json.dumps({"question": question, "answer": answer, "citations": claims}, ensure_ascii=False)


def _place_reply(question: str, passage: FoundPassage) -> str:
    claim = {
        "document_id": passage.document_id,
        "start": passage.start,
        "end": passage.end,
        "quote": passage.text,
    }
    return json.dumps({"question": question, "answer": passage.text, "citations": [claim]}, ensure_ascii=False)


def _value(field: Field | None) -> str | None:
    return field.value if field else None
