import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from store_samples import (
    MANIFEST,
    NILE,
    base_files,
    matching_texts,
    nearest_texts,
    put,
    remove,
    run,
    texts,
    write,
)

from index.doctor import check
from index.errors import StoreError
from index.store import Store
from index.types import document_id_of


def test_a_snapshot_answers_from_its_moment_and_a_later_one_never_does(store):
    write(store, a=["old nile"])
    with store.snapshot() as before:
        write(store, a=["new nile"], b=["nile river"])
        remove(store, "b")
        with store.snapshot() as after:
            assert texts(after, after.nearest(NILE, 9)) == texts(after, after.matching("nile", 9)) == ["new nile"]
            assert (before.generation, after.generation) == (1, 3)
        assert texts(before, before.nearest(NILE, 9)) == texts(before, before.matching("nile", 9)) == ["old nile"]
        assert before.document(document_id_of("a")).document.text == "old nile"


def test_an_old_snapshot_survives_the_rewriting_of_both_indexes(store, folder):
    write(store, a=["old nile"] * 300)
    with store.snapshot() as before:
        write(store, a=["new nile"] * 600)
        assert base_files(folder) == ["vectors-2.faiss"]
        assert set(texts(before, before.nearest(NILE, 900))) == {"old nile"}
        assert set(texts(before, before.matching("nile", 900))) == {"old nile"}
    assert set(nearest_texts(store, "nile", 900)) == {"new nile"}


def test_two_open_stores_write_in_turn_and_both_see_all(store, folder):
    with Store.open(folder, MANIFEST) as other:
        for n in range(6):
            write((store, other)[n % 2], **{f"d{n}": [f"nile number{n}"] * 60})
            for reader in (store, other):
                assert len(nearest_texts(reader, "nile", 1000)) == 60 * (n + 1)
                assert len(matching_texts(reader, f"number{n}", 1000)) == 60
        remove(other, "d3")
        assert matching_texts(store, "number3") == []
        assert "nile number3" not in nearest_texts(store, "nile", 1000)


def test_another_process_writes_and_this_one_sees_it(store, folder):
    write(store, a=["nile"])
    assert nearest_texts(store, "nile") == ["nile"]
    code = (
        "import sys; from pathlib import Path; from store_samples import *; from index.store import Store\n"
        "with Store.open(Path(sys.argv[1]), MANIFEST) as store: write(store, b=['nile river']); remove(store, 'a')"
    )
    assert run(code, folder)[::2] == (0, "")
    assert nearest_texts(store, "nile") == matching_texts(store, "nile") == ["nile river"]


def test_a_process_that_dies_while_writing_changes_nothing(store, folder):
    write(store, a=["nile"])
    code = (
        "import os, sys; from pathlib import Path; from store_samples import *; from index.store import Store\n"
        "with Store.open(Path(sys.argv[1]), MANIFEST).write() as writer:\n"
        "    put(writer, 'b', ['nile river']); writer.remove(document_id_of('a')); os._exit(9)"
    )
    assert run(code, folder)[0] == 9
    assert nearest_texts(store, "nile") == matching_texts(store, "nile") == ["nile"]
    write(store, c=["nile egypt"])
    assert nearest_texts(store, "nile") == ["nile", "nile egypt"]


DIES_BETWEEN = """
import os, sys
from pathlib import Path
from store_samples import *
from index.derived import DerivedIndexes
from index.store import Store
settle, settled = DerivedIndexes.settle, []
def settle_and_die(*arguments):
    settle(*arguments)
    settled.append(True)
    len(settled) == 2 and os._exit(9)
DerivedIndexes.settle = settle_and_die
with Store.open(Path(sys.argv[1]), MANIFEST) as store:
    write(store, a=["nile secret"] * 600)
"""


def test_a_process_that_dies_with_its_indexes_ahead_of_the_truth_leaves_no_trace_in_them(store, folder):
    write(store, a=["nile"] * 300)
    assert run(DIES_BETWEEN, folder)[0] == 9
    assert base_files(folder) == ["vectors-1.faiss", "vectors-2.faiss"]
    with Store.open(folder, MANIFEST) as cold:
        for reader in (store, cold):
            assert set(nearest_texts(reader, "nile", 999)) == set(matching_texts(reader, "nile", 999)) == {"nile"}
            assert matching_texts(reader, "secret") == []
        assert check(cold) == []
    assert base_files(folder) == ["vectors-1.faiss"]


def test_a_held_lock_names_the_process_that_holds_it(store, folder):
    write(store, a=["nile"])
    code = (
        "import sys; from pathlib import Path; from store_samples import *; from index.store import Store\n"
        "with Store.open(Path(sys.argv[1]), MANIFEST).write(): print('held', flush=True); sys.stdin.read()"
    )
    holder = run(code, folder, wait=False)
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreError, match=f"is being written by process {holder.pid}; try again when it is done"),
            store.write(timeout=0.1),
        ):
            pass
        assert nearest_texts(store, "nile") == ["nile"], "readers do not wait for a writer"
    finally:
        holder.communicate("")
    write(store, b=["nile river"])


def test_a_write_inside_a_write_is_refused_not_waited_for(store):
    with store.write() as writer:
        put(writer, "a", ["nile"])
        with pytest.raises(StoreError, match="is being written by"), store.write(timeout=0.1):
            pass
    assert nearest_texts(store, "nile") == ["nile"]


def test_threads_read_whole_generations_while_others_are_written(store):
    """Every write replaces both documents by one word of its number: a reader may see any number, never two."""
    rounds, done = 12, threading.Event()

    def read(_):
        seen = []
        while not done.is_set() or not seen:
            with store.snapshot() as snapshot:
                near = texts(snapshot, snapshot.nearest(NILE, 200))
                matched = texts(snapshot, snapshot.matching("nile", 200))
                assert len(near) == len(matched) == snapshot.passages
                assert len({*near, *matched}) <= 1
                seen.append(snapshot.generation)
        assert seen == sorted(seen)
        return seen[-1]

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read, n) for n in range(4)]
        try:
            for n in range(rounds):
                write(store, a=[f"nile number{n}"] * 70, b=[f"nile number{n}"] * 10)
        finally:
            done.set()
        assert all(reader.result() <= rounds for reader in readers)
    assert set(nearest_texts(store, "nile", 200)) == {f"nile number{rounds - 1}"}


def test_threads_that_write_at_once_all_get_through(store):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write(store, **{f"d{n}": [f"nile number{n}"]}), range(12)))
    with store.snapshot() as snapshot:
        assert (snapshot.generation, snapshot.documents) == (12, 12)
        assert len(snapshot.nearest(NILE, 50)) == len(snapshot.matching("nile", 50)) == 12
