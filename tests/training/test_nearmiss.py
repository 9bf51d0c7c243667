from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.nearmiss import Swaps, names, near_miss

PARAGRAPH = "In 1910 Marie Curie wrote a treatise in Paris. It won the first of 2 prizes."
OTHERS = [
    "It was said in Vienna in 1911.",
    "They say that Niels Bohr wrote in Berlin.",
    "Later came the Nobel Institute.",
]
QUESTIONS = [
    "What did Marie Curie write in Paris?",
    "In 1910, who wrote a treatise?",
    "Who won the first of 2 prizes?",
    "Where did Marie Curie write the treatise?",
    "How many of the 2 prizes were first won in Paris?",
]


def misses(question, paragraph=PARAGRAPH):
    pools = [Swaps([question], [paragraph, *OTHERS])]
    found = {near_miss(question, paragraph, pools, Random(seed)) for seed in range(60)}
    return found - {None}


def test_capitalised_runs_inside_a_sentence_are_names():
    assert names("Who met Bank of England men? The Queen did, in Bath.") == [(8, "Bank of England"), (47, "Bath")]


def test_a_name_gives_way_to_one_of_its_kind_from_elsewhere():
    assert "What did Niels Bohr write in Paris?" in misses("What did Marie Curie write in Paris?")
    assert {"What did Marie Curie write in Vienna?", "What did Marie Curie write in Berlin?"} <= misses(QUESTIONS[0])


def test_a_name_that_the_paragraph_does_not_hold_stays():
    # "She" may well be the one asked about, so another name would not tell the question from the answerable one.
    assert not any("Bohr" in miss for miss in misses("What did Marie Curie write?", "She wrote a treatise."))


def test_a_year_gives_way_to_another_year():
    changed = [miss for miss in misses("In 1910, who wrote a treatise?") if "1910" not in miss]
    assert changed
    assert all(miss[3:7].isdigit() for miss in changed)


def test_a_word_gives_way_to_its_opposite_unless_the_paragraph_has_both():
    assert "Who won the last of 2 prizes?" in misses("Who won the first of 2 prizes?")
    both = PARAGRAPH + " The last was lost."
    assert not any("last" in miss for miss in misses("Who won the first of 2 prizes?", both))


def test_a_negation_is_made_unless_the_paragraph_has_one():
    assert "Where didn't Marie Curie write the treatise?" in misses("Where did Marie Curie write the treatise?")
    denied = PARAGRAPH + " She did not write it in Vienna."
    assert not any("n't" in miss for miss in misses("Where did Marie Curie write the treatise?", denied))


def test_a_word_gives_way_to_one_of_its_ending_that_other_questions_have_in_its_place():
    pools = [Swaps(["Who wrote a treatise?", "Who wrote a exercise?"], [PARAGRAPH])]
    found = {near_miss("Who wrote a treatise?", PARAGRAPH, pools, Random(seed)) for seed in range(60)}
    assert found == {"Who wrote an exercise?"}


def test_a_question_with_nothing_to_change_has_no_near_miss():
    assert misses("Tell me of the treatise") == set()


def test_the_article_fits_the_word_that_was_put_in():
    assert "Who built an ancient house?" in misses("Who built a modern house?", "He built a modern house in 1900.")


@given(question=st.sampled_from(QUESTIONS), seed=st.integers(0, 10_000))
def test_what_is_put_in_is_nowhere_in_the_paragraph(question, seed):
    miss = near_miss(question, PARAGRAPH, [Swaps(QUESTIONS, [PARAGRAPH, *OTHERS])], Random(seed))
    assert miss != question
    for word in set((miss or "").strip("?").split()) - set(question.strip("?").split()):
        assert word.strip(",").lower() not in PARAGRAPH.lower().replace(".", "").split()


@given(question=st.text(max_size=60), paragraph=st.text(max_size=120), seed=st.integers(0, 99))
def test_any_text_is_taken(question, paragraph, seed):
    assert near_miss(question, paragraph, [Swaps([question], [paragraph])], Random(seed)) != ""


def test_the_same_seed_gives_the_same_near_miss():
    pools = [Swaps(QUESTIONS, OTHERS)]
    assert near_miss(QUESTIONS[0], PARAGRAPH, pools, Random(3)) == near_miss(QUESTIONS[0], PARAGRAPH, pools, Random(3))


@pytest.mark.parametrize("number", ["20", "1,500", "2.5"])
def test_a_number_keeps_its_form(number):
    changed = misses(f"Who has {number} ships?", f"They have {number} ships.")
    assert changed
    assert all(("," in c, "." in c) >= ("," in number, "." in number) or "," in number for c in changed)
