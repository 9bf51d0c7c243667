"""Hard negatives: for a question, the paragraphs that share most of its rare words and lack its answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from rag.normalise import normalise
from training.data import Answer, Example

_BLOCK = 1_000  # questions compared at a time: bounds the memory


Accepted = Mapping[str, Sequence[Answer]]  # by normalised question


def answers_by_question(examples: Sequence[Example]) -> Accepted:
    """Return what answers each question, whichever context it is asked of."""
    accepted: dict[str, list[Answer]] = defaultdict(list)
    for example in examples:
        accepted[normalise(example.question)] += example.answers
    return accepted


def hard_negatives(examples: Sequence[Example], count: int, accepted: Accepted) -> list[list[str]]:
    """Return for each example at most `count` other contexts of `examples`, most similar first.

    Similarity is the cosine of TF-IDF vectors of question and context (English stop words left out, sublinear tf).
    A context that holds an accepted answer (see `holds_answer`) is not among them; nor is one that shares nothing.
    """
    contexts = sorted({example.context for example in examples})
    if len(contexts) < 2:
        return [[] for _ in examples]
    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True, token_pattern=r"\w+", dtype=np.float32)
    paragraphs = vectorizer.fit_transform(contexts).T.tocsc()
    plain = [in_words(context) for context in contexts]
    found: list[list[str]] = []
    for first in range(0, len(examples), _BLOCK):
        block = examples[first : first + _BLOCK]
        scores = (vectorizer.transform([example.question for example in block]) @ paragraphs).toarray()
        for example, row in zip(block, scores, strict=True):
            best = np.argsort(-row, kind="stable")[: 4 * count + 4]
            other = [i for i in best if row[i] > 0 and contexts[i] != example.context]
            answers = [answer.text for answer in accepted[normalise(example.question)]]
            taken = [contexts[i] for i in other if not holds_answer(answers, contexts[i], plain[i])]
            found.append(taken[:count])
    return found


def in_words(text: str) -> str:
    """Return a text normalised, with a space at either end: whole words can be looked for in it."""
    return f" {normalise(text)} "


def holds_answer(answers: Iterable[str], text: str, words: str) -> bool:
    """Tell whether a text holds one of the answers, as it stands or in whole words; `words` is the text `in_words`."""
    return any(in_words(answer) in words or answer in text for answer in answers)
