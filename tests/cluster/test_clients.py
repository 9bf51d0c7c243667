"""The clients of `benchmarks.cluster`."""

import threading

import pytest

from benchmarks.cluster import Seen, seen_by


def test_each_thread_repeats_its_own_call():
    callers = [set(), set()]
    both = threading.Barrier(2, timeout=30)

    def call(number):
        if not callers[number]:
            both.wait()
        callers[number].add(threading.get_ident())

    seen = seen_by([lambda: call(0), lambda: call(1)], seconds=0.05)
    assert [len(threads) for threads in callers] == [1, 1]
    assert callers[0] != callers[1]
    assert len(seen.milliseconds) >= 2
    assert seen.seconds >= 0.05


def test_calls_a_second_are_those_of_all_clients():
    assert Seen([1.0, 2.0, 3.0], seconds=2).per_second == 3 / 2


def test_what_a_call_raises_ends_all_and_is_raised():
    def fail():
        raise RuntimeError("/v1/ask: 503")

    with pytest.raises(RuntimeError, match="503"):
        seen_by([fail, lambda: None], seconds=60)
