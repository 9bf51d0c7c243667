"""`pincite gold check` and `gold new` as a user meets them."""

import json
from pathlib import Path

import pytest
import typer.main
from command_line import failed
from fakes import answerer_over, new_store, put

from api.cli.main import app
from api.schemas import AskReply

SEEDS = Path(__file__).parents[2] / "seeds"
CLIMBED, MARS = "Who first climbed the mountain Eiger?", "Who bakes the sourdough bread of Mars?"


def line(number, question, *answers, source="alps/eiger.txt"):
    entry = {"id": f"q{number}", "question": question, "answers": answers, "sources": [source] if answers else []}
    return json.dumps(entry | {"answerable": bool(answers)}) + "\n"


GOOD = line(1, "Who climbed it?", "Charles Barrington") + line(2, MARS)


@pytest.fixture
def gold(tmp_path):
    """Write a gold set beside the store."""

    def write(content):
        (tmp_path / "gold.jsonl").write_text(content)
        return "gold.jsonl"

    return write


@pytest.fixture
def replies(store, tmp_path):
    """Save the replies to some questions, one a line."""

    def save(*questions, **change):
        asked = [AskReply.model_validate(answerer_over(store).ask(q), from_attributes=True) for q in questions]
        saved = [json.dumps(reply.model_dump(mode="json") | change) + "\n" for reply in asked]
        (tmp_path / "replies.ndjson").write_text("".join(saved))
        return "replies.ndjson"

    return save


def test_a_gold_set_that_the_documents_bear_out_is_fine(pincite, store, gold):
    assert pincite("gold", "check", gold(GOOD), "--store", "store") == (0, "", "2 questions: nothing wrong\n")


def test_each_fault_is_a_line_with_its_place_and_exit_code_1(pincite, store, gold):
    content = GOOD + "\n" + line(1, "who climbed it", "Heidi") + line(3, "Where?", "x", source="gone.txt")
    code, out, err = pincite("gold", "check", gold(content), "--store", "store")
    assert (code, err) == (1, "4 questions: 5 faults\n")
    assert out.splitlines() == [
        "gold.jsonl:4: q1: the id is taken by gold.jsonl:1; give each question its own",
        "gold.jsonl:4: q1: the question is asked by gold.jsonl:1 already; drop one",
        "gold.jsonl:4: q1: “Heidi” is not in alps/eiger.txt; correct the answer or its sources",
        "gold.jsonl:5: q3: gone.txt is not indexed; index it, or correct the source",
        "gold.jsonl:5: q3: “x” is not in gone.txt; correct the answer or its sources",
    ]


def test_a_note_is_shown_and_is_no_fault(pincite, store, gold):
    code, out, _ = pincite("gold", "check", gold(line(1, "Who?", "charles barrington")), "--store", "store")
    assert code == 0
    assert out == "gold.jsonl:1: q1: note: “charles barrington” is in alps/eiger.txt only after normalisation\n"


def test_findings_can_be_had_as_json(pincite, store, gold):
    code, out, _ = pincite("gold", "check", gold(line(1, "Who?", "Heidi")), "--json", "--store", "store")
    assert code == 1
    assert json.loads(out) == {
        "findings": [
            {
                "place": "gold.jsonl:1",
                "id": "q1",
                "kind": "answer_not_found",
                "what": "“Heidi” is not in alps/eiger.txt; correct the answer or its sources",
                "note": False,
            }
        ]
    }


def test_a_malformed_gold_set_is_exit_code_2_and_an_absent_store_4(pincite, store, gold):
    assert failed(pincite("gold", "check", gold(GOOD + "{"), "--store", "store"), 2, "gold.jsonl:3", "not JSON")
    assert failed(pincite("gold", "check", "gone.jsonl", "--store", "store"), 2, "gone.jsonl")
    assert failed(pincite("gold", "check", gold(GOOD), "--store", "none"), 4, "no store at none")
    assert failed(pincite("gold", "fly"), 2, "fly")


def test_the_gold_set_of_the_seeds_is_fine(pincite, tmp_path):
    with new_store(tmp_path / "store") as store:
        for path in sorted(SEEDS.glob("*.txt")):
            put(store, path, path.name)
    code, out, err = pincite("gold", "check", SEEDS / "gold.jsonl", "--store", "store")
    questions = len((SEEDS / "gold.jsonl").read_text("utf-8").splitlines())
    assert (code, out, err) == (0, "", f"{questions} questions: nothing wrong\n")


def test_confirmed_answers_become_a_gold_set_that_checks_out_and_measures(pincite, replies, tmp_path):
    code, out, err = pincite("gold", "new", replies(CLIMBED, MARS), "--out", "new.jsonl", "--store", "store")
    assert (code, out, err) == (0, "", "2 questions added\n")
    (climbed, mars) = (json.loads(line) for line in (tmp_path / "new.jsonl").read_text().splitlines())
    assert climbed["answers"] == ["Charles Barrington"]
    assert sorted(climbed["sources"]) == ["alps/copy.txt", "alps/eiger.txt"]
    assert len(climbed["evidence"]) == 2
    assert (mars["answers"], mars["answerable"]) == ([], False)
    assert pincite("gold", "check", "new.jsonl", "--store", "store")[0] == 0


def test_lines_go_to_stdout_where_no_file_is_named(pincite, replies):
    code, out, _ = pincite("gold", "new", replies(MARS), "--store", "store")
    assert (code, json.loads(out)["question"]) == (0, MARS)


def test_lines_are_added_to_a_file_without_asking_a_question_twice(pincite, replies, gold, tmp_path):
    before = GOOD.removesuffix("\n")  # a last line that was not ended
    out = gold(before)
    code, _, err = pincite("gold", "new", replies(CLIMBED, MARS), "--out", out, "--store", "store")
    assert (code, err) == (0, "1 question added, 1 there already\n")
    after = (tmp_path / out).read_text()
    assert after.startswith(before + "\n")
    assert [json.loads(line)["question"] for line in after.splitlines()] == ["Who climbed it?", MARS, CLIMBED]


def test_a_citation_that_no_longer_holds_is_said_and_left_out_with_exit_code_1(pincite, replies, store):
    saved = replies(CLIMBED)
    pincite("remove", "alps/copy.txt", "--store", "store")
    code, out, err = pincite("gold", "new", saved, "--store", "store")
    assert (code, json.loads(out)["sources"]) == (1, ["alps/eiger.txt"])
    assert "pincite: the answer: the citation “Charles Barrington” is moved, and left out" in err


def test_what_cannot_be_read_or_added_to_is_exit_code_2_and_nothing_is_written(pincite, replies, gold, tmp_path):
    saved = replies(CLIMBED)
    assert failed(pincite("gold", "new", "gone.json", "--store", "store"), 2, "gone.json")
    assert failed(pincite("gold", "new", replies(CLIMBED, question=None), "--store", "store"), 2, "question is missing")
    broken = gold("{")
    assert failed(pincite("gold", "new", saved, "--out", broken, "--store", "store"), 2, "gold.jsonl:1")
    assert (tmp_path / broken).read_text() == "{"
    assert failed(pincite("gold", "new", replies(CLIMBED), "--out", "no/gold.jsonl", "--store", "store"), 2, "no/gold")


@pytest.mark.parametrize("command", ["check", "new"])
def test_each_has_a_help_text_and_an_example(command):
    definition = typer.main.get_command(app).commands["gold"].commands[command]
    assert definition.help
    assert f"pincite gold {command}" in definition.epilog
    assert all(param.help for param in definition.params)


def test_where_nothing_is_added_no_file_is_made(pincite, store, tmp_path):
    (tmp_path / "failed.json").write_text('{"id": "1", "error": {"status": 503}}')
    code, _, err = pincite("gold", "new", "failed.json", "--out", "new.jsonl", "--store", "store")
    assert (code, "0 questions added" in err, (tmp_path / "new.jsonl").exists()) == (1, True, False)
