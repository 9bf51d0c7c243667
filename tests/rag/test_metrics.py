"""The measures, against sums done by hand and against slow references written apart from the code."""

import math
import re
import string
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import metrics

WORDS = st.lists(st.sampled_from(["the", "Nile", "nile,", "river", "a", "-", "of"]), max_size=6).map(" ".join)
PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40)
RANKINGS = st.permutations(list("abcdefgh")).flatmap(lambda items: st.integers(0, 8).map(lambda n: items[:n]))
RELEVANT = st.sets(st.sampled_from("abcdefghij"), min_size=1)


def squad_tokens(text):
    text = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def squad_f1(prediction, truth):
    """compute_f1 of the SQuAD v2.0 script."""
    gold, predicted = squad_tokens(truth), squad_tokens(prediction)
    same = sum((Counter(gold) & Counter(predicted)).values())
    if len(gold) == 0 or len(predicted) == 0:
        return int(gold == predicted)
    if same == 0:
        return 0
    precision, recall = 1.0 * same / len(predicted), 1.0 * same / len(gold)
    return (2 * precision * recall) / (precision + recall)


def test_f1_is_of_shared_tokens_counted_with_repetition():
    # "nile nile river" and "nile river delta": 2 shared of 3 and of 3
    assert metrics.f1("Nile, Nile river", ["the Nile river delta"]) == 2 * (2 / 3) * (2 / 3) / (2 / 3 + 2 / 3)
    assert metrics.f1("Nile", ["the Nile river"]) == pytest.approx(2 * 1 * (1 / 2) / (1 + 1 / 2))
    assert metrics.f1("Congo", ["Nile"]) == 0.0


def test_the_best_accepted_answer_counts():
    assert metrics.f1("Nile", ["Congo", "Nile"]) == 1.0
    assert metrics.exact_match("the nile!", ["Congo", "Nile"]) == 1.0
    assert metrics.exact_match("Nile river", ["Congo", "Nile"]) == 0.0


def test_where_either_has_no_tokens_f1_is_whether_both_have_none():
    assert metrics.f1("", ["the"]) == 1.0
    assert metrics.f1("", ["Nile"]) == 0.0
    assert metrics.f1("Nile", ["a"]) == 0.0


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_answers_are_scored_as_by_the_squad_script(prediction, accepted):
    assert metrics.f1(prediction, accepted) == pytest.approx(max(squad_f1(prediction, one) for one in accepted))
    assert metrics.exact_match(prediction, accepted) == max(
        float(squad_tokens(prediction) == squad_tokens(one)) for one in accepted
    )


@pytest.mark.parametrize("measure", [metrics.f1, metrics.exact_match])
def test_without_an_accepted_answer_there_is_no_score(measure):
    with pytest.raises(ValueError, match="no accepted answer"):
        measure("Nile", [])


def test_ranking_measures_are_the_sums_of_their_formulas():
    ranked, relevant = ["x", "a", "y", "b"], {"a", "b", "c"}
    assert metrics.reciprocal_rank(relevant, ranked, 10) == 1 / 2
    assert metrics.recall(relevant, ranked, 3) == 1 / 3
    assert metrics.recall(relevant, ranked, 10) == 2 / 3
    found = 1 / math.log2(2 + 1) + 1 / math.log2(4 + 1)
    ideal = 1 / math.log2(1 + 1) + 1 / math.log2(2 + 1) + 1 / math.log2(3 + 1)
    assert metrics.ndcg(relevant, ranked, 10) == pytest.approx(found / ideal)


def test_what_lies_beyond_k_does_not_count():
    assert metrics.reciprocal_rank({"b"}, ["a", "b"], 1) == 0.0
    assert metrics.recall({"b"}, ["a", "b"], 1) == 0.0
    assert metrics.ndcg({"a", "b"}, ["a", "b"], 1) == 1.0  # the ideal is cut at k too


def test_an_empty_ranking_finds_nothing():
    assert [m({"a"}, [], 5) for m in (metrics.reciprocal_rank, metrics.recall, metrics.ndcg)] == [0.0, 0.0, 0.0]


@given(RELEVANT, RANKINGS, st.integers(1, 12))
def test_ranking_measures_agree_with_a_plain_reference(relevant, ranked, k):
    gains = np.array([item in relevant for item in ranked] + [False] * 12, dtype=float)[:k]
    ideal = np.sort(np.array([True] * len(relevant) + [False] * 12, dtype=float))[::-1][:k]
    discount = np.log2(np.arange(len(gains)) + 2)
    assert metrics.ndcg(relevant, ranked, k) == pytest.approx((gains / discount).sum() / (ideal / discount).sum())
    assert metrics.recall(relevant, ranked, k) == pytest.approx(gains.sum() / len(relevant))
    first = 1 / (1 + int(np.argmax(gains))) if gains.any() else 0.0
    assert metrics.reciprocal_rank(relevant, ranked, k) == pytest.approx(first)


@pytest.mark.parametrize("measure", [metrics.reciprocal_rank, metrics.recall, metrics.ndcg])
def test_a_ranking_that_cannot_be_judged_is_refused(measure):
    with pytest.raises(ValueError, match="nothing is relevant"):
        measure(set(), ["a"], 5)
    with pytest.raises(ValueError, match="k >= 1"):
        measure({"a"}, ["a"], 0)
    with pytest.raises(ValueError, match="ranked twice"):
        measure({"a"}, ["a", "a"], 5)


def test_calibration_error_weighs_each_bin_by_its_share():
    # two bins: (0.9, 0.8; one of two right) and (0.2, 0.1; none right)
    gap = 2 / 4 * abs((0.9 + 0.8) / 2 - 1 / 2) + 2 / 4 * abs((0.2 + 0.1) / 2 - 0 / 2)
    assert metrics.ece([0.1, 0.9, 0.2, 0.8], [False, True, False, False], bins=2) == pytest.approx(gap)


def test_with_fewer_pairs_than_bins_each_pair_is_a_bin():
    assert metrics.ece([0.9, 0.2], [True, False]) == pytest.approx((abs(0.9 - 1) + abs(0.2 - 0)) / 2)


def test_risk_is_averaged_over_every_coverage():
    # most confident first: right, wrong, right
    assert metrics.aurc([0.5, 0.9, 0.7], [True, True, False]) == pytest.approx((0 / 1 + 1 / 2 + 1 / 3) / 3)


def test_equal_confidences_share_their_outcomes():
    assert metrics.aurc([0.5, 0.5], [True, False]) == pytest.approx((0.5 / 1 + 1 / 2) / 2)
    assert metrics.ece([0.5, 0.5], [True, False]) == pytest.approx(abs(0.5 - 0.5))


def plain_ranked(pairs):
    """(confidence, share right among its equals), highest first, in exact arithmetic."""
    ranked = []
    for confidence in sorted({c for c, _ in pairs}, reverse=True):
        outcomes = [right for c, right in pairs if c == confidence]
        ranked += [(Fraction(confidence), Fraction(sum(outcomes), len(outcomes)))] * len(outcomes)
    return ranked


@given(PAIRS, st.integers(1, 20))
def test_calibration_error_agrees_with_a_plain_loop(pairs, bins):
    ranked, n, used = plain_ranked(pairs), len(pairs), min(bins, len(pairs))
    total = Fraction(0)
    for number in range(used):
        part = ranked[number * n // used : (number + 1) * n // used]
        gap = sum(c for c, _ in part) / len(part) - sum(right for _, right in part) / len(part)
        total += Fraction(len(part), n) * abs(gap)
    assert metrics.ece(*zip(*pairs, strict=True), bins=bins) == pytest.approx(float(total), abs=1e-12)


@given(PAIRS)
def test_risk_coverage_agrees_with_a_plain_loop(pairs):
    wrong = [1 - right for _, right in plain_ranked(pairs)]
    area = sum(sum(wrong[:k]) / k for k in range(1, len(wrong) + 1)) / len(wrong)
    assert metrics.aurc(*zip(*pairs, strict=True)) == pytest.approx(float(area))


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_questions_changes_neither_measure(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    for measure in (metrics.ece, metrics.aurc):
        assert measure(*zip(*pairs, strict=True)) == measure(*zip(*shuffled, strict=True))


@pytest.mark.parametrize("measure", [metrics.ece, metrics.aurc])
def test_confidences_that_cannot_be_judged_are_refused(measure):
    with pytest.raises(ValueError, match="no confidence"):
        measure([], [])
    for bad in (float("nan"), -0.1, 1.1):
        with pytest.raises(ValueError, match=r"outside 0\.\.1"):
            measure([0.5, bad], [True, True])
    with pytest.raises(ValueError, match="shorter"):
        measure([0.5, 0.5], [True])


def test_an_estimate_has_its_value_its_number_and_an_interval_around_it():
    metric = metrics.estimate([1.0] * 30 + [0.0] * 70)
    assert (metric["value"], metric["n"]) == (30 / 100, 100)
    # the interval of a share: about 1.96 standard errors either way
    error = 1.96 * math.sqrt(0.3 * 0.7 / 100)
    assert metric["ci_low"] == pytest.approx(0.3 - error, abs=0.02)
    assert metric["ci_high"] == pytest.approx(0.3 + error, abs=0.02)


def test_one_question_gives_an_interval_of_no_width():
    assert metrics.estimate([0.25]) == {"value": 0.25, "n": 1, "ci_low": 0.25, "ci_high": 0.25}


def test_the_bootstrap_agrees_with_a_plain_loop_over_the_same_draws():
    rows = np.random.default_rng(7).random(20)
    drawn = np.random.default_rng(metrics.SEED).integers(0, 20, size=(metrics.RESAMPLES, 20))
    means = sorted(np.mean([rows[i] for i in draw]) for draw in drawn)
    low, high = metrics.bootstrap(rows, metrics.mean)
    assert means[49] <= low <= means[50]  # 2.5 % of 2,000 = 50 below
    assert means[1949] <= high <= means[1950]


@settings(max_examples=5, deadline=None)
@given(PAIRS)
def test_the_interval_of_a_resampled_measure_is_that_of_the_measure_itself(pairs):
    data = metrics.calibration_pairs(*zip(*pairs, strict=True))
    n = len(data)
    drawn = np.random.default_rng(metrics.SEED).integers(0, n, size=(metrics.RESAMPLES, n))
    areas = [metrics.aurc(data[d, 0].tolist(), data[d, 1].astype(bool).tolist()) for d in drawn]
    expected = np.percentile(areas, [2.5, 97.5])
    assert metrics.bootstrap(data, metrics.aurc_statistic) == pytest.approx(tuple(expected))


def test_the_same_rows_give_the_same_interval_also_where_they_are_drawn_in_blocks():
    rows = np.arange(5_000.0)  # 5,000 * 2,000 numbers: several blocks
    low, high = metrics.bootstrap(rows, metrics.mean)
    assert (low, high) == metrics.bootstrap(rows, metrics.mean)
    error = 1.96 * rows.std() / math.sqrt(5_000)
    assert (low, high) == pytest.approx((rows.mean() - error, rows.mean() + error), rel=0.01)


def test_percentiles_are_interpolated_between_neighbours():
    metric = metrics.estimate([10.0, 20.0, 30.0, 40.0], metrics.percentile(50))
    assert metric["value"] == (20 + 30) / 2


def test_nothing_has_no_estimate():
    with pytest.raises(ValueError, match="nothing to resample"):
        metrics.estimate([])
