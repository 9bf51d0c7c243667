"""Records of a run that outlive it: torn files, runs at the same time, runs that nobody took up."""

import json
import os
import resource
import threading
import time
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import StoreError
from index.lock import Locked
from rag.journal import Journal, journal, key_of

RECORDS = [{"row": {"id": "ä\u2028"}, "measures": {"f1": 2 / 3}, "right": None}, {"row": {"id": "2"}}, {"row": {}}]
DAY = 86_400


class Stop(Exception):
    """Ends a run."""


def cut_short(store, key, records):
    with suppress(Stop), journal(store, key) as kept:
        for record in records:
            kept.append(record)
        raise Stop


def files(store):
    return sorted(path.name for path in (store / "evaluations").iterdir())


def test_the_records_of_a_run_that_was_cut_short_are_there_for_the_next_one_of_its_key(tmp_path):
    cut_short(tmp_path, "k", RECORDS[:2])
    with journal(tmp_path, "k") as kept:
        assert (len(kept), list(kept)) == (2, RECORDS[:2])
        kept.append(RECORDS[2])
        assert (len(kept), list(kept)) == (3, RECORDS)


def test_a_run_of_another_key_begins_at_the_beginning(tmp_path):
    cut_short(tmp_path, "k", RECORDS)
    with journal(tmp_path, "other") as kept:
        assert (len(kept), list(kept)) == (0, [])
    assert "k.ndjson" in files(tmp_path)


def test_a_run_that_was_completed_leaves_nothing(tmp_path):
    cut_short(tmp_path, "k", RECORDS)
    with journal(tmp_path, "k"):
        pass
    assert files(tmp_path) == []


def test_a_record_is_on_disk_once_it_is_added(tmp_path):
    with journal(tmp_path, "k") as kept:
        kept.append(RECORDS[0])
        (line,) = (tmp_path / "evaluations" / "k.ndjson").read_text().splitlines()
        assert json.loads(line) == RECORDS[0]


LINES = [json.dumps(record).encode() + b"\n" for record in RECORDS]


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"", 0),
        (LINES[0][:-1], 0),  # all but its line break: it may be longer in truth
        (LINES[0] + LINES[1][:5], 1),
        (LINES[0] + bytes(7) + b"\n" + LINES[1], 1),  # what a power cut leaves of a page that was not written
        (LINES[0] + b"[]\n" + LINES[1], 1),
        (LINES[0] + b"\xff\n", 1),
        (b"".join(LINES), 3),
    ],
)
def test_a_line_that_is_torn_or_damaged_goes_with_all_that_follow_it(tmp_path, content, whole):
    path = tmp_path / "k.ndjson"
    path.write_bytes(content)
    kept = Journal(path)
    assert (len(kept), list(kept)) == (whole, RECORDS[:whole])
    kept.append({"row": {"id": "next"}})
    kept.close()
    assert path.read_bytes() == b"".join(LINES[:whole]) + b'{"row": {"id": "next"}}\n'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, len(b"".join(LINES))))
def test_wherever_a_file_is_cut_what_is_kept_are_its_first_whole_records(tmp_path, cut):
    path = tmp_path / "k.ndjson"
    path.write_bytes(b"".join(LINES)[:cut])
    kept = Journal(path)
    assert list(kept) == RECORDS[: b"".join(LINES)[:cut].count(b"\n")]
    kept.close()


def test_the_same_run_twice_at_once_is_refused_and_does_no_harm(tmp_path):
    refused = []

    def again():
        try:
            with journal(tmp_path, "k") as kept:
                kept.append(RECORDS[1])
        except Locked as error:
            refused.append(str(error))

    with journal(tmp_path, "k") as kept:
        kept.append(RECORDS[0])
        thread = threading.Thread(target=again)
        thread.start()
        thread.join()
        assert list(kept) == RECORDS[:1]
        with journal(tmp_path, "other") as other:
            assert len(other) == 0
    (message,) = refused
    assert message.startswith("the same evaluation is under way")
    assert f"process {os.getpid()};" in message


def grow_old(store, key, days):
    path = store / "evaluations" / f"{key}.ndjson"
    os.utime(path, (time.time() - days * DAY,) * 2)


def test_a_run_that_nobody_took_up_for_7_days_is_given_up(tmp_path):
    for key, days in (("old", 7.1), ("young", 6.9)):
        cut_short(tmp_path, key, RECORDS)
        grow_old(tmp_path, key, days)
    with journal(tmp_path, "k"):
        pass
    assert files(tmp_path) == ["young.lock", "young.lock.pid", "young.ndjson"]


def test_a_run_that_is_under_way_is_not_given_up_however_slow_it_is(tmp_path):
    with journal(tmp_path, "slow") as kept:
        kept.append(RECORDS[0])
        grow_old(tmp_path, "slow", 8)

        def other():
            with journal(tmp_path, "k"):
                pass

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert list(kept) == RECORDS[:1]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "evaluations").write_text("in the way")
    with pytest.raises(StoreError, match="evaluations: File exists"), journal(tmp_path, "k"):
        pass


def test_a_disk_that_takes_no_more_is_a_clear_error_that_says_how_to_go_on(tmp_path):
    kept = Journal(tmp_path / "k.ndjson")
    kept.append(RECORDS[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINES[0]) + 3, hard))
    try:
        with pytest.raises(StoreError, match=r"k.ndjson: File too large; make room, and give the same command again"):
            kept.append(RECORDS[1])
        kept.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with closing(Journal(tmp_path / "k.ndjson")) as again:
        assert list(again) == RECORDS[:1]


def test_a_key_is_of_the_values_and_not_of_their_order():
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert len({key_of(settings) for settings in ({}, {"a": 1}, {"a": 2}, {"a": "1"})}) == 4
