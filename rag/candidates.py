"""What the reader found in each passage -> answers, each with all that supports it. Pure functions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from index.near import NEAR, in_common, runs
from index.types import Document, Passage, StoredDocument
from rag.evidence import Evidence, Wanted, Weights
from rag.normalise import normalise
from rag.read import Piece, Span
from rag.retrieve import Retrieved

Runs = Callable[[Document], frozenset[str]]  # what `index.near.runs` gives

_FAR = 4  # times the length of the other: too long for a copy with another frame around it


@dataclass(frozen=True, slots=True)
class Candidate:
    """The reader's answer in one text, at `start:end` of a document; confidence is a function of `score`."""

    document_id: str
    source: str
    start: int
    end: int
    quote: str
    score: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates that say the same. The first is the best, and its score is the group's: a maximum, never a sum."""

    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """Return the candidate that the group is judged by."""
        return self.candidates[0]


def reading_text(stored: StoredDocument, passage: Passage) -> tuple[Piece, ...]:
    """Return what the reader reads of a passage: who says it, when and where, then the passage.

    Title, author, publisher and date keep their own places in the document, so "who wrote ..." is answered with a
    true citation from any passage. What the text does not state, and what the passage itself holds, is left out.
    """
    text, metadata = stored.document.text, stored.document.metadata
    pieces: list[Piece] = []
    facts = ((metadata.title, ""), (metadata.author, "By "), (metadata.publisher, ""), (metadata.published, ""))
    for fact, introduction in facts:
        if fact is None or fact.start is None or fact.end is None:
            continue
        if passage.start <= fact.start and fact.end <= passage.end:
            continue
        pieces += [Piece(introduction, None)] if introduction else []
        pieces += [Piece(text[fact.start : fact.end], fact.start), Piece("\n", None)]
    return (*pieces, Piece(passage.text, passage.start))


def candidates(
    question: str,
    ranking: Sequence[Retrieved],
    texts: Sequence[tuple[Piece, ...]],
    spans: Sequence[Span | None],
    weights: Weights,
) -> list[Candidate | None]:
    """Return what was read of each text, None where that was nothing. The texts are of the ranking's first passages."""
    wanted = Wanted.of(question)
    found: list[Candidate | None] = []
    for one, text, span in zip(ranking[: len(texts)], texts, spans, strict=True):
        place = text[span.piece].start if span else None
        if span is None or place is None:
            found.append(None)
            continue
        evidence = Evidence.of(wanted, one, span, text[span.piece].text)
        found.append(
            Candidate(
                document_id=one.stored.passage.document_id,
                source=one.stored.source,
                start=place + span.start,
                end=place + span.end,
                quote=span.quote,
                # Finer differences come from how a batch was padded, and would make ties depend on it.
                score=round(weights.score(evidence), 4),
                evidence=evidence,
            )
        )
    return found


def group(candidates: Iterable[Candidate]) -> list[Group]:
    """Merge candidates whose answers are the same after SQuAD normalisation, best group first.

    A span found through several overlapping passages counts once, with its highest score. Ties go to (source, start).
    """
    members: dict[str, dict[tuple[str, int, int], Candidate]] = {}
    for candidate in sorted(candidates, key=_order):
        place = (candidate.document_id, candidate.start, candidate.end)
        key = normalise(candidate.quote) or candidate.quote
        members.setdefault(key, {}).setdefault(place, candidate)
    return [Group(tuple(places.values())) for places in members.values()]


def supporters(candidates: Sequence[Candidate], reaches: Iterable[bool]) -> list[Candidate]:
    """Return the candidates that may be cited: the best, and each other one whose own confidence suffices.

    Places inside one another in one document are one place; the better is kept.
    """
    chosen: list[Candidate] = []
    for candidate, enough in zip(candidates, reaches, strict=True):
        overlaps = any(
            candidate.document_id == other.document_id and candidate.start < other.end and other.start < candidate.end
            for other in chosen
        )
        if not overlaps and (enough or not chosen):
            chosen.append(candidate)
    return chosen


def copied(documents: Sequence[Document], runs_of: Runs) -> list[str | None]:
    """Return for each document the id of an earlier, different one whose text it nearly repeats; None for the others.

    A syndicated story is one source, however many sites print it. `runs_of` is best a `kept_runs`.
    """
    originals: list[Document] = []
    copy_of: dict[str, str | None] = {}
    for document in {document.source: document for document in documents}.values():
        first = next((one for one in originals if _same_story(one, document, runs_of)), None)
        originals += [] if first else [document]
        copy_of[document.source] = first.document_id if first else None
    return [copy_of[document.source] for document in documents]


def kept_runs() -> Runs:
    """Return `runs` with a memory: a document is compared with many, for an answer and for each alternative."""
    kept: dict[str, frozenset[str]] = {}

    def runs_of(document: Document) -> frozenset[str]:
        if document.source not in kept:
            kept[document.source] = runs(document)
        return kept[document.source]

    return runs_of


def _same_story(one: Document, other: Document, runs_of: Runs) -> bool:
    if one.sha256 == other.sha256:
        return True
    lengths = sorted((len(one.text), len(other.text)))
    return lengths[0] >= lengths[1] / _FAR and in_common(runs_of(one), runs_of(other)) >= NEAR


def _order(candidate: Candidate) -> tuple[float, str, int, int]:
    return (-candidate.score, candidate.source, candidate.start, candidate.end)
