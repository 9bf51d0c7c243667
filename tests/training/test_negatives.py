"""Hard negatives are what a search finds first and what does not answer: checked against the texts themselves."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

from rag.normalise import normalise
from tests.fakes import WordEncoder
from training.data import Answer, Example, read_file
from training.mix import Mix, Rates
from training.negatives import mined

ROOT = Path(__file__).parents[2]
CITIES = ["Oslo", "Lima", "Cairo", "Delhi", "Quito"]
FILLER = "Nothing else is known of it, and nobody has asked since."


def asked(number, city, title="fairs"):
    context = f"The fair of {1900 + number} was held in {city}. {FILLER}"
    answer = Answer(city, context.index(city))
    return Example(str(number), "mine", title, context, f"Where was the fair of {1900 + number} held?", (answer,))


def mine(examples, folder, count=6):
    return list(mined(examples, WordEncoder(), count, folder))


def test_no_negative_holds_an_accepted_answer_and_all_stand_in_a_context(tmp_path):
    examples = [asked(number, CITIES[number % 5], f"title {number}") for number in range(20)]
    found = mine(examples, tmp_path)
    by_question = {example.question: example for example in examples}
    assert {one.question for one in found} == set(by_question)
    for one in found:
        (answer,) = by_question[one.question].answers
        assert normalise(answer.text) not in normalise(one.context)
        assert any(one.context.strip() in example.context for example in examples if example.title == one.title)
        assert one.answers == ()


def test_negatives_come_in_the_order_of_the_search_and_no_more_than_asked_for(tmp_path):
    wanted = "Where was the fair of 1900 held?"
    context = "Where was the fair of 1900 held, they asked?"
    near = Example("near", "mine", "b", context, "Who asked?", (Answer("they", 33),))
    far = Example("far", "mine", "c", "Copper melts when it is hot enough.", "What melts?", (Answer("Copper", 0),))
    examples = [asked(0, "Oslo", "a"), far, near]
    both = [one.title for one in mine(examples, tmp_path / "two", 2) if one.question == wanted]
    assert both == ["b", "c"]
    assert [one.title for one in mine(examples, tmp_path / "one", 1) if one.question == wanted] == ["b"]


def test_questions_without_an_answer_get_none_and_one_context_alone_gives_none(tmp_path):
    alone = asked(0, "Oslo")
    unanswered = Example("2", "mine", "fairs", alone.context, "Who paid?", ())
    assert mine([alone, unanswered], tmp_path) == []


def test_the_command_writes_what_a_run_reads_as_negatives_of_its_questions(tmp_path):
    data, out = tmp_path / "mine.jsonl", tmp_path / "negatives.jsonl"
    examples = [asked(number, CITIES[number], f"title {number}") for number in range(5)]
    rows = [
        {
            "id": one.id,
            "title": one.title,
            "context": one.context,
            "question": one.question,
            "answers": [{"text": answer.text, "start": answer.start} for answer in one.answers],
        }
        for one in examples
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "training.negatives", "--train", str(data), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    negatives, file = read_file(out, {})
    assert (file.answerable, file.unanswerable) == (0, 5 * 4)
    rates = Rates(near_misses=0, negatives=1, negatives_each=4, headers=0, meta=0)
    units = Mix([*examples, *negatives], rates).one_pass(Random(0))
    contexts = {example.context for example in examples}
    for first, *others in units:
        assert first.answered
        assert 1 <= len(others) <= 4
        assert all(other.question == first.question and other.text in contexts - {first.text} for other in others)
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_distractor_is_the_sentence_of_a_negative_most_like_the_question_and_the_target_stays_in_place():
    example = asked(0, "Oslo", "a")
    twin = "Nobody came. The fair of 1900 was the last that was held anywhere. It rained."
    negative = Example("n", "mine", "b", twin, example.question, ())
    mix = Mix([example, negative], Rates(near_misses=0, negatives=0, distractors=1, headers=0, meta=0))
    seen = set()
    for seed in range(12):
        ((reading,),) = mix.one_pass(Random(seed))
        assert reading.text[slice(*reading.place)] == "Oslo"
        seen.add(reading.text)
    sentence = "The fair of 1900 was the last that was held anywhere."
    assert seen == {f"{sentence} {example.context}", f"{example.context} {sentence}"}


def test_without_negatives_there_is_no_distractor():
    example = asked(0, "Oslo")
    mix = Mix([example], Rates(near_misses=0, negatives=0, distractors=1, headers=0, meta=0))
    assert [unit[0].text for unit in mix.one_pass(Random(1))] == [example.context]
