import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.retrieve import fuse, min_max

RANKINGS = st.dictionaries(st.integers(1, 20), st.integers(-500, 500).map(lambda n: n / 100), max_size=12).map(
    lambda scores: sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
)


def test_scores_are_scaled_to_0_and_1():
    assert min_max([(7, 3.0), (3, 2.0), (9, 1.0)]) == {7: 1.0, 3: (2.0 - 1.0) / (3.0 - 1.0), 9: 0.0}


def test_equal_scores_all_become_1_and_no_scores_stay_none():
    assert min_max([(7, 3.0), (3, 3.0)]) == {7: 1.0, 3: 1.0}
    assert min_max([]) == {}


def test_fusion_is_the_weighted_sum_of_both_sides():
    dense, lexical = [(1, 0.9), (2, 0.5), (3, 0.1)], [(2, 8.0), (4, 4.0)]
    assert fuse(dense, lexical, dense_weight=0.25) == {1: 0.25 * 1, 2: 0.25 * 0.5 + 0.75 * 1, 3: 0.25 * 0, 4: 0.75 * 0}


@pytest.mark.parametrize("weight", [0.25, 0.5])
def test_a_side_that_found_nothing_leaves_the_other_alone(weight):
    assert fuse([(1, 0.9), (2, 0.5)], [], weight) == {1: 1.0, 2: 0.0}
    assert fuse([], [(1, 9.0), (2, 5.0)], weight) == {1: 1.0, 2: 0.0}
    assert fuse([], []) == {}


@given(RANKINGS, RANKINGS)
def test_every_candidate_is_kept_and_scored_between_0_and_1(dense, lexical):
    fused = fuse(dense, lexical)
    assert fused.keys() == {p for p, _ in dense} | {p for p, _ in lexical}
    assert all(0 <= score <= 1 for score in fused.values())


@given(RANKINGS, st.floats(0.1, 10), st.floats(-3, 3))
def test_neither_the_unit_nor_the_origin_of_a_score_matters(ranking, unit, origin):
    moved = [(passage, score * unit + origin) for passage, score in ranking]
    assert fuse(ranking, []) == pytest.approx(fuse(moved, []), abs=1e-5)
