"""Answers that a person confirmed, made into gold questions: what was cited becomes the evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from rag.fields import object_in, text_in
from rag.gold import GoldQuestion, question_from
from rag.goldcheck import question_key
from rag.verify import ClaimedCitation, Lookup, Verdict, cited, verify


@dataclass(frozen=True, slots=True)
class NewGold:
    """The new questions; a sentence for all that was not taken; how many questions were there before."""

    questions: list[GoldQuestion]
    skipped: list[str]
    known: int


@dataclass(frozen=True, slots=True)
class _Reply:
    """A saved reply; `name` is what messages call it."""

    name: str
    id: object
    question: str
    answer: str | None
    claims: list[ClaimedCitation]


def new_gold(saved: object, lookup: Lookup, there: Iterable[GoldQuestion]) -> NewGold:
    """Make a gold question of each saved reply: one, a list, as `verify.claims_from` takes them.

    An answer's evidence are those of its citations that are `ok` in the documents as they are now; others, and answers
    left without any, are skipped, as are failed questions. `answer: null` becomes an unanswerable question. A question
    that is `there`, or came before, is passed over (case, punctuation and articles apart). The id is the reply's where
    it has one that is free, else made of the question. Raises UsageError if a reply is malformed.
    """
    replies, skipped = _replies(saved)
    verdicts = iter(verify([claim for reply in replies for claim in reply.claims], lookup))
    there = list(there)
    ids = {gold.id for gold in there}
    asked = {question_key(gold.question) for gold in there}
    questions: list[GoldQuestion] = []
    known = 0
    for reply in replies:
        own = [(claim, next(verdicts)) for claim in reply.claims]
        if question_key(reply.question) in asked:
            known += 1
            continue
        sound = [verdict for _, verdict in own if verdict.status == "ok"]
        skipped += _unsound(reply, own)
        if reply.answer is None or sound:
            questions.append(_question(reply, sound, ids))
            ids.add(questions[-1].id)
            asked.add(question_key(reply.question))
    return NewGold(questions, skipped, known)


def _replies(saved: object) -> tuple[list[_Reply], list[str]]:
    """Return the replies that can be read, and a sentence for each question that failed."""
    replies, failed = [], []
    for number, item in enumerate(saved if isinstance(saved, list) else [saved]):
        name = f"answer [{number}]" if isinstance(saved, list) else "the answer"
        reply = object_in(item, name)
        if "error" in reply and "citations" not in reply:
            failed.append(f"{name} is an error; ask the question again")
            continue
        question, answer = text_in(reply.get("question"), f"{name}: question"), reply.get("answer")
        replies.append(
            _Reply(
                name,
                reply.get("id"),
                question,
                None if answer is None else text_in(answer, f"{name}: answer"),
                [] if answer is None else cited(reply, f"{name}: "),
            )
        )
    return replies, failed


def _unsound(reply: _Reply, own: Sequence[tuple[ClaimedCitation, Verdict]]) -> list[str]:
    """Return a sentence for each citation that is not what it says, and one for an answer without any that is."""
    sentences = [
        f"{reply.name}: the citation “{' '.join(claim.quote.split())}” is {verdict.status}, and left out"
        for claim, verdict in own
        if verdict.status != "ok"
    ]
    if reply.answer is not None and len(sentences) == len(own):
        sentences.append(f"{reply.name}: no citation stands as it was, so it is left out; ask the question again")
    return sentences


def _question(reply: _Reply, sound: Sequence[Verdict], ids: set[str]) -> GoldQuestion:
    evidence = [{"source": verdict.source, "start": verdict.start, "end": verdict.end} for verdict in sound]
    own = str(reply.id) if isinstance(reply.id, str | int) and str(reply.id).strip() else ""
    entry = {
        "id": own if own and own not in ids else f"q-{sha256(reply.question.encode()).hexdigest()[:12]}",
        "question": reply.question,
        "answers": [] if reply.answer is None else [reply.answer],
        "evidence": evidence,
        "answerable": reply.answer is not None,
    }
    return question_from(entry, reply.name)
