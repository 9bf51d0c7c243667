import pytest
from fakes import answerer_over, new_store, put
from hypothesis import given
from hypothesis import strategies as st

from index.types import Passage, StoredPassage
from rag.retrieve import COPIES, fuse, min_max, uncrowded

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


def ranked(*texts):
    """Passages with these texts, best first: one a document."""
    every = [StoredPassage(n, f"{n}.txt", Passage(f"d{n}", 0, len(text), text, "")) for n, text in enumerate(texts)]
    return [(stored, 1 - stored.passage_id / 100) for stored in every]


def order(ranking):
    return [stored.passage_id for stored, _ in ranking]


WIRE = "The minister said on Monday that the bridge across the river would be open to traffic before the winter came."


def test_of_passages_that_say_nearly_the_same_three_stand_among_the_first():
    texts = [WIRE, f"{WIRE} (Wire)", f"OSLO: {WIRE}", f"{WIRE} Continued.", "Winter came.", f"{WIRE} So.", "It is old."]
    assert order(uncrowded(ranked(*texts), 5)) == [0, 1, 2, 4, 6]
    assert order(uncrowded(ranked(*texts), 4)) == [0, 1, 2, 4]


def test_further_versions_follow_where_there_is_nothing_else():
    texts = [WIRE, f"{WIRE} 1", f"{WIRE} 2", f"{WIRE} 3", "Winter came.", f"{WIRE} 5"]
    assert order(uncrowded(ranked(*texts), 10)) == [0, 1, 2, 4, 3, 5]
    assert order(uncrowded(ranked(*[f"{WIRE} {n}" for n in range(9)]), 7)) == [0, 1, 2, 3, 4, 5, 6]
    assert uncrowded([], 3) == []


def test_exact_copies_stay_beside_what_they_copy_for_all_of_them_are_cited():
    assert order(uncrowded(ranked(WIRE, WIRE, WIRE, WIRE, "Winter came.", WIRE), 6)) == [0, 1, 2, 3, 4, 5]
    assert order(uncrowded(ranked("...", "...", "...", "...", "a b"), 5)) == [0, 1, 2, 3, 4]


def test_passages_without_words_or_with_few_are_the_same_only_if_they_are():
    assert order(uncrowded(ranked("a b", "a c", "a d", "a e", "a f"), 5)) == [0, 1, 2, 3, 4]
    assert order(uncrowded(ranked("...", "....", ".", "..", "a b"), 4)) == [0, 1, 2, 4]


@given(st.lists(st.sampled_from([WIRE, "Winter came.", "The bridge is old.", f"{WIRE} Again."]), max_size=14))
def test_a_shorter_list_is_the_beginning_of_a_longer_one_and_nothing_is_lost(texts):
    whole = uncrowded(ranked(*texts), 20)
    assert sorted(order(whole)) == list(range(len(texts)))
    assert all(uncrowded(ranked(*texts), depth) == whole[:depth] for depth in range(1, 15))


def test_a_story_that_every_paper_prints_leaves_room_for_others(tmp_path):
    store = new_store(tmp_path / "store")
    for n in range(12):
        path = tmp_path / f"paper{n:02}.txt"
        path.write_text(f"{WIRE} Paper {n}.")
        put(store, path, path.name)
    for name in ("bridge", "river", "winter"):
        path = tmp_path / f"{name}.txt"
        path.write_text(f"Of the {name} others have written at length in other years.")
        put(store, path, path.name)
    with store:
        found = answerer_over(store).search("When will the bridge across the river be open, before winter?", 6).passages
    sources = [passage.source for passage in found]
    assert sum(source.startswith("paper") for source in sources) == COPIES
    assert {"bridge.txt", "river.txt", "winter.txt"} <= set(sources)
