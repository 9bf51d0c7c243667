import subprocess
import sys

import pytest

from index.types import Document, Field, Metadata, Passage, StoredDocument
from rag.candidates import Candidate, copied, group, kept_runs, reading_text, supporters
from rag.evidence import Evidence


def candidate(quote, score, source="a.txt", start=0):
    evidence = Evidence(score, 0.0, 1.0, 1.0, 0, 0)
    return Candidate(f"id of {source}", source, start, start + len(quote), quote, score, evidence)


def test_the_same_answer_of_two_documents_is_one_group_judged_by_its_best():
    weak, strong = candidate("the Nile", 2.0, "a.txt"), candidate("Nile", 5.0, "b.txt")
    (only,) = group([weak, strong])
    assert only.candidates == (strong, weak)
    assert only.best.score == 5.0  # the highest, not 2 + 5


def test_groups_come_best_first_and_ties_by_source_then_start():
    first, second = candidate("x", 1.0, "a.txt", 4), candidate("y", 1.0, "a.txt", 9)
    third = candidate("z", 1.0, "b.txt")
    assert [g.best for g in group([third, second, first])] == [first, second, third]


def test_a_span_found_through_two_overlapping_passages_counts_once():
    low, high = candidate("Nile", 2.0), candidate("Nile", 3.0)
    (only,) = group([low, high])
    assert only.candidates == (high,)


def test_punctuation_alone_is_not_merged_with_other_punctuation():
    assert len(group([candidate("!", 1.0), candidate("?", 0.5, start=5)])) == 2


def test_nothing_found_is_no_group():
    assert group([]) == []


def test_the_best_is_cited_even_below_the_threshold_and_others_only_above_it():
    best, above, below = (candidate("Nile", s, src) for s, src in ((3.0, "a.txt"), (2.0, "b.txt"), (1.0, "c.txt")))
    assert supporters([best, above, below], [False, True, False]) == [best, above]


def test_a_place_inside_another_place_of_the_same_document_is_cited_once():
    outer, inner = candidate("the Nile", 3.0), candidate("Nile", 2.0, start=4)
    elsewhere = candidate("Nile", 1.0, start=40)
    assert supporters([outer, inner, elsewhere], [True, True, True]) == [outer, elsewhere]


TEXT = "Bread of Egypt\nBy Ada Miller\nIt is baked at dawn. Nobody knows why."


def stored(metadata):
    document = Document("a.txt", TEXT, "0" * 64, "utf-8", 0, "text/plain", (), metadata)
    return StoredDocument(document, None, len(TEXT), 1)


def spot(value):
    return Field(value, TEXT.index(value), TEXT.index(value) + len(value))


def passage(text):
    start = TEXT.index(text)
    return Passage("id", start, start + len(text), text, "")


def test_the_reader_sees_title_and_author_before_a_passage_at_their_own_places():
    facts = Metadata(title=spot("Bread of Egypt"), author=spot("Ada Miller"))
    pieces = reading_text(stored(facts), passage("Nobody knows why."))
    assert "".join(piece.text for piece in pieces) == "Bread of Egypt\nBy Ada Miller\nNobody knows why."
    for piece in pieces:
        assert piece.start is None or TEXT[piece.start :].startswith(piece.text)


def test_what_the_passage_itself_holds_or_the_text_does_not_state_is_not_read_twice():
    facts = Metadata(title=spot("Bread of Egypt"), publisher=Field("The Baker"))
    assert [piece.text for piece in reading_text(stored(facts), passage(TEXT))] == [TEXT]


STORY = " ".join(f"Sentence {word} of the story says what happened to the bridge." for word in "abcdefghijklmnop")


def article(source, text, sha256="1"):
    return Document(source, text, sha256 * 64, "utf-8", 0, "text/plain", (), Metadata())


def test_a_syndicated_story_is_one_source_however_many_sites_print_it():
    first = article("a.txt", STORY, "1")
    framed = article("b.txt", f"The Post\n\n{STORY}\n\nSubscribe to The Post.", "2")
    other = article("c.txt", STORY.replace("bridge", "tower").replace("happened", "was done"), "3")
    assert copied([first, framed, other], kept_runs()) == [None, first.document_id, None]


def test_the_same_bytes_are_a_copy_and_two_places_of_one_document_are_not():
    short, same = article("a.txt", "Too short to compare."), article("b.txt", "Too short to compare.")
    assert copied([short, short, same, short, same], kept_runs()) == [
        *(None, None, short.document_id),
        *(None, short.document_id),
    ]


@pytest.mark.parametrize("module", ["rag.types", "rag.gold", "rag.judge", "rag.reread"])
def test_who_handles_replies_loads_nothing_that_answers(module):
    heavy = "{'openvino', 'faiss', 'tantivy', 'tokenizers'} & set(sys.modules)"
    code = f"import sys, {module}; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n")
