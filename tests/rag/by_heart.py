"""An answerer that knows its replies by heart, over one document."""

from dataclasses import dataclass

from rag.candidates import Candidate
from rag.evidence import Evidence
from rag.gold import GoldQuestion
from rag.read import Piece
from rag.types import Answer, Asked, Citation, FoundPassage, StoreInfo, Timings

TEXT = "Ægypt lies on the Nile."
NILE = TEXT.index("Nile")


@dataclass(frozen=True)
class Disk:
    """One document, a.txt."""

    passages: tuple[tuple[int, int], ...] = ((0, len(TEXT)),)

    def sources(self):
        return {"a.txt"}

    def text_of(self, document_id):
        return TEXT

    def file_of(self, document_id):
        return TEXT.encode()

    def encoding_of(self, document_id):
        return "utf-8"

    def passages_to_read(self, source):
        for start, end in self.passages if source == "a.txt" else ():
            text = TEXT[start:end]
            yield FoundPassage(1, "d", "a.txt", None, start, end, text, 0.0), (Piece(text, start),)


def cite():
    return Citation(
        document_id="d",
        source="a.txt",
        sha256="0" * 64,
        start=NILE,
        end=NILE + 4,
        byte_start=NILE + 1,  # Æ is two bytes
        byte_end=NILE + 5,
        line=1,
        column=NILE + 1,
        page=None,
        quote="Nile",
        prefix=TEXT[:NILE],
        suffix=TEXT[NILE + 4 :],
        title=None,
        url=None,
        verified=True,
    )


def read_as(quote):
    """The candidate that says so; None for None."""
    return quote and Candidate("d", "a.txt", 0, len(quote), quote, 0.0, Evidence(0.0, 0.0, 1.0, 1.0, 0, 0))


class ByHeart:
    """Replies by question: (answer, candidate, confidence). Keeps what it is asked, also alone, and what it reads."""

    def __init__(self, replies, reads="Nile", quotes=()):
        self.replies = replies
        self.quotes = quotes  # what it says to have read in the passages that it found
        self.reads = reads  # the answer to whatever passage it is given alone
        self.asked = []
        self.alone = []
        self.read = []

    def read_alone(self, pairs):
        self.read.append([(question, text[0].text) for question, text in pairs])
        return [self.reads for _ in pairs]

    def ask_many(self, questions, top_k, depth):
        assert depth == 10
        for question in questions:
            self.asked.append(question)
            found = FoundPassage(1, "d", "a.txt", None, 0, len(TEXT), TEXT, 1.0)
            yield Asked(self.reply(question, 99.0), (found,), tuple(map(read_as, self.quotes)))

    def ask(self, question, top_k):
        self.alone.append(question)
        return self.reply(question, float(len(self.alone)))

    def reply(self, question, total):
        given, candidate, confidence = self.replies[question]
        found = FoundPassage(1, "d", "a.txt", None, 0, len(TEXT), TEXT, 1.0)
        return Answer(
            question=question,
            answer=given,
            sentence=None,
            confidence=confidence,
            calibrated=True,
            citations=() if given is None else (cite(),),
            alternatives=(),
            passages=(found,),
            timings_ms=Timings(0, 0, 0, total),
            store=StoreInfo(1, 1, 1, "e", "r"),
            candidate=candidate,
            candidate_score=None if candidate is None else 1.0,
            candidate_citations=(cite(),),
        )


def gold(name, answers=("Nile",), answerable=True, sources=("a.txt",), evidence=()):
    return GoldQuestion(name, name, tuple(answers), tuple(sources), tuple(evidence), answerable, ("t",))


GOLD = [gold("right"), gold("withheld"), gold("wrong"), gold("none", (), False, ())]
REPLIES = {
    "right": ("the Nile", "the Nile", 0.9),
    "withheld": (None, "Nile", 0.4),
    "wrong": ("Congo", "Congo", 0.7),
    "none": (None, "Rhine", 0.20004),
}


def values(report):
    return {name: (metric["value"], metric["n"]) for name, metric in report["metrics"].items()}
