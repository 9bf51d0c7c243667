from pathlib import Path

import pytest

from benchmarks.boilerplate import BEGIN, END, LABELS, precision, recall, score, scores, table
from index.load import load_bytes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found():
    return scores()


def test_no_line_of_an_article_is_marked_on_any_labelled_page(found):
    assert [(one.page, one.wrong) for one in found if one.wrong] == []
    assert precision(found) == 1.0


def test_most_boilerplate_is_marked_and_the_set_is_wide_enough_to_say_so(found):
    seeds = {path.name for path in (ROOT / "seeds").glob("*.txt")}
    assert seeds <= {one.page for one in found}
    assert len([one for one in found if one.page not in seeds]) >= 15
    assert recall(found) >= 0.9


def test_the_figures_in_the_documentation_are_what_the_command_prints(found):
    written = (ROOT / "docs" / "ingestion.md").read_text("utf-8")
    assert written.partition(BEGIN)[2].partition(END)[0] == table(found)


def test_labels_that_are_no_lines_of_the_page_are_refused():
    with pytest.raises(ValueError, match="no line 'Home'"):
        score(load_bytes("a.txt", b"One line.\n\nTwo lines.\n"), ["Home"])


def test_nothing_is_marked_where_that_is_the_setting():
    for page in LABELS.glob("*.html"):
        assert load_bytes(page.name, page.read_bytes(), mark=False).marks == ()
