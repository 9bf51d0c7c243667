"""The language of a text, told from its letters: the only import of `py3langid`."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from index.types import Mark

_SAMPLE = 4_000  # characters that are looked at
_LEAST = 40  # letters: fewer prove nothing
_SURE = 0.9  # probability; what is less sure is not said
# Forms of one written language, between which the model divides its vote.
_WRITTEN_AS = {"wuu": "zh", "yue": "zh", "nb": "no", "nn": "no"}


def language_of(text: str, marks: Sequence[Mark] = ()) -> str | None:
    """Return the ISO 639 code of the language that a text is written in, None where that is not clear.

    Looks at the beginning of what is not marked: boilerplate need not be in the article's language.
    """
    sample = _unmarked(text, marks)
    if sum(map(str.isalpha, sample)) < _LEAST:
        return None
    try:
        ranking = _identifier().rank(sample)
    except OSError:  # the model is unpacked into a temporary file, for which there may be no room
        return None
    shares: Counter[str] = Counter()
    for code, probability in ranking:
        shares[_WRITTEN_AS.get(code, code)] += probability
    [(language, share)] = shares.most_common(1)
    return language if share >= _SURE else None


def _unmarked(text: str, marks: Sequence[Mark]) -> str:
    parts: list[str] = []
    length, start = 0, 0
    for first, last in [*((mark.start, mark.end) for mark in marks), (len(text), len(text))]:
        part = text[start : min(first, start + _SAMPLE - length)]
        parts.append(part)
        length, start = length + len(part), last
        if length >= _SAMPLE:
            break
    return " ".join(parts)


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
