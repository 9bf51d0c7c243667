from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planning import (
    BUSY,
    DISK_USED,
    MEMORY_USED,
    Compared,
    Corpus,
    Costs,
    Machine,
    ShardCosts,
    alone_ms,
    build_s,
    calls,
    check_table,
    per_second,
    plan,
    plans_table,
    question_ms,
    shards_mb,
)

SMALL = ShardCosts(1_000, 2, 0.5, 10, 100, 6, 2, 1)
LARGE = ShardCosts(3_000, 6, 1.5, 30, 300, 18, 6, 3)
COSTS = Costs(
    cores=2,
    written_together=8,
    start_s=5,
    prepare_ms=1,
    embed_ms=9,
    encode_ms=4,
    read_ms=80,
    read_alone_ms=50,
    answer_ms=3,
    http_ms=2,
    http_alone_ms=3,
    call_ms=1,
    call_alone_ms=2,
    process_mb=200,
    models_mb=1_000,
    shards=(SMALL, LARGE),
)
MACHINE = Machine(cores=4, memory_gb=10, disk_gb=1)


def test_a_shard_between_two_that_were_measured_costs_what_lies_between():
    assert COSTS.shard_of(2_000) == ShardCosts(2_000, 4, 1.0, 20, 200, 12, 4, 2)
    assert COSTS.shard_of(1_000) == SMALL
    assert COSTS.shard_of(3_000) == LARGE
    assert LARGE.disk_mb == 18 + 6 + 3


def test_a_smaller_shard_costs_what_the_smallest_does_and_a_larger_one_is_not_guessed_at():
    assert COSTS.shard_of(10) == SMALL
    with pytest.raises(ValueError, match="no shard of 3,001 passages was measured"):
        COSTS.shard_of(3_001)


def test_a_question_calls_every_shard_twice_and_twice_those_that_hold_what_it_found():
    assert calls(1) == 2 * 1 + 2 * 1 + 2
    assert calls(7) == 2 * 7 + 2 * 7 + 2
    assert calls(100) == 2 * 100 + 2 * 10 + 2


def test_the_work_of_a_question_is_that_of_all_shards():
    work = question_ms(COSTS, Corpus(passages=4_000, documents=200, shards=2))
    assert work == {"HTTP and reply": 2 + 3, "calls": 10 * 1, "embedder": 4, "search": 2 * 4, "reader": 80}


def test_questions_a_second_are_what_the_cores_can_do_of_that_work():
    corpus = Corpus(4_000, 200, 2)
    assert per_second(COSTS, corpus, cores=2, busy=1) == pytest.approx(2 * 1000 / (5 + 10 + 4 + 8 + 80))
    assert per_second(COSTS, corpus, cores=2) == pytest.approx(BUSY * 2 * 1000 / 107)


def test_a_shard_is_one_process_and_more_cores_do_not_make_it_faster():
    assert per_second(COSTS, Corpus(2_000, 100, 1), cores=1_000, busy=1) == pytest.approx(1000 / (4 + 4 * 1))


def test_one_question_alone_waits_for_its_rounds_and_for_shards_that_share_a_core():
    corpus = Corpus(4_000, 200, 2)
    calls_ms = 6 * 2 + (10 - 6) * 1  # the first of each of six rounds takes its time, the others what they cost
    assert alone_ms(COSTS, corpus, cores=2) == 3 + 3 + 4 + 50 + calls_ms + 4
    assert alone_ms(COSTS, corpus, cores=1) == 3 + 3 + 4 + 50 + calls_ms + 4 * 2


def test_indexing_takes_all_work_on_all_cores():
    corpus = Corpus(passages=4_000, documents=80, shards=2)
    writes = 80 / 8 * 2  # eight files at a time, for both shards
    work_ms = 4_000 * (1 + 9 + 1) + writes * 20
    assert build_s(COSTS, corpus, cores=2, busy=1) == pytest.approx(5 + work_ms / 2 / 1000)
    assert build_s(COSTS, corpus, cores=2, busy=0.5) == pytest.approx(5 + work_ms / 1000)


def test_indexing_takes_no_less_than_the_one_writer_of_a_shard():
    corpus = Corpus(4_000, 80, 2)
    writer_ms = (4_000 * 1 + 20 * 20) / 2
    assert build_s(COSTS, corpus, cores=1_000, busy=1) == pytest.approx(5 + writer_ms / 1000)


def test_files_that_are_embedded_together_are_no_more_writes_than_there_are_files():
    corpus = Corpus(passages=100_000, documents=800, shards=100)
    writer_ms = (100_000 * 0.5 + 800 * 10) / 100
    assert build_s(COSTS, corpus, cores=10**9, busy=1) == pytest.approx(5 + writer_ms / 1000)


def test_memory_is_that_of_the_shards_processes():
    assert shards_mb(COSTS, Corpus(4_000, 200, 2)) == 2 * (200 + 200)


def test_a_small_corpus_needs_one_machine_and_little_asking_changes_nothing():
    found = plan(COSTS, 3_000, MACHINE, rate=0.1, per_shard=3_000)
    assert (found.machines, found.because, found.corpus) == (1, "one is enough", Corpus(3_000, 3_000 // 20, 1))
    assert found.memory_gb == pytest.approx((200 + 300 + 200 + 1_000) / 1000)
    assert found.disk_gb == pytest.approx(0.027)
    assert found.build_h == build_s(COSTS, found.corpus, 4) / 3600
    assert found.ingresses == 1


def test_machines_come_from_what_needs_most_of_them():
    many = plan(COSTS, 60_000, MACHINE, rate=0.1, per_shard=3_000)
    one_holds = (10_000 * MEMORY_USED - 200 - 1_000) // (200 + 300)  # of 20 shards: 9
    assert (many.machines, many.because) == (-(-20 // one_holds), "memory")
    little_disk = replace(MACHINE, disk_gb=0.1)
    one_holds = 100 * DISK_USED // (18 + 6 + 3)  # 1
    found = plan(COSTS, 60_000, little_disk, 0.1, 3_000)
    assert (found.machines, found.because) == (20 / one_holds, "disk")
    asked = plan(COSTS, 3_000, MACHINE, rate=100, per_shard=3_000)
    work_ms = 2 + 3 + 6 * 1 + 4 + 6 + 80
    assert asked.because == "questions"
    assert asked.machines == -(-100 * work_ms // (1000 * BUSY * 4))


def test_ingresses_are_as_many_as_their_work_keeps_busy():
    asked = plan(COSTS, 3_000, MACHINE, rate=100, per_shard=3_000)
    assert asked.per_second == pytest.approx(BUSY * 1000 / (6 + 4 * 1))  # what the one shard can take: 70
    assert asked.ingresses == 2  # 70 a second, 2 + 3 + 6 ms each: 0.77 s of each second, and 0.7 is planned with


def test_a_machine_that_does_not_hold_one_shard_is_refused():
    with pytest.raises(ValueError, match="the memory of one machine does not hold a shard of 3,000 passages"):
        plan(COSTS, 3_000, replace(MACHINE, memory_gb=2), 1, 3_000)
    with pytest.raises(ValueError, match="the disk of one machine does not hold a shard of 3,000 passages"):
        plan(COSTS, 3_000, replace(MACHINE, disk_gb=0.05), 1, 3_000)


def test_more_shards_than_a_store_can_have_are_refused():
    assert plan(COSTS, 1_024 * 3_000, MACHINE, 1, 3_000).corpus.shards == 1_024
    with pytest.raises(ValueError, match="at most 1024 shards; measure one of 3,001"):
        plan(COSTS, 1_024 * 3_000 + 1, MACHINE, 1, 3_000)


@given(st.integers(1, 10**6), st.integers(1_000, 3_000), st.floats(0.1, 1_000))
def test_a_plan_holds_what_it_is_made_for(passages, per_shard, rate):
    found = plan(COSTS, passages, MACHINE, rate, per_shard)
    assert found.corpus.each <= per_shard
    assert found.disk_gb <= found.machines * MACHINE.disk_gb * DISK_USED
    assert found.memory_gb <= found.machines * MACHINE.memory_gb * MEMORY_USED
    a_shard = COSTS.shard_of(found.corpus.each)
    most = BUSY * 1000 / (a_shard.search_ms + 4 * COSTS.call_ms)
    assert found.per_second >= min(rate, most) * (1 - 1e-9)


def test_tables_say_each_figure():
    found = plan(COSTS, 60_000, MACHINE, rate=0.1, per_shard=3_000)
    assert "| 60,000 | 20 | 3 (memory) |" in plans_table([found])
    row = Compared(2, "questions/s", predicted=12, measured=10)
    assert row.error == pytest.approx(12 / 10 - 1)
    assert "| 2 | questions/s | 12.0 | 10.0 | +20% |" in check_table([row])
