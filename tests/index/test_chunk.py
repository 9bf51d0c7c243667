import codecs
import random
import re
import textwrap
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.errors import Rejected
from index.load import load_bytes
from index.offsets import locate


class Words:
    """Tokens are words and single signs."""

    def token_spans(self, text):
        return [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


class Pieces:
    """As WordPiece: a word of up to 100 characters is a token for every 4; a longer one is a single unknown token."""

    def token_spans(self, text):
        spans = []
        for found in re.finditer(r"\w+|[^\w\s]", text):
            first, last = found.span()
            step = 4 if last - first <= 100 else last - first
            spans += [(at, min(at + step, last)) for at in range(first, last, step)]
        return spans


def passages(text, name="a.txt", tokens=None, **limits):
    document = load_bytes(name, text.encode())
    return chunk(document, tokens or Words(), ChunkLimits(**({"window": 60, "target": 20} | limits)))


def texts(*args, **kwargs):
    return [passage.text for passage in passages(*args, **kwargs)]


def sentence(number, words=9):
    return f"S{number} " + "word " * (words - 2) + "end."


def test_a_short_text_is_one_passage():
    assert texts("  One is. Two is.\n\nThree is.\n") == ["One is. Two is.\n\nThree is."]


def test_the_next_passage_begins_with_the_last_sentence_of_the_one_before():
    one, two, three = sentence(1), sentence(2), sentence(3)  # 9 words and a full stop each: 10 tokens, two make 20
    assert texts(f"{one} {two} {three}") == [f"{one} {two}", f"{two} {three}"]
    assert texts(f"{one} {two} {three}", overlap_sentences=0) == [f"{one} {two}", three]


def test_no_passage_is_held_by_the_next():
    long, short = sentence(1, words=15), sentence(2, words=3)
    assert texts(f"{long}\n\n{short} {long}") == [long, f"{short} {long}"]


def test_a_passage_ends_with_its_paragraph_when_it_is_half_full():
    one, two, three = sentence(1, words=5), sentence(2, words=5), sentence(3, words=5)  # 6 tokens each
    assert texts(f"{one}\n\n{two}\n\n{three}") == [f"{one}\n\n{two}", f"{two}\n\n{three}"]


MARKDOWN = """# The title

Lead is here.

## First part

First text.

### Deeper

Deeper text.

Second part
-----------

Second text.

---

After the rule.

```
# no heading
```
"""


def test_passages_stay_under_their_headings_and_carry_their_path():
    found = [(passage.context, passage.text) for passage in passages(MARKDOWN, "a.md")]
    assert found == [
        ("The title", "# The title\n\nLead is here."),
        ("The title\nFirst part", "## First part\n\nFirst text."),
        ("The title\nFirst part\nDeeper", "### Deeper\n\nDeeper text."),
        ("The title\nSecond part", "Second part\n-----------\n\nSecond text."),
        ("The title\nSecond part", "After the rule.\n\n```\n# no heading\n```"),
    ]


def test_a_heading_is_never_alone_when_text_follows():
    body = sentence(1, words=19)  # 20 tokens, as many as the target
    assert texts(f"# T\n\n## A\n\n{body}") == [f"# T\n\n## A\n\n{body}"]


def test_empty_sections_keep_their_heading():
    assert texts("## A\n\n## B\n\ntext") == ["## A", "## B\n\ntext"]


def test_front_matter_is_text_of_its_own():
    assert texts("---\ntitle: The title\n# note\n---\nText.\n", "a.md") == ["title: The title\n# note", "Text."]


def test_passages_do_not_cross_marks():
    text = "One is here.\nShare - WeChat\nTwo is here.\n0 Comment(s)Print E-mail The Post, 06 06, 2018\n"
    assert texts(text) == ["One is here.", "Two is here.", "The Post, 06 06, 2018"]


def test_a_file_of_boilerplate_has_no_passages():
    assert texts("Share - WeChat\n\nCopyright © 2020 The Post\n") == []


def test_a_long_sentence_is_cut_between_words():
    found = passages("word " * 200, window=60)
    assert [len(passage.text.split()) for passage in found] == [60, 60, 60, 20]


def test_a_long_title_takes_at_most_a_third_of_the_window():
    text = "# " + "long " * 100 + "\n\n" + "word " * 100
    found = passages(text, window=30)
    assert {passage.context for passage in found} == {"long " * 9 + "long"}
    assert max(len(Words().token_spans(passage.embedding_text)) for passage in found) <= 30


@pytest.mark.parametrize("tokens", [Words(), Pieces()])
@pytest.mark.parametrize(
    "word", ["x" * 9_050, "é" * 5_000, "e\u0301" * 3_000, "漢字" * 3_000, "👨\u200d👩\u200d👧" * 900]
)
def test_a_giant_word_is_cut_between_clusters(tokens, word):
    found = passages(f"Before. {word} after.", tokens=tokens, window=60)
    assert all(
        len(passage.text) <= 2_000 and len(tokens.token_spans(passage.embedding_text)) <= 60 for passage in found
    )
    assert "".join(passage.text for passage in found).count(word[0]) >= word.count(word[0])
    assert not any(passage.text.startswith(("\u0301", "\u200d")) for passage in found)


@pytest.mark.parametrize(
    "unit", ["The quick brown fox jumped over U.S. policy in 2006. ", "word ", "x", "漢", "\n", " ", "."]
)
def test_a_giant_line_is_chunked(unit):
    size = 10_000_000 if unit.startswith("The") else 200_000
    text = unit * (size // len(unit)) + " end"
    found = passages(text, window=254, target=160)
    assert (
        sum(passage.end - passage.start for passage in found) >= len(text.strip()) - text.count(unit) - 4
        or unit.isspace()
    )
    assert found[-1].text.endswith("end")


def test_limits_that_leave_no_room_are_refused():
    with pytest.raises(ValueError, match="need window >= 3"):
        ChunkLimits(window=2)


BLOCKS = st.sampled_from(
    [
        "# Title",
        "## Part",
        "### Deep",
        "Under\n=====",
        "---",
        "***",
        "Share - WeChat",
        "Copyright © 2020 X",
        "By Jane Doe",
        "Related articles\nOne\nTwo",
        "```\n# code\n```",
        "- a\n- b",
        "One is. Two is. Dr. Who is three.",
        "word " * 90,
        "x" * 2_500,
        "漢字かな" * 40,
        "e\u0301" * 30,
        "tab\there\fform\x0bfeed",
        "a\x85b\u2028c",
        "Grüße “quoted” €5…",
        "👨\u200d👩\u200d👧 🇩🇪 ไทย",
        " ",
        "",
    ]
)
DOCUMENTS = st.builds(
    lambda blocks, gap, name: (gap.join(blocks), name),
    st.lists(BLOCKS, min_size=1, max_size=12),
    st.sampled_from(["\n\n", "\r\n\r\n", "\r\r", "\n", "\r\n", "\r", " "]),
    st.sampled_from(["a.txt", "a.md"]),
)
ENCODINGS = st.sampled_from(
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "cp1252"),
    ]
)


def loaded(text, name, bom, encoding):
    data = bom + text.encode(encoding, "ignore")
    try:
        return data, load_bytes(name, data)
    except Rejected:
        return data, None


@settings(max_examples=150, deadline=None)
@given(
    DOCUMENTS,
    ENCODINGS,
    st.sampled_from([Words(), Pieces()]),
    st.integers(3, 80),
    st.integers(1, 60),
    st.integers(0, 2),
)
def test_the_offset_chain_holds_from_bytes_to_passages(written, coding, tokens, window, target, overlap):
    data, document = loaded(*written, *coding)
    if document is None:
        return
    found = chunk(document, tokens, ChunkLimits(window, target, overlap))
    text = document.text
    for passage in found:
        assert text[passage.start : passage.end] == passage.text == passage.text.strip() != ""
        place = locate(text, passage.start, passage.end, document.encoding, document.bom_bytes)
        assert data[place.byte_start : place.byte_end].decode(document.encoding) == passage.text
        assert re.split(r"\r\n|\r|\n", text)[place.line - 1][place.column - 1 :].startswith(passage.text[:1])
        assert len(passage.text) <= 2_000
        assert len(tokens.token_spans(passage.embedding_text)) <= window
        assert not any(mark.start < passage.end and passage.start < mark.end for mark in document.marks)
    covered = {at for passage in found for at in range(passage.start, passage.end)}
    covered |= {at for mark in document.marks for at in range(mark.start, mark.end)}
    lost = "".join(char for at, char in enumerate(text) if at not in covered and not char.isspace())
    assert set(lost) <= set("-*=")  # rules
    assert [passage.start for passage in found] == sorted(passage.start for passage in found)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["# A", "## B", "### C", "One is.", "Two is. Three is.", "Share - WeChat", "---"])))
def test_headings_lie_only_at_the_beginning_of_passages(blocks):
    for passage in passages("x is.\n\n" + "\n\n".join(blocks), window=200, target=200):
        lines = [line for line in passage.text.split("\n") if line]
        headings = [line.startswith("#") for line in lines]
        assert headings == sorted(headings, reverse=True)
        assert "---" not in lines


WRAPPED = textwrap.fill("The bridge over the river was opened by the Minister on Monday. " * 6, 76)
LINES = [
    "# Title",
    "Under\n=====",
    "---",
    "Share - WeChat",
    "- a\n- b",
    "One is. Two is.",
    "well-known\n" * 90,
    WRAPPED,
    "",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=8), st.sampled_from(["\n\n", "\n"]), st.sampled_from(["\r\n", "\r"]))
def test_passages_are_the_same_whatever_ends_the_lines(blocks, gap, line_break):
    text = gap.join(["One is.", *blocks])
    found = [passage.embedding_text for passage in passages(text.replace("\n", line_break))]
    assert [each.replace(line_break, "\n") for each in found] == [passage.embedding_text for passage in passages(text)]


def test_the_same_document_gives_the_same_passages_again():
    rng = random.Random(7)
    text = "\n\n".join(sentence(n, words=rng.randrange(3, 30)) for n in range(200))
    assert passages(text) == passages(text)


def test_passages_belong_to_their_document():
    document = load_bytes("a.txt", b"One is.")
    other = replace(document, source="b.txt")
    limits = ChunkLimits(window=60)
    assert chunk(document, Words(), limits)[0].document_id == document.document_id
    assert chunk(other, Words(), limits)[0].document_id == other.document_id != document.document_id
