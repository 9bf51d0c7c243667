import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.read import Span
from training.data import Answer, Example
from training.measure import best_threshold, measure, table


class FirstWord:
    """Answers every question with the context's first word, its margin the number after it."""

    def read(self, pairs):
        spans = []
        for _, (piece,) in pairs:
            word, margin = piece.text.split()
            spans.append(Span(0, 0, len(word), word, float(margin)))
        return spans


def example(context, *answers):
    return Example("1", "s", "t", context, "q?", tuple(Answer(answer, 0) for answer in answers))


def test_answerable_and_unanswerable_questions_are_measured_apart_and_together():
    examples = [example("Oslo 5", "Oslo"), example("Lima -1", "Lima"), example("Rome 2", "Bern"), example("Bonn 3")]
    found = measure(FirstWord(), "set", examples)
    assert (found.exact["value"], found.exact["n"]) == (2 / 3, 3)
    assert found.answered["value"] == 2 / 3
    assert (found.misled["value"], found.misled["n"]) == (1.0, 1)
    # Answering Oslo alone: right there, right to be silent on Bonn, wrong to be silent on Lima and Rome.
    assert (found.threshold, found.overall_f1["value"]) == (3.0, 2 / 4)


def test_what_a_set_has_no_question_for_is_absent():
    found = measure(FirstWord(), "set", [example("Oslo 5", "Oslo")])
    assert (found.misled, found.overall_f1, found.threshold) == (None, None, None)
    assert "| set | 1 | 100.0 (100.0-100.0)" in table([found])


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=12)
)
def test_no_threshold_is_better_than_the_best(rows):
    margins = np.array([row[0] for row in rows], float)
    has = np.array([row[1] for row in rows])
    scores = np.where(has, [row[2] for row in rows], 0.0)

    def total(threshold):
        return np.where(margins > threshold, scores, ~has).sum()

    every = [total(threshold) for threshold in (-np.inf, *margins)]
    assert total(best_threshold(margins, scores, has)) == pytest.approx(max(every))
