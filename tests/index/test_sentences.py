import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.sentences import sentences


def split(text):
    return [text[start:end].strip() for start, end in sentences(text, 0, len(text))]


@given(st.text(st.sampled_from("aB .!?…。」\"')\n\r\t13MrU-*#éщ\u2028[]¹†("), max_size=80), st.data())
def test_sentences_tile_the_text(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    spans = list(sentences(text, start, end))
    assert [first for first, _ in spans] == [start, *(last for _, last in spans[:-1])][: len(spans)]
    assert (spans[-1][1] if spans else start) == end
    assert all(first < last for first, last in spans)


@pytest.mark.parametrize(
    "whole",
    [
        "He met Mr. Smith and Dr. Jones there.",
        "The U.S. Army paid $3.5 million.",
        "J. K. Rowling wrote it.",
        "See Fig. 3 and No. 5 for e.g. Berlin.",
        "On Jan. 5 it rained.",
        "“Really?” he said.",
        "Apple Inc. Chairman Lee resigned.",
        "1. Mix the flour.",
        "He said it was fine ... and left.",
        "The court relied on Roe v. Wade there.",
        "Under Art. III of the Constitution it may.",
        "Art. I of the Constitution says so.",
        "It was Decree No. A-123 of the year 1987.",
        "The panel affirmed (9th Cir. 2003).",
        "See Pub. L. No. 94-553, 90 Stat. 2541.",
        "Messrs. Smith and Brown met Atty. Gen. Jones, Supt. Brown, Insp. Green, Det. Hall and Amb. Rice.",
        "It was built c. 1850 there.",
        "It is 5 Mass. 123 and 12 F. Supp. 2d 45.",
        "Fed. R. Civ. P. 56 says so.",
        "Tel. 030 1234, Apt. 4B.",
        "1.4. The Tenant shall pay the rent.",
        "12.3.1. The Tenant shall pay the rent.",
        "The J. P. Morgan bank stayed.",
        "Use version 3.12 The old one is gone.",
        "See No.5 The Hague and Sec.(5) The rule.",
        "The file so.12 the next.",
    ],
)
def test_these_are_one_sentence(whole):
    assert split(whole) == [whole]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It came in 2006. In the same year it left.", ["It came in 2006.", "In the same year it left."]),
        ("He left the U.S. The army stayed.", ["He left the U.S.", "The army stayed."]),
        ('She said "No." He left.', ['She said "No."', "He left."]),
        ("Why? Because! So…", ["Why?", "Because!", "So…"]),
        ("他来了。她走了！好吗？", ["他来了。", "她走了！", "好吗？"]),
        ("Is it? (Yes.) Good.", ["Is it?", "(Yes.)", "Good."]),
        ("Das geht. Über alles.", ["Das geht.", "Über alles."]),
        ("A title\n\nA text", ["A title", "A text"]),
        ("Li Wang\nJilin University", ["Li Wang", "Jilin University"]),
        ("- one\n- two", ["- one", "- two"]),
        ("One.\r\rTwo", ["One.", "Two"]),
        ("He lived in Washington D.C. The city grew.", ["He lived in Washington D.C.", "The city grew."]),
        ("It was in 1987. The year ended.", ["It was in 1987.", "The year ended."]),
        ("He followed Henry V. The war ended.", ["He followed Henry V.", "The war ended."]),
        ("Did he go? He said no. I left.", ["Did he go?", "He said no.", "I left."]),
        ("He asked. No. I left.", ["He asked.", "No.", "I left."]),
        ("He lived in Boston, Mass. A year passed.", ["He lived in Boston, Mass.", "A year passed."]),
        ("It lost mass. 12 people saw it.", ["It lost mass.", "12 people saw it."]),
        ("Jag vet det. Han kom.", ["Jag vet det.", "Han kom."]),
        ("It rose by 1.4. The rest fell.", ["It rose by 1.4.", "The rest fell."]),
        ("1.1. The rent is due.\n1.2. The deposit is not.", ["1.1. The rent is due.", "1.2. The deposit is not."]),
    ],
)
def test_these_are_several_sentences(text, expected):
    assert split(text) == expected


@pytest.mark.parametrize(
    "note",
    ["[1]", "[12][13]", "[note 1]", "[citation needed]", "¹", "¹²", "†", "‡", "12", "(5)", "[1](5)", '"[1]', "”12"],
)
def test_a_footnotes_mark_belongs_to_the_sentence_before_it(note):
    text = f"It held so.{note} The next court did not.{note} “A third” was silent."
    assert split(text) == [f"It held so.{note}", f"The next court did not.{note}", "“A third” was silent."]
    assert split(f"It held so.{note} and went on.") == [f"It held so.{note} and went on."]


def test_a_footnotes_mark_behind_an_abbreviation_ends_the_sentence():
    assert split("So wrote Smith et al.[5] Others did not.") == ["So wrote Smith et al.[5]", "Others did not."]


@pytest.mark.parametrize(
    "text",
    [
        "She said no.| X-rays were taken.",
        "He said no.| V. Smith came.",
        "I like modern art.| VI is old.",
        "Open a new tab.| X-ray it.",
        "It is art.| L'Oreal pays.",
        "In the second year that followed upon the war the rate of interest was\n12.5.| Then it fell.",
    ],
)
def test_what_looks_like_a_number_behind_words_that_end_a_sentence_begins_another(text):
    assert split(text.replace("|", "")) == [part.strip() for part in text.split("|")]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_clause_has_its_number_whatever_stands_above_it(line_break):
    for above in (
        "4. RENT",
        "The tenant pays the rent on the first day of the month.",
        "The tenant pays for these, and for all else:",
    ):
        clause = f"{above}\n4.1. The tenant pays it.".replace("\n", line_break)
        assert split(clause)[-1] in ("4.1. The tenant pays it.", clause)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_line_break_in_a_wrapped_paragraph_ends_nothing(line_break):
    text = (
        "The organization was founded in the city of Shanghai, and its first\n"
        "Secretary General took office three years later, in the capital of\n"
        "China. The members meet once a year, each time in another country."
    ).replace("\n", line_break)
    assert [" ".join(part.split()) for part in split(text)] == [
        "The organization was founded in the city of Shanghai, and its first Secretary General took office three years "
        "later, in the capital of China.",
        "The members meet once a year, each time in another country.",
    ]


@given(st.text(st.sampled_from("aB .!?…。」\"')\n\t13MrU-*#é"), max_size=80), st.sampled_from(["\r\n", "\r"]))
def test_sentences_are_the_same_whatever_ends_the_lines(text, line_break):
    assert [part.replace(line_break, "\n") for part in split(text.replace("\n", line_break))] == split(text)


@pytest.mark.parametrize(
    "text",
    [
        *("." * 1_000_000 + " a", "\n" * 1_000_000, '"' * 1_000_000, "! " * 300_000),
        *("." + "†" * 1_000_000, "a." + "[1]" * 300_000, "." + "[" * 1_000_000, "1." * 500_000, ".[1234" * 150_000),
    ],
)
def test_giant_runs_are_split_in_one_pass(text):
    assert sum(last - first for first, last in sentences(text, 0, len(text))) == len(text)
