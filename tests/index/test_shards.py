"""Documents in shards are asked as those in one store are, and nothing of them is left out unsaid."""

import pytest
from fakes import MANIFEST, WINDOW, AnySpanReader, WordEncoder, answerer_over, new_store
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.shards import DenseCorpus, spread, told
from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.errors import StoreError, UsageError
from index.files import find_files
from index.ingest import IngestOptions, ingest
from index.load import load_bytes
from index.shards import ShardedMoment, ShardedStore, ShardsMissing, make_shards, shard_folder, shard_of
from index.store import IN_SHARDS, Store
from index.types import NO_FILTERS, Filters, document_id_of
from rag.documents import StoredDocuments, corpus_fingerprint

WORDS = ["nile", "river", "egypt", "bread", "yeast", "Memphis", "Thebes", "Ada", "1858", "flood"]
QUESTIONS = ["Where does the river Nile end?", "Who bought yeast?", "bread", "When did the flood come to Memphis?"]
SHARDS = [1, 2, 4, 7]

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(lambda words: " ".join(words) + ".")
articles = st.lists(st.lists(texts, min_size=1, max_size=4).map("\n\n".join), min_size=1, max_size=8)


def filled(folder, documents):
    """A store of these texts; the second half of them are copies of the first, so that scores tie."""
    for number, text in enumerate([*documents, *documents]):
        path = folder / "files" / f"{number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    store = new_store(folder / "store")
    files = find_files([folder / "files"]).files
    ingest(store, files, WordEncoder(), IngestOptions(ChunkLimits(WINDOW), 2**20), lambda *_: None)
    return store


def told_by(corpus, top_k=10, filters=NO_FILTERS):
    answerer = answerer_over(corpus, reader=AnySpanReader())
    return [told(answerer.ask(question, top_k, filters=filters), scores=True) for question in QUESTIONS]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """One store of 120 documents, more than either side of retrieval takes; and the same in shards."""
    folder = tmp_path_factory.mktemp("library")
    documents = [" ".join(WORDS[n * k % 10] for n in range(1 + k % 5)) + f". {k}." for k in range(60)]
    with filled(folder, documents) as store:
        for shards in SHARDS:
            spread(store, folder / f"{shards}", shards)
        yield store, folder


@pytest.mark.parametrize("shards", SHARDS)
def test_by_vectors_alone_the_replies_are_those_of_one_store_ties_and_order_included(library, shards):
    store, folder = library
    with ShardedStore.open(folder / f"{shards}", MANIFEST) as sharded:
        for top_k in (1, 10, 100):
            assert told_by(DenseCorpus(sharded), top_k) == told_by(DenseCorpus(store), top_k)
        inside = Filters(source="1/*")
        assert told_by(DenseCorpus(sharded), 10, inside) == told_by(DenseCorpus(store), 10, inside)


def test_in_one_shard_the_replies_are_those_of_one_store_with_fusion_too(library):
    store, folder = library
    with ShardedStore.open(folder / "1") as sharded:
        assert told_by(sharded) == told_by(store)


@settings(max_examples=8)
@given(articles, st.integers(1, 9))
def test_whatever_the_documents_and_however_many_the_shards_the_replies_are_the_same(
    tmp_path_factory, documents, shards
):
    folder = tmp_path_factory.mktemp("any")
    with filled(folder, documents) as store:
        spread(store, folder / "shards", shards)
        with ShardedStore.open(folder / "shards") as sharded:
            assert told_by(DenseCorpus(sharded)) == told_by(DenseCorpus(store))


def test_each_shard_is_an_ordinary_store_that_holds_the_documents_of_its_number(library):
    store, folder = library
    held = []
    for number in range(4):
        with Store.open(shard_folder(folder / "4", number), MANIFEST) as shard, shard.snapshot() as snapshot:
            found = [summary.document_id for summary in snapshot.list_documents()]
            assert {shard_of(document_id, 4) for document_id in found} == {number}
            held += found
    with store.snapshot() as snapshot:
        assert sorted(held) == sorted(summary.document_id for summary in snapshot.list_documents())


def test_documents_are_looked_up_and_listed_as_in_one_store(library):
    store, folder = library
    some = document_id_of("1/1.txt")
    with ShardedStore.open(folder / "7") as sharded, sharded.snapshot() as there, store.snapshot() as here:
        assert (there.documents, there.passages, there.missing_shards) == (here.documents, here.passages, ())
        assert there.list_documents() == here.list_documents()
        assert there.list_documents(5, "1/1.txt") == here.list_documents(5, "1/1.txt")
        assert list(there.iter_documents()) == list(here.iter_documents())
        assert there.document(some) == here.document(some)
        assert [one.passage for one in there.passages_of(some)] == [one.passage for one in here.passages_of(some)]
        sha256 = here.document(some).document.sha256
        assert there.documents_by_sha256(sha256) == here.documents_by_sha256(sha256)
        assert corpus_fingerprint(there) == corpus_fingerprint(here)
        assert StoredDocuments(there).sources() == StoredDocuments(here).sources()


@pytest.mark.parametrize("unknown", ["", "0x", "zz", "0" * 15, "0" * 16, "../../etc/passwd"])
def test_what_is_no_document_is_not_found(library, unknown):
    _, folder = library
    with ShardedStore.open(folder / "2") as sharded, sharded.snapshot() as moment:
        assert moment.document(unknown) is None
        assert moment.passages_of(unknown) == []


def test_passages_keep_ids_of_their_own_over_all_shards(library):
    _, folder = library
    vector = WordEncoder().encode_query(QUESTIONS[0])
    with ShardedStore.open(folder / "7") as sharded, sharded.snapshot() as moment:
        found = [passage_id for passage_id, _ in moment.rankings(QUESTIONS[0], vector, 50, NO_FILTERS).dense]
        assert len(set(found)) == len(found)
        assert [one.passage_id for one in moment.stored_passages(found)] == found


def test_without_a_shard_what_is_ranked_says_so_and_a_list_is_refused(library):
    _, folder = library
    vector = WordEncoder().encode_query(QUESTIONS[0])
    stores = [Store.open(shard_folder(folder / "4", number)) for number in range(4)]
    with stores[0].snapshot() as first, stores[3].snapshot() as last:
        moment = ShardedMoment({0: first, 3: last}, 4)
        assert moment.missing_shards == (1, 2)
        assert moment.documents == first.documents + last.documents
        ids = [passage_id for passage_id, _ in moment.rankings(QUESTIONS[0], vector, 20, NO_FILTERS).dense]
        assert {passage_id % 4 for passage_id in ids} == {0, 3}
        for refused in (moment.list_documents, moment.iter_documents, lambda: moment.documents_by_sha256("0")):
            with pytest.raises(ShardsMissing, match="these do not answer: 1, 2; try again soon"):
                refused()
    for store in stores:
        store.close()


def test_a_reply_found_without_a_shard_is_partial(library):
    _, folder = library

    class Without:
        def at_one_moment(self, look):
            with ShardedStore.open(folder / "4") as sharded, sharded.snapshot() as moment:
                return look(ShardedMoment({n: part for n, part in moment._parts.items() if n != 2}, 4))

    answerer = answerer_over(Without())
    assert answerer.ask(QUESTIONS[0]).partial.missing_shards == (2,)
    assert answerer.search(QUESTIONS[0]).partial.missing_shards == (2,)


def test_the_number_of_shards_is_fixed_when_they_are_made(tmp_path):
    assert make_shards(tmp_path / "new", None, 3) == 3
    assert make_shards(tmp_path / "new", None, 5) == 3
    assert make_shards(tmp_path / "new", 3, 5) == 3
    with pytest.raises(UsageError, match="has 3 shards, not 4; name another --store"):
        make_shards(tmp_path / "new", 4, 5)
    for wrong in (0, 1025):
        with pytest.raises(UsageError, match=f"{wrong} shards cannot be; give 1 to 1024"):
            make_shards(tmp_path / "other", wrong, 5)


def test_shards_are_not_made_over_a_store(tmp_path):
    new_store(tmp_path).close()
    with pytest.raises(UsageError, match="holds a store that is not in shards"):
        make_shards(tmp_path, 2, 2)
    with pytest.raises(StoreError, match="no store in shards"):
        ShardedStore.open(tmp_path)


def test_a_store_in_shards_gets_no_store_beside_them_that_nobody_would_ask(tmp_path):
    make_shards(tmp_path, 2, 2)
    with pytest.raises(StoreError, match="is in shards; index it with --cluster"):
        Store.open(tmp_path, MANIFEST, create=True)
    assert [file.name for file in tmp_path.iterdir()] == [IN_SHARDS]


def test_documents_that_are_put_again_leave_the_weights_of_words_in_shards_as_they_were(tmp_path):
    """Of "nile" and "flood" the rarer word counts more, also where Tantivy still counts what was replaced."""
    make_shards(tmp_path, 2, 2)
    homes = [
        [f"{n}.txt" for n in range(600) if shard_of(document_id_of(f"{n}.txt"), 2) == home][:100] for home in (0, 1)
    ]
    words = [["nile report page"] * 90 + ["other report page"] * 9 + ["the flood came"], ["bread yeast page"] * 100]

    def put(store, home, count):
        with store.write() as writer:
            for source, text in list(zip(homes[home], words[home], strict=True))[:count]:
                document = load_bytes(source, text.encode())
                passages = chunk(document, WordEncoder(), ChunkLimits(WINDOW))
                rows = WordEncoder().encode_passages([one.embedding_text for one in passages])
                writer.put(document, None, len(text), passages, rows)

    def lexical():
        with ShardedStore.open(tmp_path) as sharded, sharded.snapshot() as moment:
            hits = moment.rankings("nile flood", WordEncoder().encode_query("nile"), 100, NO_FILTERS).lexical
            found = moment.stored_passages([passage_id for passage_id, _ in hits])
        return {one.source: (one.passage.text, score) for one, (_, score) in zip(found, hits, strict=True)}

    stores = [new_store(shard_folder(tmp_path, home)) for home in (0, 1)]
    put(stores[0], 0, 100)
    put(stores[1], 1, 100)
    before = lexical()
    put(stores[0], 0, 16)
    after = lexical()
    for store in stores:
        store.close()
    assert next(iter(before.values()))[0] == next(iter(after.values()))[0] == "the flood came"
    assert {source: text for source, (text, _) in after.items()} == {
        source: text for source, (text, _) in before.items()
    }
    for source, (_, score) in before.items():
        assert after[source][1] == pytest.approx(score, rel=0.15)  # a tenth more is counted, until it is merged away


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"shards": 0}', '{"shards": "4"}', '{"shards": true}', "\xff"])
def test_a_damaged_number_of_shards_is_refused_and_not_guessed(tmp_path, damaged):
    (tmp_path / IN_SHARDS).write_bytes(damaged.encode("latin-1"))
    with pytest.raises(StoreError, match=IN_SHARDS):
        ShardedStore.open(tmp_path)


def test_a_shard_that_is_absent_stops_the_opening(tmp_path):
    make_shards(tmp_path, 2, 2)
    new_store(shard_folder(tmp_path, 0)).close()
    with pytest.raises(StoreError, match="no store at "):
        ShardedStore.open(tmp_path)
