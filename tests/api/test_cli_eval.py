"""`pincite eval` against an earlier run, and the report as a page."""

import json

import pytest
from command_line import failed

from api.evaluating import run_evaluation
from api.indexing import IndexRequest, run_index
from api.settings import Settings
from benchmarks.shards import spread
from index.store import Store

GOLD = [
    {"id": "1", "question": "Where does the Nile end?", "answers": ["Egypt"], "sources": ["nile.txt"]},
    {"id": "2", "question": "Who guarded the floods of the Nile?", "answers": ["Hapi"], "sources": ["nile.txt"]},
]
# No model is found at such a place: whoever gets past it has not loaded one, let alone asked a question.
NO_MODEL = ("--embedder", "nowhere")


def write_gold(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A store of two articles, and the report of an evaluation over it."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "articles").mkdir()
    (folder / "articles" / "nile.txt").write_text("The Nile ends in Egypt near Alexandria. Hapi guarded its floods.\n")
    (folder / "articles" / "bread.txt").write_text("The bakers of Thebes bought yeast from Memphis.\n")
    write_gold(folder / "gold.jsonl", GOLD)
    settings = Settings(store=folder / "store")
    run_index(IndexRequest((folder / "articles",)), settings, print, lambda *_: None)
    return settings.store, run_evaluation(folder / "gold.jsonl", settings, 10, print, lambda *_: None)


@pytest.fixture
def first(evaluated, monkeypatch, tmp_path):
    """That report, in first.json beside the gold set; the store is the one to use."""
    store, report = evaluated
    monkeypatch.setenv("PINCITE_STORE", str(store))
    write_gold(tmp_path / "gold.jsonl", GOLD)
    (tmp_path / "first.json").write_text(json.dumps(report))
    return report


def test_a_store_in_shards_is_compared_with_what_one_store_gave(pincite, evaluated, first, tmp_path):
    with Store.open(evaluated[0]) as store:
        spread(store, tmp_path / "shards", 2)
    code, out, _ = pincite("eval", "gold.jsonl", "--baseline", "first.json", "--store", tmp_path / "shards")
    assert (code, "2 questions" in out) == (0, True)


def test_a_second_run_has_no_difference_and_keeps_its_gates(pincite, first, tmp_path):
    code, out, _ = pincite(
        "eval",
        "gold.jsonl",
        "--baseline",
        "first.json",
        "--max-drop",
        "f1=0",
        "--max-drop",
        "ece=0",
        "--json",
        "now.json",
    )
    assert code == 0
    assert out.startswith("where answers were lost: ")
    assert "no difference: 2 questions paired with first.json" in out
    assert json.loads((tmp_path / "now.json").read_text())["comparison"]["same"] is True


def test_confidence_that_was_fitted_with_another_top_k_is_said_to_be_rough(pincite, first):
    assert "calibrated for --top-k 10" in pincite("eval", "gold.jsonl", "--top-k", "3")[2]
    assert "calibrated" not in pincite("eval", "gold.jsonl")[2]


def test_a_drop_below_the_baseline_exits_with_1_and_is_listed_in_every_form(pincite, first, tmp_path):
    better = {**first, "metrics": {**first["metrics"], "unheard_of": first["metrics"]["f1"]}}
    better["questions"] = [
        {**row, "prediction": "<b>bold</b>\nquote", "stage": "ok", "f1": 1.0, "exact_match": 1.0}
        for row in first["questions"]
    ]
    (tmp_path / "better.json").write_text(json.dumps(better))
    gates = ("--max-drop", "has_answer_rate=-0.1", "--max-drop", "unheard_of=1", "--max-drop", "latency_ms_p50=1e9")
    code, out, err = pincite("eval", "gold.jsonl", "--baseline", "better.json", *gates, "--html", "now.html")
    assert code == 1
    assert "<b>bold</b> quote  [ok]" in out
    assert len([line for line in err.splitlines() if line.startswith("pincite: ")]) == 2
    assert "has_answer_rate went from 1.0000 to " in err
    assert "unheard_of was not measured in both runs" in err
    page = (tmp_path / "now.html").read_text("utf-8")
    assert "Against the baseline" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page


def test_another_gold_set_or_corpus_is_refused_before_a_model_is_loaded(pincite, first, tmp_path):
    write_gold(tmp_path / "gold.jsonl", [*GOLD, {**GOLD[0], "id": "3", "question": "Where do bakers live?"}])
    run = ("eval", "gold.jsonl", "--baseline", "first.json")
    assert failed(pincite(*run, *NO_MODEL), 2, "first.json", "another gold set", "--allow-different")
    (tmp_path / "first.json").write_text(json.dumps({**first, "run": {**first["run"], "corpus": "0"}}))
    assert failed(pincite(*run, *NO_MODEL), 2, "another gold set and corpus")
    code, out, _ = pincite(*run, "--allow-different")
    assert code == 0
    assert "2 questions paired with first.json, 1 in one of the two left out" in out


def test_a_baseline_of_other_questions_is_refused_even_if_it_may_differ(pincite, first, tmp_path):
    write_gold(tmp_path / "gold.jsonl", [{**GOLD[0], "question": "Where does the Congo end?"}])
    run = ("eval", "gold.jsonl", "--baseline", "first.json", "--allow-different")
    assert failed(pincite(*run, *NO_MODEL), 2, "no question in common")


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot be read"), ("{}", "'run' is missing"), ("[1", "Expecting")]
)
def test_a_baseline_that_is_none_is_found_before_the_store_is_opened(pincite, tmp_path, content, reason):
    write_gold(tmp_path / "gold.jsonl", GOLD)
    if content is not None:
        (tmp_path / "first.json").write_text(content)
    assert failed(pincite("eval", "gold.jsonl", "--baseline", "first.json"), 2, "first.json", reason)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--max-drop", "f1=0.1"), "--baseline"),
        (("--allow-different",), "--baseline"),
        (("--baseline", "first.json", "--max-drop", "f1"), "METRIC=NUMBER"),
        (("--min", "f1=nan"), "METRIC=NUMBER"),
        (("--max", "=1"), "METRIC=NUMBER"),
        (("--html", "nowhere/report.html"), "there is no folder nowhere"),
        (("--json", "."), ".: is a folder"),
        (("--json", "gold.jsonl"), "named twice"),
        (("--html", "./gold.jsonl"), "named twice"),
        (("--json", "same", "--html", "same"), "named twice"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_before_the_store_is_opened(pincite, tmp_path, options, part):
    write_gold(tmp_path / "gold.jsonl", GOLD)
    assert failed(pincite("eval", "gold.jsonl", *options), 2, part)
