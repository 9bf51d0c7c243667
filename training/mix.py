"""Labelled questions -> what is read in training: the mix, its near misses, hard negatives, headers and padding."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from index.errors import UsageError
from index.sentences import sentences
from rag.normalise import normalise
from training.data import Answer, Example, target
from training.headers import QUESTIONS, make_header, meta_question
from training.nearmiss import Swaps, near_miss
from training.similar import answers_by_question, hard_negatives

# Share of a set's questions that one pass takes (1 where it is not named): what is far from encyclopedic and news
# text, or has one short answer a sentence, takes part for variety only.
SHARES = {
    "squad1_train_pieces": 0.9,
    "squadshifts_new_wiki": 0.9,
    "squadshifts_reddit": 0.3,
    "squadshifts_amazon_reviews": 0.2,
    "qamr_wiki": 0.2,
    "fairytaleqa": 0.5,
    "covidqa": 0.5,
    "bioasq_snippets": 0.6,
}
Key = TypeVar("Key", bound=Hashable)
_SHORT = 400  # characters: contexts below are padded with others of their set, or the answer is easily guessed
_LONG = 1_200  # characters: of contexts above an excerpt is read, about a window's worth
_ROOM = 700  # characters: a negative is cut at this, or where its answered text ends, for a batch has one length
_NEGATIVES = 3  # similar paragraphs looked for, of which some are drawn; more where more may be drawn
_SENTENCE = 400  # characters of a distractor; what is longer is a table or a text without full stops


@dataclass(frozen=True, slots=True)
class Reading:
    """A question and a text to read. `place` is the span (characters of `text`) that the window must show.

    It is the answer where `answered`; a near miss shows the same place, and must answer null there.
    """

    question: str
    text: str
    place: tuple[int, int] | None
    answered: bool
    accepted: tuple[str, ...] = ()


Unit = tuple[Reading, ...]  # readings whose scores must compare; where one is answered, it is the first


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what is made from an answerable question.

    `max_negatives` is a number of texts, of which one at least is drawn; the others are probabilities. Raises
    UsageError if it is less than 1.
    """

    near_misses: float = 0.7
    negatives: float = 0.4
    max_negatives: int = 2
    distractors: float = 0.0
    headers: float = 0.3
    meta: float = 0.04

    def __post_init__(self) -> None:
        if self.max_negatives < 1:
            raise UsageError(f"at most {self.max_negatives} negatives a question; give 1 or more, or a share of 0")


class Mix:
    """A mix of data sets, from which any number of passes can be drawn."""

    def __init__(self, examples: Sequence[Example], rates: Rates) -> None:
        """Prepare what needs all examples: swaps by title and set, similar paragraphs, given negatives."""
        self._rates = rates
        self._examples = [example for example in examples if example.answers]
        self._by_set = _grouped(self._examples, lambda e: e.source)
        self._swaps = {(name, ""): _swaps(members) for name, members in self._by_set.items()}
        for key, members in _grouped(self._examples, lambda e: (e.source, e.title)).items():
            self._swaps[key] = _swaps(members)
        self._contexts = {name: sorted({e.context for e in members}) for name, members in self._by_set.items()}
        self._accepted = answers_by_question(self._examples)
        self._given: dict[str, list[Example]] = defaultdict(list)
        self._alone: list[Example] = []  # unanswerable questions that are never answered
        for example in examples:
            question = normalise(example.question)
            if not example.answers:
                self._given[question].append(example) if question in self._accepted else self._alone.append(example)
        self._similar: dict[str, dict[str, list[str]]] = {}
        if rates.negatives or rates.distractors:
            for name, members in self._by_set.items():
                found = hard_negatives(members, max(_NEGATIVES, rates.max_negatives), self._accepted)
                self._similar[name] = {e.id: texts for e, texts in zip(members, found, strict=True)}

    def one_pass(self, rng: Random) -> list[Unit]:
        """Draw a pass over the mix, in random order."""
        drawn = [e for e in self._examples if rng.random() < SHARES.get(e.source, 1.0)]
        units = [self._unit(example, rng) for example in drawn]
        units += [(Reading(e.question, self._headed(e, "", rng) + e.context, None, False),) for e in self._alone]
        units += [self._meta(example, rng) for example in drawn if rng.random() < self._rates.meta]
        rng.shuffle(units)
        return units

    def _unit(self, example: Example, rng: Random) -> Unit:
        place = target(example)
        if place is None:
            raise ValueError(f"{example.id} has no answer")
        text, shift = self._around(example, place, rng)
        if self._rates.distractors and rng.random() < self._rates.distractors:
            before, after = self._distractor(example, rng)
            text, shift = before + text + after, len(before) + shift
        header = self._headed(example, example.title, rng)
        text, shift = header + text, len(header) + shift
        accepted = tuple(a.text for a in example.answers)
        unit = [Reading(example.question, text, (place[0] + shift, place[1] + shift), True, accepted)]
        if rng.random() < self._rates.near_misses:
            pools = [self._swaps[example.source, example.title], self._swaps[example.source, ""]]
            if changed := near_miss(example.question, text, pools, rng):
                unit.append(Reading(changed, text, unit[0].place, False))
        if rng.random() < self._rates.negatives:
            room = max(len(text), _ROOM)
            unit += [
                Reading(example.question, (self._headed(example, "", rng) + other)[:room], None, False)
                for other in self._negatives(example, rng)
            ]
        return tuple(unit)

    def _negatives(self, example: Example, rng: Random) -> list[str]:
        found = self._hard_negatives(example)
        return rng.sample(found, min(len(found), rng.randint(1, self._rates.max_negatives)))

    def _hard_negatives(self, example: Example) -> list[str]:
        """Return the texts that are given with the question, and those similar to it, each once."""
        given = [other.context for other in self._given.get(normalise(example.question), ())]
        return list(dict.fromkeys(given + self._similar.get(example.source, {}).get(example.id, [])))

    def _distractor(self, example: Example, rng: Random) -> tuple[str, str]:
        """Return what to put before a text and after it: one is "", both where there is nothing to put.

        It is the sentence of a hard negative that shares most words with the question, holds no accepted answer and is
        not longer than `_SENTENCE`.
        """
        question = normalise(example.question)
        texts, asked, accepted = self._hard_negatives(example), set(question.split()), self._accepted[question]
        text = rng.choice(texts) if texts else ""
        found = [text[start:end].strip() for start, end in sentences(text, 0, len(text))]
        fit = [sentence for sentence in found if len(sentence) <= _SENTENCE and not _holds(sentence, accepted)]
        best = max(fit, key=lambda one: len(asked & set(normalise(one).split())), default="")
        if not best:
            return "", ""
        return (f"{best} ", "") if rng.random() < 0.5 else ("", f" {best}")

    def _around(self, example: Example, place: tuple[int, int], rng: Random) -> tuple[str, int]:
        """Return the text to read and how far the context is shifted in it.

        It is an excerpt of a long context; around a short one are others of its set.
        """
        context = example.context
        if len(context) > _LONG:
            # An answer may stand anywhere in what is read: were it always in the middle, the middle would be learnt.
            first = max(0, place[0] - rng.randint(0, _LONG))
            first = context.find(" ", first, place[0]) + 1 if first else 0  # 0 too where no word ends before the answer
            return context[first : max(place[1], first + _LONG)], -first
        if len(context) >= _SHORT:
            return context, 0
        others = rng.sample(self._contexts[example.source], min(6, len(self._contexts[example.source])))
        others = [o for o in others if len(o) < _SHORT and o != context and not _holds(o, example.answers)]
        others = others[: rng.randint(0, 6)]
        cut = rng.randint(0, len(others))
        before = "".join(f"{other} " for other in others[:cut])
        return before + context + "".join(f" {other}" for other in others[cut:]), len(before)

    def _headed(self, example: Example, title: str, rng: Random) -> str:
        if rng.random() >= self._rates.headers:
            return ""
        return make_header(_readable(title) or self._headline(example, rng), rng).text

    def _headline(self, example: Example, rng: Random) -> str:
        words = rng.choice(self._contexts.get(example.source) or [example.context]).split()
        return " ".join(words[: rng.randint(3, 9)]).strip(" .,;:")

    def _meta(self, example: Example, rng: Random) -> Unit:
        """Return a question that the lines above the passage answer, or one whose line is missing."""
        field = rng.choice([*QUESTIONS, "author", "date"])
        title = _readable(example.title) or self._headline(example, rng)
        asked = meta_question(field, title, rng)
        without = field if rng.random() < 0.35 else ""
        header = make_header(title, rng, without)
        if field in header.facts:
            place = header.facts[field]
            accepted = (header.text[place[0] : place[1]],)
            return (Reading(asked, header.text + example.context[:_LONG], place, True, accepted),)
        return (Reading(asked, header.text + example.context[:_LONG], None, False),)


def _grouped(examples: Iterable[Example], key: Callable[[Example], Key]) -> dict[Key, list[Example]]:
    groups: dict[Key, list[Example]] = defaultdict(list)
    for example in examples:
        groups[key(example)].append(example)
    return groups


def _swaps(examples: Sequence[Example]) -> Swaps:
    return Swaps((e.question for e in examples), sorted({e.context for e in examples}))


def _holds(text: str, answers: Sequence[Answer]) -> bool:
    # Stricter than `holds_answer`: the text goes beside the target, where a copy of the answer would count as wrong.
    return any(answer.text.lower() in text.lower() for answer in answers)


def _readable(title: str) -> str:
    return title.replace("_", " ").strip()
