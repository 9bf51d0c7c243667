"""Groups of candidates -> the reply: answer or null, its sentence, citations, alternatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from index.offsets import sentence_at
from index.types import StoredDocument, StoredPassage
from rag.calibrate import Calibration
from rag.candidates import Candidate, Group, copied, supporters
from rag.cite import cite
from rag.types import Alternative, Citation, FoundPassage

ALTERNATIVES = 3
DIGITS = 4  # of every reported score

Documents = Mapping[str, StoredDocument]


@dataclass(frozen=True, slots=True)
class Statement:
    """One answer with all that supports it; what an `Alternative` is, whether given or withheld."""

    answer: str
    sentence: str
    confidence: float
    citations: tuple[Citation, ...]

    def as_alternative(self) -> Alternative:
        """Return the form that leaves in a reply."""
        return Alternative(self.answer, self.sentence, self.confidence, self.citations)


def confidence_of(candidate: Candidate, calibration: Calibration) -> float:
    """Return the probability that the candidate is right, as it is reported and compared: to four decimals."""
    return round(calibration.probability(candidate.score), DIGITS)


def statement(group: Group, documents: Documents, calibration: Calibration, threshold: float) -> Statement:
    """Cite a group: its best candidate, and each other one that reaches the threshold by itself."""
    reaches = [confidence_of(candidate, calibration) >= threshold for candidate in group.candidates]
    cited = supporters(group.candidates, reaches)
    copies = copied([documents[one.document_id].document for one in cited])
    citations = tuple(
        replace(cite(documents[one.document_id], one.start, one.end, one.quote), copy_of=copy)
        for one, copy in zip(cited, copies, strict=True)
    )
    best = group.best
    text = documents[best.document_id].document.text
    start, end = sentence_at(text, best.start, best.end)
    return Statement(best.quote, text[start:end], confidence_of(best, calibration), citations)


def alternatives(
    groups: Sequence[Group], documents: Documents, calibration: Calibration, threshold: float
) -> tuple[Alternative, ...]:
    """Return the next best answers; none overlaps the answer or another."""
    chosen = [groups[0]]
    for group in groups[1:]:
        if len(chosen) <= ALTERNATIVES and not any(_overlaps(group.best, other.best) for other in chosen):
            chosen.append(group)
    return tuple(statement(group, documents, calibration, threshold).as_alternative() for group in chosen[1:])


def _overlaps(one: Candidate, other: Candidate) -> bool:
    return one.document_id == other.document_id and one.start < other.end and other.start < one.end


def found_passages(ranking: Sequence[tuple[StoredPassage, float]], documents: Documents) -> tuple[FoundPassage, ...]:
    """Return the passages of a ranking as they are reported."""
    return tuple(_found_passage(stored, score, documents) for stored, score in ranking)


def _found_passage(stored: StoredPassage, score: float, documents: Documents) -> FoundPassage:
    passage = stored.passage
    title = documents[passage.document_id].document.metadata.title
    return FoundPassage(
        passage_id=stored.passage_id,
        document_id=passage.document_id,
        source=stored.source,
        title=title.value if title else None,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        score=round(score, DIGITS),
    )
