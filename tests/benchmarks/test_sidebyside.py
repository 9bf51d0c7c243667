import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sidebyside import (
    MEASURES,
    Measure,
    Spread,
    figures_table,
    percentile,
    quality_table,
    ratios,
    ratios_table,
    spreads,
)

ASK = Measure("ask_p50_ms", "ask", 0)
SPEED = Measure("index_per_s", "indexing", 0, more_is_better=True)
ROUNDS = [
    {"ours": {"ask_p50_ms": 10.0, "index_per_s": 90.0}, "theirs": {"ask_p50_ms": 40.0, "index_per_s": 30.0}},
    {"ours": {"ask_p50_ms": 20.0, "index_per_s": 80.0}, "theirs": {"ask_p50_ms": 50.0, "index_per_s": 40.0}},
    {"ours": {"ask_p50_ms": 10.0, "index_per_s": 90.0}, "theirs": {"ask_p50_ms": 70.0, "index_per_s": 45.0}},
]


def test_a_percentile_is_the_value_at_the_nearest_rank():
    assert percentile([5, 1, 4, 2, 3], 50) == 3  # rank 5 * 50 / 100 = 2.5, rounded up: the third
    assert percentile(range(1, 21), 95) == 19  # rank 20 * 95 / 100
    assert percentile([8], 95) == percentile([8], 0) == 8
    with pytest.raises(ValueError, match="no value"):
        percentile([], 50)


@given(st.lists(st.integers(0, 99), min_size=1), st.integers(1, 100))
def test_at_least_the_share_asked_for_is_no_greater_than_a_percentile(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_a_spread_is_median_and_range_and_needs_a_value():
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread((2 + 3) / 2, 1.0, 10.0)
    assert Spread.of([1.0, 1234.5]).show(1) == "617.8 (1.0–1,234.5)"
    assert Spread.of([2.0, 2.0]).show(2, "×") == "2.00×"
    with pytest.raises(ValueError, match="no round"):
        Spread.of([])


def test_a_ratio_is_of_the_figures_of_one_round_and_above_one_where_the_reference_is_better():
    assert ratios(ROUNDS, ASK, "ours") == {"theirs": Spread(40 / 10, 50 / 20, 70 / 10)}
    assert ratios(ROUNDS, SPEED, "ours") == {"theirs": Spread(80 / 40, 90 / 45, 90 / 30)}
    assert ratios(ROUNDS, ASK, "theirs") == {"ours": Spread(10 / 40, 10 / 70, 20 / 50)}


def test_a_figure_that_one_system_lacks_is_no_ratio_and_a_dash_in_the_table():
    rounds = [{"ours": {"ask_p50_ms": 1.0, "start_s": 2.0}, "theirs": {"ask_p50_ms": 3.0}}]
    assert ratios(rounds, Measure("start_s", "start", 1), "ours") == {}
    assert spreads(rounds, Measure("start_s", "start", 1)) == {"ours": Spread(2.0, 2.0, 2.0)}
    cells = [cell.strip() for cell in figures_table(rounds).split("\n")[3].strip("|").split("|")]
    assert cells == ["theirs", *("3" if one.name == "ask_p50_ms" else "–" for one in MEASURES)]


def test_the_table_of_ratios_has_a_line_for_each_system_but_the_reference():
    head, rule, *lines = ratios_table(ROUNDS, "ours").split("\n")
    assert head.count("|") == rule.count("|") == lines[0].count("|")
    assert [line.split(" | ")[0] for line in lines] == ["| theirs"]
    assert "4.00× (2.50–7.00)" in lines[0]
    assert "2.00× (2.00–3.00)" in lines[0]


def test_quality_is_shown_in_per_cent_with_its_interval():
    measured = {"value": 0.5, "n": 4, "ci_low": 0.25, "ci_high": 0.75}
    table = quality_table({"ours": {"f1": measured}, "theirs": {"f1": measured, "forced": measured}})
    assert table.split("\n") == [
        "| | f1 | forced |",
        "|---|---|---|",
        "| ours | 50.0 (25.0–75.0) | – |",
        "| theirs | 50.0 (25.0–75.0) | 50.0 (25.0–75.0) |",
    ]
