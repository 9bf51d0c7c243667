from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.marks import find_marks, plain_line

SEEDS = Path(__file__).parents[2] / "seeds"


def marked(text):
    return [(mark.label, text[mark.start : mark.end]) for mark in find_marks(text)]


def seed(number):
    path = next(SEEDS.glob(f"{number}_*.txt"))
    text = path.read_bytes().decode()
    return text, "\n".join(found for _, found in marked(text))


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("navigation", "Home / Opinion / Op-Ed Contributors"),
        ("navigation", "You are here: Home > World > Asia"),
        ("navigation", "Home    |    World |  | Asia"),
        ("navigation", "English   |   Deutsch,Français 中文"),
        ("navigation", "Global EditionASIA 中文双语Français"),
        ("navigation", "Region: [Asia](#), [Russia and FSU](#)"),
        ("navigation", "Tags: [War](/war) | [Peace](/peace)"),
        ("navigation", "External links"),
        ("navigation", "Skip to main content"),
        ("share", "Share - WeChat"),
        ("share", "Print E-mail Bookmark and Share"),
        ("share", "Facebook Twitter LinkedIn"),
        ("share", "Share this article on Facebook"),
        ("share", "Follow on Twitter and Facebook to join the conversation."),
        ("share", "Adjust font size:"),
        ("share", "ChinaNews App Download"),
        ("share", r"[\*\*Comment on Some Journal's Articles on our Facebook page\*\*](#)"),
        ("share", "[**Become a Member of Some Journal**](#)"),
        ("related", "Articles by: [Some Journal](#)"),
        ("related", "Read more: [Another article](http://example.org/a)"),
        ("licence", "Copyright © [Some Journal](#), 2011"),
        ("licence", "© 2020 The Daily"),
        ("licence", "The Daily, Inc. All rights reserved."),
        ("licence", "**Disclaimer:** The author alone is responsible."),
        ("licence", "For media inquiries: [press@example.org](mailto:press@example.org)"),
        ("licence", "The views don't necessarily reflect those of The Daily."),
        ("licence", "The opinions expressed here do not necessarily reflect the position of the paper."),
        ("licence", "Opinion articles reflect the views of their authors, not necessarily those of The Focus"),
        ("licence", "This article is republished from The Talk under a Creative Commons license."),
        ("licence", "This work is licensed under a Creative Commons Attribution 4.0 licence."),
        ("licence", "This story was reprinted with permission from The Talk."),
        ("licence", "(c) 2020 Reuters"),
        ("licence", "(c) 2019-2021, The Daily. All rights reserved."),
        ("licence", "No part of this publication may be reproduced, stored or transmitted without permission."),
        ("licence", "No part of this book may be copied in any form."),
        ("licence", "This material may not be published, broadcast, rewritten or redistributed without permission."),
        ("licence", "Reproduction in whole or in part without permission is prohibited."),
        ("licence", "Any reproduction of this article requires the consent of the publisher."),
        ("licence", "Reproduction is strictly prohibited without prior written permission."),
        ("licence", "The contents of this site may not be reproduced."),
        ("statistics", "22 (#710,008)"),
        ("statistics", "Views: 12,345"),
        ("statistics", "5 min read"),
        ("statistics", "Papers currently archived: 91,998"),
    ],
)
def test_a_line_of_boilerplate_is_marked_whole(label, line):
    text = f"A story begins.\n\n{line}\n\nA story ends."
    assert marked(text) == [(label, line)]


@pytest.mark.parametrize(
    "line",
    [
        "Share prices fell 6 months ago.",
        "Share and share alike",
        "Home is where the heart is / or so they say. It was never so.",
        "6 months",
        "Print",
        "Follow the river to the east.",
        "Copyright law protects the authors of books, and of maps.",
        'The phrase "All rights reserved" goes back to the Buenos Aires Convention of 1910.',
        "The views of the committee do not reflect those of the voters, a survey found.",
        "Disclaimers of this kind are common.",
        "Disclaimer: I received this kettle as a gift. It boils well.",
        "(c) the tenant shall keep the garden",
        "Related articles in the law are 12 and 13.",
        "Most read in silence, some aloud.",
        "The original source of this article is [Global Times](#)",
        "Source: Beijing Review",
        "The author is director of the Institute of History.",
        "Human Affairs 30 (2):189-198 (2020)",
        "By Alexander Lukin | China Daily | Updated: 2021-06-08 07:50",
        "China Daily, 06 06, 2018",
        "Author's Profile",
        "30 minutes",
        "Region: the north of the country.",
        "X",
        "No part of this Agreement may be assigned without the prior written consent of the other Party.",
        "Any reproduction of the Confidential Information requires the prior consent of the owner.",
        "Reproduction in whole or in part of the Software requires the prior consent of the Licensor.",
        "Reproduction of the fish is prohibited by law in the lake.",
        "This material was taken from the house without the consent of the owner.",
        "This publication was prohibited in 1933 and its editor arrested.",
        "This book must be published without the consent of the censor, he said.",
        "This work was published under a pseudonym in Paris in 1834.",
        "This work was published under a licence from the king in 1640.",
        "This story was published under the headline Fire in the mill, and cost the editor his post.",
        "This article has been distributed under a false name by the ministry since 1950.",
        "The contents of this article may not be varied except in writing signed by both parties.",
        "(c) 2021 budget for the port of Hamburg",
        "Company registration number: 01234567",
        "Registration No. 4123",
        "Driving licence number: SMITH901234",
        "Shares: 10,000",
        "1,000,000 shares",
        "See also: Smith v Jones [2001] UKHL 4",
        "## Twitter/X",
        "## Facebook, WhatsApp",
        "Facebook and Instagram",
        "Facebook, X & Instagram",
        "Twitter/X",
    ],
)
def test_lines_that_only_look_like_boilerplate_stay(line):
    assert marked(f"A story begins.\n\n{line}\n\nA story ends.") == []


@pytest.mark.parametrize(
    "line",
    [
        "    |    ".join(["Home", "Away", "Goals", "Date", "Venue", "Crowd", "Referee", "Round"]),
        "English" + "   Deutsch" * 24 + "   Česky",
        "Global Edition" + "   Français" * 24 + "   Česky",
        "License no" + " " * 2400 + "1" * 2400 + "!",
        "License for " + "a " * 30 + " " * 2400 + "1" * 2400 + "!",
        "Registration no" + " " * 2400 + "1" * 2400 + "!",
        "This book may " + "copied " * 700,
        "(c) 2020" + " 2021" * 990 + "!",
    ],
)
def test_lines_that_match_a_rule_but_for_their_end_are_read_in_no_time(line):
    assert marked(f"A story begins.\n\n{line}\n\nA story ends.") == []


def test_a_giant_link_that_never_ends_is_text():
    assert plain_line("**" + "[a](" + "x" * 1_000_000) == "[a](" + "x" * 1_000_000


RECIPE = """# Banana bread

By Jane Doe

Ingredients

- 3 bananas
- 250 g flour

Mix it all. Bake for 60 minutes. Share with friends, and follow us to the garden.

## Recommended reading

I recommend the old cookbooks. They are related to this one, and all rights to them are free.
"""
LAW = """Copyright and its limits

Copyright in the United States protects works for decades. Under "fair use", copyrighted material may be quoted
without permission of the author. A notice such as "All rights reserved" is no longer needed.

The views of the judges do not always agree. No part of this doctrine is settled, the courts say.
"""


@pytest.mark.parametrize("article", [RECIPE, LAW])
def test_ordinary_articles_have_no_marks(article):
    assert marked(article) == []


def test_share_buttons_are_marked_without_the_publisher_and_date_behind_them():
    assert marked("0 Comment(s)Print E-mail China Daily, 06 06, 2018\nText.") == [("share", "0 Comment(s)Print E-mail")]


def test_a_related_list_is_marked_with_its_heading_to_the_end_of_its_block():
    text = "End of story.\n\nRelated articles\n\nWar in the east\nPeace in the west\n\nThe author lives in Rome.\n"
    assert marked(text) == [("related", "Related articles\n\nWar in the east\nPeace in the west")]


def test_a_related_list_of_links_is_marked_over_blank_lines():
    text = "Text.\n\n## Read next\n\n- [One](a)\n\n- [Two](b)\n\nProse goes on here.\n"
    assert marked(text) == [("related", "## Read next\n\n- [One](a)\n\n- [Two](b)")]


def test_a_period_is_statistics_only_beside_statistics():
    text = "Text.\n\n22 (#710,008)\n\n6 months\n7 (#431,609)\n"
    assert marked(text) == [("statistics", "22 (#710,008)\n\n6 months\n7 (#431,609)")]


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        (
            "licence",
            "© 2020 The Daily\nLicense for publishing multimedia online 0108263\n\nRegistration Number: 130349",
        ),
        ("licence", "Company registration number: 01234567\n\nLicence No. :  A-12b\n© 2020 The Daily"),
        ("share", "Facebook Twitter LinkedIn\n12 shares"),
        ("statistics", "Views: 34\nShares: 12\nDownloads: 3"),
        ("statistics", "120 views\n34 shares"),
        ("related", "Read more: Another article\nSee also: A third article"),
    ],
)
def test_numbers_and_references_are_boilerplate_only_beside_such(label, lines):
    assert marked(f"A story begins.\n\n{lines}\n\nA story ends.") == [(label, lines)]


def test_crlf_and_cr_lines_are_marked_alike():
    assert marked("Text.\r\nShare - WeChat\r\nText.\rAdjust font size:\r") == [
        ("share", "Share - WeChat"),
        ("share", "Adjust font size:"),
    ]


@pytest.mark.parametrize(
    ("number", "boilerplate", "article"),
    [
        (
            "000",
            ["Region:", "Copyright ©", "Articles by", "Comment on", "Become a", "fair use", "For media"],
            ["St. Petersburg", "The original source", "November 08"],
        ),
        (
            "001",
            ["0 Comment(s)", "Adjust font", "Follow on", "App Download", "Bookmark"],
            ["China Daily, 06 06", "Xing Guangcheng", "The author is"],
        ),
        (
            "002",
            ["BIBTEX", "91,998", "External links", "Nankai", "22 (#710,008)", "6 months", "No citations"],
            ["Human Affairs 30", "Li Wang", "Jilin University", "Author's Profile"],
        ),
        (
            "003",
            [
                "Global Edition",
                "Home / Opinion",
                "WeChat",
                "The views don't",
                "Most Viewed",
                "China Views",
                "0108263",
                "130349",
            ],
            ["By Alexander Lukin", "The author is", "COVID-19"],
        ),
        ("004", ["Opinion articles reflect"], ["Source: Beijing Review", "By Sun Zhuangzhi"]),
    ],
)
def test_the_seed_articles_lose_their_boilerplate_and_nothing_else(number, boilerplate, article):
    text, found = seed(number)
    assert [part for part in boilerplate if part not in found] == []
    assert [part for part in article if part in found or part not in text] == []


LINES = st.sampled_from(
    [
        "Share - WeChat",
        "Home / A / B",
        "Related articles",
        "One thing",
        "- [A](b)",
        "22 (#7)",
        "6 months",
        "",
        " ",
        "Prose that goes on and on, and then ends.",
        "Copyright © 2020 X",
        "0 Comment(s)Print E-mail X, 06 06, 2018",
    ]
)


@given(st.lists(LINES), st.sampled_from(["\n", "\r\n", "\r"]))
def test_marks_are_in_order_do_not_overlap_and_have_no_whitespace_at_their_ends(lines, line_break):
    text = line_break.join(lines)
    marks = find_marks(text)
    assert all(one.end <= two.start for one, two in pairwise(marks))
    assert all(text[mark.start : mark.end].strip() == text[mark.start : mark.end] != "" for mark in marks)
