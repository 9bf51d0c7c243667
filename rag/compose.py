"""Groups of candidates -> the reply: answer or null, its sentence, citations, alternatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from index.offsets import sentence_at
from index.types import StoredDocument, StoredPassage
from rag.calibrate import Calibration
from rag.candidates import Candidate, Group, Runs, copied, kept_runs, supporters
from rag.cite import cite
from rag.types import Alternative, Citation, FoundPassage

ALTERNATIVES = 3
SCORE_DIGITS = 4  # of a passage, as it is reported

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


def statements(
    groups: Sequence[Group], documents: Documents, calibration: Calibration, threshold: float
) -> list[Statement]:
    """Return the best answer, then, if it reaches the threshold, the next best; none overlaps another."""
    chosen = list(groups[:1])
    given = any(calibration.confidence(group.best.score) >= threshold for group in chosen)
    for group in groups[1:] if given else ():
        if len(chosen) <= ALTERNATIVES and not any(_overlaps(group.best, other.best) for other in chosen):
            chosen.append(group)
    runs_of = kept_runs()
    return [_statement(group, documents, calibration, threshold, runs_of) for group in chosen]


def _statement(
    group: Group, documents: Documents, calibration: Calibration, threshold: float, runs_of: Runs
) -> Statement:
    """Cite a group: its best candidate, and each other one that reaches the threshold by itself."""
    reaches = [calibration.confidence(candidate.score) >= threshold for candidate in group.candidates]
    cited = supporters(group.candidates, reaches)
    copies = copied([documents[one.document_id].document for one in cited], runs_of)
    citations = tuple(
        replace(cite(documents[one.document_id], one.start, one.end, one.quote), copy_of=copy)
        for one, copy in zip(cited, copies, strict=True)
    )
    best = group.best
    text = documents[best.document_id].document.text
    start, end = sentence_at(text, best.start, best.end)
    return Statement(best.quote, text[start:end], calibration.confidence(best.score), citations)


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
        score=round(score, SCORE_DIGITS),
    )
