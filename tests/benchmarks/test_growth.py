import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.exponents import AT_MOST, LARGE, Curve, fit, growth, over_passages, table
from benchmarks.growth import Service, measured, of_scale, texts_of
from benchmarks.plots import growths
from rag.types import MAX_QUESTION

SIZES = (1_000, 10_000, 100_000, 300_000, 1_000_000)
FIGURES = {
    "build_passages_per_s": 500.0,
    "disk_gb": 0.1,
    "open_s": 0.2,
    "resident_gb": 0.3,
    "dense_p50_ms": 1.0,
    "lexical_p50_ms": 2.0,
    "fused_p50_ms": 4.0,
    "filtered_p50_ms": 8.0,
    "replace_s": 0.4,
    "recall@10": 0.99,  # no cost
}


def power(exponent, sizes=SIZES, factor=0.5):
    return [(size, factor * size**exponent) for size in sizes]


def search(points):
    return Curve("search", "fused", "ms", "passages", points, sublinear=True)


@given(st.floats(-2, 3), st.floats(0.001, 1000))
def test_the_exponent_of_a_power_is_found_whatever_its_factor(exponent, factor):
    found = fit(power(exponent, factor=factor))
    assert found.exponent == pytest.approx(exponent, abs=1e-9)
    assert found.factor == pytest.approx(factor)
    assert found.error == pytest.approx(0, abs=1e-6)
    assert found.at(2_000) == pytest.approx(factor * 2_000**exponent)


def test_the_error_is_the_standard_error_of_a_slope():
    # Logarithms to base 2: sizes 0, 1, 2 and costs 0, 3, 0. Slope 0, mean 1, residuals -1, 2, -1.
    found = fit([(1, 1), (2, 8), (4, 1)])
    assert found.exponent == pytest.approx(0, abs=1e-9)
    residuals, spread_of_sizes = (-1) ** 2 + 2**2 + (-1) ** 2, (0 - 1) ** 2 + (2 - 1) ** 2
    assert found.error == pytest.approx((residuals / (3 - 2) / spread_of_sizes) ** 0.5)


@pytest.mark.parametrize("points", [[], [(1, 1), (2, 2)], [(1, 1), (2, 2), (2, 3)]])
def test_fewer_than_three_different_sizes_are_no_curve(points):
    with pytest.raises(ValueError, match="3 different sizes"):
        fit(points)


@pytest.mark.parametrize("points", [[(1, 1), (2, 0), (3, 1)], [(1, 1), (2, -1), (3, 1)], [(0, 1), (2, 1), (3, 1)]])
def test_what_has_no_logarithm_is_refused_with_the_name_of_its_curve(points):
    with pytest.raises(ValueError, match=r"search, fused, against passages: .* above 0"):
        growth(search(points))


def test_large_sizes_are_fitted_apart_where_there_are_three_of_them():
    flat_then_steep = [(1_000, 1.0), (10_000, 1.0), (100_000, 1.0), (200_000, 2**0.9), (400_000, 4**0.9)]
    found = growth(search(flat_then_steep))
    assert found.large.exponent == pytest.approx(0.9)
    assert found.fit.exponent < 0.5
    assert growth(search(flat_then_steep[:4])).large is None
    assert growth(Curve("ask", "median", "ms", "clients", power(0.5))).large is None  # its sizes are no passages


@pytest.mark.parametrize(
    ("exponent", "faults", "verdict"),
    [
        (0.9, 0, f"yes, sub-linear from {LARGE:,}"),
        (1.02, 1, "**no**: 1.02 ± 0.00 is not below 1"),  # at most linear, but a search's has to be less
        (1.2, 2, f"**no**: 1.20 ± 0.00 is above {AT_MOST}, 1.20 ± 0.00 is above {AT_MOST} from {LARGE:,}"),
    ],
)
def test_a_search_has_to_grow_less_than_its_store_once_that_is_large(exponent, faults, verdict):
    found = growth(search(power(exponent)))
    assert len(found.faults) == faults
    assert found.verdict.startswith(verdict)


def test_nothing_is_said_of_large_sizes_that_were_not_measured():
    found = growth(search(power(1.02, (1_000, 3_000, 10_000))))
    assert (found.faults, found.verdict) == ([], f"yes; too few sizes from {LARGE:,}")


def test_other_costs_may_be_linear_and_no_more():
    assert growth(Curve("ask", "median", "ms", "clients", power(1.02))).verdict == "yes"
    assert growth(Curve("ask", "median", "ms", "clients", power(1.06))).faults == [f"1.06 ± 0.00 is above {AT_MOST}"]


def test_what_scale_kept_is_read_by_size_and_building_is_summed_up():
    # As JSON: sizes are texts, and a rate is of the passages from the size before.
    results = {"30000": FIGURES | {"build_passages_per_s": 100.0}, "1000": FIGURES, "3000": FIGURES | {"disk_gb": 0.7}}
    curves = {(one.what, one.how): one for one in over_passages(results)}
    assert curves["store", "disk"].points == [(1_000, 0.1), (3_000, 0.7), (30_000, 0.1)]
    first, second, third = 1_000 / 500, (3_000 - 1_000) / 500, (30_000 - 3_000) / 100
    assert curves["store", "build"].points == [
        (1_000, first),
        (3_000, first + second),
        (30_000, first + second + third),
    ]
    assert {how for (what, how), one in curves.items() if one.sublinear} == {
        "fused, as for a question",
        "vectors alone",
        "words alone",
    }
    assert {one.of for one in curves.values()} == {"passages"}


@pytest.mark.parametrize("key", [key for key in FIGURES if key != "recall@10"])
def test_a_figure_that_scale_did_not_keep_is_named(key):
    lacking = {name: value for name, value in FIGURES.items() if name != key}
    with pytest.raises(ValueError, match=f"no '{key}' at some size"):
        over_passages({"1000": FIGURES, "3000": lacking})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "no figures by size"),
        ("{}", "3 different sizes"),
        (json.dumps({"machine": FIGURES}), "invalid literal"),
        (json.dumps({"1000": {}}), "no 'fused_p50_ms'"),
    ],
)
def test_a_file_that_is_not_of_scale_is_refused_by_its_name(tmp_path, content, reason):
    (tmp_path / "scale.json").write_text(content, "utf-8")
    with pytest.raises(ValueError, match=rf"scale\.json: .*{reason}"):
        of_scale(tmp_path / "scale.json")


def test_a_file_of_scale_is_fitted_curve_by_curve(tmp_path):
    results = {str(size): {**FIGURES, "disk_gb": size / 1e6} for size in SIZES}
    (tmp_path / "scale.json").write_text(json.dumps(results), "utf-8")
    found = {one.curve.how: one.fit.exponent for one in of_scale(tmp_path / "scale.json")}
    assert found["disk"] == pytest.approx(1)
    assert found["memory"] == pytest.approx(0, abs=1e-9)


def test_the_table_has_a_line_for_each_curve():
    found = [growth(search(power(0.5))), growth(Curve("ask", "all", "ms", "clients", power(-0.25, (1, 4, 16), 1280.0)))]
    head, rule, first, second = table(found).split("\n")
    assert {line.count("|") for line in (head, rule, first, second)} == {7}
    assert first.startswith("| search: fused | passages | 1,000–1,000,000: 15.8–500 ms | 0.50 ± 0.00 | 0.50 ± 0.00 |")
    assert second == "| ask: all | clients | 1–16: 1,280–640 ms | −0.25 ± 0.00 | – | yes |"


def test_all_curves_are_drawn(tmp_path):
    curves = [
        *over_passages({str(size): FIGURES for size in SIZES}),
        *(Curve("ask", how, "ms", "clients", power(0.5, (1, 2, 4))) for how in ("median", "all")),
    ]
    growths([growth(curve) for curve in curves], "a note", tmp_path / "growth.svg")
    drawn = (tmp_path / "growth.svg").read_text("utf-8")
    assert drawn.count('<g id="matplotlib.axis_') == 2 * len(["search, ms", "store, GB", "store, s", "ask, ms"])


def test_a_long_question_is_real_ones_from_another_on_each_time():
    asked = ["Where does it end?", "Who sailed?"]
    assert texts_of(asked, 3, 3) == ["Where does it", "Who sailed? Where", "Where does it"]
    assert texts_of(asked, 7, 1) == ["Where does it end? Who sailed? Where"]


def test_more_words_than_a_question_may_have_characters_for_are_refused():
    assert len(texts_of(["a"], MAX_QUESTION // 2, 1)[0]) == MAX_QUESTION - 1
    with pytest.raises(ValueError, match=f"at most {MAX_QUESTION} are read"):
        texts_of(["a"], MAX_QUESTION // 2 + 1, 1)


@pytest.fixture
def asked():
    """Return a service that keeps what it is asked and answers nothing, and refuses the question "no"."""
    bodies = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(503 if bodies[-1]["question"] == "no" else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Service(f"http://127.0.0.1:{server.server_port}", os.getpid()), bodies
        server.shutdown()
        thread.join()


def test_every_question_is_asked_once_before_it_counts(asked):
    service, bodies = asked
    point = measured(service, ["one", "two"], top_k=7)
    assert bodies == 2 * [{"question": "one", "top_k": 7}, {"question": "two", "top_k": 7}]
    assert min(point.each_ms, point.all_ms, point.memory_mib) > 0


def test_clients_share_the_questions(asked):
    service, bodies = asked
    measured(service, [str(number) for number in range(9)], clients=3)
    assert sorted(body["question"] for body in bodies) == sorted(2 * "012345678")


def test_a_refusal_ends_the_measurement(asked):
    with pytest.raises(RuntimeError, match="/v1/ask: 503"):
        measured(asked[0], ["yes", "no"])
