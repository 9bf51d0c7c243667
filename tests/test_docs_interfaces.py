"""docs/interfaces.md, carried out: what it says of chat completions, forms of citations and pipes."""

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from test_docs_api import run_sh
from test_docs_api import service as service  # a fixture

from api.chat_body import ChatBody

DOCUMENT = (Path(__file__).parent.parent / "docs" / "interfaces.md").read_text("utf-8")
CHAT, FORMS, PIPES = "Chat completions", "Citation forms", "Pipes"


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)[1]


def blocks(language, title):
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


def test_the_commands_of_a_chat_answer(service):
    said = run_sh("\n".join(blocks("sh", CHAT)), *service)
    assert '"content":"“Tashkent” [1]' in said
    assert '"object":"list"' in said


def test_the_openai_client_asks_and_streams_as_is_shown(service):
    url, key = service
    (block,) = blocks("python", CHAT)
    names, said = {}, io.StringIO()
    with redirect_stdout(said):
        exec(block.replace("http://127.0.0.1:8000", url).replace("pk_...", key), names)
    names["chat"].close()
    assert said.getvalue().count("“Tashkent” [1]") == 2  # whole, and in a stream
    assert f"The summit {url}/read/" in said.getvalue()


def test_the_command_for_a_form_of_citations_gives_it(service):
    said = run_sh("\n".join(blocks("sh", FORMS)), *service)
    assert '"char_location":{"type":"char_location","cited_text":"Tashkent","document_index":0' in said


def test_every_parameter_of_a_chat_is_in_the_table_that_says_what_becomes_of_it():
    row = re.compile(r"^\| (.+?) \| (?:heeded|refused|taken)", re.MULTILINE)
    heeded, refused, ignored = row.findall(section(CHAT).replace("| any other |", ""))
    named = {name for row in (heeded, refused, ignored) for name in re.findall(r"`(\w+)`", row)}
    assert named - {"include_usage"} == set(ChatBody.model_fields)
    for name in re.findall(r"`(\w+)`", ignored):
        ChatBody(model="pincite", messages=[{"role": "user", "content": "Who?"}], **{name: "anything"})
    for name in re.findall(r"`(\w+)`", refused):
        with pytest.raises(ValueError, match=name):
            ChatBody(model="pincite", messages=[{"role": "user", "content": "Who?"}], **{name: "anything"})


def test_the_scripts_of_the_shells_are_written(tmp_path):
    (script,) = blocks("sh", PIPES)
    program = f'pincite() {{ "{sys.executable}" -c "import sys; sys.argv[0] = \'pincite\'; from api.cli.main import main; main()"; }}\n'  # noqa: E501
    root = str(Path(__file__).parent.parent)
    subprocess.run(["bash", "-euc", program + script], cwd=tmp_path, env={"PYTHONPATH": root}, check=True)
    for name, shell in (("pincite.bash", "bash"), ("_pincite", "zsh"), ("pincite.fish", "fish")):
        assert f"_PINCITE_COMPLETE=complete_{shell}" in (tmp_path / name).read_text()
