import json
import lzma

import pytest

from index.errors import UsageError
from training.data import Answer, Example, find_files, read_file, target

ROW = {
    "id": "1",
    "source": "mine",
    "title": "Nile",
    "context": "The Nile flows north.",
    "question": "Where does the Nile flow?",
    "answers": [{"text": "north", "start": 15}],
    "answerable": True,
}
NOT_SAID = {**ROW, "id": "2", "question": "How long is it?", "answers": [], "answerable": False}
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Nile",
            "paragraphs": [
                {
                    "context": ROW["context"],
                    "qas": [
                        {
                            "id": "1",
                            "question": ROW["question"],
                            "answers": [{"text": "north", "answer_start": 15}],
                            "is_impossible": False,
                        },
                        {"id": "2", "question": NOT_SAID["question"], "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}


def example(context, *answers):
    return Example("1", "s", "t", context, "q?", tuple(Answer(a, context.index(a)) for a in answers))


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.xz", ".json", ".json.xz"])
def test_each_form_gives_the_same_questions(tmp_path, ending):
    path = tmp_path / f"mine{ending}"
    lines = "\n".join(json.dumps(row) for row in (ROW, NOT_SAID)) if "jsonl" in ending else json.dumps(SQUAD)
    path.write_bytes(lzma.compress(lines.encode()) if ending.endswith(".xz") else lines.encode())
    examples, file = read_file(path, {"mine": "by hand; CC0"})
    assert [e.answers for e in examples] == [(Answer("north", 15),), ()]
    assert {(e.source, e.title, e.context) for e in examples} == {("mine", "Nile", ROW["context"])}
    assert (file.answerable, file.unanswerable, file.licence) == (1, 1, "by hand; CC0")


def test_a_folder_gives_its_data_files_by_name_and_no_other(tmp_path):
    for name in ("b.jsonl", "a.json", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files([tmp_path, tmp_path / "b.jsonl"])] == ["a.json", "b.jsonl"]


def test_a_folder_without_data_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file, or no data in it"):
        find_files([tmp_path])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "mine.jsonl:1: no JSON object"),
        ("{}", "mine.jsonl:1: a field is missing"),
        (json.dumps({**ROW, "answers": [{"text": "north", "start": 14}]}), "'north' is not at 14"),
        (json.dumps({**ROW, "question": " "}), "the question is empty"),
    ],
)
def test_a_line_that_will_not_do_is_named_with_the_reason(tmp_path, line, reason):
    (tmp_path / "mine.jsonl").write_text(line)
    with pytest.raises(UsageError, match=reason):
        read_file(tmp_path / "mine.jsonl", {})


def test_json_of_another_form_is_refused(tmp_path):
    (tmp_path / "mine.json").write_text('{"rows": []}')
    with pytest.raises(UsageError, match="not in SQuAD's form"):
        read_file(tmp_path / "mine.json", {})


def test_a_set_without_a_stated_licence_says_so(tmp_path):
    (tmp_path / "mine.jsonl").write_text(json.dumps(ROW))
    assert read_file(tmp_path / "mine.jsonl", {})[1].licence == "not stated"


def test_a_question_without_answers_has_no_target():
    assert target(example("Nothing.")) is None


def test_the_target_is_the_answer_that_agrees_best_with_the_others():
    context = "It rose in the year 1990 they say."
    several = example(context, "in the year 1990", "1990", "the year 1990 they say")
    start = context.index("in the year")
    # F1 with the others: "in year 1990" has 2/4 + 6/7 of the rest, which is more than either of them gets.
    assert target(several) == (start, start + len("in the year 1990"))


def test_a_list_in_one_sentence_is_one_target():
    context = "Its members are Russia, China and India. Brazil is none."
    assert target(example(context, "Russia", "China", "India")) == (16, 39)
    assert target(example(context, "Russia", "Brazil")) == (16, 22)
