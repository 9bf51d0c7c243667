"""Saved citations against documents that changed, moved or vanished since."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.errors import UsageError
from index.types import document_id_of
from rag.verify import OCCURRENCES, ClaimedCitation, Verdict, claims_from, verify


class Folder:
    """Documents by source; counts how often all texts are read, and keeps the ids of those that were asked for."""

    def __init__(self, texts):
        self.by_id = {document_id_of(source): (source, text) for source, text in texts.items()}
        self.scans, self.asked = 0, []

    def text_of(self, document_id):
        self.asked.append(document_id)
        return self.by_id[document_id][1] if document_id in self.by_id else None

    def source_of(self, document_id):
        return self.by_id[document_id][0] if document_id in self.by_id else None

    def documents_with_sha256(self, digest):
        return [name for name, (_, text) in self.by_id.items() if sha256(text.encode()).hexdigest() == digest]

    def texts(self):
        self.scans += 1
        for document_id, (source, text) in self.by_id.items():
            yield document_id, source, text


def cite(source, text, start, end):
    return ClaimedCitation(
        document_id=document_id_of(source),
        sha256=sha256(text.encode()).hexdigest(),
        start=start,
        end=end,
        quote=text[start:end],
        prefix=text[max(0, start - 32) : start],
        suffix=text[end : end + 32],
    )


def cite_words(source, text, words):
    return cite(source, text, text.index(words), text.index(words) + len(words))


NILE = "Egypt lies on the Nile. The river floods in summer."


def test_a_quote_that_is_still_at_its_offsets_is_ok_and_no_other_document_is_read():
    folder = Folder({"a.txt": NILE, "b.txt": NILE})
    assert verify([cite_words("a.txt", NILE, "the Nile")], folder) == [Verdict("ok", "a.txt", 14, 14 + 8)]
    assert folder.scans == 0


def test_a_quote_elsewhere_in_its_document_has_moved():
    folder = Folder({"a.txt": "News! " + NILE})
    assert verify([cite_words("a.txt", NILE, "the Nile")], folder) == [Verdict("moved", "a.txt", 6 + 14, 6 + 14 + 8)]


def test_of_several_occurrences_the_one_in_its_old_surroundings_is_meant():
    claim = cite_words("a.txt", "Ann was born in 1920. Bob died in 1920.", "1920. Bob"[:4])
    claim = replace(claim, prefix="Bob died in ", suffix=".")
    text = "In 1920, 1920! Bob died in 1920. Ann was born in 1920."
    start = text.index("Bob died in ") + len("Bob died in ")
    assert verify([claim], Folder({"a.txt": text})) == [Verdict("moved", "a.txt", start, start + 4)]


def test_of_occurrences_in_equal_surroundings_the_nearest_to_the_old_place_is_meant_then_the_first():
    claim = ClaimedCitation(document_id_of("a.txt"), None, start=6, end=8, quote="xy")
    assert verify([claim], Folder({"a.txt": "xy..  ..xy"})) == [Verdict("moved", "a.txt", 8, 10)]
    assert verify([claim], Folder({"a.txt": "....xy..xy"})) == [Verdict("moved", "a.txt", 4, 6)]


def test_occurrences_that_overlap_are_all_looked_at():
    claim = ClaimedCitation(document_id_of("a.txt"), None, start=9, end=12, quote="aba", prefix="ab", suffix="c")
    assert verify([claim], Folder({"a.txt": "ababac"})) == [Verdict("moved", "a.txt", 2, 5)]


def test_a_quote_of_a_renamed_file_has_moved_there():
    claim = cite_words("old.txt", NILE, "the Nile")
    folder = Folder({"other.txt": "x the Nile", "new.txt": NILE})
    assert verify([claim], folder) == [Verdict("moved", "new.txt", 14, 22)]


def test_a_quote_that_another_document_alone_has_is_misattributed():
    claim = cite_words("a.txt", NILE, "the Nile")
    assert verify([claim], Folder({"a.txt": "Rewritten.", "b.txt": "By the Nile."})) == [
        Verdict("misattributed", "b.txt", 3, 11)
    ]
    assert verify([claim], Folder({"b.txt": "By the Nile."})) == [Verdict("misattributed", "b.txt", 3, 11)]


def test_of_several_other_documents_the_one_with_the_same_surroundings_is_named_then_the_first_by_source():
    claim = cite_words("a.txt", NILE, "the Nile")
    texts = {"c.txt": "By the Nile.", "b.txt": "By the Nile.", "d.txt": "It lies on the Nile. "}
    assert verify([claim], Folder(texts)) == [Verdict("misattributed", "d.txt", 11, 19)]
    del texts["d.txt"]
    assert verify([claim], Folder(texts)) == [Verdict("misattributed", "b.txt", 3, 11)]


def test_a_quote_that_is_nowhere_is_changed_or_with_its_document_gone_missing():
    claim = cite_words("a.txt", NILE, "the Nile")
    assert verify([claim], Folder({"a.txt": "the nile", "b.txt": ""})) == [Verdict("changed")]
    assert verify([claim], Folder({"b.txt": "the nile"})) == [Verdict("missing")]


def test_the_offsets_of_a_longer_text_do_not_make_another_quote_ok():
    claim = replace(cite_words("a.txt", NILE, "the Nile"), end=14 + 12)
    assert verify([claim], Folder({"a.txt": NILE})) == [Verdict("moved", "a.txt", 14, 22)]


def test_offsets_beyond_the_end_of_the_text_do_not_make_a_quote_ok():
    claim = replace(cite_words("a.txt", NILE, "summer."), end=len(NILE) + 1_000)
    assert verify([claim], Folder({"a.txt": NILE})) == [Verdict("moved", "a.txt", len(NILE) - 7, len(NILE))]


def test_of_very_many_places_in_all_documents_the_first_are_weighed_and_the_status_is_that_of_all():
    claim = ClaimedCitation(document_id_of("gone.txt"), None, start=0, end=1, quote="e", prefix="her")
    texts = {"a.txt": "e" * (OCCURRENCES - 1), "b.txt": "rere", "c.txt": "here"}
    # The second "e" of b.txt and those of c.txt, one of which stands behind "her", are not weighed.
    assert verify([claim], Folder(texts)) == [Verdict("misattributed", "b.txt", 1, 2)]
    assert verify([claim], Folder({**texts, "a.txt": ""})) == [Verdict("misattributed", "c.txt", 3, 4)]


def test_equal_citations_are_looked_for_once_and_each_has_its_verdict():
    claim, other = cite_words("a.txt", NILE, "the Nile"), cite_words("b.txt", NILE, "river")
    folder = Folder({"a.txt": "Rewritten."})
    assert [verdict.status for verdict in verify([claim, other, claim], folder)] == ["changed", "missing", "changed"]
    assert folder.asked == [document_id_of("a.txt"), document_id_of("b.txt")]


def test_verdicts_come_in_order_and_all_texts_are_read_once():
    folder = Folder({"a.txt": NILE, "b.txt": "By the Rhine."})
    claims = [
        replace(cite_words("a.txt", NILE, "the Nile"), quote="the Congo"),
        cite_words("a.txt", NILE, "river"),
        replace(cite_words("a.txt", NILE, "the Nile"), quote="the Rhine"),
        cite_words("gone.txt", "Nothing like it", "Nothing"),
    ]
    assert [verdict.status for verdict in verify(claims, folder)] == ["changed", "ok", "misattributed", "missing"]
    assert folder.scans == 1
    assert verify([], folder) == []


TEXTS = st.text(alphabet="ab é\n\U0001f600", min_size=1, max_size=60)


@given(TEXTS, st.data())
def test_any_slice_of_any_text_with_its_true_offsets_is_ok(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert verify([cite("a.txt", text, start, end)], Folder({"a.txt": text})) == [Verdict("ok", "a.txt", start, end)]


@given(TEXTS, st.text(alphabet="#~", min_size=1), st.data())
def test_after_text_is_put_before_it_a_quote_has_moved_by_as_much(text, before, data):
    start = data.draw(st.integers(0, len(text) - 1))
    quote = text[start : data.draw(st.integers(start + 1, len(text)))]
    assume(sum(text.startswith(quote, at) for at in range(len(text))) == 1)
    moved = Verdict("moved", "a.txt", start + len(before), start + len(before) + len(quote))
    claim = cite("a.txt", text, start, start + len(quote))
    assert verify([claim], Folder({"a.txt": before + text})) == [moved]


@given(TEXTS, TEXTS, TEXTS, st.data())
def test_a_place_that_is_named_always_holds_the_quote_and_none_is_named_only_if_none_does(old, new, other, data):
    start = data.draw(st.integers(0, len(old) - 1))
    claim = cite("a.txt", old, start, data.draw(st.integers(start + 1, len(old))))
    texts = {"a.txt": new, "b.txt": other}
    (verdict,) = verify([claim], Folder(texts))
    if verdict.source is None:
        assert verdict == Verdict("changed")
        assert not any(claim.quote in text for text in texts.values())
    else:
        assert texts[verdict.source][verdict.start : verdict.end] == claim.quote


CITATION = {"document_id": "00", "source": "a.txt", "sha256": "ff", "start": 1, "end": 3, "quote": "xy", "page": None}
CLAIM = ClaimedCitation("00", "ff", 1, 3, "xy")


def test_citations_of_a_reply_come_before_those_of_its_alternatives():
    reply = {"answer": "xy", "citations": [CITATION], "alternatives": [{"citations": [{**CITATION, "quote": "yz"}]}]}
    assert claims_from(reply) == [CLAIM, replace(CLAIM, quote="yz")]


def test_several_replies_are_read_in_order_and_a_failed_one_has_no_citations():
    replies = [{"citations": [CITATION]}, {"id": "2", "error": {"status": 422}}, {"answer": None, "citations": []}]
    assert claims_from(replies) == [CLAIM]
    assert claims_from([]) == []


def test_a_citation_without_a_document_id_is_of_its_source_and_with_both_the_id_counts():
    (claim,) = claims_from({"citations": [{**CITATION, "document_id": None}]})
    assert claim.document_id == document_id_of("a.txt")
    assert claims_from({"citations": [{**CITATION, "source": "elsewhere.txt"}]}) == [CLAIM]


def test_prefix_and_suffix_are_kept_where_they_are_recorded():
    (claim,) = claims_from({"citations": [{**CITATION, "prefix": "<", "suffix": ">"}]})
    assert (claim.prefix, claim.suffix) == ("<", ">")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quote": ""}, "quote is missing or empty"),
        ({"quote": None}, "quote is missing or empty"),
        ({"quote": 5}, "quote is 5; needs text"),
        ({"quote": "\ud800"}, "quote holds half a surrogate pair"),
        ({"document_id": None, "source": ""}, "document_id and source are missing"),
        ({"start": None}, "start and end are None, 3"),
        ({"start": -2}, "start and end are -2, 3"),
        ({"start": 4}, "start and end are 4, 3"),
        ({"end": True}, "start and end are 1, True"),
        ({"end": 3.0}, r"start and end are 1, 3\.0"),
        ({"sha256": 1}, "sha256 is 1; needs text"),
    ],
)
def test_a_malformed_citation_is_refused_with_its_place_and_fault(change, message):
    with pytest.raises(UsageError, match=rf"^citations\[1\]: {message}"):
        claims_from({"citations": [CITATION, {**CITATION, **change}]})
    with pytest.raises(UsageError, match=rf"^\[0\]\.citations\[0\]: {message}"):
        claims_from([{"citations": [{**CITATION, **change}]}])


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (None, "the answer is missing; needs a JSON object"),
        ([3], r"answer \[0\] is 3; needs a JSON object"),
        ({}, "citations is missing; needs a list"),
        ({"citations": "x"}, "citations is 'x'; needs a list"),
        ({"citations": ["x"]}, r"citations\[0\] is 'x'; needs a JSON object"),
        ({"citations": [], "alternatives": [{}]}, r"alternatives\[0\]\.citations is missing; needs a list"),
    ],
)
def test_what_is_no_saved_answer_is_refused(saved, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        claims_from(saved)
