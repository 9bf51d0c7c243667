import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.rankings import first_with_ties, merged, with_ties

SCORES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=40)  # (part, score)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 20))
def test_a_list_is_cut_where_scores_differ_and_never_between_equals(scores, reach):
    hits = [(number, float(score)) for number, score in enumerate(sorted(scores, reverse=True))]
    kept = with_ties(lambda k: hits[:k], reach)
    assert kept == [hit for hit in hits if len(hits) <= reach or hit[1] >= hits[reach - 1][1]]
    assert first_with_ties(hits, reach) == kept


@given(SCORES, st.integers(1, 20))
def test_parts_that_are_cut_with_their_ties_merge_into_the_list_that_the_whole_gives(rows, reach):
    hits = [(number, part, float(score)) for number, (part, score) in enumerate(rows)]
    hits.sort(key=lambda hit: (-hit[2], hit[0]))
    parts = [[(number, score) for number, part, score in hits if part == wanted] for wanted in range(7)]
    cut = [with_ties(lambda k, part=part: part[:k], reach) for part in parts]
    assert merged(cut, reach) == with_ties(lambda k: [(number, score) for number, _, score in hits][:k], reach)


@pytest.mark.parametrize("parts", [[], [[]], [[], []]])
def test_parts_without_hits_merge_into_no_hits(parts):
    assert merged(parts, 10) == []
