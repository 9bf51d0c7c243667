"""The report, its table and its gates, with an answerer that knows its replies by heart."""

import json
from dataclasses import asdict, replace

import pytest
from by_heart import GOLD, REPLIES, ByHeart, Disk, cite, gold, values
from fakes import answerer_over, new_store, put

from index.chunk_limits import ChunkLimits
from rag.documents import StoredDocuments
from rag.evaluate import check_gates, evaluate, format_table
from rag.gold import Evidence


def run(questions=GOLD, replies=REPLIES, **more):
    return evaluate(ByHeart(replies), Disk(), questions, run_info={"version": "1"}, **more)


def test_every_metric_is_the_mean_over_the_questions_it_is_about():
    got = values(run())
    assert got["exact_match"] == got["f1"] == (1 / 3, 3)
    assert got["has_answer_rate"] == (2 / 3, 3)
    assert got["no_answer_accuracy"] == (1 / 1, 1)
    assert got["overall_exact_match"] == got["overall_f1"] == (2 / 4, 4)
    assert got["citation_precision"] == (2 / 2, 2)
    assert got["citation_recall"] == (2 / 3, 3)
    assert got["citation_verified"] == (2 / 2, 2)
    names = ["source_hit@1", "source_hit@5", "source_hit@10", "recall@5", "recall@10", "mrr@10", "ndcg@10"]
    assert [got[name] for name in [*names, "passage_hit@1", "passage_hit@5", "passage_hit@10"]] == [(1.0, 3)] * 10


def test_confidence_is_judged_by_the_candidate_before_the_threshold_with_unanswerable_ones_always_wrong():
    got = values(run())
    gaps = abs(0.9 - 1) + abs(0.7 - 0) + abs(0.4 - 1) + abs(0.2 - 0)
    assert got["ece"] == (pytest.approx(gaps / 4), 4)
    # most confident first: right, wrong, right, wrong
    assert got["aurc"] == (pytest.approx((0 / 1 + 1 / 2 + 1 / 3 + 2 / 4) / 4), 4)


def test_latency_is_that_of_questions_asked_alone():
    got = values(run())  # alone they take 1, 2, 3 and 4 ms
    assert got["latency_ms_p50"] == ((2 + 3) / 2, 4)
    assert got["latency_ms_p95"] == (pytest.approx(3 + 0.85), 4)  # rank 0.95 * 3 = 2.85


def test_at_most_100_evenly_spaced_questions_are_asked_alone():
    names = [f"q{number}" for number in range(250)]
    answerer = ByHeart(dict.fromkeys(names, ("Nile", "Nile", 0.5)))
    report = evaluate(answerer, Disk(), [gold(name) for name in names], run_info={})
    assert answerer.alone == [names[i * 250 // 100] for i in range(100)]
    assert report["metrics"]["latency_ms_p50"]["n"] == 100


def test_one_gold_set_measures_the_same_articles_however_they_are_cut(tmp_path):
    file = tmp_path / "nile.txt"
    file.write_text("The long river Nile ends at Alexandria. Birds rest there. It begins in Uganda. Few go there. " * 3)
    begins = file.read_text().index("Uganda")
    evidence = [Evidence("nile.txt", begins, begins + len("Uganda"))]
    questions = [
        replace(gold("end", answers=("Alexandria",)), question="Where does the long river end?", sources=("nile.txt",)),
        replace(gold("begin", answers=("Uganda",), evidence=evidence), question="Where?", sources=("nile.txt",)),
    ]
    found = {}
    for window in (8, 20, 64):
        with new_store(tmp_path / f"store{window}") as store:
            put(store, file, file.name, limits=ChunkLimits(window, target=window, overlap_sentences=0))
            with store.snapshot() as moment:
                passages = moment.passages
                report = evaluate(answerer_over(store, 0.0), StoredDocuments(moment), questions, run_info={}, top_k=100)
        found[passages] = {
            name: one["value"] for name, one in report["metrics"].items() if "hit" in name or name == "f1"
        }
        assert found[passages]["source_hit@1"] == 1
        assert found[passages]["passage_hit@10"] == 1, window
    assert len(found) == 3
    assert len({one["f1"] for one in found.values()}) == 1


def test_every_metric_carries_an_interval_around_its_value():
    for metric in run()["metrics"].values():
        assert metric.keys() == {"value", "n", "ci_low", "ci_high"}
        assert metric["ci_low"] <= metric["value"] <= metric["ci_high"]


def test_what_was_not_measured_is_absent():
    names = run([gold("none", (), False, ())])["metrics"].keys()
    expected = ["no_answer_accuracy", "overall_exact_match", "overall_f1", "ece", "aurc"]
    assert list(names) == [*expected, "latency_ms_p50", "latency_ms_p95"]


def test_evidence_without_answers_measures_retrieval_alone():
    report = run([gold("right", answers=(), evidence=[Evidence("a.txt", 0, 3)])])
    assert report["questions"][0] | {"exact_match": None, "f1": None, "stage": "ok"} == report["questions"][0]
    absent = {
        "exact_match",
        "f1",
        "has_answer_rate",
        "overall_f1",
        "citation_precision",
        "citation_recall",
        "ece",
        "aurc",
    }
    assert not absent & report["metrics"].keys()
    assert report["metrics"]["passage_hit@1"]["value"] == 1.0


def test_each_question_is_reported_with_its_reply_scores_and_stage():
    report = run()
    measures = report["questions"][0].pop("measures")
    assert measures.keys() & report["metrics"].keys() == measures.keys()
    assert (measures["f1"], measures["citation_verified"]) == (1.0, 1.0)
    assert report["questions"][0] == {
        "id": "right",
        "question": "right",
        "answerable": True,
        "tags": ["t"],
        "gold_answers": ["Nile"],
        "prediction": "the Nile",
        "candidate": "the Nile",
        "confidence": 0.9,
        "exact_match": 1.0,
        "f1": 1.0,
        "citations": [asdict(cite())],
        "stage": "ok",
        "gold_passage": None,
    }
    assert [row["stage"] for row in report["questions"]] == ["ok", "withheld", "missed", "ok"]
    assert [row["prediction"] for row in report["questions"]] == ["the Nile", None, "Congo", None]


def test_the_report_says_what_was_run_and_is_the_same_json_each_time():
    assert run()["run"] == {"version": "1", "seed": 0, "n": 4}
    assert json.dumps(run()) == json.dumps(run())


def test_noise_below_the_reported_digits_changes_nothing():
    noisy = {name: (given, candidate, c + 1e-6) for name, (given, candidate, c) in REPLIES.items()}
    assert run() == run(replies=noisy)


def test_progress_counts_every_question_asked_and_may_stop_the_run():
    seen = []
    run(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)


def test_nothing_to_ask_is_refused():
    with pytest.raises(ValueError, match="no question"):
        run([])


def without_latency(report):
    kept = {name: metric for name, metric in report["metrics"].items() if not name.startswith("latency")}
    return {**report, "metrics": kept}


@pytest.mark.parametrize("judged", [0, 1, 3, 4])
def test_a_run_that_is_taken_up_asks_the_other_questions_alone_and_reports_the_same(judged):
    kept = []
    whole = run(records=kept)
    assert [record["row"]["id"] for record in kept] == ["right", "withheld", "wrong", "none"]
    answerer, seen = ByHeart(REPLIES), []
    records = json.loads(json.dumps(kept[:judged]))
    report = evaluate(
        answerer,
        Disk(),
        GOLD,
        run_info={"version": "1"},
        records=records,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert answerer.asked == ["right", "withheld", "wrong", "none"][judged:]
    assert json.dumps(without_latency(report)) == json.dumps(without_latency(whole))
    assert json.dumps(records) == json.dumps(kept)
    assert seen == [(done, 8) for done in range(max(1, judged), 9)]


def test_each_record_is_kept_before_its_progress_is_told():
    kept, told = [], []

    def stop(done, total):
        told.append(len(kept))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(records=kept, progress=stop)
    assert told == [1, 2, 3]


def metric(value):
    return {"value": value, "n": 5, "ci_low": value, "ci_high": value}


def test_a_gate_is_kept_at_its_limit_and_fails_beyond_it():
    measured = {"f1": metric(0.5), "ece": metric(0.1)}
    assert check_gates(measured, {"f1": 0.5}, {"ece": 0.1}) == []
    assert check_gates(measured, {"f1": 0.51}, {"ece": 0.09}) == [
        "f1 is 0.5000, its minimum is 0.51",
        "ece is 0.1000, its maximum is 0.09",
    ]


def test_a_gate_of_zero_is_a_gate():
    assert check_gates({"ece": metric(0.1)}, {}, {"ece": 0.0}) == ["ece is 0.1000, its maximum is 0"]


def test_a_gate_whose_metric_was_not_measured_or_whose_limit_is_no_number_fails():
    assert check_gates({}, {"f1": 0.0}, {}) == ["f1 was not measured, so its minimum 0 is not kept"]
    assert len(check_gates({"f1": metric(1.0)}, {"f1": float("nan")}, {"f1": float("nan")})) == 2


def test_the_table_has_a_row_for_each_metric():
    report = {"metrics": {"f1": {"value": 2 / 3, "n": 3, "ci_low": 0, "ci_high": 1}, "latency_ms_p50": metric(12.34)}}
    assert format_table(report) == [
        ("f1", "0.6667", "0.0000..1.0000", "3"),
        ("latency_ms_p50", "12.3", "12.3..12.3", "5"),
    ]
