"""Whatever is done to a store, it answers as a plain dictionary of its documents does."""

import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import MANIFEST, WORDS, document_of, encode, put, texts

import index.vector
from index.doctor import check
from index.store import Store
from index.types import Passage, document_id_of

NAMES = ["a", "b", "c"]
LINES = ["nile river", "nile", "bread nile", "yeast \U0001f600", "egypt egypt bread", "nothing"]

documents = st.tuples(
    st.sampled_from(NAMES), st.lists(st.sampled_from(LINES), min_size=1, max_size=4), st.integers(1, 70)
)
changes = st.lists(st.one_of(documents, st.sampled_from(NAMES)), min_size=1, max_size=3)
operations = st.one_of(
    st.tuples(st.just("write"), changes),
    st.tuples(st.just("write elsewhere"), changes),
    st.tuples(st.just("fail"), changes),
    st.tuples(st.sampled_from(["reopen", "damage vectors", "damage lexical", "lose indexes"]), st.none()),
)


def apply(store, model, listed):
    """Make the changes in one write; a name alone is removed, a document is lines, each so many times."""
    with store.write() as writer:
        for change in listed:
            if isinstance(change, str):
                assert writer.remove(document_id_of(change)) == (model.pop(change, None) is not None)
            else:
                name, lines, times = change
                assert put(writer, name, lines * times) == (name in model)
                model[name] = lines * times


class Halt(Exception):
    pass


def fail(store, model, listed):
    try:
        with store.write() as writer:
            for change in listed:
                writer.remove(document_id_of(change)) if isinstance(change, str) else put(writer, *change[:2])
            raise Halt
    except Halt:
        pass


def damage(folder, which):
    for file in folder.glob("vectors-*") if which != "damage lexical" else []:
        file.unlink() if which == "lose indexes" else file.write_bytes(file.read_bytes()[:-3] + b"\0\1\2")
    if which == "lose indexes":
        shutil.rmtree(folder / "lexical", ignore_errors=True)
    elif which == "damage lexical":
        for file in (folder / "lexical").glob("*.idx"):
            file.write_bytes(file.read_bytes()[:-1])


def agrees(store, model, large):
    """Compare every ranking with the plain one over the model."""
    lines = [line for name in sorted(model) for line in model[name]]
    with store.snapshot() as snapshot:
        assert (snapshot.documents, snapshot.passages) == (len(model), len(lines))
        kept = {stored.document.source: stored.document for stored in snapshot.iter_documents()}
        assert kept == {name: document_of(name, model[name]) for name in model}
        for word in WORDS[:3]:
            query = encode([word])[0]
            hits = snapshot.nearest(query, 1000)
            assert sorted(texts(snapshot, hits)) == sorted(lines)
            cosines = (encode(lines) * query).sum(axis=1)  # by element: a matrix product may set floating-point flags
            assert np.allclose([c for _, c in hits], sorted(cosines, reverse=True), atol=1e-6)
            assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))
            best = snapshot.nearest(query, 7)
            # An approximate base may find others that are as good, in the true order and with their true cosines.
            assert best == ([hit for hit in hits if hit in best] if large else hits[:7])
            assert [cosine for _, cosine in best] == [cosine for _, cosine in hits[:7]]
            terms = snapshot.matching(word, 1000)
            assert sorted(texts(snapshot, terms)) == sorted(line for line in lines if word in line.split())
            assert snapshot.matching(word, 7) == terms[:7]


@settings(max_examples=40, deadline=None)
@given(st.lists(operations, min_size=1, max_size=8), st.booleans())
def test_after_any_history_a_store_answers_as_a_dictionary_does(history, large):
    # Where 1 passage is many, every base is one of a large store. So few rows are all looked at: the ranking is true.
    limit = 1 if large else index.vector.EXACT_LIMIT
    with patch.object(index.vector, "EXACT_LIMIT", limit), tempfile.TemporaryDirectory() as parent:
        folder, model = Path(parent) / "store", {}
        store = Store.open(folder, MANIFEST, create=True)
        with Store.open(folder, MANIFEST) as other:
            for operation, listed in history:
                if operation == "write":
                    apply(store, model, listed)
                elif operation == "write elsewhere":
                    apply(other, model, listed)
                elif operation == "fail":
                    fail(store, model, listed)
                else:
                    damage(folder, operation)
                    store.close()
                    store = Store.open(folder, MANIFEST)
                agrees(store, model, large)
            agrees(other, model, large)
        assert check(store) == []
        store.close()


def test_any_text_comes_back_with_every_slice(store):
    @settings(max_examples=30, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), st.data())
    def comes_back(text, data):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        document = document_of("odd", [text])
        passage = Passage(document.document_id, start, end, text[start:end], text)
        with store.write() as writer:
            writer.put(document, None, 1, [passage], encode(["nile"]))
        with store.snapshot() as snapshot:
            assert snapshot.document(document_id_of("odd")).document == document
            [(passage_id, _)] = snapshot.nearest(encode(["nile"])[0], 5)
            assert snapshot.stored_passages([passage_id])[0].passage == passage
            assert {found for found, _ in snapshot.matching(text, 5)} <= {passage_id}

    comes_back()
