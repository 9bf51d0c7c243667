"""`pincite ask -` in a pipe, and completion by the shell."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import failed
from fakes import answerer_over

CLIMBED, FLOWS = "Who first climbed the mountain Eiger?", "Where does the river Nile flow through?"
ANSWERS = ["Charles Barrington", "Khartoum"]
UNANSWERED = "Which telescope discovered seventeen planets?"
ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join(map(str, [ROOT, ROOT / "tests", ROOT / "tests" / "api"]))


@pytest.fixture
def ask(pincite, monkeypatch, kept):
    """Run `pincite ask` over the small models, with this on stdin; give (exit code, lines of stdout, stderr)."""
    opened = []

    def open_answerer(**_):
        opened.append(1)
        return answerer_over(kept)

    def run(stdin, *options):
        data = stdin if isinstance(stdin, bytes) else "".join(f"{line}\n" for line in stdin).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code, out, err = pincite("ask", "-", *options)
        assert len(opened) == 1
        opened.clear()
        return code, [json.loads(line) for line in out.split("\n")[:-1]], err

    monkeypatch.setattr("api.build.open_answerer", open_answerer)
    return run


def test_every_line_is_a_question_and_gets_its_reply_in_order(ask):
    code, replies, err = ask([CLIMBED, FLOWS] * 20)
    assert (code, err) == (0, "")
    assert [reply["question"] for reply in replies] == [CLIMBED, FLOWS] * 20
    assert [reply["answer"] for reply in replies] == ANSWERS * 20


def test_a_question_without_an_answer_is_a_null_among_the_replies_and_no_exit_code(ask):
    code, replies, _ = ask([UNANSWERED, CLIMBED])
    assert (code, [reply["answer"] for reply in replies]) == (0, [None, "Charles Barrington"])


def test_a_line_that_cannot_be_asked_gets_a_problem_and_exit_code_1_and_the_others_go_on(ask):
    code, replies, err = ask(b"\n".join([b"x" * 1001, b"Who \xff climbed?", CLIMBED.encode()]))
    assert code == 1
    assert err == "2 lines could not be asked; the replies say why\n"
    assert [list(reply) for reply in replies[:2]] == [["error"], ["error"]]
    assert [reply["error"]["status"] for reply in replies[:2]] == [422, 422]
    assert "1001 characters" in replies[0]["error"]["detail"]
    assert "not UTF-8 at byte 4" in replies[1]["error"]["detail"]
    assert replies[2]["answer"] == "Charles Barrington"


def test_blank_lines_a_byte_order_mark_crlf_and_no_last_line_break_are_no_questions(ask):
    code, replies, _ = ask(b"\xef\xbb\xbf" + CLIMBED.encode() + b"\r\n \r\n\n\t\n" + FLOWS.encode())
    assert (code, [reply["question"] for reply in replies]) == (0, [CLIMBED, FLOWS])
    assert ask(b"") == (0, [], "")
    assert ask(b"\n \n") == (0, [], "")


def test_a_reply_in_a_pipe_is_one_line_whatever_line_breaks_a_question_has(ask):
    _, (reply,), _ = ask("Who first\u2028climbed the\x0b mountain Eiger?\n".encode())
    assert reply["question"] == "Who first\u2028climbed the\x0b mountain Eiger?"


def test_the_options_are_those_of_every_question(ask):
    _, replies, _ = ask([CLIMBED, FLOWS], "--source", "alps/c*", "--top-k", "1", "--citation-form", "char_location")
    assert [[passage["source"] for passage in reply["passages"]] for reply in replies] == [["alps/copy.txt"]] * 2
    assert replies[0]["citations"][0]["char_location"]["cited_text"] == "Charles Barrington"
    assert ask([CLIMBED], "--min-confidence", "1")[1][0]["answer"] is None


def test_the_form_of_citations_is_that_of_the_json(pincite, monkeypatch, kept):
    monkeypatch.setattr("api.build.open_answerer", lambda **_: answerer_over(kept))
    code, out, _ = pincite("ask", CLIMBED, "--json", "--citation-form", "web_annotation")
    assert (code, json.loads(out)["citations"][0]["web_annotation"]["type"]) == (0, "Annotation")
    assert failed(pincite("ask", CLIMBED, "--citation-form", "web_annotation"), 2, "add --json")
    assert failed(pincite("ask", CLIMBED, "--json", "--citation-form", "bibtex"), 2, "bibtex")


SLOWLY = """
import sys
import api.build
from pathlib import Path
from fakes import MANIFEST, answerer_over
from index.store import Store
store = sys.argv.pop()
api.build.open_answerer = lambda **_: answerer_over(Store.open(Path(store), MANIFEST))
from api.cli.main import main
main()
"""


@pytest.fixture
def process(kept):
    """`pincite ask -` as a process of its own."""
    command = [sys.executable, "-c", SLOWLY, "ask", "-", str(kept.folder)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PATHS},
    ) as process:
        yield process


def test_a_question_is_answered_as_soon_as_its_line_has_ended(process):
    for question, answer in zip((CLIMBED, FLOWS), ANSWERS, strict=True):
        process.stdin.write(f"{question}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["answer"] == answer
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


def test_a_pipe_that_is_closed_ends_it_quietly(process):
    process.stdin.write(f"{CLIMBED}\n".encode())
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(f"{CLIMBED}\n".encode() * 100)
    process.stdin.close()
    assert process.stderr.read() == b""
    process.wait()


COMPLETING = """#!/bin/sh
exec "$PYTHON" -c '
import sys
from api.cli.main import main
sys.argv[0] = "pincite"
try:
    main()
finally:
    loaded = {"openvino", "faiss", "tantivy", "torch", "transformers", "fastapi"} & set(sys.modules)
    assert not loaded, loaded
' "$@"
"""


@pytest.fixture
def shell(tmp_path):
    """Run a line in a shell that has `pincite`, with these variables; give what it says."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "pincite"
    program.write_text(COMPLETING)
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"

    def run(line, **variables):
        env = {**os.environ, "PATH": path, "PYTHON": sys.executable, "PYTHONPATH": PATHS, **variables}
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=env, check=True)
        assert done.stderr == ""
        return done.stdout

    return run


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_commands_options_and_their_values_are_completed_without_loading_what_answers(shell, name):
    def offered(words):
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}  # bash
        asked |= {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}  # zsh, fish
        return shell("pincite", _PINCITE_COMPLETE=f"complete_{name}", **asked)

    assert "search" in offered("pincite sea")
    assert "--citation-form" in offered("pincite ask --cit")
    assert "char_location" in offered("pincite ask --citation-form char")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_that_asks_pincite_what_to_offer(shell, name):
    assert f"_PINCITE_COMPLETE=complete_{name}" in shell("pincite", _PINCITE_COMPLETE=f"source_{name}")


def test_the_script_that_is_shown_completes_in_the_shell_that_it_is_shown_for(shell):
    press = "COMP_WORDS=(pincite doc) COMP_CWORD=1; _pincite_completion pincite; echo ${COMPREPLY[@]}"
    assert shell(f'eval "$(pincite --show-completion)"; {press}') == "doctor\n"
