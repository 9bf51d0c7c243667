"""What speaks for a candidate besides the reader's margin, and one score of it all. Pure functions."""

import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from index.lexical import terms
from index.offsets import sentence_at
from rag.read import Span
from rag.retrieve import Retrieved

FITTED = Path(__file__).parent / "models" / "evidence.json"
MOST_NAMES = 3  # missing names beyond these tell no more
_WORD = re.compile(r"\w+")
_NEGATION = re.compile(
    r"\b(?:not|no|never|neither|nor|none|without|except|cannot|unable|fail\w*)\b|n['\u2019]t\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question holds that the sentence of its answer should hold too: its names and numbers, and a negation."""

    names: frozenset[str]
    negated: bool

    @classmethod
    def of(cls, question: str) -> "Wanted":
        """Take a question apart. A name is a word with a capital that does not begin the question, stemmed."""
        words = [found.group() for found in _WORD.finditer(question)]
        named = [word for at, word in enumerate(words) if (at and word[0].isupper()) or any(map(str.isdigit, word))]
        return cls(frozenset(terms(" ".join(named))), bool(_NEGATION.search(question)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one candidate.

    `margin` and `lead` are the reader's (see `Span`), in logits; `similarity` and `term_share` the passage's (see
    `Retrieved`); `missing_names` counts the question's names and numbers that the sentence of the candidate lacks, up
    to `MOST_NAMES`; `lost_negation` is 1 if the question negates and the sentence does not, else 0.
    """

    margin: float
    lead: float
    similarity: float
    term_share: float
    missing_names: int
    lost_negation: int

    @classmethod
    def of(cls, wanted: Wanted, found: Retrieved, span: Span, text: str) -> "Evidence":
        """Weigh a span of `text`, the piece it was read in: a passage of some sentences, or a title or byline."""
        missing, lost = 0, 0
        if wanted.names or wanted.negated:  # the sentence of a span is not found for nothing
            start, end = sentence_at(text, span.start, span.end)
            sentence = text[start:end]
            missing = len(wanted.names - terms(sentence).keys())
            lost = int(wanted.negated and not _NEGATION.search(sentence))
        return cls(span.margin, span.lead, found.similarity, found.term_share, min(missing, MOST_NAMES), lost)


@dataclass(frozen=True, slots=True)
class Weights:
    """What a candidate's score adds to its margin, for each unit of the other evidence: logits of the reader.

    As they were fitted with one embedder and one reader (`python -m training.evidence`); all 0 for any others.
    """

    lead: float = 0.0
    similarity: float = 0.0
    term_share: float = 0.0
    missing_names: float = 0.0
    lost_negation: float = 0.0

    def score(self, evidence: Evidence) -> float:
        """Return the score by which candidates are ranked, and of which confidence is a function."""
        return (
            evidence.margin
            + self.lead * evidence.lead
            + self.similarity * evidence.similarity
            + self.term_share * evidence.term_share
            + self.missing_names * evidence.missing_names
            + self.lost_negation * evidence.lost_negation
        )

    @property
    def key(self) -> str:
        """Return what tells a calibration which scores it was fitted on; empty for the margin alone."""
        values = tuple(asdict(self).values())
        return "".join(f"+{value:g}" for value in values) if any(values) else ""


def weights_for(embedder: str, reader: str) -> Weights:
    """Return the weights that were fitted with these models, named by their sha256; those of none for any others."""
    models, weights = _fitted()
    return weights if models == (embedder, reader) else Weights()


@lru_cache(maxsize=1)
def _fitted() -> tuple[tuple[str, str], Weights]:
    stored = json.loads(FITTED.read_text("utf-8"))
    return (stored["embedder"], stored["reader"]), Weights(**stored["weights"])
