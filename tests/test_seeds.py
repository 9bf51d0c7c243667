"""The gold set says what the seed articles say, and docs/seeds.md says what the gold set holds."""

import hashlib
import json
import re
import string
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "seeds"
DOCUMENTATION = ROOT / "docs" / "seeds.md"

KEYS = {"id", "question", "answers", "sources", "evidence", "answerable", "tags"}
ASKS_FOR = {"who", "when", "where", "number", "what", "why", "how", "list"}
NATURE = {"paraphrase", "multi-source", "meta"}
UNANSWERABLE = {"near-miss", "off-topic"}


def words(text):
    """SQuAD normalisation: lower case, no ASCII punctuation, no articles, single spaces."""
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def read(path):
    # Bytes decoded by hand: text mode could rewrite line ends and so shift every offset.
    return path.read_bytes().decode("utf-8")


@pytest.fixture(scope="module")
def articles():
    return {path.name: read(path) for path in sorted(SEEDS.glob("*.txt"))}


@pytest.fixture(scope="module")
def gold():
    return [json.loads(line) for line in read(SEEDS / "gold.jsonl").splitlines()]


@pytest.fixture(scope="module")
def answerable(gold):
    return [q for q in gold if q["answerable"]]


@pytest.fixture(scope="module")
def unanswerable(gold):
    return [q for q in gold if not q["answerable"]]


def slices(question, articles):
    return [articles[e["source"]][e["start"] : e["end"]] for e in question["evidence"]]


def table_rows(first_cell):
    """Rows of the tables in the documentation whose first cell matches, as lists of cells."""
    rows = [line.strip("|").split("|") for line in read(DOCUMENTATION).splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in row] for row in rows]
    return [row for row in cells if re.fullmatch(first_cell, row[0])]


def test_every_line_has_exactly_the_documented_keys(gold):
    assert [q["id"] for q in gold if set(q) != KEYS] == []
    assert [q["id"] for q in gold if any(set(e) != {"source", "start", "end"} for e in q["evidence"])] == []


def test_no_id_and_no_question_occurs_twice(gold):
    for values in ([q["id"] for q in gold], [q["question"].casefold() for q in gold]):
        assert [value for value, times in Counter(values).items() if times > 1] == []


def test_every_source_is_one_of_the_five_articles(gold, articles):
    assert len(articles) == 5
    assert {source for q in gold for source in q["sources"]} == set(articles)


def test_every_evidence_span_lies_within_its_article(gold, articles):
    outside = [
        (q["id"], e)
        for q in gold
        for e in q["evidence"]
        if not 0 <= e["start"] < e["end"] <= len(articles[e["source"]])
    ]
    assert outside == []


def test_every_evidence_span_is_word_for_word_an_accepted_answer(answerable, articles):
    assert [(q["id"], s) for q in answerable for s in slices(q, articles) if s not in q["answers"]] == []


def test_every_accepted_answer_stands_word_for_word_within_some_evidence_span(answerable, articles):
    loose = [(q["id"], a) for q in answerable for a in q["answers"] if not any(a in s for s in slices(q, articles))]
    assert loose == []


def test_no_accepted_answer_is_empty_once_normalised(answerable):
    assert [q["id"] for q in answerable for a in q["answers"] if not words(a)] == []


def test_the_sources_of_a_question_are_those_of_its_evidence(gold):
    assert [q["id"] for q in gold if set(q["sources"]) != {e["source"] for e in q["evidence"]}] == []
    assert [q["id"] for q in gold if len(set(q["sources"])) != len(q["sources"])] == []


def test_an_answerable_question_has_answers_and_an_unanswerable_one_has_nothing(answerable, unanswerable):
    assert [q["id"] for q in answerable if not (q["answers"] and q["sources"] and q["evidence"])] == []
    assert [q["id"] for q in unanswerable if q["answers"] or q["sources"] or q["evidence"]] == []


def test_an_answerable_question_asks_for_one_kind_of_thing(answerable):
    assert [q["id"] for q in answerable if len(ASKS_FOR & set(q["tags"])) != 1] == []
    assert [q["id"] for q in answerable if set(q["tags"]) - ASKS_FOR - NATURE] == []


def test_an_unanswerable_question_is_either_a_near_miss_or_off_topic(unanswerable):
    assert [q["id"] for q in unanswerable if len(q["tags"]) != 1 or q["tags"][0] not in UNANSWERABLE] == []


def test_multi_source_means_more_than_one_source(answerable):
    assert [q["id"] for q in answerable if ("multi-source" in q["tags"]) != (len(q["sources"]) > 1)] == []


def test_the_set_is_large_and_varied_enough_to_measure_with(gold, unanswerable):
    tags = Counter(tag for q in gold for tag in q["tags"])
    assert set(tags) == ASKS_FOR | NATURE | UNANSWERABLE
    assert len(gold) >= 70
    assert len(unanswerable) >= 20
    assert 2 * tags["near-miss"] >= len(unanswerable)


def test_every_article_is_asked_about_itself(gold, articles):
    assert {source for q in gold if "meta" in q["tags"] for source in q["sources"]} == set(articles)


def test_the_gold_set_is_kept_out_of_an_index_of_the_seeds():
    assert "gold.jsonl" in read(SEEDS / ".pinciteignore").splitlines()


def test_the_articles_are_those_whose_sha256_the_documentation_gives(articles):
    documented = {row[0]: row[-1] for row in table_rows(r".+\.txt")}
    assert documented == {name: hashlib.sha256((SEEDS / name).read_bytes()).hexdigest() for name in articles}


def test_the_counts_in_the_documentation_are_those_of_the_gold_set(gold, answerable, unanswerable):
    tags = Counter(tag for q in gold for tag in q["tags"])
    totals = {"all questions": len(gold), "answerable": len(answerable), "unanswerable": len(unanswerable)}
    documented = {row[0]: int(row[1]) for row in table_rows(r"[a-z -]+") if row[1].isdigit()}
    assert documented == {**tags, **totals}
