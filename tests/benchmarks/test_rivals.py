import os
import sys
from pathlib import Path

import pytest

from benchmarks.compare import SYSTEMS, contenders
from benchmarks.rivals.environments import LISTS
from benchmarks.rivals.protocol import Text, Worker, WorkerFailed, handle, read_passages, write_passages
from benchmarks.rounds import Bench, Contender, measure
from benchmarks.sidebyside import MEASURES
from rag.evaluate import evenly_spaced
from rag.gold import GoldQuestion

ECHO = [sys.executable, str(Path(__file__).parent / "echo.py")]
PASSAGES = [Text("nile.txt:0", "It ends in Egypt.", "Nile"), Text("rhine.txt:0", "It ends in\u2028Holland.", "")]


@pytest.fixture
def worker(tmp_path):
    with Worker("echo", ECHO, os.environ, tmp_path / "log") as running:
        yield running


@pytest.fixture
def opened(worker, tmp_path):
    write_passages(tmp_path / "passages.jsonl", PASSAGES)
    worker.call("load", {"embedder": "", "reader": None})
    paths = {"passages": str(tmp_path / "passages.jsonl"), "files": "", "into": str(tmp_path)}
    assert worker.call("index", paths)["seconds"] > 0
    worker.call("open", {"folder": str(tmp_path)})
    return worker


def question(number, words, answers=()):
    return GoldQuestion(str(number), words, tuple(answers), (), (), bool(answers), ())


def test_passages_are_read_as_they_were_written_whatever_line_breaks_they_have(tmp_path):
    write_passages(tmp_path / "some.jsonl", PASSAGES)
    assert read_passages(tmp_path / "some.jsonl") == PASSAGES
    assert [one.embedded for one in PASSAGES] == ["Nile\nIt ends in Egypt.", "It ends in\u2028Holland."]


def test_a_system_searches_and_answers_each_question_with_a_time_of_its_own(opened):
    found = opened.call("search", {"questions": ["Nile", "Volga"]})
    assert found["found"] == [["nile.txt:0"], []]
    said = opened.call("ask", {"questions": ["Holland.", "Volga"]})
    assert said["answers"] == ["It ends in\u2028Holland.", None]
    assert said["best"] == ["It ends in\u2028Holland.", "It ends in Egypt."]
    assert len(found["ms"]) == len(said["ms"]) == 2


def test_what_a_library_prints_is_in_the_log_and_not_among_the_replies(worker, tmp_path):
    assert worker.call("load", {"embedder": "", "reader": None}) == {}
    worker.close()
    assert "what a library prints" in (tmp_path / "log").read_text()


def test_a_system_that_fails_says_why_and_goes_on(opened):
    with pytest.raises(WorkerFailed, match=r"echo: ask: RuntimeError: no such thing; see .*log"):
        opened.call("ask", {"questions": ["fail"]})
    assert opened.call("ask", {"questions": ["Nile"]})["answers"] == ["It ends in Egypt."]


def test_a_system_whose_process_ends_is_an_error_and_no_wait_for_ever(opened):
    with pytest.raises(WorkerFailed, match=r"echo: search: its process ended \(7\)"):
        opened.call("search", {"questions": ["die"]})


def test_an_operation_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="no operation 'dance'"):
        handle(None, {"op": "dance"})


def test_a_run_asks_each_question_of_each_system_once_and_has_every_figure_of_every_round(tmp_path):
    bench = Bench(
        [Contender("one", ECHO, "one"), Contender("other", ECHO, "one")],
        tmp_path,
        PASSAGES,
        tmp_path,
        tmp_path,
        tmp_path,
    )
    asked = [question(number, words) for number, words in enumerate(["Nile", "Volga", "Holland."])]
    outcome = measure(bench, asked, rounds=2)
    names = {one.name for one in MEASURES}
    assert [{system: set(figures) for system, figures in one.items()} for one in outcome.rounds] == [
        {"one": names, "other": names - {"index_per_s"}}  # it opens the index of the first
    ] * 2
    for replies in outcome.replies.values():
        assert replies.found == {"0": ["nile.txt:0"], "1": [], "2": ["rhine.txt:0"]}
        assert replies.answers == {"0": "It ends in Egypt.", "1": None, "2": "It ends in\u2028Holland."}
    assert {len(taken["ask"]) for taken in outcome.milliseconds.values()} == {3}
    assert outcome.facts["one"]["threads"] == "1"


def test_questions_are_spaced_evenly_over_the_whole_gold_set():
    asked = [question(number, "?") for number in range(7)]
    assert [one.id for one in evenly_spaced(asked, 3)] == ["0", "2", "4"]  # 0 * 7 // 3, 1 * 7 // 3, 2 * 7 // 3
    assert evenly_spaced(asked, 7) == evenly_spaced(asked, 8) == asked


def test_a_system_without_the_one_whose_index_it_opens_is_refused(tmp_path):
    with pytest.raises(ValueError, match="pincite-http is measured over the index of pincite; name that too"):
        contenders(["pincite-http"], tmp_path)


def test_every_rival_has_a_list_that_pins_all_it_names_and_torch_first():
    for env in {entry.env for entry in SYSTEMS.values()} - {""}:
        first, *others = (LISTS / f"{env}.txt").read_text().split()
        assert first == "torch==2.13.0"
        assert all("==" in line for line in others)
