"""Lines above a passage: title, author, publisher, date. Answers when asked for them, ignored otherwise.

The names are made up: what is to be learned is the place and shape of such lines, not who wrote what.
"""

from dataclasses import dataclass
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    """Alexander Anna Amira Ben Carla Chen Daniel Elena Farid Fiona George Hana Ibrahim Ingrid James Jia Joseph Karen
    Lars Li Luis Maria Marta Michael Nadia Nikolai Olga Omar Paul Priya Rachel Ravi Samuel Sofia Sun Thomas Ursula
    Victor Wei Xing Yuki Zhang Zoe"""
)
_LAST = _words(
    """Abbott Ahmadi Baker Brennan Castro Chang Cooper Dimitrov Eriksson Fischer Garcia Guangcheng Hassan Hughes
    Ivanov Jensen Kapoor Keller Kim Lukin Martin Mbeki Meyer Moreau Nakamura Novak O'Neill Okafor Patel Petrov Qureshi
    Rossi Schmidt Silva Smith Tanaka Turner Vasquez Walker Wright Yilmaz Zhuangzhi Zimmermann"""
)
_PLACE = _words("Northern Eastern Global Pacific National Daily Weekly Sunday Riverside Metropolitan Atlantic Central")
_PAPER = _words(
    """Times Herald Tribune Gazette Post Chronicle Observer Courier Review Monitor Journal Dispatch Research News
    Examiner"""
)
_MONTHS = _words("January February March April May June July August September October November December")

_AUTHOR = (
    "Who wrote {this}?",
    "Who is the author of {this}?",
    "Who authored {this}?",
    "By whom was {this} written?",
    "What is the name of the author of {this}?",
    "Which author wrote {this}?",
)
_DATE = (
    "When was {this} published?",
    "On what date was {this} published?",
    "What is the date of {this}?",
    "When did {this} appear?",
    "When was {this} written?",
    "What is the publication date of {this}?",
)
_PUBLISHER = (
    "Where was {this} published?",
    "Where did {this} appear?",
    "Who published {this}?",
    "Which publication published {this}?",
    "What is the publisher of {this}?",
    "In which newspaper or journal did {this} appear?",
)
_TITLE = (
    "What is the title of {this}?",
    "What is {this} called?",
    "What is the headline of {this}?",
)
QUESTIONS = {"title": _TITLE, "author": _AUTHOR, "publisher": _PUBLISHER, "date": _DATE}


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above a passage: `text` ends with a line break, or is empty; `facts` are spans of it, by field."""

    text: str
    facts: dict[str, tuple[int, int]]


def make_header(title: str, rng: Random, without: str = "") -> Header:
    """Draw a header: some of the lines, in their usual order, or all in one byline. `without` names a field to omit."""
    drawn = {"title": title, "author": _author(rng), "publisher": _publisher(rng), "date": _date(rng)}
    kept = {field: fact for field, fact in drawn.items() if fact and field != without and rng.random() < 0.75}
    one_line = rng.random() < 0.25
    text, facts = "", {}
    for field, fact in kept.items():
        if field == "author" and (not one_line or rng.random() < 0.8):
            text += "By "
        elif field == "date" and one_line and rng.random() < 0.3:
            text += "Updated: "
        facts[field] = (len(text), len(text) + len(fact))
        text += fact + (" | " if one_line and field != "title" else "\n")
    return Header(text.removesuffix(" | ") + "\n" if text.endswith(" | ") else text, facts)


def meta_question(field: str, title: str, rng: Random) -> str:
    """Draw a question that a header's line answers; `title` may be empty."""
    names = ["the article", "this article", "this text", "the text"]
    if title and field != "title":
        names = [f'"{title}"', f"the article on {title}", f'the article "{title}"', f"the text about {title}", *names]
    return rng.choice(QUESTIONS[field]).format(this=rng.choice(names))


def _author(rng: Random) -> str:
    def name() -> str:
        middle = f" {rng.choice('ABCDEFGHJKLMNPRSTW')}." if rng.random() < 0.15 else ""
        return f"{rng.choice(_FIRST)}{middle} {rng.choice(_LAST)}"

    return f"{name()} and {name()}" if rng.random() < 0.1 else name()


def _publisher(rng: Random) -> str:
    shapes = (
        f"The {rng.choice(_PLACE)} {rng.choice(_PAPER)}",
        f"{rng.choice(_PLACE)} {rng.choice(_PAPER)}",
        f"{rng.choice(_LAST)} {rng.choice(_PAPER)}",
        f"{rng.choice(_LAST)} University Press",
        f"Journal of {rng.choice(_PLACE)} Affairs",
    )
    return rng.choice(shapes)


def _date(rng: Random) -> str:
    year, month, day = rng.randint(1985, 2025), rng.randrange(12), rng.randint(1, 28)
    shapes = (
        f"{_MONTHS[month]} {day}, {year}",
        f"{_MONTHS[month]} {day:02d}, {year}",
        f"{day} {_MONTHS[month]} {year}",
        f"{year}-{month + 1:02d}-{day:02d}",
        f"{month + 1:02d} {day:02d}, {year}",
        f"{_MONTHS[month][:3]} {day}, {year}",
        f"{_MONTHS[month]} {year}",
    )
    return rng.choice(shapes)
