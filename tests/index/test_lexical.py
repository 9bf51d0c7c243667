import math
import unicodedata

import pytest
from store_samples import MANIFEST, matching_texts, write

from index.errors import StoreError
from index.lexical import LexicalIndex, terms
from index.rankings import WordCounts
from index.store import Store


@pytest.fixture
def index(tmp_path):
    return LexicalIndex(tmp_path / "lexical")


def opened(index, *rows):
    """Write the rows, (id, document_id, text) each, as the whole index, and open it."""
    return index.open("s:1", index.rebuild("s:1", rows))


def found(view, question, k=10, allowed=None):
    return [passage_id for passage_id, _ in view.search(question, k, allowed)]


def test_terms_are_folded_stemmed_and_counted():
    assert terms("The Rivers' RIVER, naïve élan!") == {"river": 2, "naiv": 1, "elan": 1}
    assert terms("") == terms(" ?!, \u3000") == {}


def test_accents_make_the_same_terms_however_they_are_written():
    text = "Herr Müller dança no Ångström, приве́т мой ёж"
    assert terms(unicodedata.normalize("NFD", text)) == terms(unicodedata.normalize("NFC", text))
    assert terms("Mu\u0308ller q\u0303x приве\u0301т") == {"muller": 1, "qx": 1, "привет": 1}


@pytest.mark.parametrize("sign", ["\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff"])
def test_a_sign_that_is_not_seen_cuts_no_word(index, sign):
    assert terms(f"flo{sign}od") == {"flood": 1}
    view = opened(index, (1, "a", f"ni{sign}le flood"), (2, "b", "ni le"))
    assert found(view, "nile") == found(view, f"n{sign}ile") == [1]


def test_a_space_without_a_width_parts_words_where_the_script_has_no_other():
    assert terms("ខេត\u200bកណ") == {"ខេត": 1, "កណ": 1}


def test_a_passage_is_found_however_its_accents_are_written(index):
    view = opened(index, (1, "a", "Mu\u0308ller wrote"), (2, "b", "M\u00fcller wrote"), (3, "c", "Mu ller wrote"))
    assert sorted(found(view, "Mu\u0308ller")) == sorted(found(view, "M\u00fcller")) == [1, 2]


def test_stop_words_are_asked_for_only_where_there_is_nothing_else(index):
    assert terms("To be, or not to be") == {"to": 2, "be": 2, "or": 1, "not": 1}
    view = opened(index, (1, "a", "to be or not"), (2, "b", "the nile"))
    assert found(view, "not the Nile") == [2]
    assert found(view, "to be") == [1]


def test_a_word_that_is_asked_twice_counts_twice(index):
    view = opened(index, (1, "a", "nile flood"), (2, "b", "bread yeast"))
    (_, once), (_, twice) = view.search("nile", 1)[0], view.search("nile nile", 1)[0]
    assert twice == pytest.approx(2 * once, abs=1e-3)


def test_a_word_finds_its_other_forms(index):
    view = opened(index, (1, "a", "Bakers were baking loaves"), (2, "b", "the Nile"))
    assert found(view, "BAKE") == [1]


def test_scores_are_bm25(index):
    view = opened(index, (1, "a", "nile flood"), (2, "a", "bread yeast"), (3, "b", "bread flour"))
    # Of 4 documents (the marker is one) 1 has the word; 6 words in 4 documents; k1 = 1.2, b = 0.75.
    idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    expected = idf * (1 * (1.2 + 1)) / (1 + 1.2 * (1 - 0.75 + 0.75 * 2 / (6 / 4)))
    assert view.search("nile", 10) == [(1, pytest.approx(expected, abs=1e-3))]


def test_a_question_is_words_and_never_a_query_language(index):
    view = opened(index, (1, "a", "body AND soul"), (2, "b", "the nile"))
    assert set(found(view, 'body:nile +( "')) == {1, 2}
    assert found(view, "marker:any passage_id:1 document_id:a") == []


def test_no_terms_find_nothing(index):
    view = opened(index, (1, "a", "the nile"))
    assert found(view, "") == found(view, "?!") == found(view, "absent") == []


def test_an_index_of_nothing_finds_nothing(index):
    assert found(opened(index), "nile") == []
    assert opened(index).ids() == []


def test_ties_go_to_the_smaller_id_even_where_more_tie_than_are_wanted(index):
    rows = [(passage_id, "a", "nile river") for passage_id in range(200, 0, -1)]
    assert found(opened(index, *rows), "nile", k=3) == [1, 2, 3]


def test_asking_for_more_than_matches_returns_what_matches(index):
    view = opened(index, (1, "a", "nile"), (2, "a", "nile nile"), (3, "a", "bread"))
    assert sorted(found(view, "nile", k=1000)) == [1, 2]


def test_k_below_one_is_refused(index):
    with pytest.raises(ValueError, match="need k >= 1"):
        opened(index).search("nile", 0)


def test_a_filter_ranks_only_its_documents_and_changes_no_score(index):
    rows = [(n, f"d{n}", "nile " * (50 - n) + "bread") for n in range(50)]
    view = opened(index, *rows)
    everything = dict(view.search("nile", 100))
    assert view.search("nile", 2, frozenset({"d40", "d45", "d49", "absent"})) == [
        (40, everything[40]),
        (45, everything[45]),
    ]
    assert found(view, "nile", 2, frozenset()) == []


def test_an_update_removes_and_adds_as_one_state(index):
    first = index.rebuild("s:1", [(1, "a", "nile"), (2, "b", "nile river")])
    old = index.open("s:1", first)
    second = index.update("s:2", [1], [(3, "c", "nile delta")])
    assert sorted(found(index.open("s:2", second), "nile")) == [2, 3]
    assert index.open("s:2", second).ids() == [2, 3]
    assert sorted(found(old, "nile")) == [1, 2], "a view that is open does not change"


def test_many_updates_keep_exactly_what_is_there(index):
    sha256 = index.rebuild("s:0", [])
    for n in range(1, 21):
        sha256 = index.update(f"s:{n}", [n - 1], [(n, "a", f"nile number{n}")])
    view = index.open("s:20", sha256)
    assert view.ids() == [20]
    assert found(view, "nile number19") == [20]


def test_another_store_or_generation_is_never_taken_for_this_one(index):
    sha256 = index.rebuild("s:1", [(1, "a", "nile")])
    for marker in ("s:2", "t:1"):
        with pytest.raises(StoreError, match="another generation"):
            index.open(marker, sha256)


def test_an_index_of_another_analyzer_is_refused(index, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("index.lexical.ANALYZER", "pincite_english_1")
        sha256 = index.rebuild("s:1", [(1, "a", "nile")])
        assert index.open("s:1", sha256).ids() == [1]
    with pytest.raises(StoreError, match="not the bytes that were written"):
        index.open("s:1", sha256)


@pytest.mark.parametrize("then", ["read", "write"])
def test_a_store_whose_index_is_of_another_analyzer_makes_it_again_by_itself(tmp_path, monkeypatch, then):
    with monkeypatch.context() as before, Store.open(tmp_path / "store", MANIFEST, create=True) as store:
        before.setattr("index.lexical.ANALYZER", "pincite_english_1")
        before.setattr("index.lexical._plain", str)
        write(store, a=["nile", "ni\u00adle river"])
        assert matching_texts(store, "nile") == ["nile"]
    with Store.open(tmp_path / "store", MANIFEST) as store:
        if then == "write":
            write(store, b=["bread"])
        assert sorted(matching_texts(store, "nile")) == ["nile", "ni\u00adle river"]


def test_an_absent_index_is_refused(index):
    with pytest.raises(StoreError, match="lexical"):
        index.open("s:1", "")


def test_any_change_of_any_file_is_seen(tmp_path):
    path = tmp_path / "lexical"
    sha256 = LexicalIndex(path).rebuild("s:1", [(1, "a", "nile river bread")])
    kept = [file for file in path.iterdir() if not file.name.startswith(".") and file.stat().st_size]
    assert kept
    for file in kept:
        data = file.read_bytes()
        for damaged in (data[:-1], b"", bytes([data[0] ^ 1]) + data[1:]):
            file.write_bytes(damaged)
            with pytest.raises(StoreError, match="not the bytes that were written"):
                LexicalIndex(path).open("s:1", sha256)
        file.write_bytes(data)
    assert LexicalIndex(path).open("s:1", sha256).ids() == [1]


def test_words_of_any_script_are_found_as_they_stand(index):
    view = opened(index, (1, "a", "Нил 尼罗河 \U00010400\U00010401"), (2, "b", "e\u0301lan \U0001f30a"))
    assert found(view, "нил") == found(view, "尼罗河") == found(view, "\U00010400\U00010401") == [1]
    assert found(view, "\U0001f30a") == []


def test_a_part_of_an_index_weighs_words_as_the_whole_does_when_it_is_told_their_counts(tmp_path):
    rows = [(1, "a", "nile flood"), (2, "b", "nile bread"), (3, "c", "bread yeast"), (4, "d", "nile yeast")]
    whole = opened(LexicalIndex(tmp_path / "whole"), *rows)
    parts = [opened(LexicalIndex(tmp_path / name), *rows[n::2]) for n, name in enumerate(("odd", "even"))]
    question = "bread of the Nile, the Nile"
    counts = WordCounts.of_all(part.word_counts(question) for part in parts)
    assert counts == whole.word_counts(question) == WordCounts(4, {"bread": 2, "nile": 3})
    told = sorted(hit for part in parts for hit in part.search(question, 10, counts=counts))
    # The marker, which has no word, makes the mean length 8 / 5 in the whole and 4 / 3 in a part: of that a tenth.
    expected = sorted(whole.search(question, 10))
    assert [passage for passage, _ in told] == [passage for passage, _ in expected]
    assert [score for _, score in told] == pytest.approx([score for _, score in expected], rel=0.1)


def test_what_was_removed_counts_in_a_words_weight_as_tantivy_counts_it(index):
    index.rebuild("s:1", [(1, "a", "nile flood"), (2, "a", "nile bread"), (3, "b", "bread yeast")])
    view = index.open("s:2", index.update("s:2", [2], []))
    # The three, one of them removed, and one of the two markers: as many as Tantivy counts, less a marker.
    assert view.word_counts("nile") == WordCounts(4, {"nile": 2})
    idf = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5))
    expected = idf * (1 * (1.2 + 1)) / (1 + 1.2 * (1 - 0.75 + 0.75 * 2 / (6 / 5)))
    assert view.search("nile", 10) == [(1, pytest.approx(expected, abs=1e-3))]


def test_told_its_own_counts_an_index_scores_as_it_does_by_itself(index):
    view = opened(index, (1, "a", "nile flood"), (2, "b", "nile bread"), (3, "c", "bread yeast"))
    assert view.search("bread of the Nile", 10, counts=view.word_counts("bread of the Nile")) == view.search(
        "bread of the Nile", 10
    )
