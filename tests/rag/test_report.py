"""The HTML report, read as a browser reads it, and its drawings."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_rows import report, row, unanswerable, withheld, wrong

from rag.compare import Baseline, compare
from rag.metrics import ece
from rag.plots import reliability_bins, reliability_diagram, risk_and_coverage
from rag.report import blame, p_value, render_report, render_sections, share, signed, slices

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text by enclosing element."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self._open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def said(self, tag=None):
        return " ".join("".join(text for inside, text in self.texts if tag in (None, inside)).split())


def cited(quote, prefix="", suffix="", **more):
    start = len(prefix)
    place = {"source": "a.txt", "title": None, "page": None, "line": 7, "url": None, "start": start}
    return {**place, "end": start + len(quote), "quote": quote, "prefix": prefix, "suffix": suffix, **more}


def page(*rows, **more):
    return Page(render_report({**report(*rows), **more}))


def test_the_quote_is_highlighted_between_what_stands_around_it():
    html = render_report(report(row("a", citations=[cited("Nile", "on the ", ".\nThen")])))
    assert "on the <mark>Nile</mark>.\nThen</blockquote>" in html
    assert "a.txt · line 7" in html


def test_text_that_goes_on_is_shown_to():
    here = cited("Nile", "x" * 32, "y" * 32, start=40)
    assert f"…{'x' * 32}<mark>Nile</mark>{'y' * 32}…</blockquote>" in render_report(report(row("a", citations=[here])))


def test_html_in_questions_documents_tags_and_settings_is_text():
    place = cited(ATTACK, ATTACK, ATTACK, source=ATTACK, title=ATTACK, url="javascript:alert(3)")
    evil = row(
        ATTACK,
        question=ATTACK,
        prediction=ATTACK,
        citations=[place],
        tags=[ATTACK],
        gold_answers=[ATTACK],
        gold_passage={"answer": ATTACK, "f1": 0.0},
        stage=ATTACK,
    )
    now = report(evil, settings={ATTACK: ATTACK}, **{ATTACK: 0.5})
    before = report({**evil, "prediction": "x"}, settings={ATTACK: "x"}, **{ATTACK: 0.5})
    now["comparison"] = compare(now, Baseline(ATTACK, before))
    seen = Page(render_report(now))
    assert len(seen.all("script")) == 1
    assert seen.all("img") == []
    assert not [name for _, attributes in seen.elements for name in attributes if name.startswith("on")]
    assert seen.said().count(ATTACK) >= 14
    assert [one["data-tags"] for one in seen.all("tbody") if "data-tags" in one]


def test_the_page_needs_nothing_but_itself():
    html = render_report(report(row("a"), wrong("b")))
    seen = Page(html)
    assert {tag for tag, _ in seen.elements} & {"link", "img", "iframe", "object", "base"} == set()
    assert not [a for _, a in seen.elements if {"src", "srcset", "data", "action"} & a.keys()]
    assert all(one["href"].startswith("#") for one in seen.all("a"))
    assert not re.findall(r"@import|url\((?!#)", html)
    policy = next(one["content"] for one in seen.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")


def test_without_its_script_the_page_shows_every_question_and_no_dead_form():
    seen = page(row("a"), wrong("b"))
    assert [("hidden" in one) for one in seen.all("form")] == [True]
    assert not [one for one in seen.all("tbody") if "hidden" in one]
    assert {"Question a?", "Question b?"} <= {text for inside, text in seen.texts if inside == "span"}


def test_ids_are_unique_and_every_link_in_the_page_leads_somewhere():
    seen = page(row("a"), wrong("b"), unanswerable("c"))
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one["href"][1:] for one in seen.all("a")} <= set(ids)


def test_where_answers_were_lost_comes_first_and_the_comparison_next():
    now = report(row("a"), wrong("b"), withheld("c"))
    now["comparison"] = compare(now, Baseline("before.json", report(row("a"), row("b"), withheld("c"))))
    headings = [text for inside, text in Page(render_report(now)).texts if inside in ("h1", "h2")]
    assert headings[:3] == ["1 of 3 questions came out right", "Where answers were lost", "Against the baseline"]


def test_a_run_without_a_loss_says_so():
    seen = page(row("a"))
    assert "1 of 1 question came out right Nothing was lost." in seen.said()
    assert "Where answers were lost" not in seen.said()


def test_two_runs_alike_have_no_difference():
    same = report(row("a"), wrong("b"))
    assert "No difference." in page(row("a"), wrong("b"), comparison=compare(same, Baseline("x", same))).said("p")


def test_what_was_won_and_lost_is_listed_with_both_answers():
    now, before = report(row("a"), wrong("b")), report(wrong("a"), row("b"))
    said = page(*now["questions"], comparison=compare(now, Baseline("x", before))).said()
    assert "Won: 1 Question a? a Congo missed → Nile right" in said
    assert "Lost: 1 Question b? b Nile right → Congo missed" in said


def test_gold_answers_and_gold_passages_are_shown_where_there_are_any():
    plain = page(wrong("a"))
    assert "Gold" not in plain.said("th")
    full = page(
        wrong("a", gold_answers=["the Nile", "Nile"], gold_passage={"answer": "Blue Nile", "f1": 0.8}),
        unanswerable("b", gold_answers=[], gold_passage=None),
    )
    assert "Gold" in full.said("th")
    assert "the NileNile" in full.said("p").replace(" ", "").replace("theNile", "the Nile")
    assert "not in the documents" in full.said("p")
    assert "given the right passage alone, the reader gets 1 of 1 right" in full.said("p")
    assert "from the right passage alone: Blue Nile" in full.said()


def test_a_withheld_answer_is_told_from_one_that_was_given():
    said = page(withheld("a", candidate="Nile")).said()
    assert "No answer held back: Nile" in said


def test_a_report_of_questions_without_answers_has_no_plot_and_no_slice():
    bare = report(row("a"))
    bare["questions"] = [row("a", None)]
    seen = Page(render_report(bare))
    assert seen.all("svg") == []
    assert "By kind of question" not in seen.said()


def test_blame_counts_each_stage_and_what_the_reader_would_make_of_the_passage():
    lost = [wrong("a", gold_passage={"answer": "x", "f1": f1}) for f1 in (0.0, 0.5, 1.0)] + [wrong("d")]
    counted = blame(report(*lost, row("e")))
    assert [(one.stage, one.questions, one.tried, one.readable) for one in counted] == [
        ("missed", 4, 3, 2),
        ("ok", 1, 0, 0),
    ]


def test_slices_are_by_answerability_and_by_tag_the_most_frequent_first():
    rows = [
        row("a", tags=["x", "y"]),
        wrong("b", tags=["y", "y"]),
        unanswerable("c", tags=["z"]),
        row("d", None, tags=["z"]),
    ]
    assert [(name, one["value"], one["n"]) for name, one in slices(rows)] == [
        ("answerable", (1 + 0) / 2, 2),
        ("unanswerable", 1.0, 1),
        ("#y", (1 + 0) / 2, 2),
        ("#x", 1.0, 1),
        ("#z", 1.0, 1),
    ]


def test_sections_are_those_of_the_whole_report_in_the_order_asked_for():
    whole = report(row("a", tags=["x"]), row("b"))
    names = ("run", "slices", "measures", "confidence")
    sections = render_sections(whole, names, most_tags=1)
    assert tuple(sections) == names
    assert all(section in render_report(whole) for section in sections.values())


def test_a_section_that_has_nothing_to_say_is_left_out():
    unscored = report(row("a"))
    unscored["questions"] = [row("a", None)]
    assert render_sections(unscored, ("blame", "comparison", "confidence", "slices"), most_tags=1) == {}


def test_sections_lead_to_an_address_of_the_lost_questions_and_need_no_script():
    blamed = Page(render_sections(report(wrong("a"), row("b", stage='?&"#')), ["blame"], most_tags=1)["blame"])
    assert blamed.all("a") == [{"href": "?outcome=%3F%26%22%23#questions"}, {"href": "?outcome=missed#questions"}]


def test_a_section_counts_what_changed_and_does_not_list_it():
    now, before = report(row("a"), wrong("b")), report(wrong("a"), row("b"))
    now["comparison"] = compare(now, Baseline("x", before))
    changed = Page(render_sections(now, ["comparison"], most_tags=1)["comparison"])
    assert "1 won, 1 lost" in changed.said("p")
    assert (changed.all("details"), changed.all("ul")) == ([], [])


def test_of_many_tags_the_most_frequent_are_measured():
    rows = [row("a", tags=["x", "y"]), row("b", tags=["y", "z"]), row("c", tags=["y", "z"])]
    assert [name for name, _ in slices(rows, 2)] == ["answerable", "#y", "#z"]
    seen = Page(render_sections(report(*rows), ["slices"], most_tags=1)["slices"])
    assert seen.said("th") == "answerable#y"


def test_the_same_report_gives_the_same_bytes():
    same = report(row("a", tags=["x"]), wrong("b"))
    assert render_report(same) == render_report(same)


PAIRS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@given(PAIRS)
def test_the_bins_of_the_diagram_are_those_of_the_calibration_error(pairs):
    bins = reliability_bins(pairs)
    assert sum(one.n for one in bins) == len(pairs)
    assert sum(one.n * abs(one.right - one.confidence) for one in bins) / len(pairs) == pytest.approx(
        ece(*zip(*pairs, strict=True)), abs=1e-9
    )


@given(PAIRS)
def test_the_interval_of_a_bin_holds_its_share_and_stays_a_share(pairs):
    for one in reliability_bins(pairs):
        assert -1e-9 <= one.low <= one.right <= one.high <= 1 + 1e-9


def test_the_interval_of_a_bin_is_wilsons():
    # None right of 4: from 0 to z2 / (n + z2), z2 = 1.96 ** 2.
    (one,) = reliability_bins([(0.5, False)] * 4, bins=1)
    assert (one.low, one.high) == (pytest.approx(0), pytest.approx(1.96**2 / (4 + 1.96**2)))


def test_drawings_keep_their_text_take_the_pages_colours_and_say_what_they_show():
    svg = reliability_diagram([(0.9, True), (0.2, False)])
    assert svg == reliability_diagram([(0.9, True), (0.2, False)])
    assert svg.startswith('<svg role="img" aria-label="Reliability diagram: 2 groups')
    assert ">share that was right</text>" in svg
    assert "var(--accent)" in svg
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []


def test_the_run_is_drawn_on_the_curve_of_risk_if_it_gave_an_answer():
    pairs = [(0.9, True), (0.2, False)]
    assert ">this run</text>" in risk_and_coverage(pairs, (0.5, 0.0))
    assert ">this run</text>" not in risk_and_coverage(pairs, None)


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 9, "0 %"), (9, 9, "100 %"), (1, 999, "< 1 %"), (998, 999, "> 99 %"), (1, 8, "12 %")],
)
def test_a_share_is_never_none_or_all_unless_it_is(part, whole, shown):
    assert share(part, whole) == shown


def test_numbers_are_not_shown_with_a_sign_or_digits_they_do_not_have():
    assert [signed(value) for value in (0.1234, -0.1234, 0.0001, -0.0001)] == ["+0.123", "−0.123", "0.000", "0.000"]
    assert signed(-12.4, "latency_ms_p50") == "−12 ms"
    assert [p_value(value) for value in (0.0005, 0.25)] == ["< 0.001", "0.250"]
