"""Documents that match: every command, option, setting and link is there, and nothing that is not."""

import json
import re
from pathlib import Path

import pytest
import typer.main

from api.cli.main import app
from api.schemas import AskReply
from api.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
CLI = (ROOT / "docs" / "cli.md").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def commands():
    return typer.main.get_command(app).commands


def options(command):
    """The options of a command, with those of the commands below it."""
    below = getattr(command, "commands", {}).values()
    return {option for param in command.params for option in param.opts}.union(*map(options, below))


def test_every_command_is_documented_and_every_documented_one_exists():
    assert set(re.findall(r"^\| `pincite (\w+)", CLI, re.MULTILINE)) == set(commands())


def test_every_setting_is_documented_with_its_default_and_every_documented_one_exists():
    documented = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (.+?) \|", CLI, re.MULTILINE))
    assert set(documented) == {name.upper() for name in Settings.model_fields}
    fixed = ("store", "embedder", "max_file_mb", "threads")
    for name in (*fixed, "rate_per_minute", "concurrency", "queue", "deadline_seconds"):
        assert documented[name.upper()] == f"`{Settings.model_fields[name].default}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_option_named_in_a_document_exists(document):
    known = set().union(*map(options, commands().values()))
    for line in re.findall(r"pincite (\w+)([^`\n|#]*)", document.read_text("utf-8")):
        named = set(re.findall(r"(?<=\s)--[a-z][a-z-]+", line[1]))
        if line[0] in commands():
            assert named <= options(commands()[line[0]]) | {"--help"}, line
        assert named <= known | {"--help"}, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(document):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_and_option_has_a_help_text_and_an_example(command):
    definition = commands()[command]
    assert definition.help
    assert f"pincite {command}" in definition.epilog
    assert all(param.help for param in definition.params)


README = (ROOT / "README.md").read_text("utf-8")


def test_the_example_on_the_readmes_first_screen_is_what_comes_back(seed_answerer):
    asked = json.loads(re.search(r"-d '(.*?)'", README)[1])
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    reply = json.loads(AskReply.model_validate(seed_answerer.ask(asked["question"])).model_dump_json())
    assert shown["citations"][0].items() <= reply["citations"][0].items()
    for key in shown.keys() - {"citations"}:
        # Processors compute in different precisions, which moves the confidence a little.
        assert shown[key] == pytest.approx(reply[key], abs=0.02) if key == "confidence" else shown[key] == reply[key]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_document_has_a_placeholder_left(document):
    assert re.findall(r"^[A-Z]{6,}$", document.read_text("utf-8"), re.MULTILINE) == []
