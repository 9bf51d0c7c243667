"""Hard negatives are what a search finds first and what does not answer: checked against the texts themselves."""

import json

import pytest

from index.errors import UsageError
from tests.fakes import WordEncoder
from training.data import Answer, Example, read_file
from training.negatives import main, mine_files, mine_hard_negatives
from training.similar import answers_by_question

CITIES = ["Oslo", "Lima", "Cairo", "Delhi", "Quito"]
FILLER = "Nothing else is known of it, and nobody has asked since."
WANTED = "Where was the fair of 1900 held?"


def asked(number, city, title):
    context = f"The fair of {1900 + number} was held in {city}. {FILLER}"
    answer = Answer(city, context.index(city))
    return Example(str(number), "mine", title, context, f"Where was the fair of {1900 + number} held?", (answer,))


def other(name, context, answer):
    return Example(name, "mine", name, context, f"What of {name}?", (Answer(answer, context.index(answer)),))


def mine(examples, folder, count=6):
    accepted = answers_by_question(examples)
    return [one for some in mine_hard_negatives(examples, accepted, WordEncoder(), count, folder) for one in some]


def row(example):
    answers = [{"text": answer.text, "start": answer.start} for answer in example.answers]
    return {"title": example.title, "context": example.context, "question": example.question, "answers": answers}


@pytest.mark.parametrize("title", ["", "fairs {}", "fairs"], ids=["untitled", "a title each", "one title"])
def test_no_negative_holds_an_answer_and_all_stand_in_a_document(title, tmp_path):
    examples = [asked(number, CITIES[number % 5], title.format(number % 10)) for number in range(20)]
    found = mine(examples, tmp_path)
    cities = {example.question: example.answers[0].text for example in examples}
    assert {one.question for one in found} == set(cities)
    assert len({(one.question, one.context) for one in found}) == len(found)
    for one in found:
        assert cities[one.question].lower() not in one.context.lower()
        assert one.answers == ()
        whole = "\n\n".join(example.context for example in examples if example.title == one.title)
        assert one.context in whole


def test_negatives_come_in_the_order_of_the_search(tmp_path):
    near = other("near", "Where was the fair of 1900 held, they asked?", "they")
    far = other("far", "Copper melts when it is hot enough.", "Copper")
    found = mine([asked(0, "Oslo", "a"), far, near], tmp_path)
    assert [one.title for one in found if one.question == WANTED] == ["near", "far"]


def test_there_are_no_more_than_asked_for(tmp_path):
    near = other("near", "Where was the fair of 1900 held, they asked?", "they")
    far = other("far", "Copper melts when it is hot enough.", "Copper")
    found = mine([asked(0, "Oslo", "a"), far, near], tmp_path, count=1)
    assert [one.title for one in found if one.question == WANTED] == ["near"]


def test_a_question_asked_of_two_contexts_has_neither_as_a_negative(tmp_path):
    examples = [asked(0, "Oslo", "a"), asked(0, "Lima", "b"), asked(1, "Cairo", "c")]
    found = mine(examples, tmp_path)
    assert {one.title for one in found if one.question == WANTED} == {"c"}


def test_a_question_without_an_answer_gets_none(tmp_path):
    context = "The Nile flows north."
    examples = [asked(0, "Oslo", "a"), Example("2", "mine", "b", context, "Who paid?", ())]
    assert {one.question for one in mine(examples, tmp_path)} == {WANTED}


def test_one_context_alone_gives_none(tmp_path):
    assert mine([asked(0, "Oslo", "a")], tmp_path) == []


def test_a_passage_under_two_titles_counts_once(tmp_path):
    twins = [
        other("first", "Nobody knows of the fair.", "Nobody"),
        other("second", "Nobody knows of the fair.", "Nobody"),
    ]
    found = mine([asked(0, "Oslo", "a"), *twins], tmp_path)
    assert [one.title for one in found if one.question == WANTED] == ["first"]


@pytest.mark.parametrize("title", ["", "odd one"])
@pytest.mark.parametrize(("context", "reason"), [("odd one\x00here", "NUL"), ("odd one \ud800", "surrogate")])
def test_a_context_that_cannot_be_indexed_is_named_not_left_out(title, context, reason, tmp_path):
    odd = Example("2", "mine", title, context, "Who paid?", ())
    with pytest.raises(UsageError, match=f"(?s)mine: .*odd one.*{reason}"):
        mine([asked(0, "Oslo", "a"), odd], tmp_path)


def test_what_is_written_is_read_as_questions_without_answers(tmp_path):
    data, empty, out = tmp_path / "mine.jsonl", tmp_path / "none.jsonl", tmp_path / "negatives.jsonl"
    examples = [asked(number, CITIES[number], f"title {number}") for number in range(5)]
    data.write_text("".join(json.dumps(row(one)) + "\n" for one in examples))
    empty.write_text(json.dumps(row(Example("x", "", "b", "The Nile.", "Who paid?", ()))) + "\n")
    mine_files([data, empty], out, 6, WordEncoder)
    negatives, file = read_file(out, {})
    assert (file.answerable, file.unanswerable) == (0, 5 * 4)
    assert {one.context for one in negatives} == {one.context for one in examples}


def test_an_answer_in_one_file_is_no_negative_in_another(tmp_path):
    first, second, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "negatives.jsonl"
    first.write_text(json.dumps(row(asked(0, "Oslo", "a"))) + "\n" + json.dumps(row(asked(1, "Lima", "b"))))
    second.write_text(json.dumps(row(asked(0, "Lima", "a"))))
    mine_files([first, second], out, 6, WordEncoder)
    assert [one.question for one in read_file(out, {})[0]] == ["Where was the fair of 1901 held?"]


def test_a_file_that_is_there_is_not_written_over(tmp_path, monkeypatch, caplog):
    data, out = tmp_path / "mine.jsonl", tmp_path / "negatives.jsonl"
    data.write_text(json.dumps(row(asked(0, "Oslo", "a"))))
    out.write_text("kept")
    monkeypatch.setattr("sys.argv", ["negatives", "--train", str(data), "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there already" in caplog.text
    assert out.read_text() == "kept"


def test_a_file_that_will_not_do_stops_the_run_before_anything_is_mined(tmp_path):
    good, bad, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "negatives.jsonl"
    good.write_text(json.dumps(row(asked(0, "Oslo", "a"))))
    bad.write_text("{")
    with pytest.raises(UsageError, match=r"b\.jsonl:1"):
        mine_files([good, bad], out, 6, WordEncoder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize("count", [0, 21])
def test_a_count_out_of_bounds_is_refused(count, tmp_path):
    with pytest.raises(UsageError, match="1 to 20"):
        mine_files([tmp_path], tmp_path / "negatives.jsonl", count, WordEncoder)
