"""The command line as a user meets it: exit codes, what goes to stdout, one clear line for a mistake."""

import json
import socket
import subprocess
import sys
from importlib.metadata import version

import pytest
from command_line import failed

from api.build import DEFAULT_READER, open_answerer
from index.models import default_embedder_folder

QUESTION = "In which city is the Regional Anti-Terrorist Structure?"


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


@pytest.mark.parametrize("command", ["ask", "search"])
def test_a_source_filter_that_is_no_text_is_refused(pincite, seed_store, command):
    assert failed(pincite(command, QUESTION, "--source", "\udcff*", "--store", seed_store), 2, "filter", "UTF-8")


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
    assert failed(pincite(*arguments), 2, "pincite --help")


@pytest.mark.parametrize("arguments", [["ask", "Who?"], ["search", "x"], ["list"], ["remove", "x"], ["doctor"]])
def test_an_absent_store_is_exit_code_4_and_says_how_to_make_one(pincite, arguments):
    assert failed(pincite(*arguments), 4, "no store at .pincite", "pincite index PATHS")


def test_a_mistyped_setting_is_not_passed_over(pincite, monkeypatch):
    monkeypatch.setenv("PINCITE_STROE", "x")
    assert failed(pincite("list"), 2, "PINCITE_STROE", "known: ")


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


def test_a_calibration_for_another_top_k_is_used_where_that_is_named(pincite, articles, tmp_path):
    pincite("index", "articles")
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(line) + "\n" for line in GOLD))
    assert pincite("calibrate", "gold.jsonl", "--top-k", "20")[0] == 0
    replies = {}
    for top_k in ("20", "10", "5"):
        _, out, err = pincite("ask", "Where does the Nile end?", "--json", "--top-k", top_k)
        replies[top_k] = json.loads(out)["calibrated"], "rough order" in err
    assert replies == {"20": (True, False), "10": (True, False), "5": (False, True)}
    own, shipped = (open_answerer(".pincite", top_k=top_k).calibration.fitted_on for top_k in (20, 10))
    assert (own, shipped != own) == ("gold.jsonl", True)


def test_a_damaged_calibration_is_named_and_made_again(pincite, articles, tmp_path):
    pincite("index", "articles")
    (tmp_path / ".pincite" / "calibration.json").write_text("{bad")
    assert failed(pincite("ask", "Where does the Nile end?"), 4, "calibration.json", "`pincite calibrate`")
    assert pincite("search", "Nile")[0] == 0
    code, out, err = pincite("doctor", "--repair")
    assert (code, out.count("\n"), err) == (1, 1, "1 problem found\n")
    assert out.startswith("calibration.json: not a calibration")
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(line) + "\n" for line in GOLD))
    code, out, err = pincite("calibrate", "gold.jsonl")
    assert (code, "fitted on 2 questions" in out) == (0, True)
    assert "warning: 2 are few" in err
    assert pincite("doctor")[0] == 0


def test_nothing_but_results_goes_to_stdout_in_a_pipe(seed_store):
    command = [sys.executable, "-m", "api.cli", "search", "summit", "--json", "--store", str(seed_store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["query"] == "summit"
    assert done.stderr == ""


def test_replies_of_a_batch_are_verified_whatever_line_breaks_their_texts_have(pincite, articles, tmp_path):
    (articles / "odd.txt").write_text("The Nile ends in Egypt\u2028near Alexandria.")
    pincite("index", "articles")
    _, saved, _ = pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")
    line = json.dumps(json.loads(saved), ensure_ascii=False)
    (tmp_path / "saved.ndjson").write_text(f"{line}\n{line}\n")
    assert "\u2028" in line
    assert pincite("verify", "saved.ndjson")[0] == 0


def test_replies_that_were_saved_one_after_another_are_verified_and_a_fault_names_the_file(
    pincite, seed_store, tmp_path
):
    for question in (QUESTION, "Who wrote it?"):
        with (tmp_path / "saved.json").open("a") as file:
            file.write(pincite("ask", question, "--min-confidence", "0", "--json", "--store", seed_store)[1])
    code, out, _ = pincite("verify", "saved.json", "--json", "--store", seed_store)
    assert (code, {one["status"] for one in json.loads(out)["results"]}) == (0, {"ok"})
    (tmp_path / "faulty.json").write_text('{"citations": [\n{"start": 1, "end": 2, "source": "a.txt"}]}')
    assert failed(
        pincite("verify", "faulty.json", "--store", seed_store), 2, "faulty.json: citations[0]: quote is missing"
    )
    (tmp_path / "cut.json").write_text('{"citations": []}\n\n{"citations":')
    assert failed(pincite("verify", "cut.json", "--store", seed_store), 2, "cut.json:3: not JSON")


@pytest.mark.parametrize(
    "command", [["list"], ["doctor"], ["keys", "list"], ["index", "articles"], ["models", "prepare"]]
)
def test_every_command_takes_the_common_options_and_shows_those_it_has_a_use_for(pincite, articles, command):
    common = ("--store", "store", "--embedder", default_embedder_folder(), "--reader", DEFAULT_READER)
    assert pincite("index", "articles", *common)[0] == pincite(*command, *common)[0] == 0
    shown = pincite(*command[: 2 if command[0] in ("keys", "models") else 1], "--help")[1]
    assert ("--store" in shown, "--reader" in shown) == (command[0] != "models", command[0] == "models")


def test_a_file_in_the_place_of_a_store_is_no_store(pincite, tmp_path):
    (tmp_path / "file").write_text("x")
    assert failed(pincite("ask", "Who?", "--store", "file"), 4, "no store at file")


@pytest.mark.parametrize(("content", "words"), [("", "empty"), ("[" * 100_000, "not JSON"), ("{", "not JSON")])
def test_saved_answers_that_cannot_be_read_are_exit_code_2(pincite, seed_store, tmp_path, content, words):
    (tmp_path / "saved.json").write_text(content)
    assert failed(pincite("verify", "saved.json", "--store", seed_store), 2, "saved.json", words)


def test_a_question_that_is_not_text_is_exit_code_2(pincite, seed_store):
    assert failed(pincite("ask", "\udcff who", "--store", seed_store), 2, "not text")


def test_a_mistyped_name_in_the_settings_file_is_not_passed_over(pincite, tmp_path):
    (tmp_path / ".env").write_text("PINCITE_STROE=x\n")
    assert failed(pincite("list"), 2, "PINCITE_STROE")
    (tmp_path / ".env").write_text("OTHER=1\nPINCITE_STORE=elsewhere\n")
    assert failed(pincite("list"), 4, "elsewhere")
    (tmp_path / ".env").write_bytes(b"PINCITE_STORE=\xff\n")
    assert failed(pincite("list"), 2, ".env")


@pytest.mark.parametrize("group", [(), ("gold",), ("keys",), ("models",)])
def test_without_a_command_the_help_is_shown_as_it_is(pincite, group):
    code, out, err = pincite(*group)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert err == pincite(*group, "--help")[1]


def test_who_stops_a_command_is_told_what_is_kept(pincite, seed_store, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("index.store.Store.open", stop)
    assert failed(pincite("list", "--store", seed_store), 130, "stopped; what was reported as done is kept")


@pytest.mark.parametrize(("before", "meanwhile"), [("default_int_handler", "SIG_DFL"), ("SIG_IGN", "SIG_IGN")])
def test_ctrl_c_while_commands_are_imported_leaves_no_traceback(before, meanwhile):
    code = f"import signal as s; s.signal(s.SIGINT, s.{before}); import api.cli.__main__; "
    code += f"assert s.getsignal(s.SIGINT) == s.{meanwhile}; import sys; sys.argv = ['pincite', '--version']\n"
    code += f"try: api.cli.__main__.run()\nfinally: assert s.getsignal(s.SIGINT) == s.{before}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pincite {version('pincite')}\n", "")


def test_the_version_is_told(pincite):
    assert pincite("--version") == (0, f"pincite {version('pincite')}\n", "")


@pytest.mark.parametrize("group", [[], ["gold"], ["keys"], ["models"]])
def test_no_line_of_a_list_of_commands_is_cut_off(pincite, monkeypatch, group):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = pincite(*group, "--help")
    listed = out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert listed
    assert [line for line in listed.splitlines() if "..." in line or not line.strip().endswith(".")] == []


def test_the_score_of_a_passage_is_not_to_be_taken_for_a_confidence(pincite, seed_store):
    _, found, _ = pincite("search", "yeast", "--store", seed_store)
    assert all(line.startswith("fusion score ") for line in found.splitlines())
    _, nothing, _ = pincite("ask", "Which yeast makes the best sourdough bread?", "--store", seed_store)
    assert nothing.count("nearest: fusion score ") == 3
