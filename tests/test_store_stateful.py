"""The delete property: whatever two processes do, no reply shows what is gone, and none misses what is there."""

import hashlib
import multiprocessing
import shutil
import tempfile
from pathlib import Path

import pytest
from fakes import MANIFEST, AnySpanReader, WordEncoder, answerer_over
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from index.chunk_limits import ChunkLimits
from index.doctor import check, repair
from index.files import FoundFile
from index.ingest import IngestOptions, ingest, remove
from index.store import Store

OPTIONS = IngestOptions(ChunkLimits(window=64, target=1, overlap_sentences=0), 2**20)  # one passage a paragraph
ALL = 10_000
QUESTION = "Who came to the harbour?"


class Desk:
    """What one process does with the store: its own connection, its own views."""

    def __init__(self, parent):
        self.parent, self.store = parent, None
        self.reopen()

    def reopen(self):
        self.close()
        self.store = Store.open(self.parent / "store", MANIFEST, create=True)

    def close(self):
        if self.store is not None:
            self.store.close()

    def index(self, *sources):
        files = [FoundFile(self.parent / source, source) for source in sources]
        report = ingest(self.store, files, WordEncoder(), OPTIONS, lambda *_: None)
        assert not report.rejected

    def remove(self, *sources):
        remove(self.store, sources)

    def repair(self):
        repair(self.store)

    def faults(self):
        return check(self.store)

    def found(self):
        """Return what each index finds that holds "harbour": every passage there is."""
        with self.store.snapshot() as snapshot:
            lexical = snapshot.matching("harbour", ALL)
            dense = snapshot.nearest(WordEncoder().encode_query("harbour"), ALL)
            return tuple(sorted(map(_shown, snapshot.stored_passages(n for n, _ in hits))) for hits in (lexical, dense))

    def ask(self):
        """Return the spans that a reply shows, and those that it cites with the sha256 of their file."""
        answer = answerer_over(self.store, 0.0, AnySpanReader()).ask(QUESTION, top_k=20)
        cited = [*answer.citations, *(c for other in answer.alternatives for c in other.citations)]
        shown = [(p.source, p.start, p.end, p.text) for p in answer.passages]
        return shown, [(c.source, c.start, c.end, c.quote, c.sha256) for c in cited]


def _shown(stored):
    return stored.source, stored.passage.start, stored.passage.end, stored.passage.text


def serve(pipe):
    """Be the other process: do what comes through the pipe, at a desk that is new where a folder comes."""
    desk = None
    while (order := pipe.recv()) is not None:
        name, *arguments = order
        if name == "sit":
            desk = Desk(*arguments)
            pipe.send(None)
        else:
            pipe.send(getattr(desk, name)(*arguments))


class Partner:
    """The other process's desk, seen from here."""

    def __init__(self):
        processes = multiprocessing.get_context("forkserver")
        self.pipe, theirs = processes.Pipe()
        self.process = processes.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def begin(self, *order):
        self.pipe.send(order)

    def end(self):
        assert self.pipe.poll(60), "the other process does not answer"
        return self.pipe.recv()  # EOFError: it died, and has said why on stderr

    def __getattr__(self, name):
        def call(*arguments):
            self.begin(name, *arguments)
            return self.end()

        return call


@pytest.fixture(scope="module")
def partner():
    other = Partner()
    yield other
    other.pipe.send(None)
    other.process.join()


DESKS = st.sampled_from(["here", "there"])
SOURCES = st.sampled_from(["a.txt", "b.txt", "c.txt"])
LENGTHS = st.sampled_from([1, 2, 5, 150])  # paragraphs; two long documents make the store write its base again


class Histories(RuleBasedStateMachine):
    """`texts` is what the store must hold: the text of each source whose call has returned."""

    def __init__(self, partner):
        super().__init__()
        self.parent = Path(tempfile.mkdtemp())
        self.texts, self.number = {}, 0
        partner.sit(self.parent)
        self.desks = {"here": Desk(self.parent), "there": partner}

    def teardown(self):
        try:
            for desk in self.desks.values():
                assert desk.faults() == []
                desk.close()
        finally:
            shutil.rmtree(self.parent)

    def write_file(self, source, paragraphs):
        self.number += 1  # so that no text comes twice
        text = "\n\n".join(f"Person{self.number}n{n} came to the harbour." for n in range(paragraphs))
        (self.parent / source).write_text(text, "utf-8")
        return {source: text}

    @rule(who=DESKS, source=SOURCES, paragraphs=LENGTHS)
    def index_or_edit(self, who, source, paragraphs):
        written = self.write_file(source, paragraphs)
        self.desks[who].index(source)
        self.texts |= written

    @precondition(lambda self: self.texts)
    @rule(who=DESKS, data=st.data(), new=SOURCES)
    def rename(self, who, data, new):
        old = data.draw(st.sampled_from(sorted(self.texts)))
        if old != new:
            (self.parent / old).replace(self.parent / new)
            self.desks[who].index(new)
            self.desks[who].remove(old)
            self.texts[new] = self.texts.pop(old)

    @rule(who=DESKS, sources=st.sets(SOURCES, min_size=1))
    def remove(self, who, sources):
        self.desks[who].remove(*sources)
        self.texts = {source: text for source, text in self.texts.items() if source not in sources}

    @rule(who=DESKS)
    def reopen(self, who):
        self.desks[who].reopen()

    @rule(who=DESKS)
    def make_indexes_again(self, who):
        self.desks[who].repair()

    @rule(who=DESKS)
    def ask(self, who):
        assert agrees(self.desks[who].ask(), self.texts)

    @rule(source=SOURCES, paragraphs=LENGTHS)
    def ask_there_while_it_is_edited_here(self, source, paragraphs):
        written = self.write_file(source, paragraphs)
        self.desks["there"].begin("ask")
        self.desks["here"].index(source)
        reply, before = self.desks["there"].end(), self.texts
        self.texts = before | written
        assert agrees(reply, before) or agrees(reply, self.texts)

    @rule(source=SOURCES)
    def ask_here_while_it_is_removed_there(self, source):
        self.desks["there"].begin("remove", source)
        reply, before = self.desks["here"].ask(), self.texts
        self.desks["there"].end()
        self.texts = {other: text for other, text in before.items() if other != source}
        assert agrees(reply, before) or agrees(reply, self.texts)

    @invariant()
    def both_find_all_that_is_there_and_nothing_else(self):
        expected = []
        for source, text in self.texts.items():
            start = 0
            for paragraph in text.split("\n\n"):
                expected.append((source, start, start + len(paragraph), paragraph))
                start += len(paragraph) + 2
        for desk in self.desks.values():
            lexical, dense = desk.found()
            assert lexical == dense == sorted(expected)


def agrees(reply, texts):
    """Tell whether all that a reply shows and cites stands in `texts`, and whether it shows anything if it can."""
    shown, cited = reply
    digests = {source: hashlib.sha256(text.encode()).hexdigest() for source, text in texts.items()}
    return (
        bool(shown) == bool(cited) == bool(texts)
        and all(texts.get(source, "")[start:end] == text for source, start, end, text in shown)
        and all(texts.get(source, "")[start:end] == quote for source, start, end, quote, _ in cited)
        and all(digests.get(source) == sha256 for source, *_, sha256 in cited)
    )


def test_no_reply_shows_what_is_gone_and_none_misses_what_is_there(partner):
    bounded = settings(max_examples=8, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(lambda: Histories(partner), settings=bounded)
