"""The command line as a user meets it: exit codes, what goes to stdout, one clear line for a mistake."""

import json
import shutil
import socket
import subprocess
import sys

import pytest

from api.cli.main import main

QUESTION = "In which city is the Regional Anti-Terrorist Structure?"


@pytest.fixture
def pincite(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; give (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["pincite", *map(str, args)])
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def articles(tmp_path):
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "nile.txt").write_text("The Nile\n\nThe Nile ends in Egypt near Alexandria. Hapi guarded its floods.\n")
    (folder / "bread.md").write_text("# Bread\n\nBy Ada Miller\n\nThe bakers of Thebes bought yeast from Memphis.\n")
    return folder


def failed(result, code, *parts):
    """One line on stderr, nothing on stdout, the documented exit code."""
    got, out, err = result
    assert (got, out) == (code, "")
    lines = [line for line in err.splitlines() if line.startswith("pincite: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in lines[0]
    return True


def test_an_answer_has_its_quote_place_and_exit_code_0(pincite, seed_store):
    code, out, _ = pincite("ask", QUESTION, "--store", seed_store)
    assert code == 0
    assert out.startswith("“Tashkent")
    assert "004_f57fcf7a1781884f.txt:12:271 [1762:17" in out


def test_json_is_the_object_of_the_http_interface(pincite, seed_store):
    code, out, _ = pincite("ask", QUESTION, "--json", "--store", seed_store)
    reply = json.loads(out)
    assert code == 0
    assert list(reply) == (
        [
            "question",
            "answer",
            "sentence",
            "confidence",
            "calibrated",
            "citations",
            "alternatives",
            "passages",
            "timings_ms",
            "store",
        ]
    )
    assert reply["calibrated"] is True
    assert reply["citations"][0]["verified"] is True


def test_no_answer_is_exit_code_3_with_the_nearest_passages(pincite, seed_store):
    code, out, _ = pincite("ask", "Which yeast makes the best sourdough bread?", "--store", seed_store)
    assert code == 3
    assert out.startswith("Not in the documents")
    assert "nearest:" in out


def test_a_source_filter_that_matches_nothing_gives_no_answer(pincite, seed_store):
    code, out, _ = pincite("ask", QUESTION, "--source", "nothing/*", "--json", "--store", seed_store)
    reply = json.loads(out)
    assert (code, reply["answer"], reply["passages"], reply["confidence"]) == (3, None, [], 0.0)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["ask", "   "], ["the question is empty"]),
        (["ask", "x" * 1001], ["1001 characters", "1000"]),
        (["ask", "Who?", "--min-confidence", "1.5"], ["min_confidence is 1.5"]),
        (["ask", "Who?", "--min-confidence", "risk:never"], ["'risk:never'"]),
        (["ask", "Who?", "--reader", "./nowhere"], ["./nowhere", "no such folder"]),
        (["ask", "Who?", "--embedder", "./nowhere"], ["./nowhere", "no such folder"]),
        (["remove", "nothing.txt"], ["nothing.txt", "pincite list"]),
        (["eval", "nowhere.jsonl"], ["nowhere.jsonl"]),
        (["verify", "nowhere.json"], ["nowhere.json", "No such file"]),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_exit_code_2(pincite, seed_store, arguments, parts):
    assert failed(pincite(*arguments, "--store", seed_store), 2, *parts)


@pytest.mark.parametrize("arguments", [["ask", "Who?", "--top-k", "0"], ["ask"], ["fly"], ["ask", "Who?", "--colour"]])
def test_a_mistyped_call_is_exit_code_2(pincite, arguments):
    code, out, err = pincite(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err


@pytest.mark.parametrize("arguments", [["ask", "Who?"], ["search", "x"], ["list"], ["remove", "x"], ["doctor"]])
def test_an_absent_store_is_exit_code_4_and_says_how_to_make_one(pincite, arguments):
    assert failed(pincite(*arguments), 4, "no store at .pincite", "pincite index PATHS")


def test_a_mistyped_setting_is_not_passed_over(pincite, monkeypatch):
    monkeypatch.setenv("PINCITE_STROE", "x")
    assert failed(pincite("list"), 2, "PINCITE_STROE", "known: ")


def test_a_missing_path_and_an_empty_folder_are_exit_code_2_and_make_no_store(pincite, tmp_path):
    assert failed(pincite("index", "nowhere"), 2, "nowhere")
    (tmp_path / "empty").mkdir()
    assert failed(pincite("index", "empty"), 2, "empty: nothing to index")
    assert failed(pincite("index"), 2, "nothing to index")
    assert not (tmp_path / ".pincite").exists()


def test_bad_files_are_listed_with_their_reasons_and_the_good_ones_indexed(pincite, articles):
    (articles / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (articles / "broken.txt").write_bytes(b"Ein Satz. " * 20 + b"\x81\x8d\xff\xfe\x00\x01")
    (articles / "empty.txt").write_bytes(b"")
    (articles / "huge.txt").write_bytes(b"word " * (10 * 2**20))  # one line of 50 MiB
    (articles / "sheet.ods").write_bytes(b"PK")
    code, out, _ = pincite("index", "articles", "--json")
    report = json.loads(out)
    assert code == 0
    assert sorted(report["added"]) == ["bread.md", "nile.txt"]
    reasons = {item["source"]: item["reason"] for item in report["rejected"]}
    assert reasons.keys() == {"picture.txt", "broken.txt", "empty.txt", "huge.txt"}
    assert "50.0 MiB" in reasons["huge.txt"]
    assert "binary" in reasons["picture.txt"]
    assert [item["source"] for item in report["unsupported"]] == ["sheet.ods"]
    assert pincite("index", "articles", "--strict")[0] == 1


def test_a_second_run_embeds_nothing_and_a_change_only_its_own_passages(pincite, articles):
    first = json.loads(pincite("index", "articles", "--json")[1])
    assert first["embedded"] == first["passages"] == 2
    again = json.loads(pincite("index", "articles", "--json")[1])
    assert (again["embedded"], again["passages"], len(again["unchanged"])) == (0, 0, 2)
    (articles / "nile.txt").write_text("The Nile\n\nThe Nile ends in Sudan. Nobody guards it.\n")
    changed = json.loads(pincite("index", "articles", "--json")[1])
    assert (changed["replaced"], changed["embedded"], changed["passages"]) == (["nile.txt"], 1, 1)
    assert pincite("ask", "Where does the Nile end?", "--min-confidence", "0")[1].startswith("“Sudan")


def test_a_renamed_file_is_a_new_document_that_is_not_embedded_again(pincite, articles):
    pincite("index", "articles")
    (articles / "nile.txt").rename(articles / "river.txt")
    report = json.loads(pincite("index", "articles", "--prune", "--json")[1])
    assert (report["added"], report["pruned"], report["embedded"]) == (["river.txt"], ["nile.txt"], 0)


def test_a_vanished_file_is_reported_and_pruned_only_when_asked(pincite, articles):
    pincite("index", "articles")
    (articles / "nile.txt").unlink()
    code, _, err = pincite("index", "articles")
    assert (code, "vanished: nile.txt" in err) == (0, True)
    ask = ("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")
    assert json.loads(pincite(*ask)[1])["citations"][0]["source"] == "nile.txt"
    pincite("index", "articles", "--prune")
    reply = json.loads(pincite(*ask)[1])
    assert {p["source"] for p in reply["passages"]} == {"bread.md"}


def test_a_dry_run_reports_and_changes_nothing(pincite, articles, tmp_path):
    code, out, _ = pincite("index", "articles", "--dry-run")
    assert (code, "2 documents would be added" in out) == (0, True)
    assert not (tmp_path / ".pincite").exists()


def test_two_files_that_give_one_source_are_refused(pincite, articles, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(articles, other)
    assert failed(pincite("index", "articles", "other"), 2, "bread.md")
    pincite("index", "articles")
    assert failed(pincite("index", "other"), 2, "bread.md", "articles")


def test_what_is_removed_is_never_cited_again(pincite, articles):
    pincite("index", "articles")
    assert pincite("remove", "nile.txt")[0] == 0
    _, out, _ = pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")
    assert "nile.txt" not in out
    assert [d["source"] for d in json.loads(pincite("list", "--json")[1])["documents"]] == ["bread.md"]


def test_a_store_of_another_embedder_is_refused_and_rebuilt_from_its_texts(pincite, articles, tmp_path):
    from index.models import default_embedder_folder

    other = tmp_path / "other-model"
    shutil.copytree(default_embedder_folder(), other)
    pooling = other / "1_Pooling" / "config.json"
    changed = json.loads(pooling.read_text()) | {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    pooling.write_text(json.dumps(changed))
    pincite("index", "articles")
    assert failed(pincite("ask", "Who?", "--embedder", other), 4, "embedder.pooling is 'mean'", "--rebuild")
    shutil.rmtree(articles)
    code, out, _ = pincite("index", "--rebuild", "--embedder", other, "--json")
    assert (code, json.loads(out)["embedded"]) == (0, 2)
    assert pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--embedder", other)[0] == 0


HOLD = "import sys; from pathlib import Path; from index.lock import exclusive\n"
HOLD += "with exclusive(Path(sys.argv[1]), 1): print('held', flush=True); sys.stdin.read()"


def test_a_store_that_another_process_writes_is_exit_code_4_and_names_it(pincite, articles, tmp_path):
    pincite("index", "articles")
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".pincite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert failed(pincite("remove", "nile.txt"), 4, f"process {holder.pid}")
        holder.stdin.close()
    assert pincite("remove", "nile.txt")[0] == 0


LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
LIMITED += "sys.argv = ['pincite', *sys.argv[2:]]; from api.cli.main import main; main()"


def test_a_disk_that_takes_no_more_is_one_line_and_loses_nothing(pincite, articles, tmp_path):
    pincite("index", "articles")
    (articles / "long.txt").write_text("".join(f"Sentence number {i} says nothing new.\n\n" for i in range(3000)))
    command = [sys.executable, "-c", LIMITED, str(300 * 1024), "index", "articles"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert "nothing was lost" in done.stderr
    assert pincite("ask", "Where does the Nile end?", "--min-confidence", "0")[1].startswith("“Egypt")
    assert pincite("doctor")[0] == 0
    assert json.loads(pincite("index", "articles", "--json")[1])["added"] == ["long.txt"]


def test_a_damaged_store_is_exit_code_4(pincite, articles, tmp_path):
    pincite("index", "articles")
    (tmp_path / ".pincite" / "pincite.sqlite").write_bytes(b"this is no database at all" * 100)
    assert failed(pincite("ask", "Who?"), 4, "pincite.sqlite")


def test_a_port_in_use_and_a_public_address_without_keys_are_exit_code_2(pincite, seed_store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert failed(pincite("serve", "--port", port, "--store", seed_store), 2, str(port), "in use")
    assert failed(pincite("serve", "--host", "0.0.0.0", "--store", seed_store), 2, "0.0.0.0", "--insecure")


def test_saved_answers_are_verified_until_the_text_changes(pincite, articles, tmp_path):
    pincite("index", "articles")
    _, saved, _ = pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")
    (tmp_path / "saved.json").write_text(saved)
    code, out, _ = pincite("verify", "saved.json", "--json")
    assert (code, json.loads(out)["results"][0]["status"]) == (0, "ok")
    text = (articles / "nile.txt").read_text()
    (articles / "nile.txt").write_text("A new first line.\n\n" + text)
    pincite("index", "articles")
    code, out, _ = pincite("verify", "saved.json")
    assert (code, out.split("\t")[0]) == (1, "moved")
    pincite("remove", "nile.txt")
    code, out, _ = pincite("verify", "saved.json")
    assert (code, out.split("\t")[0]) == (1, "missing")


def test_a_malformed_gold_line_stops_before_any_question_is_asked(pincite, seed_store, tmp_path):
    good = {"id": "1", "question": "Who?", "answers": ["x"], "sources": ["a.txt"], "answerable": True}
    (tmp_path / "gold.jsonl").write_text(json.dumps(good) + "\n{broken\n")
    assert failed(pincite("eval", "gold.jsonl", "--store", seed_store), 2, "gold.jsonl:2")


GOLD = [
    {"id": "1", "question": "Where does the Nile end?", "answers": ["Egypt"], "sources": ["nile.txt"]},
    {"id": "2", "question": "Who sells cheap flights to Mars?", "answers": [], "sources": [], "answerable": False},
]


def test_an_evaluation_prints_a_table_writes_a_report_and_gates(pincite, articles, tmp_path):
    pincite("index", "articles")
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(line) + "\n" for line in GOLD))
    code, out, _ = pincite("eval", "gold.jsonl", "--json", "report.json", "--min", "citation_verified=1")
    report = json.loads((tmp_path / "report.json").read_text())
    assert code == 0
    assert "no_answer_accuracy" in out
    assert list(report) == ["run", "metrics", "questions"]
    assert [question["id"] for question in report["questions"]] == ["1", "2"]
    code, _, err = pincite("eval", "gold.jsonl", "--max", "f1=-1", "--min", "unheard_of=0")
    assert code == 1
    assert "f1 is" in err
    assert "unheard_of was not measured" in err
    assert failed(pincite("eval", "gold.jsonl", "--min", "f1"), 2, "METRIC=NUMBER")


def test_a_calibration_is_written_into_the_store_and_used(pincite, articles, tmp_path):
    pincite("index", "articles")
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(line) + "\n" for line in GOLD))
    code, out, _ = pincite("calibrate", "gold.jsonl")
    assert (code, "fitted on 2 questions" in out) == (0, True)
    assert (tmp_path / ".pincite" / "calibration.json").is_file()
    assert json.loads(pincite("ask", "Where does the Nile end?", "--json")[1])["calibrated"] is True


def test_nothing_but_results_goes_to_stdout_in_a_pipe(seed_store):
    command = [sys.executable, "-m", "api.cli", "search", "summit", "--json", "--store", str(seed_store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["query"] == "summit"
    assert done.stderr == ""
