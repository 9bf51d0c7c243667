from dataclasses import replace

import numpy as np
import pytest
from fakes import AXES, WordEncoder, answerer_over, new_store, put
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from api.build import DEFAULT_READER_SHA256
from index.models import EMBEDDER_SHA256
from index.types import NO_FILTERS, Passage, StoredPassage
from rag.candidates import candidates
from rag.evidence import MOST_NAMES, Evidence, Wanted, Weights, weights_for
from rag.read import MAX_ANSWER_TOKENS, MOST_LEAD, Piece, Span, best_span
from rag.retrieve import Retrieved, retrieve

PASSAGE = "Rollo led the Normans in 911. Nobody held Rouen before him. His son did not die there."
FOUND = Retrieved(StoredPassage(1, "a.txt", Passage("d", 0, len(PASSAGE), PASSAGE, PASSAGE)), 0.9, 0.5, 0.8)


def evidence(question, quote, found=FOUND):
    start = PASSAGE.index(quote)
    return Evidence.of(Wanted.of(question), found, Span(0, start, start + len(quote), quote, 3.0, 2.0), PASSAGE)


def test_the_score_is_the_margin_and_what_the_other_evidence_adds():
    known = Evidence(margin=3.0, lead=2.0, similarity=0.5, term_share=0.8, missing_names=2, lost_negation=1)
    weights = Weights(lead=0.5, similarity=20.0, term_share=7.0, missing_names=-0.75, lost_negation=-10.0)
    assert weights.score(known) == pytest.approx(3.0 + 1.0 + 10.0 + 5.6 - 1.5 - 10.0)
    assert Weights().score(known) == 3.0


@pytest.mark.parametrize(
    ("question", "names", "negated"),
    [
        ("Who led the Normans in 911?", {"norman", "911"}, False),
        ("Normans were led by whom?", set(), False),  # any word may begin with a capital there
        ("911 was the year of what?", {"911"}, False),
        ("Which king didn’t hold Rouen?", {"rouen"}, True),
        ("Who failed to take Paris?", {"pari"}, True),
        ("What is a notary?", set(), False),
        ("What about the NO of The Hague?", {"hagu"}, True),  # NO is read as a word, The as a stop word
        ("?", set(), False),
    ],
)
def test_a_question_wants_its_names_and_numbers_and_its_negation(question, names, negated):
    assert Wanted.of(question) == Wanted(frozenset(names), negated)


def test_a_name_counts_as_missing_unless_it_stands_in_the_sentence_of_the_answer_in_whatever_form():
    assert evidence("Who was the Norman leader of 911?", "Rollo").missing_names == 0
    assert evidence("Who was the leader at Rouen in 911?", "Rollo").missing_names == 1  # it is in the next sentence
    assert evidence("Who led A1, B2, C3, D4 and E5?", "Rollo").missing_names == MOST_NAMES


def test_a_negation_is_lost_unless_the_sentence_of_the_answer_negates_too():
    assert evidence("Who did not lead anybody?", "Rollo").lost_negation == 1
    assert evidence("Who did not die there?", "His son").lost_negation == 0
    assert evidence("Who died there?", "His son").lost_negation == 0


def test_weights_hold_for_the_models_they_were_fitted_with_alone():
    assert weights_for(EMBEDDER_SHA256, DEFAULT_READER_SHA256) != Weights()
    assert weights_for(EMBEDDER_SHA256, "0" * 64) == weights_for("0" * 64, DEFAULT_READER_SHA256) == Weights()


def test_a_calibration_is_told_apart_by_the_weights_it_was_fitted_with():
    keys = {Weights().key, Weights(lead=1.0).key, Weights(similarity=1.0).key, Weights(lead=0.5).key}
    assert len(keys) == 4
    assert Weights().key == ""


def test_a_passage_that_tells_more_of_the_question_outranks_a_slightly_surer_reading_of_another():
    texts, spans = [(Piece(PASSAGE, 0),)] * 2, [Span(0, 0, 5, "Rollo", 3.0, 2.0), Span(0, 42, 47, "Rouen", 3.5, 2.0)]
    ranking = [FOUND, FOUND._replace(term_share=0.2)]
    for weights, winner in ((Weights(), "Rouen"), (Weights(term_share=1.0), "Rollo")):
        read = candidates("who", ranking, texts, spans, weights)
        assert max(read, key=lambda one: one.score).quote == winner


def test_a_text_in_which_nothing_was_read_has_no_candidate():
    pieces = (Piece("By ", None), Piece(PASSAGE, 40))
    spans = [None, Span(0, 0, 2, "By", 9.0), Span(1, 0, 5, "Rollo", 1.0)]
    none, ours, found = candidates("who", [FOUND] * 3, [pieces] * 3, spans, Weights())
    assert (none, ours) == (None, None)
    assert (found.start, found.end, found.quote) == (40, 45, "Rollo")


def test_a_found_passage_says_how_it_stands_on_either_side(tmp_path):
    texts = {"a.txt": "A river flows north.", "b.txt": "A river of ice.", "c.txt": "Bread is baked."}
    with new_store(tmp_path / "store") as store:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            put(store, tmp_path / name, name)
        question, encoder = "the river flows", WordEncoder()
        row = encoder.encode_query(question)
        with store.snapshot() as snapshot:
            found = {one.stored.source: one for one in retrieve(snapshot, question, row, 10, NO_FILTERS)}
        assert row.shape == (AXES,)
        for name, text in texts.items():
            assert found[name].similarity == pytest.approx(float(row @ encoder.encode_query(text)), abs=1e-5)
        assert found["a.txt"].term_share == 1.0
        assert 0 < found["b.txt"].term_share < 1
        assert found["c.txt"].term_share == 0.0
        with store.snapshot() as snapshot:  # no word of it is anywhere: nothing tells the passages apart
            unknown = retrieve(snapshot, "zebra", encoder.encode_query("zebra"), 10, NO_FILTERS)
        assert {one.term_share for one in unknown} == {1.0}


def test_other_models_go_by_the_margin_alone(tmp_path):
    with new_store(tmp_path / "store") as store:
        (tmp_path / "a.txt").write_text(PASSAGE)
        put(store, tmp_path / "a.txt", "a.txt")
        (asked,) = answerer_over(store).ask_many(["Who led the Normans?"], 10, 0)
    assert asked.answer.candidate_score == asked.candidates[0].evidence.margin


def test_the_default_models_answer_by_all_the_evidence(seed_answerer):
    (asked,) = seed_answerer.ask_many(["In which city is the Regional Anti-Terrorist Structure?"], 10, 0)
    weights = weights_for(EMBEDDER_SHA256, DEFAULT_READER_SHA256)
    read = [one for one in asked.candidates if one]
    assert len(read) == 10
    for one in read:
        assert one.score == round(weights.score(one.evidence), 4)
        without = weights.score(replace(one.evidence, similarity=0.0))
        assert one.score - without == pytest.approx(weights.similarity * one.evidence.similarity, abs=1e-3)
        assert one.evidence.similarity > 0
    assert asked.answer.candidate_score == max(one.score for one in asked.candidates if one)


@given(st.lists(st.tuples(st.integers(-90, 90), st.integers(-90, 90)), min_size=1, max_size=45))
def test_the_lead_is_over_the_best_span_that_does_not_overlap_as_trying_every_pair_finds_it(logits):
    text = " ".join(f"w{n}" for n in range(len(logits)))
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    window = tokenizer.encode("Who?", text)
    starts, ends = (np.zeros(len(window.ids), np.float32) for _ in range(2))
    starts[1:], ends[1:] = np.array(logits, np.float32).T / 10  # the question is one token
    span = best_span(window, starts, ends, [Piece(text, 0)])
    words = [piece.strip() for piece in span.quote.split()]
    first, last = int(words[0][1:]), int(words[-1][1:])
    others = [
        (logits[i][0] + logits[j][1]) / 10
        for i in range(len(logits))
        for j in range(i, min(len(logits), i + MAX_ANSWER_TOKENS))
        if j < first or i > last
    ]
    best = (logits[first][0] + logits[last][1]) / 10
    assert span.lead == pytest.approx(min(best - max(others, default=-np.inf), MOST_LEAD), abs=1e-4)
