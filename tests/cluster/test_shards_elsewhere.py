"""What an answerer makes of shards that are slow, gone, changed or damaged: never a reply that hides it."""

import threading
import time
from contextlib import ExitStack

import pytest
from fakes import answerer_over
from samples import MANIFEST, QUESTIONS, articles, in_one_store
from waiting import wait_for

from api.cluster.remote import Remote
from api.cluster.serving import ShardReplica
from api.cluster.shards import LOOK_EVERY, TRIAL, Moved, RemoteStore
from benchmarks.shards import DenseCorpus, spread, told
from index.errors import StoreError, Unreachable, UsageError
from index.manifest import Manifest
from index.shards import ShardsMissing, shard_folder
from index.store import Store
from index.types import document_id_of

SHARDS = 4
OPEN = []  # closed after each test, so that nothing looks any more whether a shard is back


class Handle:
    """A shard in this process, asked as Ray Serve's handles are; it can be slow, or fail so many times."""

    def __init__(self, folder):
        self.replica = ShardReplica(folder)
        self.silent = self.slow = False
        self.broken, self.asked, self.before = None, 0, None

    @property
    def look(self):
        return self

    def remote(self, *given):
        return Response(self, given)


class Response:
    def __init__(self, handle, given):
        self._handle, self._given = handle, given

    def result(self, timeout_s):
        self._handle.asked += TRIAL not in self._given[1:3]  # a look whether it is back is no question
        if self._handle.silent:
            raise TimeoutError
        if self._handle.slow and self._given[1] == "rankings":
            raise TimeoutError
        if self._handle.broken:
            raise self._handle.broken
        if self._handle.before:
            self._handle.before()
        return self._handle.replica.look(*self._given)

    def cancel(self):
        pass


@pytest.fixture
def library(tmp_path):
    """One store and the handles of the same documents in shards."""
    with in_one_store(articles(tmp_path / "files", 24), tmp_path / "one") as one, ExitStack() as opened:
        spread(one, tmp_path / "shards", SHARDS)
        handles = [Handle(shard_folder(tmp_path / "shards", number)) for number in range(SHARDS)]
        for handle in handles:
            opened.callback(handle.replica._store.close)
        yield one, handles
        while OPEN:
            OPEN.pop().close()


def asked(handles, partial=True, manifest=MANIFEST, folder=None):
    """A store that asks these handles."""
    shards = [Remote(handle, f"shard {number}", 5) for number, handle in enumerate(handles)]
    store = RemoteStore(folder, manifest, shards, partial)
    OPEN.append(store)
    return store


def replies(corpus):
    answerer = answerer_over(DenseCorpus(corpus))
    return [told(answerer.ask(question), scores=True) for question in QUESTIONS]


def test_shards_elsewhere_reply_as_one_store_does(library):
    one, handles = library
    assert replies(asked(handles)) == replies(one)


def test_documents_are_looked_up_and_listed_as_in_one_store(library):
    one, handles = library
    some = document_id_of("0/0.txt")
    with asked(handles).snapshot() as there, one.snapshot() as here:
        assert (there.documents, there.passages) == (here.documents, here.passages)
        assert there.list_documents() == here.list_documents()
        assert list(there.iter_documents()) == list(here.iter_documents())
        assert there.document(some) == here.document(some)
        assert [p.passage for p in there.passages_of(some)] == [p.passage for p in here.passages_of(some)]
        assert there.documents_by_sha256("0") == []


def test_without_a_shard_a_reply_is_marked_and_is_that_of_the_other_shards(library):
    _, handles = library
    handles[2].silent = True
    answerer = answerer_over(asked(handles))
    for question in QUESTIONS:
        answer = answerer.ask(question)
        assert answer.partial.missing_shards == (2,)
        assert all(int(passage.document_id, 16) % SHARDS != 2 for passage in answer.passages)
        assert answer.store.documents == sum(
            handle.replica.look(None, "state")[0].documents for n, handle in enumerate(handles) if n != 2
        )


def test_where_the_operator_chose_so_it_is_refused_and_names_the_shards(library):
    _, handles = library
    handles[0].silent = handles[3].silent = True
    with pytest.raises(ShardsMissing, match="these do not answer: 0, 3; try again soon"):
        answerer_over(asked(handles, partial=False)).ask(QUESTIONS[0])


@pytest.mark.parametrize("partial", [False, True])
def test_an_answer_from_no_shard_at_all_is_none(library, partial):
    _, handles = library
    for handle in handles:
        handle.silent = True
    with pytest.raises(Unreachable):
        answerer_over(asked(handles, partial)).ask(QUESTIONS[0])


def test_a_shard_that_does_not_answer_is_left_alone_until_it_is_back(library):
    one, handles = library
    store = asked(handles)
    answerer = answerer_over(store)
    handles[1].silent = True
    assert answerer.ask(QUESTIONS[0]).partial
    tried = handles[1].asked
    assert answerer.ask(QUESTIONS[1]).partial
    assert handles[1].asked == tried
    handles[1].silent = False
    wait_for(lambda: answerer.ask(QUESTIONS[0]).partial is None)
    assert replies(store) == replies(one)


def test_a_shard_that_tells_its_state_but_is_too_slow_to_search_is_left_alone_too(library):
    _, handles = library
    answerer = answerer_over(asked(handles))
    handles[1].slow = True
    assert answerer.ask(QUESTIONS[0]).partial
    tried = handles[1].asked
    time.sleep(2 * LOOK_EVERY)
    assert answerer.ask(QUESTIONS[0]).partial
    assert handles[1].asked == tried
    handles[1].slow = False
    wait_for(lambda: answerer.ask(QUESTIONS[0]).partial is None)


def test_a_shard_comes_back_whatever_the_looks_at_it_failed_with(library):
    _, handles = library
    answerer = answerer_over(asked(handles))
    handles[1].silent = True
    assert answerer.ask(QUESTIONS[0]).partial
    handles[1].silent, handles[1].broken = False, ZeroDivisionError("a fault of ours")
    time.sleep(2 * LOOK_EVERY)
    assert answerer.ask(QUESTIONS[0]).partial
    handles[1].broken = None
    wait_for(lambda: answerer.ask(QUESTIONS[0]).partial is None)


def test_nothing_looks_any_more_once_a_store_is_closed(library):
    _, handles = library
    store = asked(handles)
    handles[1].silent = True
    assert answerer_over(store).ask(QUESTIONS[0]).partial
    assert "shard 1" in {thread.name for thread in threading.enumerate()}
    store.close()
    assert "shard 1" not in {thread.name for thread in threading.enumerate()}


def test_a_shard_that_is_lost_between_two_looks_is_left_out_of_both(library):
    _, handles = library
    answerer = answerer_over(asked(handles))
    looks = []

    def dies():
        looks.append(1)
        if len(looks) == 2:
            raise TimeoutError

    handles[1].before = dies
    answer = answerer.ask(QUESTIONS[0], top_k=100)
    assert answer.partial.missing_shards == (1,)
    assert all(int(passage.document_id, 16) % SHARDS != 1 for passage in answer.passages)


def test_a_write_between_two_looks_makes_the_question_begin_again(library):
    one, handles = library
    answerer = answerer_over(DenseCorpus(asked(handles)))
    gone = document_id_of("0/0.txt")
    home = handles[int(gone, 16) % SHARDS]
    writes = []

    def write():
        writes.append(1)
        if len(writes) == 2:
            with home.replica._store.write() as writer:
                writer.remove(gone)

    home.before = write
    answer = answerer.ask(QUESTIONS[0], top_k=100)
    assert len(writes) >= 4
    assert gone not in {passage.document_id for passage in answer.passages}
    with one.write() as writer:
        writer.remove(gone)
    assert told(answer, scores=True) == told(answerer_over(DenseCorpus(one)).ask(QUESTIONS[0], top_k=100), scores=True)


def test_a_moment_that_is_held_is_refused_once_a_shard_was_written_to(library):
    _, handles = library

    def write():
        with handles[0].replica._store.write() as writer:
            writer.remove(next(left))

    with handles[0].replica._store.snapshot() as snapshot:
        left = iter([summary.document_id for summary in snapshot.list_documents()] + ["0" * 16] * 99)
    handles[0].before = write
    with asked(handles).snapshot() as moment:
        moment.list_documents()
        with pytest.raises(Moved, match="changed while they were read; try again"):
            moment.list_documents()


def test_a_damaged_shard_counts_as_missing_and_one_of_another_embedder_too(library, tmp_path):
    _, handles = library
    (shard_folder(tmp_path / "shards", 1) / "pincite.sqlite").unlink()
    assert answerer_over(asked(handles)).ask(QUESTIONS[0]).partial.missing_shards == (1,)
    other = Manifest(MANIFEST.embedder, {"window": 1})
    with pytest.raises(ShardsMissing, match="0, 1, 2, 3"):
        answerer_over(asked(handles, manifest=other)).ask(QUESTIONS[0])


def test_a_list_is_whole_or_refused_whatever_the_operator_chose(library):
    _, handles = library
    handles[0].silent = True
    with asked(handles, partial=True).snapshot() as moment, pytest.raises(ShardsMissing, match=": 0;"):
        moment.list_documents()


def test_a_shard_is_asked_for_nothing_that_changes_it(library):
    _, handles = library
    with pytest.raises(UsageError, match="is not asked for 'write'"):
        handles[0].replica.look(None, "write")


def test_a_shards_replica_is_unwell_where_its_store_is_gone(library, tmp_path):
    _, handles = library
    handles[1].replica.check_health()
    (shard_folder(tmp_path / "shards", 1) / "pincite.sqlite").unlink()
    with pytest.raises(StoreError):
        handles[1].replica.check_health()
    assert Store.exists(shard_folder(tmp_path / "shards", 0))
