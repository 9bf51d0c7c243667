import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import StoreError, UsageError
from rag.calibrate import Calibration, CurvePoint, Fingerprint, Sample, best_threshold, fit, risk_curve

MADE_WITH = Fingerprint("e", "r", "fp32/fp32", 10, "convex")


def test_without_a_fit_a_margin_of_0_is_even_odds():
    assert Calibration().probability(0) == 0.5
    assert Calibration().probability(math.log(3)) == pytest.approx(3 / (3 + 1))


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_a_higher_score_is_never_less_likely_right(one, other):
    low, high = sorted((one, other))
    assert 0 <= Calibration().probability(low) <= Calibration().probability(high) <= 1


def samples(*groups):
    """Each group: score, whether right (F1 1) or of a question that has no answer, how many."""
    return [Sample(score, right, 1.0 if right else None) for score, right, count in groups for _ in range(count)]


def threshold_of(given):
    """The best threshold where the score itself is the confidence."""
    return best_threshold(given, [sample.score for sample in given])


def test_the_fit_gives_each_score_the_share_of_right_answers_it_had():
    # Two scores and two parameters: the maximum likelihood is exact at both.
    fitted = fit(samples((1.0, True, 3), (1.0, False, 1), (-1.0, True, 1), (-1.0, False, 4)), MADE_WITH, "gold")
    assert fitted.probability(1.0) == pytest.approx(3 / 4, abs=1e-4)
    assert fitted.probability(-1.0) == pytest.approx(1 / 5, abs=1e-4)


def test_the_threshold_is_where_answering_stops_to_pay():
    # 8 answerable, 6 not; a right answer gains 0.75 / 8, one too many loses 0.25 / 6. From the top:
    # 3 gains; then 2 gains and 1 loss; then 3 gains and 4 losses, 3 * 0.75 / 8 > 4 * 0.25 / 6; then a loss.
    kept = [(3.0, True, 3), (2.0, True, 2), (2.0, False, 1), (1.0, True, 3), (1.0, False, 4)]
    assert threshold_of(samples(*kept, (0.0, False, 1))) == 1.0


def test_where_the_last_right_answers_cost_more_than_they_gain_they_are_withheld():
    # One right answer of ten gains 0.75 / 10; the nine of ten unanswerable ones before it lose 9 * 0.25 / 10.
    assert threshold_of(samples((5.0, True, 9), (4.0, False, 9), (3.0, True, 1), (2.0, False, 1))) == 5.0


def test_a_gold_set_without_unanswerable_questions_withholds_nothing_that_is_right():
    assert threshold_of([Sample(3.0, True, 1.0), Sample(2.0, False, 0.0), Sample(1.0, True, 0.6)]) == 1.0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.9, 0.7, 0.4, 0.1]), st.sampled_from([None, 0.0, 0.4, 0.6, 1.0])),
        min_size=1,
        max_size=12,
    )
)
def test_the_threshold_is_the_best_of_all_that_could_be_set_whatever_ties(drawn):
    given = [Sample(score, f1 is not None and f1 >= 0.5, f1) for score, f1 in sorted(drawn, key=lambda one: -one[0])]
    answerable, unanswerable = sum(one.f1 is not None for one in given), sum(one.f1 is None for one in given)

    def worth(threshold):
        answered = [one for one in given if one.score >= threshold]
        gained = sum(one.f1 for one in answered if one.f1 is not None) * 0.75 / max(1, answerable)
        return gained - sum(one.f1 is None for one in answered) * 0.25 / max(1, unanswerable)

    # To withhold everything is not among them: of what is asked something is to be answered.
    assert worth(threshold_of(given)) == pytest.approx(max(worth(one.score) for one in given))


def test_scores_that_do_not_tell_right_from_wrong_are_not_calibrated():
    upside_down = [*samples(*((float(number), number < 6, 1) for number in range(12)))]
    with pytest.raises(UsageError, match=r"12 answers .* no oftener right; calibrate with more questions"):
        fit(upside_down, MADE_WITH, "gold")


SPREAD = [Sample(number / 7, number % 5 > 1, 1.0 if number % 5 > 1 else None) for number in range(60)]


def test_a_point_of_the_curve_counts_the_answers_that_are_given_at_its_confidence_as_it_is_reported():
    fitted = fit(SPREAD, MADE_WITH, "gold")
    reported = [round(fitted.probability(sample.score), 4) for sample in SPREAD]
    assert len(fitted.curve) > 50
    for point in fitted.curve:
        assert sum(confidence >= point.confidence for confidence in reported) == point.answers


@pytest.mark.parametrize("begin", range(0, 30, 5))
def test_the_threshold_is_the_confidence_of_the_last_answer_that_it_gives_as_it_is_reported(begin):
    kept = SPREAD[begin:]
    fitted = fit(kept, MADE_WITH, "gold")
    last = threshold_of(sorted(kept, key=lambda sample: -sample.score))
    assert fitted.threshold == round(fitted.probability(last), 4)


@pytest.mark.parametrize("right", [True, False])
def test_a_gold_set_with_one_outcome_alone_is_refused(right):
    with pytest.raises(UsageError, match="all right or all wrong"):
        fit(samples((1.0, right, 5)), MADE_WITH, "gold")


def test_nothing_to_fit_is_refused():
    with pytest.raises(UsageError, match="all right or all wrong"):
        fit([], MADE_WITH, "gold")


def test_risk_is_the_share_wrong_among_the_answers_given_and_ties_count_together():
    assert risk_curve([0.9, 0.8, 0.8, 0.1], [True, False, True, False]) == (
        CurvePoint(0.9, 1, 0 / 1),
        CurvePoint(0.8, 3, 1 / 3),
        CurvePoint(0.1, 4, 2 / 4),
    )


def test_a_risk_is_kept_by_the_lowest_confidence_that_kept_it():
    calibration = Calibration(curve=(CurvePoint(0.9, 60, 0.0), CurvePoint(0.7, 100, 0.04), CurvePoint(0.5, 200, 0.2)))
    assert calibration.at_risk(0.05) == 0.7


def test_a_curve_of_more_decimals_than_are_reported_withholds_no_answer_of_its_own():
    calibration = Calibration(curve=(CurvePoint(0.73456, 60, 0.0), CurvePoint(0.73454, 100, 0.1)))
    assert (calibration.at_risk(0.05), calibration.at_risk(0.1)) == (0.7346, 0.7345)


def test_a_risk_that_too_few_questions_could_show_is_refused():
    calibration = Calibration(questions=59, curve=(CurvePoint(0.9, 59, 0.0),))
    with pytest.raises(UsageError, match="59 questions"):
        calibration.at_risk(0.05)  # 3 / 0.05 = 60 are needed


def test_a_risk_smaller_than_any_that_was_seen_is_refused_with_the_smallest():
    calibration = Calibration(questions=100, curve=(CurvePoint(0.9, 80, 0.1), CurvePoint(0.5, 100, 0.3)))
    with pytest.raises(UsageError, match=r"smallest risk seen .* was 0\.100"):
        calibration.at_risk(0.05)
    rounded = Calibration(questions=100, curve=(CurvePoint(0.9, 81, 13 / 81),))  # 0.16049...
    with pytest.raises(UsageError, match=r"was 0\.161; ask for that or more"):
        rounded.at_risk(0.16)
    assert rounded.at_risk(0.161) == 0.9


def test_what_is_saved_is_what_is_loaded(tmp_path):
    fitted = fit(samples((1.0, True, 3), (0.0, False, 2), (0.5, True, 1)), MADE_WITH, "gold")
    fitted.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == fitted


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", "5", "[" * 100_000, '{"format": 2}', '{"format": 1, "slope": 1}']
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(StoreError, match=r"c\.json: not a calibration"):
        Calibration.load(tmp_path / "c.json")


@pytest.mark.parametrize("value", ["x", None, math.nan, math.inf])
@pytest.mark.parametrize("name", ["slope", "intercept", "threshold"])
def test_what_is_no_finite_number_is_damage(tmp_path, name, value):
    Calibration(fingerprint=MADE_WITH).save(tmp_path / "c.json")
    (tmp_path / "c.json").write_text(json.dumps(json.loads((tmp_path / "c.json").read_text()) | {name: value}))
    with pytest.raises(StoreError, match="no finite numbers"):
        Calibration.load(tmp_path / "c.json")


def test_a_file_of_another_format_is_refused(tmp_path):
    Calibration(fingerprint=MADE_WITH).save(tmp_path / "c.json")
    changed = json.loads((tmp_path / "c.json").read_text()) | {"format": 99}
    (tmp_path / "c.json").write_text(json.dumps(changed))
    with pytest.raises(StoreError, match="another format"):
        Calibration.load(tmp_path / "c.json")
