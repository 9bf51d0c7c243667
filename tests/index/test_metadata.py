import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.dates import find_date
from index.load import load_bytes

SEEDS = Path(__file__).parents[2] / "seeds"
PROSE = (
    "The ministers met for three days and agreed on little, as one of them said on 3 May 2019. They will meet again, "
    "by Jane Doe's account, in the spring of next year."
)


def facts(text, name="a.txt"):
    document = load_bytes(name, text.encode())
    # The language that is told from the letters is stated nowhere; test_language.py has it.
    return {
        key: field.value for key, field in document.metadata.items() if key != "language" or field.start is not None
    }


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            "000",
            {
                "title": "SCO: Vehicle For China, Russia To Defend Themselves Against West",
                "author": "Global Research",
                "publisher": "Global Research",
                "published": "2011-11-08",
            },
        ),
        (
            "001",
            {
                "title": "Sino-Russian ties backbone of SCO",
                "author": "Xing Guangcheng",
                "publisher": "China Daily",
                "published": "2018-06-06",
            },
        ),
        (
            "002",
            {
                "title": "China and Russia in the SCO: Consensus & divergence",
                "author": "Li Wang",
                "publisher": "Human Affairs",
                "published": "2020",
            },
        ),
        (
            "003",
            {
                "title": "SCO is 20 and building on Sino-Russian ties",
                "author": "Alexander Lukin",
                "publisher": "China Daily",
                "published": "2021-06-08",
            },
        ),
        (
            "004",
            {
                "title": "SCO Champions A New Model of Regional Cooperation",
                "author": "Sun Zhuangzhi",
                "publisher": "Beijing Review",
            },
        ),
    ],
)
def test_the_seed_articles_say_who_wrote_them_where_and_when(number, expected):
    path = next(SEEDS.glob(f"{number}_*.txt"))
    assert facts(path.read_bytes().decode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        PROSE + "\n\n" + PROSE,
        "It was the best of times, it was the worst of\ntimes, it was the age of wisdom, and the age\nof none.",
        "one two three\nfour",
        "No more than this line",
        "WASHINGTON —\n\nThe ministers met for three days and agreed on little.",
        "- milk\n- eggs\n- bread",
        "x = 1\ny = 2",
        "She left on the 3rd.\nBy the end of 2020 she was back.\n",
    ],
)
def test_a_text_that_states_nothing_of_itself_has_no_metadata(text):
    assert facts(text) == {}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("# A *small* title #\n\nText.", {"title": "A *small* title"}),
        ("# **A title**\n\nText.", {"title": "A title"}),
        ("A title\n=======\n\nText goes on.", {"title": "A title"}),
        ("[A title](http://example.org)\n\nText.", {"title": "A title"}),
        ("Why did it fail?\n\nText.", {"title": "Why did it fail?"}),
        ("Life in the U.S.\n\nText.", {"title": "Life in the U.S."}),
        (f"A short title\n{PROSE}", {"title": "A short title"}),
        ("By Jane Doe\n\nA title\n\nText.", {"author": "Jane Doe", "title": "A title"}),
        (
            "A title\n\nby Ludwig van Beethoven and J. K. Rowling\n\nText.",
            {"title": "A title", "author": "Ludwig van Beethoven and J. K. Rowling"},
        ),
        ("A title\n\n*By [Jane Doe](http://x.org)*\n\nText.", {"title": "A title", "author": "Jane Doe"}),
        (
            "A title\n\n**By Jane Doe** | The Post | 8 November 2011\n\nText.",
            {"title": "A title", "author": "Jane Doe", "publisher": "The Post", "published": "2011-11-08"},
        ),
        (
            "A title\n\nAuthor: Jane Doe\nSource: The Daily Post\nDate: June 2018\nURL: https://example.org/a?b=c\n\nText.",
            {
                "title": "A title",
                "author": "Jane Doe",
                "publisher": "The Daily Post",
                "published": "2018-06",
                "url": "https://example.org/a?b=c",
            },
        ),
        (f"A title\n\nJane Doe\n\n{PROSE}", {"title": "A title", "author": "Jane Doe"}),
        (
            "A title\n\nJane Doe\n3 May 2019\n\nText.",
            {"title": "A title", "author": "Jane Doe", "published": "2019-05-03"},
        ),
        ("# A title\n\n## Jane Doe\n\n3 May 2019\n\nText.", {"title": "A title", "published": "2019-05-03"}),
        (f"A title\n\nJane Doe\nJilin University\n\n{PROSE}", {"title": "A title", "author": "Jane Doe"}),
        (
            f"A title\n\nJane Doe\nHarvard College\njane@example.org\n\n{PROSE}",
            {"title": "A title", "author": "Jane Doe"},
        ),
        (f"A title\n\nExecutive Summary\n\n{PROSE}", {"title": "A title"}),
        (
            "A title\n\nReuters, Nov. 8, 2011\n\nText.",
            {"title": "A title", "publisher": "Reuters", "published": "2011-11-08"},
        ),
        ("A title\n\nLONDON, 8 November 2011\n\nText.", {"title": "A title", "published": "2011-11-08"}),
        (
            "A title\n\nPublished: Tuesday, November 8, 2011 at 10:30 GMT\n\nText.",
            {"title": "A title", "published": "2011-11-08"},
        ),
        ("A title\n\n2021-02-30\n\nText.", {"title": "A title"}),
        ("A title\n\nThe Post, 03 04, 2018\n\nText.", {"title": "A title"}),
        (
            "A title\n\nThe Post, 13/04/2018\n\nText.",
            {"title": "A title", "publisher": "The Post", "published": "2018-04-13"},
        ),
        (f"A title\n\n{PROSE}\n\nSource: The Daily Post\n", {"title": "A title", "publisher": "The Daily Post"}),
        (f"A title\n\n{PROSE}\n\nAbout the author\n\nJane Doe\n", {"title": "A title", "author": "Jane Doe"}),
    ],
)
def test_the_head_of_an_article_is_understood(head, expected):
    assert facts(head) == expected


@pytest.mark.parametrize(
    "name", ["General Provisions", "Rent Payment Terms", "New South Wales", "Town Hall", "Q&A With Mayor"]
)
@pytest.mark.parametrize(
    "below",
    [
        PROSE,
        "The School shall let the mill to the tenant for five years.",
        "The School shall let the mill to the\ntenant, who lives in it, for a term of five years",
    ],
)
def test_a_subheading_or_place_above_prose_is_no_author(name, below):
    assert facts(f"A title\n\n{name}\n\n{below}\n\nText.") == {"title": "A title"}


@pytest.mark.parametrize("name", ["New South Wales", "Town Hall", "Q&A With Mayor", "Payment Terms"])
def test_a_place_or_subheading_above_a_date_is_no_author(name):
    assert "author" not in facts(f"A title\n\n{name}\n\n3 May 2019\n\n{PROSE}")


@pytest.mark.parametrize("phrase", ["Order of the Council", "Way of Introduction", "Law", "MEANS OF PAYMENT"])
def test_by_before_words_that_are_no_name_is_no_byline(phrase):
    assert facts(f"A title\n\nBy {phrase}\n\n{PROSE}") == {"title": "A title"}
    assert facts(f"A title\n\nBy Lawrence {phrase}\n\n{PROSE}")["author"] == f"Lawrence {phrase}"


@pytest.mark.parametrize("above", ["", "The Mill Trust\n\n"])
def test_the_place_that_a_letter_is_dated_at_is_not_its_publisher(above):
    found = facts(f"{above}Birmingham, 3 May 2019\n\nDear Sir,\n\n{PROSE}")
    assert found == {**({"title": above.strip()} if above else {}), "published": "2019-05-03"}


def test_a_first_line_of_place_and_date_names_no_publisher_where_there_is_no_title():
    assert facts(f"Birmingham, 3 May 2019\n\n{PROSE}") == {"published": "2019-05-03"}
    assert facts(f"The Post, 3 May 2019\n\nA title\n\n{PROSE}")["publisher"] == "The Post"


@pytest.mark.parametrize(
    ("byline", "expected"),
    [
        (
            "Von Anna Schmidt\n\nVeröffentlicht am 8. November 2011, 10:30 Uhr",
            {"author": "Anna Schmidt", "published": "2011-11-08"},
        ),
        (
            "Par Jean de la Tour\n\nPublié le 1er mai 2019 à 10h30",
            {"author": "Jean de la Tour", "published": "2019-05-01"},
        ),
        ("Por Ana Ruiz\n\nEl 8 de noviembre de 2011", {"author": "Ana Ruiz", "published": "2011-11-08"}),
        ("Автор: Анна Петрова\n\n8 ноября 2011 г., 10:30", {"author": "Анна Петрова", "published": "2011-11-08"}),
        ("Fonte: Il Corriere\n\n3 maggio 2019", {"publisher": "Il Corriere", "published": "2019-05-03"}),
        ("发布时间：2011年11月8日", {"published": "2011-11-08"}),
    ],
)
def test_heads_in_other_languages_are_understood(byline, expected):
    assert facts(f"A title\n\n{byline}\n\n{PROSE}") == {"title": "A title", **expected}


@pytest.mark.parametrize("title", ["Door County Wisconsin", "Von Miller Retires", "Di Maio"])
def test_a_title_that_begins_like_a_foreign_byline_is_a_title(title):
    assert facts(f"{title}\n\nBy Ann Lee\n\n{PROSE}") == {"title": title, "author": "Ann Lee"}


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("3. März 2020", "2020-03-03"),
        ("27. Jänner 2022", "2022-01-27"),
        ("le 14 février 2020", "2020-02-14"),
        ("3 maggio 2019", "2019-05-03"),
        ("7 de setembro de 2021", "2021-09-07"),
        ("3 listopada 2020", "2020-11-03"),
        ("5 Ağustos 2021", "2021-08-05"),
        ("8 листопада 2011", "2011-11-08"),
        ("2011년 11월 8일", "2011-11-08"),
        ("mars 2020", "2020-03"),
        ("5 KASIM 2021", None),  # "I" is not the capital of "ı" here: no date rather than a wrong one
        ("Marching 2019", None),
    ],
)
def test_dates_are_read_in_many_languages(written, iso):
    found = find_date(written)
    assert (found and found.iso) == iso


def test_front_matter_states_facts_and_goes_before_the_text():
    text = (
        '---\r\ntitle: "A title: more"  # a comment\r\nauthor:\r\n  - Jane Doe\r\n  - John Roe\r\n'
        "date: 2020-05-06T10:00:00Z\r\nurl: https://example.org/a\r\nlang: en\r\nsource: The Post\r\n"
        "tags: [a, b]\r\n---\r\n\r\n# Another title\r\n\r\nText.\r\n"
    )
    assert facts(text, "a.md") == {
        "title": "A title: more",
        "author": "Jane Doe",
        "publisher": "The Post",
        "published": "2020-05-06",
        "language": "en",
        "url": "https://example.org/a",
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'{It''s a test}'  # a comment", "It's a test"),
        ("'{The ''New'' Deal}'", "The 'New' Deal"),
        ("'{The \"New\" Deal: it''s a \"test\"}'", 'The "New" Deal: it\'s a "test"'),
        (r'"{The \"New\" Deal}"', 'The "New" Deal'),
        (r'"{Caf\u00e9 \\ bar\nor not}"', "Café \\ bar or not"),
        (r'"{no \q escape}"', r"no \q escape"),
        (r"'{no \n escape}'", r"no \n escape"),
        ("'{never closed''s", "never closed''s"),
    ],
)
def test_a_quoted_value_says_what_yaml_reads_and_its_span_is_what_is_written(written, value):
    """Braces stand around what the span holds."""
    before, inner, after = re.split("[{}]", written) if "}" in written else (*written.split("{"), "")
    document = load_bytes("a.md", f"---\nauthor: {before}{inner}{after}\nlang: en\n---\n\nText.\n".encode())
    author = document.metadata.author
    assert (author.value, document.text[author.start : author.end]) == (value, inner)


@pytest.mark.parametrize(
    "written",
    [
        "author:\n  - name: {Jane Doe}\n    affiliation: ACME",
        "author:\r\n- name: '{Jane Doe}'\r\n- name: John Smith",
        'authors: ["{Jane Doe}", "John Smith"]',
        "authors: [ '{Doe, Jane}' , John Smith ]  # both",
        "authors: [{Jane Doe}, John Smith]",
        "author: [{Jane Doe}]",
    ],
)
def test_of_a_list_of_authors_the_first_is_taken_with_its_own_span(written):
    before, inner, after = re.split("[{}]", written)
    document = load_bytes("a.md", f"---\nlang: en\n{before}{inner}{after}\n---\n\nText.\n".encode())
    author = document.metadata.author
    assert (author.value, author.start) == (inner, len(f"---\nlang: en\n{before}"))
    assert document.text[author.start : author.end] == inner


@pytest.mark.parametrize(
    "written", ["author: []", "author: [\n  Jane, John]", "author:\n  -  id: jd\n     name: Jane Doe"]
)
def test_a_list_whose_first_item_is_no_plain_name_states_no_author(written):
    assert facts(f"---\nlang: en\n{written}\n---\n\nText.\n", "a.md") == {"language": "en"}


def test_a_date_behind_an_escape_has_its_own_span():
    document = load_bytes("a.md", b'---\ndate: "\\"late\\" 5 May 2020"\n---\n\nText.\n')
    published = document.metadata.published
    assert (published.value, document.text[published.start : published.end]) == ("2020-05-05", "5 May 2020")


def test_front_matter_belongs_to_markdown_alone():
    assert "language" not in facts("---\nlang: en\n---\n\nText goes on and ends here.", "a.txt")
    assert facts("---\n\nText between rules goes on here.\n\n---\n", "a.md") == {}


def test_dates_far_down_or_in_prose_are_not_the_date_of_publication():
    text = (
        f"A title\n\n{PROSE}\n\n"
        + "More prose is here, and it ends.\n\n" * 20
        + "The Post, November 8, 2011\n\n"
        + PROSE
    )
    assert facts(text) == {"title": "A title"}


PARTS = st.sampled_from(
    [
        "# A title",
        "A title",
        "By Jane Doe",
        "By [Jane](#) | The Post | 2020-05-06",
        "The Post, 3 May 2019",
        "Source: The Post",
        "**By Jane Doe**",
        "  Share - WeChat",
        "0 Comment(s)Print E-mail The Post, 06 06, 2018",
        "URL: <https://x.org/a>",
        "",
        "\t",
        "Human Affairs 30 (2):189-198 (2020)",
        "Author's Profile",
        "Li Wang",
        PROSE,
    ]
)


@given(st.lists(PARTS, min_size=1), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["a.txt", "a.md"]))
def test_every_fact_has_the_span_that_states_it(parts, line_break, name):
    document = load_bytes(name, ("x\n" + line_break.join(parts)).encode())
    for key, field in document.metadata.items():
        if key == "language" and field.start is None:
            continue
        stated = document.text[field.start : field.end]
        assert stated.strip() == stated != ""
        assert key == "published" or stated == field.value


@pytest.mark.parametrize(
    "line", ["By " + "A, " * 200 + "b", "A, " * 90 + "8 b", "By " + "A " * 400, "Home" + " / a" * 60 + "."]
)
def test_long_lists_of_capitals_are_read_in_no_time(line):
    facts(f"A title\n\n{line}\n\nText.")
