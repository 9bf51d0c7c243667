"""A gold set held against the documents that it asks about: what would be measured wrongly, line by line."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, Protocol

from index.types import document_id_of
from rag.gold import Evidence, GoldQuestion, Placed
from rag.normalise import normalise

_SHOWN = 60  # characters of a quoted text

Kind = Literal[
    "id_twice",
    "question_twice",
    "source_not_indexed",
    "answer_empty",
    "answer_not_found",
    "answer_normalised",
    "evidence_outside",
    "evidence_without_answer",
]
NOTES: frozenset[Kind] = frozenset({"answer_normalised"})  # worth a look; scored as they should be


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one question; a `note` is no fault."""

    place: str
    id: str
    kind: Kind
    what: str
    note: bool


class Documents(Protocol):
    """The documents as they are now."""

    def sources(self) -> AbstractSet[str]:
        """Return the sources that are indexed."""
        ...

    def text_of(self, document_id: str) -> str | None:
        """Return a document's text, None if there is no such document."""
        ...

    def texts(self) -> Iterable[tuple[str, str, str]]:
        """Yield (document_id, source, text) of every document, one at a time."""
        ...


@dataclass(slots=True)
class _Check:
    """One question while documents go by: the answers not yet seen, or not word for word, and what was found."""

    place: str
    gold: GoldQuestion
    absent: set[str]
    normalised: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: Kind, what: str) -> None:
        self.findings.append(Finding(self.place, self.gold.id, kind, what, kind in NOTES))

    def see(self, source: str, text: str, tokens: str) -> None:
        """Look at a document that may answer; `tokens` is its text as `_run_of` gives it."""
        unseen = {answer for answer in self.absent | self.normalised if not _stands_in(answer, text)}
        self.normalised = {answer for answer in unseen if answer in self.normalised or _run_of(answer) in tokens}
        self.absent = unseen - self.normalised
        for evidence in self.gold.evidence:
            if evidence.source == source:
                self._see_evidence(evidence, text)

    def _see_evidence(self, evidence: Evidence, text: str) -> None:
        span = f"evidence {evidence.start}:{evidence.end} of {evidence.source}"
        if evidence.end > len(text):
            self.find("evidence_outside", f"{span} is not in its {len(text)} characters; correct the offsets")
            return
        there = text[evidence.start : evidence.end]
        held = _run_of(there)
        if self.gold.answers:
            # Evidence may also be less than an answer: the part of it that stands in one place.
            holds = bool(held.strip()) and any(run in held or held in run for run in map(_run_of, self.gold.answers))
        else:
            holds = bool(there.strip())
        if not holds:
            self.find("evidence_without_answer", f"{span} is {_shown(there)}, no accepted answer; correct the offsets")

    def conclude(self) -> list[Finding]:
        """Return all findings, once every document has gone by."""
        where = ", ".join(self.gold.sources) or "any document"
        for answer in self.gold.answers:
            if answer in self.absent:
                self.find("answer_not_found", f"{_shown(answer)} is not in {where}; correct the answer or its sources")
            elif answer in self.normalised:
                self.find("answer_normalised", f"{_shown(answer)} is in {where} only after normalisation")
        return self.findings


def check_gold(placed: Sequence[Placed], documents: Documents) -> list[Finding]:
    """Return what is wrong with a gold set, in its order; each document is read once.

    Ids and questions that come twice (questions: after normalisation); sources that are not indexed; answers that
    none of the sources (without sources: no document) holds, neither word for word nor as a run of normalised tokens,
    or that normalise to nothing; evidence that is outside its document or holds no accepted answer (without answers:
    no text). A note says where an answer is there in its normalised form alone.
    """
    checks = [_Check(place, gold, {answer for answer in gold.answers if normalise(answer)}) for place, gold in placed]
    _check_alone(checks, documents.sources())
    asking: defaultdict[str, list[_Check]] = defaultdict(list)
    for check in checks:
        for source in check.gold.sources:
            asking[source].append(check)
    anywhere = [check for check in checks if check.gold.answers and not check.gold.sources]
    for source, text in _texts(asking, documents, everything=bool(anywhere)):
        tokens = _run_of(text)
        for check in chain(asking.get(source, ()), anywhere):
            check.see(source, text, tokens)
    return [finding for check in checks for finding in check.conclude()]


def _check_alone(checks: Sequence[_Check], indexed: AbstractSet[str]) -> None:
    """Find what needs no text: what comes twice, what is not indexed, and answers that normalise to nothing."""
    ids: dict[str, str] = {}
    questions: dict[str, str] = {}
    for check in checks:
        gold = check.gold
        if (first := ids.setdefault(gold.id, check.place)) != check.place:
            check.find("id_twice", f"the id is taken by {first}; give each question its own")
        if (first := questions.setdefault(question_key(gold.question), check.place)) != check.place:
            check.find("question_twice", f"the question is asked by {first} already; drop one")
        for source in gold.sources:
            if source not in indexed:
                check.find("source_not_indexed", f"{source} is not indexed; index it, or correct the source")
        for answer in gold.answers:
            if not normalise(answer):
                check.find("answer_empty", f"{_shown(answer)} is nothing after normalisation; give words")


def question_key(question: str) -> str:
    """Return what two questions have in common that are the same but for case, punctuation and articles."""
    return normalise(question) or question


def _texts(named: Iterable[str], documents: Documents, everything: bool) -> Iterator[tuple[str, str]]:
    """Yield (source, text) of the named documents, or of all."""
    if everything:
        yield from ((source, text) for _, source, text in documents.texts())
        return
    for source in named:
        if (text := documents.text_of(document_id_of(source))) is not None:
            yield source, text


def _stands_in(answer: str, text: str) -> bool:
    """Tell whether whole words of the text are the answer, character for character."""
    if answer not in text:
        return False
    before, after = (r"(?<!\w)" if answer[0].isalnum() else ""), (r"(?!\w)" if answer[-1].isalnum() else "")
    return re.search(before + re.escape(answer) + after, text) is not None


def _run_of(text: str) -> str:
    """Return the normalised tokens, each between spaces: one text's run is in another's if its tokens are."""
    return f" {normalise(text)} "


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= _SHOWN else line[:_SHOWN] + '…'}”"
