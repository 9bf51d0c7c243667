"""Runs of an evaluation over a real store: cut short and taken up, by the same command on the same documents alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import NameReader, answerer_over, new_store, put

from api.evaluating import evaluate_with
from index.lock import Locked
from index.types import document_id_of
from rag.calibrate import Calibration
from rag.gold import load_gold

ROOT = Path(__file__).parents[2]
RIVERS = ["Amur", "Elbe", "Lena", "Niger", "Oder", "Rhine", "Tagus", "Volga"]
ENDS = ["Nikolayevsk", "Cuxhaven", "Tiksi", "Brass", "Szczecin", "Rotterdam", "Lisbon", "Astrakhan"]
# Of three kinds, 40 in all: answered rightly, answered wrongly, and not at all.
QUESTIONS = [
    *((f"Where does the long river {river} end?", [end]) for river, end in zip(RIVERS, ENDS, strict=True)),
    *((f"Which city does the river {river} flow to?", ["Atlantis", f"{river} ends near"]) for river in RIVERS),
    *((f"When was the bridge number {number} built?", []) for number in range(24)),
]
N, TIMED = len(QUESTIONS), len(QUESTIONS)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with a store of eight documents, and a gold set."""
    folder = tmp_path_factory.mktemp("rivers")
    with new_store(folder / "store") as store:
        for river, end in zip(RIVERS, ENDS, strict=True):
            path = folder / f"{river}.txt"
            path.write_text(f"The long river {river} ends near {end}.")
            put(store, path, path.name)
    entries = (
        {"id": str(number), "question": question, "answers": answers, "answerable": bool(answers)}
        | {"sources": [f"{river}.txt" for river in RIVERS if river in question]}
        for number, (question, answers) in enumerate(QUESTIONS)
    )
    (folder / "gold.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return folder


@pytest.fixture
def library(original, tmp_path):
    """A copy of it, for one test."""
    return shutil.copytree(original, tmp_path / "library")


class Reader(NameReader):
    """Keeps the questions that it is asked, each once."""

    def __init__(self):
        self.asked = {}

    def read(self, pairs):
        self.asked |= dict.fromkeys(question for question, _ in pairs)
        return super().read(pairs)


class Run:
    """One run of the evaluation: its report, its notes, its progress, and which questions were judged in it."""

    def __init__(self, library, stop=None, change=None, meanwhile=None, top_k=10, gold_sha256="0" * 64):
        self.notes, self.steps, reader = [], [], Reader()
        with new_store(library / "store") as store:
            answerer = answerer_over(store, reader=reader)
            if change:
                change(answerer)
            gold = load_gold(library / "gold.jsonl")

            def progress(done, total, what):
                self.steps.append((done, total))
                if meanwhile and done == 20:
                    meanwhile(store)
                if done == N:
                    self.judged = list(reader.asked)
                if done == stop:
                    raise KeyboardInterrupt

            self.report = evaluate_with(
                answerer, gold, gold_sha256, top_k=top_k, notify=self.notes.append, progress=progress
            )


def cut_short(library, stop, **more):
    with pytest.raises(KeyboardInterrupt):
        Run(library, stop, **more)


def compared(report):
    kept = {name: metric for name, metric in report["metrics"].items() if not name.startswith("latency")}
    return json.dumps({**report, "metrics": kept})


@pytest.mark.parametrize("stop", [1, 16, 20, N - 1])
def test_a_run_that_was_interrupted_is_taken_up_where_it_stopped_and_reports_the_same(library, stop):
    whole = Run(library)
    cut_short(library, stop)
    resumed = Run(library)
    assert compared(resumed.report) == compared(whole.report)
    assert resumed.judged == [question for question, _ in QUESTIONS[stop:]]
    assert resumed.notes == [f"taken up after {stop} of {N} questions"]
    assert resumed.steps[:2] == [(stop, N + TIMED), (stop + 1, N + TIMED)]
    assert {row["stage"] for row in whole.report["questions"]} >= {"ok", "missed"}


def test_a_run_that_was_interrupted_twice_is_taken_up_twice(library):
    whole = Run(library)
    cut_short(library, 10)
    cut_short(library, 30)
    resumed = Run(library)
    assert compared(resumed.report) == compared(whole.report)
    assert len(resumed.judged) == N - 30


def test_a_run_that_was_interrupted_while_timing_asks_no_question_but_those_that_are_timed(library):
    whole = Run(library)
    cut_short(library, N + 3)
    resumed = Run(library)
    assert compared(resumed.report) == compared(whole.report)
    assert resumed.judged == []
    assert resumed.report["metrics"]["latency_ms_p50"]["n"] == TIMED


KILLED = """
import os, signal, sys
from pathlib import Path
from fakes import answerer_over, new_store
from api.evaluating import evaluate_with
from rag.gold import load_gold
library, stop = Path(sys.argv[1]), int(sys.argv[2])
def progress(done, total, what):
    if done == stop:
        os.kill(os.getpid(), signal.SIGKILL)
answerer = answerer_over(new_store(library / "store"))
evaluate_with(answerer, load_gold(library / "gold.jsonl"), "0" * 64, top_k=10, notify=print, progress=progress)
"""


def test_a_run_that_was_killed_is_taken_up_where_it_stopped_and_reports_the_same(library):
    whole = Run(library)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, library, "20"], env={**os.environ, "PYTHONPATH": paths}, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    (journal,) = (library / "store" / "evaluations").glob("*.ndjson")
    with journal.open("ab") as file:
        file.write(b'{"row": {"id": "20", ')  # what it was just writing
    resumed = Run(library)
    assert compared(resumed.report) == compared(whole.report)
    assert resumed.judged == [question for question, _ in QUESTIONS[20:]]


def test_a_run_that_was_completed_is_not_taken_up_again(library):
    Run(library)
    again = Run(library)
    assert (again.notes, len(again.judged)) == ([], N)
    assert list((library / "store" / "evaluations").iterdir()) == []


def other_threshold(answerer):
    answerer.calibration = Calibration(threshold=0.25, fingerprint=answerer.fingerprint())


def one_document_less(answerer):
    with answerer.store.write() as writer:
        writer.remove(document_id_of("Amur.txt"))


@pytest.mark.parametrize(
    "other",
    [{"change": other_threshold}, {"change": one_document_less}, {"top_k": 3}, {"gold_sha256": "1" * 64}],
    ids=["calibration", "documents", "top_k", "gold"],
)
def test_with_anything_else_that_decides_the_answers_a_run_begins_at_the_beginning(library, other):
    cut_short(library, 20)
    run = Run(library, **other)
    assert (run.notes, len(run.judged)) == ([], N)


@pytest.mark.parametrize("model", ["encoder", "reader"])
def test_in_another_precision_a_run_begins_at_the_beginning_though_one_calibration_holds_for_both(library, model):
    fingerprints = set()

    def run_in(precision):
        def change(answerer):
            one = getattr(answerer, model)
            one.info = replace(one.info, precision=precision)
            fingerprints.add(answerer.fingerprint())

        return change

    cut_short(library, 20, change=run_in("bf16"))
    run = Run(library, change=run_in("fp32"))
    assert (run.notes, len(run.judged)) == ([], N)
    assert len(fingerprints) == 1


def test_what_is_written_while_a_run_lasts_changes_nothing_of_its_report(library):
    whole = Run(library)

    def write(store):  # questions 32 to 39 are not asked yet, and none is asked again for its latency
        path = library / "bridge.txt"
        path.write_text("When was the bridge number 20 built? The bridge number 20 was built in 1893.")
        put(store, path, path.name)
        with store.write() as writer:
            writer.remove(document_id_of("Volga.txt"))

    changed = Run(library, meanwhile=write)
    assert compared(changed.report) == compared(whole.report)
    later = Run(library).report
    assert later["run"]["generation"] == whole.report["run"]["generation"] + 2
    assert later["questions"][-4]["prediction"] == "1893"


def test_the_same_run_twice_at_once_is_refused_and_the_first_goes_on(library):
    def again(_):
        with pytest.raises(Locked, match="the same evaluation is under way"):
            Run(library)

    first = Run(library, meanwhile=again)
    assert first.judged == [question for question, _ in QUESTIONS]
    assert [row["id"] for row in first.report["questions"]] == [str(number) for number in range(N)]


def test_a_wrong_answer_is_reported_with_what_the_reader_makes_of_the_gold_passage(library):
    report = Run(library).report
    wrong = [row for row in report["questions"] if row["stage"] != "ok" and row["answerable"]]
    assert [row["id"] for row in wrong] == [str(number) for number in range(8, 16)]
    # The fake reads the end of the river in its one sentence; accepted is "<river> ends near".
    assert [row["gold_passage"] for row in wrong] == [{"answer": end, "f1": 0.0} for end in ENDS]
    assert report["metrics"]["gold_passage_f1"] == {"value": 0.0, "n": 8, "ci_low": 0.0, "ci_high": 0.0}
    assert all(row["gold_passage"] is None for row in report["questions"] if row not in wrong)
