"""The retrieval benchmark on three documents, with numbers that a pencil can check."""

import json
import lzma
import math

import pytest
from fakes import WINDOW, WordEncoder

from benchmarks import retrieval
from benchmarks.duplicates import near_duplicates
from benchmarks.evidence import evidence_measures
from benchmarks.judged import load_collection
from benchmarks.passages import Cut, Vectors, fill
from benchmarks.rankings import Fuse, matching, nearest, ordered, passages, reread
from index.chunk_limits import ChunkLimits
from index.errors import UsageError
from index.types import NO_FILTERS, Passage, StoredPassage
from rag.gold import Evidence, GoldQuestion
from rag.retrieve import CANDIDATES, DENSE_WEIGHT, retrieve

DOCUMENTS = {
    "nile": ("The Nile", "The river flows north. It ends in Egypt."),
    "bread": ("Bread", "Yeast makes dough rise. Salt slows it."),
    "rhine": ("", "The river flows north too. It ends in Holland."),
}


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "beir"
    folder.mkdir()
    rows = [{"_id": name, "title": title, "text": text} for name, (title, text) in DOCUMENTS.items()]
    corpus = "\n".join(json.dumps(row) for row in rows) + "\n"
    (folder / "corpus.jsonl.xz").write_bytes(lzma.compress(corpus.encode()))
    queries = [{"_id": "1", "text": "yeast dough"}, {"_id": "2", "text": "river Holland"}, {"_id": "3", "text": "x"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tbread\t1\n2\tnile\t1\n3\tnile\t0\n")
    (folder / "qrels.train.tsv").write_text("query-id\tcorpus-id\tscore\n2\trhine\t1\n2\tnile\t2\n")
    return folder


@pytest.fixture
def gold(tmp_path):
    folder = tmp_path / "gold"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs" / "nile.txt").write_text("The river flows north. It ends in Egypt.\n")
    (folder / "docs" / "bread.txt").write_text("Yeast makes dough rise.\n")
    evidence = {"source": "nile.txt", "start": 23, "end": 40}
    line = {"id": "1", "question": "Where does it end, Egypt?", "evidence": [evidence]}
    unanswerable = {"id": "2", "question": "Who?", "answerable": False}
    (folder / "gold.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(unanswerable) + "\n")
    return folder


def run(tmp_path, *arguments):
    """The rows of one run, with an encoder that counts words."""
    out = tmp_path / "rows.json"
    retrieval.main([*map(str, arguments), "--json", str(out)], load=lambda _: WordEncoder())
    return json.loads(out.read_text())


def test_each_side_is_measured_over_the_questions_that_have_a_relevant_document(beir, tmp_path):
    dense, lexical, fused = run(tmp_path, beir)
    assert [row["side"] for row in (dense, lexical, fused)] == ["dense", "lexical", "fused"]
    # Bread is first for "yeast dough". For "river Holland" the Nile comes second, after the Rhine.
    wanted = (1 + 1 / math.log2(2 + 1)) / 2
    for row in (lexical, fused):
        assert row["metrics"]["ndcg@10"]["value"] == pytest.approx(wanted)
        assert row["metrics"]["ndcg@10"]["n"] == 2
        assert row["metrics"]["recall@10"]["value"] == 1.0


def test_another_split_has_its_own_judgements(beir, tmp_path):
    *_, fused = run(tmp_path, beir, "--split", "train")
    assert list(fused["questions"]) == ["2"]
    assert fused["questions"]["2"]["ndcg@10"] == pytest.approx(1.0)


def test_a_split_that_is_not_there_is_named(beir):
    with pytest.raises(UsageError, match=r"no qrels\.dev\.tsv or qrels/dev\.tsv"):
        load_collection(beir, "dev")


def test_a_folder_of_neither_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"neither corpus\.jsonl nor a gold set"):
        load_collection(tmp_path)


def test_without_titles_a_word_of_the_title_finds_nothing(beir, tmp_path):
    (beir / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tnile\t1\n")
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "1", "text": "Nile"}))
    lexical = {row["side"]: row["metrics"]["recall@10"]["value"] for row in run(tmp_path, beir)}["lexical"]
    bare = run(tmp_path, beir, "--no-title", "lexical")
    assert (lexical, {row["side"]: row["metrics"]["recall@10"]["value"] for row in bare}["lexical"]) == (1.0, 0.0)


def test_every_combination_of_fusion_weight_and_candidates_is_tried(beir, tmp_path):
    rows = run(tmp_path, beir, "--fusion", "min-max", "rrf", "--dense-weight", "0", "1", "--candidates", "5")
    tried = [tuple(row["settings"].values()) for row in rows if row["side"] == "fused"]
    assert tried == [("min-max", 0.0, 5), ("min-max", 1.0, 5), ("rrf", 0.0, 5), ("rrf", 1.0, 5)]


def test_the_products_settings_rank_as_the_product_does(beir, tmp_path):
    collection, encoder = load_collection(beir), WordEncoder()
    vectors = Vectors(encoder, None, lambda *_: None)
    question = "river north Egypt"
    vector = encoder.encode_query(question)
    store = fill(tmp_path / "store", collection.documents, encoder, vectors, Cut(ChunkLimits(WINDOW)))
    with store, store.snapshot() as snapshot:
        product = [found.stored for found in retrieve(snapshot, question, vector, 10, NO_FILTERS)]
        (dense,), (lexical,) = nearest(snapshot, [vector]), matching(snapshot, [question], None)
        fused = Fuse("product", DENSE_WEIGHT, CANDIDATES)(dense, lexical)
        assert ordered(fused, passages(snapshot)) == product


def test_a_plain_bm25_ranks_as_tantivy_does(beir, tmp_path):
    _, tantivy, _ = run(tmp_path, beir)
    _, plain, _ = run(tmp_path, beir, "--plain")
    assert plain["questions"] == tantivy["questions"]


def test_vectors_are_kept_and_a_second_run_is_the_same_as_the_first(beir, tmp_path):
    first = run(tmp_path, beir, "--cache", tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]
    assert run(tmp_path, beir, "--cache", tmp_path / "cache") == first


def test_a_baseline_is_compared_question_by_question(beir, tmp_path, capsys):
    run(tmp_path, beir)
    (tmp_path / "rows.json").rename(tmp_path / "old.json")
    run(tmp_path, beir, "--fusion", "rrf", "--baseline", tmp_path / "old.json")
    assert "+0.0000 (+0.0000..+0.0000)" in capsys.readouterr().out


def test_a_gold_set_is_judged_by_its_evidence(gold, tmp_path):
    _, lexical, _ = run(tmp_path, gold)
    assert list(lexical["questions"]) == ["1"]  # what cannot be answered has no right ranking
    scores = lexical["questions"]["1"]
    assert (scores["passage_hit@1"], scores["evidence_recall@5"]) == (1.0, 1.0)
    # One passage shares a word with the question; 17 of its 40 characters are evidence.
    assert scores["evidence_precision@5"] == 17 / 40


def test_the_readers_weight_moves_passages_between_its_order_and_the_one_before():
    ranked = [StoredPassage(number, "a", Passage("d", 0, 1, "x", "")) for number in range(4)]
    orders = {weight: [one.passage_id for one in reread(ranked, [-60.0, 60.0, 0.0], weight)] for weight in (0, 0.5, 1)}
    # Sigmoids 0, 1, 1/2; ranks keep 1, 2/3, 1/3: at 0.5 the sums are 1/2, 5/6, 5/12. The fourth was not read.
    assert orders == {0: [0, 1, 2, 3], 0.5: [1, 0, 2, 3], 1: [1, 2, 0, 3]}


def test_a_place_in_two_passages_counts_once():
    text = "abcdefghij" * 300
    passages = [(0, 10), (5, 15), (20, 3000)]
    ranked = [StoredPassage(1, "a", Passage("d", start, end, text[start:end], "")) for start, end in passages]
    question = GoldQuestion("1", "?", (), ("a",), (Evidence("a", 8, 12), Evidence("b", 0, 4)), True, ())
    scores = evidence_measures(question, ranked)
    assert scores["evidence_recall@5"] == 4 / 8
    assert scores["evidence_precision@5"] == pytest.approx(4 / (15 + 2980))


def test_only_passages_that_fit_the_budget_count_towards_it():
    long, short = Passage("d", 0, 7990, "x" * 7990, ""), Passage("d", 8000, 8020, "y" * 20, "")
    ranked = [StoredPassage(1, "a", long), StoredPassage(2, "a", short)]
    question = GoldQuestion("1", "?", (), ("a",), (Evidence("a", 8000, 8020),), True, ())
    assert evidence_measures(question, ranked)["evidence_recall@8000c"] == 0.0
    assert evidence_measures(question, ranked[1:])["evidence_recall@8000c"] == 1.0


def test_a_text_that_repeats_most_of_an_earlier_one_is_its_near_duplicate():
    words = [f"word{number}" for number in range(40)]
    text, other = " ".join(words), " ".join(reversed(words))
    # 36 runs of five words; a word put after the end adds one: 36 of 37 are shared.
    assert near_duplicates([text, other, f"{text} more"]) == 1 / 3
    # A word changed in the middle changes five: 31 are shared of 36 + 5.
    assert near_duplicates([text, text.replace("word20", "else")]) == 0.0
    assert near_duplicates([]) == 0.0
