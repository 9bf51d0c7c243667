"""Two runs of an evaluation, paired by question."""

import json
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_rows import report, row, unanswerable, withheld, wrong

from index.errors import UsageError
from rag.compare import (
    Baseline,
    check_drops,
    compare,
    load_baseline,
    refuse_different,
    refuse_disjoint,
    verdict,
)
from rag.metrics import aurc_statistic
from rag.paired import compare_pairs


def against(before, now, allow_different=False):
    return compare(now, Baseline("before.json", before), allow_different)


def scores(before, now):
    """Rows of one number a question, None for a run that has none."""
    return [[[nan if x is None else x], [nan if y is None else y]] for x, y in zip(before, now, strict=True)]


def test_a_difference_is_the_runs_mean_minus_the_baselines():
    compared = compare_pairs(scores([0, 1, 0, 1], [1, 1, 1, 1]))
    assert (compared["baseline"], compared["value"], compared["difference"]) == (2 / 4, 4 / 4, 2 / 4)
    assert compared["n"] == 4


def test_the_p_value_is_the_share_of_all_swaps_with_a_difference_as_large():
    # Three pairs differ, all the same way: of 2 ** 3 swaps, all-kept and all-swapped give a difference as large.
    assert compare_pairs(scores([0, 0, 0, 1], [1, 1, 1, 1]))["p_value"] == 2 / 2**3
    # Two up, one down: every swap gives |difference| of 1 or 3, and the one seen is 1.
    assert compare_pairs(scores([0, 0, 1, 1], [1, 1, 0, 1]))["p_value"] == 1


def test_more_pairs_than_can_all_be_swapped_are_swapped_at_random_and_p_is_never_0():
    p_value = compare_pairs(scores([0] * 40, [1] * 40))["p_value"]
    assert p_value == 1 / (2000 + 1)  # 40 coins alike once in 2 ** 39 draws: none of 2,000, and the one seen


def test_random_swaps_agree_with_all_of_them():
    rows = scores([0.0] * 9 + [0.5] * 2, [0.25] * 6 + [-0.5] * 3 + [1.0] * 2)  # 11 differ: drawn
    changes = np.array([now[0] - before[0] for before, now in rows])
    signs = 1 - 2 * ((np.arange(2**11)[:, None] >> np.arange(11)) & 1)
    exact = np.mean(np.abs(signs @ changes) >= abs(changes.sum()) - 1e-12)
    assert compare_pairs(rows)["p_value"] == pytest.approx(exact, abs=0.04)


def test_a_value_that_one_run_lacks_counts_for_the_other_alone():
    compared = compare_pairs(scores([1, None, 0], [1, 1, None]))
    assert compared["baseline"] == (1 + 0) / 2
    assert compared["value"] == (1 + 1) / 2


def test_an_interval_that_too_few_values_allow_is_none_and_the_p_value_is_careful():
    compared = compare_pairs(scores([1, None], [None, 0]))
    assert compared["difference"] == 0 - 1
    assert (compared["ci_low"], compared["ci_high"], compared["p_value"]) == (None, None, 1)


def test_a_statistic_of_confidence_is_compared_with_the_outcome_that_goes_with_it():
    before, now = [(0.9, 1), (0.1, 0)], [(0.1, 1), (0.9, 0)]
    compared = compare_pairs(list(zip(before, now, strict=True)), aurc_statistic)
    assert compared["baseline"] == (0 + 1 / 2) / 2
    assert compared["value"] == (1 + 1 / 2) / 2


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 2), min_size=1, max_size=15))
def test_swapping_the_runs_turns_the_difference_and_keeps_p(pairs):
    before, now = zip(*pairs, strict=True)
    there, back = compare_pairs(scores(before, now)), compare_pairs(scores(now, before))
    assert there["difference"] == -back["difference"]
    assert there["ci_low"] == pytest.approx(-back["ci_high"])
    assert 0 < there["p_value"] == back["p_value"] <= 1


def test_a_run_does_not_differ_from_itself():
    same = report(row("a"), wrong("b"), withheld("c"), unanswerable("d"), latency_ms_p50=9.0)
    slower = report(*same["questions"], latency_ms_p50=12.0)
    compared = against(same, slower)
    assert compared["same"] is True
    assert compared["won"] == compared["lost"] == compared["changed"] == compared["settings"] == []
    f1 = compared["metrics"]["f1"]
    assert (f1["difference"], f1["ci_low"], f1["ci_high"], f1["p_value"]) == (0, 0, 0, 1)


def test_what_was_won_lost_and_changed_names_both_answers_and_stages():
    before = report(wrong("w"), row("l"), row("c"), row("same"))
    now = report(row("w"), withheld("l"), row("c", prediction="the Nile"), row("same"))
    compared = against(before, now)
    assert compared["same"] is False
    assert [one["id"] for kind in ("won", "lost", "changed") for one in compared[kind]] == ["w", "l", "c"]
    assert compared["lost"] == [
        {
            "id": "l",
            "question": "Question l?",
            "baseline": {"prediction": "Nile", "stage": "ok"},
            "run": {"prediction": None, "stage": "withheld"},
        }
    ]


def test_the_order_of_the_questions_does_not_matter():
    rows = [row("a"), wrong("b"), unanswerable("c", answered=True)]
    assert against(report(*rows), report(*reversed(rows)))["same"] is True


def test_measures_that_rows_carry_are_paired_and_others_compared_by_value_alone():
    before = report(row("a", measures={"mrr@10": 1.0}), row("b", measures={"mrr@10": 0.5}), **{"mrr@10": 0.75})
    now = report(row("a", measures={"mrr@10": 1.0}), row("b", measures={"mrr@10": 1.0}), **{"mrr@10": 1.0})
    assert against(before, now)["metrics"]["mrr@10"]["p_value"] == 2 / 2**1
    by_value = against(report(row("a"), latency_ms_p50=5.0), report(row("a"), latency_ms_p50=7.0))
    assert by_value["metrics"]["latency_ms_p50"] == {
        "baseline": 5.0,
        "value": 7.0,
        "difference": 2.0,
        "n": 1,
        "ci_low": None,
        "ci_high": None,
        "p_value": None,
    }


def test_a_question_with_evidence_alone_has_no_f1_to_compare():
    rows = [row("a"), row("b", None)]
    assert against(report(*rows), report(*rows))["metrics"]["f1"]["n"] == 1


def test_what_the_runs_were_made_with_is_set_side_by_side():
    compared = against(report(row("a"), settings={"top_k": 10}), report(row("a"), settings={"top_k": 5, "fusion": "x"}))
    assert compared["settings"] == [
        {"name": "settings.top_k", "baseline": 10, "run": 5},
        {"name": "settings.fusion", "baseline": None, "run": "x"},
    ]


def test_reports_of_another_gold_set_or_corpus_are_refused_unless_allowed():
    before = report(row("a"), gold="h", corpus="d")
    with pytest.raises(UsageError, match=r"before\.json: is of another gold set and corpus; .* --allow-different"):
        against(before, report(row("a")))
    with pytest.raises(UsageError, match="another corpus;"):
        refuse_different({"gold": "h", "corpus": "c"}, Baseline("before.json", before))
    assert against(before, report(row("a")), allow_different=True)["paired"] == 1


def test_of_different_gold_sets_only_the_common_questions_count():
    before = report(wrong("a"), row("b"), row("old"), gold="h", latency_ms_p50=5.0)
    reworded = {**wrong("b"), "question": "Something else?"}
    compared = against(before, report(row("a"), reworded, latency_ms_p50=5.0), allow_different=True)
    assert (compared["paired"], compared["only_baseline"], compared["only_run"]) == (1, 2, 1)
    assert (compared["metrics"]["f1"]["baseline"], compared["metrics"]["f1"]["value"]) == (0, 1)
    assert "latency_ms_p50" not in compared["metrics"]  # it is of other questions, too


def test_a_baseline_without_a_common_question_is_refused():
    with pytest.raises(UsageError, match="no question in common"):
        refuse_disjoint([("a", "Another?")], Baseline("before.json", report(row("a"))))


@pytest.mark.parametrize(
    ("before", "now", "limit", "kept"),
    [(0.80, 0.75, 0.05, True), (0.80, 0.75, 0.04, False), (0.75, 0.80, 0.0, True), (0.8, 0.8, 0.0, True)],
)
def test_a_drop_up_to_its_limit_is_kept(before, now, limit, kept):
    compared = against(report(row("a"), x=before), report(row("a"), x=now))
    assert (check_drops(compared, {"x": limit}) == []) is kept


@pytest.mark.parametrize("name", ["ece", "aurc", "latency_ms_p95"])
def test_where_lower_is_better_a_drop_is_a_rise(name):
    difference = {"baseline": 0.1, "value": 0.3, "difference": 0.2, "n": 9, "ci_low": 0.1, "ci_high": 0.3, "p_value": 0}
    assert verdict(name, difference) == "worse"
    assert check_drops({"metrics": {name: difference}}, {name: 0.1}) == [
        f"{name} went from 0.1000 to 0.3000, its largest drop is 0.1"
    ]
    better = {**difference, "difference": -0.2, "ci_low": -0.3, "ci_high": -0.1}
    assert verdict(name, better) == "better"
    assert check_drops({"metrics": {name: better}}, {name: 0.1}) == []


def test_a_metric_that_either_run_lacks_keeps_no_limit():
    for before, now in (({"x": 1.0}, {}), ({}, {"x": 1.0}), ({}, {})):
        compared = against(report(row("a"), **before), report(row("a"), **now))
        assert "x was not measured in both runs" in check_drops(compared, {"x": 1.0})[0]


@pytest.mark.parametrize(
    ("p_value", "low", "said"),
    [(0.01, 0.1, "better"), (0.05, 0.1, ""), (0.01, 0.0, ""), (None, 0.1, ""), (1, None, "")],
)
def test_a_verdict_needs_the_interval_and_the_test(p_value, low, said):
    high = None if low is None else 0.3
    assert verdict("f1", {"difference": 0.2, "ci_low": low, "ci_high": high, "p_value": p_value}) == said


def broken(**changes):
    return {**report(row("a")), **changes}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        (b"[" * 100_000, "recursion"),
        (b"[]", "other types"),
        (b"{}", "'run' is missing"),
        (json.dumps(broken(questions=[])).encode(), "list of questions"),
        (json.dumps(broken(questions=[row("a"), row("a")])).encode(), "list of questions"),
        (json.dumps(broken(questions=[{**row("a"), "confidence": 7}])).encode(), "'a' is malformed"),
        (json.dumps(broken(questions=[{**row("a"), "f1": True}])).encode(), "'a' is malformed"),
        (json.dumps(broken(questions="abc")).encode(), "other types"),
        (json.dumps(broken(metrics={"f1": {"value": nan}})).encode(), "NaN is no number"),
        (json.dumps(broken(metrics={"f1": {"value": 10**400}})).encode(), "int too large"),
        (json.dumps(broken(run={"gold": "g"})).encode(), "'corpus' is missing"),
    ],
)
def test_a_baseline_that_is_no_report_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "before.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"before\.json: no evaluation report \(.*{reason}"):
        load_baseline(path)


def test_a_baseline_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_baseline(tmp_path / "nowhere.json")
    with pytest.raises(UsageError, match="cannot be read"):
        load_baseline(tmp_path)


def test_a_report_that_was_saved_is_the_same_when_loaded(tmp_path):
    path = tmp_path / "before.json"
    path.write_text(json.dumps(report(row("a"), wrong("b"))))
    assert load_baseline(path) == Baseline(str(path), report(row("a"), wrong("b")))
