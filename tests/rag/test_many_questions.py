"""Of many questions some are searched for while others are read: in order, and to a clean end whatever happens."""

import threading

import pytest
from fakes import NameReader, answerer_over, new_store, put

from rag.answer import BATCH, AnswererAt, Request

RIVERS = 50


class WatchedReader(NameReader):
    """Notes the threads it reads in; fails once it has read `most` times."""

    def __init__(self, most=100):
        self.most, self.threads = most, []

    def read(self, pairs):
        self.threads.append(threading.current_thread())
        if len(self.threads) > self.most:
            raise RuntimeError("no more is read")
        return super().read(pairs)


@pytest.fixture
def store(tmp_path):
    with new_store(tmp_path / "store") as store:
        for number in range(RIVERS):
            file = tmp_path / f"{number}.txt"
            file.write_text(f"The long river number{number}x ends near Town{number}.")
            put(store, file, file.name)
        yield store


def questions(count):
    return [Request(f"Where does the long river number{number}x end?") for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_each_question_gets_its_own_answer_in_order(store, count):
    answerer = answerer_over(store)
    together = [asked.answer.answer for asked in answerer.ask_all(questions(count))]
    assert together == [answerer.ask(request.question).answer for request in questions(count)]
    assert len(set(together)) == count


def test_one_moment_is_looked_at_in_the_callers_thread_alone(store):
    with store.snapshot() as moment:  # its connection refuses other threads
        answers = [asked.answer for asked in AnswererAt(answerer_over(store), moment).ask_all(questions(3 * BATCH))]
    assert len({answer.answer for answer in answers}) == 3 * BATCH


def test_what_the_reader_raises_comes_after_the_answers_before_it(store):
    answers = answerer_over(store, reader=WatchedReader(most=1)).ask_all(questions(3 * BATCH))
    assert len([next(answers) for _ in range(BATCH)]) == BATCH
    with pytest.raises(RuntimeError, match="no more"):
        next(answers)


def test_a_request_that_cannot_be_had_ends_the_answers(store):
    def requests():
        yield from questions(2 * BATCH)
        raise ValueError("a damaged line")

    answers = answerer_over(store).ask_all(requests())
    assert len([next(answers) for _ in range(BATCH)]) == BATCH
    with pytest.raises(ValueError, match="a damaged line"):
        next(answers)


def test_the_next_questions_are_taken_while_these_are_read(store):
    taken = threading.Event()

    class PatientReader(NameReader):
        def read(self, pairs):
            assert taken.wait(timeout=30)
            return super().read(pairs)

    def requests():
        yield from questions(BATCH)
        taken.set()
        yield from questions(BATCH)

    assert len(list(answerer_over(store, reader=PatientReader()).ask_all(requests()))) == 2 * BATCH


def test_who_stops_early_leaves_no_thread_behind(store):
    reader = WatchedReader()
    answers = answerer_over(store, reader=reader).ask_all(questions(3 * BATCH))
    next(answers)
    answers.close()
    assert reader.threads
    assert not any(thread.is_alive() for thread in reader.threads)


def test_few_questions_are_read_where_they_are_asked(store):
    reader = WatchedReader()
    list(answerer_over(store, reader=reader).ask_all(questions(BATCH - 1)))
    assert reader.threads == [threading.current_thread()]
