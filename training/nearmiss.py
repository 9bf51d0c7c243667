"""Near misses: answerable question -> one that sounds alike and that the same paragraph does not answer.

The kinds are those of SQuAD 2.0's unanswerable questions (Rajpurkar et al., ACL 2018, table 2): an entity, a number or
another word of the question swapped for one of its kind, an antonym, a negation.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random

_PAIRS = """
first/last most/least largest/smallest biggest/smallest highest/lowest longest/shortest oldest/newest earliest/latest
oldest/youngest greatest/smallest best/worst north/south northern/southern east/west eastern/western
northeast/southwest northwest/southeast northeastern/southwestern northwestern/southeastern increase/decrease
increased/decreased increases/decreases increasing/decreasing include/exclude included/excluded includes/excludes
before/after more/fewer more/less higher/lower larger/smaller older/younger longer/shorter earlier/later faster/slower
stronger/weaker major/minor majority/minority maximum/minimum public/private male/female men/women man/woman boy/girl
boys/girls father/mother brother/sister brothers/sisters son/daughter sons/daughters husband/wife king/queen
begin/end began/ended start/end started/ended open/close opened/closed win/lose won/lost buy/sell bought/sold
arrive/depart arrived/departed enter/leave entered/left accept/reject accepted/rejected allow/forbid allowed/banned
supported/opposed add/remove added/removed gain/lose gained/lost rise/fall rose/fell build/destroy
built/destroyed create/destroy created/destroyed found/dissolve founded/dissolved join/leave joined/left born/buried
died/born import/export imported/exported imports/exports rich/poor hot/cold winter/summer spring/autumn inner/outer
internal/external ancient/modern early/late urban/rural domestic/foreign positive/negative
strong/weak easy/difficult common/rare popular/unpopular primary/secondary formal/informal legal/illegal win/forfeit
offensive/defensive succeed/fail succeeded/failed approve/reject approved/rejected hired/fired hire/fire
attack/defend attacked/defended loved/hated
advantage/disadvantage advantages/disadvantages success/failure beginning/end
success/failure successful/unsuccessful agree/disagree agreed/disagreed appear/disappear appeared/disappeared
connected/disconnected encourage/discourage encouraged/discouraged helped/hindered cause/prevent caused/prevented
causes/prevents cheap/expensive cheaper/costlier winner/loser oldest/newest ancestors/descendants
predecessor/successor inside/outside above/below day/night morning/evening teacher/student professor/student
liberal/conservative republican/democratic catholic/protestant civilian/military natural/artificial
permanent/temporary active/inactive known/unknown tallest/shortest lightest/heaviest light/heavy
"""
ANTONYMS: dict[str, tuple[str, ...]] = {}
for _pair in sorted(set(_PAIRS.split())):
    _one, _other = _pair.split("/")
    ANTONYMS[_one] = (*ANTONYMS.get(_one, ()), _other)
    ANTONYMS[_other] = (*ANTONYMS.get(_other, ()), _one)

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_NAME = re.compile(r"\b[A-Z][\w'’.-]*[\w](?: (?:of the |of |the |de |von |van )?[A-Z][\w'’-]*\w)*")
_YEAR = re.compile(r"\b(?:1[0-9]|20)\d\d\b(?!\s*(?:st|nd|rd|th|%))")
_NUMBER = re.compile(r"(?<![\w.,-])\d{1,3}(?:,\d{3})*(?:\.\d+)?(?![\w.,-]*\d)(?=\W|$)(?!\.\d)")
_AUXILIARY = re.compile(
    r"^(?:(?:what|which|who|whom|whose|where|when|why|how)\b(?: \w+){0,3}? )"
    r"(did|does|do|is|was|are|were|can|could|has|have|will|would|should)\b(?! not\b)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\b([Aa])n? (?=[a-z]{4})([a-gi-tv-z])")  # "an hour", "a unit": h and u are left alone
_NEGATED = re.compile(r"\b(?:not|never|no|none|cannot|without|except)\b|n['’]t\b", re.IGNORECASE)


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLACE = frozenset(["in", "at", "from", "to", "near", "of", "into"])
_LOOSE = _listed("The A An In On At Of For And Or But If It He She They I Which Who What When Where Why How")
_SAME = (
    ("united", "states", "america", "american", "us", "usa"),
    ("britain", "british", "uk", "united", "england", "english"),
)
_GENERIC = _listed(
    "about after again among based before being below between besides called certain different doing during either "
    "example found first given group having kinds known large located made making many members mostly named number "
    "often other others people person place possible second several since single something their there these thing "
    "things those three through times title towards types under until upper using usually value where which while "
    "whose within without would could should become became happened considered referred described said"
)
_NEGATED_SHARE = 0.25  # of the negations that could be made
_TRIES = 30  # names looked at before another pool is
_MONTHS = _listed(
    "January February March April May June July August September October November December Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday"
)


class Swaps:
    """What the questions and paragraphs of one title (or source) offer in exchange."""

    def __init__(self, questions: Iterable[str], paragraphs: Iterable[str]) -> None:
        """Collect names by kind from both, and words by kind from the questions.

        A name's kind is what stands before it and its length in words; a word's, what stands before it and its ending.
        """
        asked = list(questions)
        found: dict[tuple[str, int | str], set[str]] = defaultdict(set)
        for text in (*asked, *paragraphs):
            for start, name in names(text):
                found[_kind(text, start, name)].add(name)
        for text in asked:
            for before, word in _content_words(text):
                found[before, word[-2:]].add(word)
        self._offers = {kind: sorted(members) for kind, members in found.items()}

    def offers(self, kind: tuple[str, int | str]) -> list[str]:
        """Return the names or words of a kind, sorted."""
        return self._offers.get(kind, [])


def names(text: str) -> list[tuple[int, str]]:
    """Return the capitalised runs that do not open a sentence, as (start, name)."""
    found = []
    for match in _NAME.finditer(text):
        before = text[: match.start()].rstrip(" \"'“(")
        if before and before[-1] not in ".?!:\n" and match[0].split()[0] not in _LOOSE and "." not in match[0]:
            found.append((match.start(), match[0].removesuffix("'s").removesuffix("’s")))
    return found


def _content_words(text: str) -> list[tuple[str, str]]:
    """Return the long words in lower case, each with the word before it."""
    words = text.rstrip("?. ").split()
    pairs = zip([word.lower() for word in words], words[1:], strict=False)
    return [(b, w) for b, w in pairs if len(w) > 4 and w.isalpha() and w.islower() and w not in _GENERIC]


def _kind(text: str, start: int, name: str) -> tuple[str, int | str]:
    before = text[:start].split()
    last = before[-1].lower() if before else ""
    role = "month" if name in _MONTHS else last if last in _PLACE else "the" if last == "the" else "other"
    return role, min(len(name.split()), 3)


def near_miss(question: str, paragraph: str, pools: Sequence[Swaps], rng: Random) -> str | None:
    """Return the question changed so that the paragraph does not answer it; None where no change is safe.

    `pools` in the order of preference: the same title's, then the same source's.
    """
    makers = {
        "name": (4.0, lambda: _swap_name(question, paragraph, pools, rng)),
        "number": (3.0, lambda: _swap_number(question, paragraph, rng)),
        "antonym": (4.0, lambda: _antonym(question, paragraph, rng)),
        "word": (2.0, lambda: _swap_word(question, paragraph, pools, rng)),
        # Often the only one that can be made, and then far more frequent than the 9 % it has in SQuAD 2.0.
        "negation": (1.0, lambda: _negation(question, paragraph) if rng.random() < _NEGATED_SHARE else None),
    }
    # Each by its weight among those that can be made: the greatest of u ** (1 / weight) comes first.
    order = sorted(makers, key=lambda name: -(rng.random() ** (1 / makers[name][0])))
    changed = next((made for name in order if (made := makers[name][1]())), None)
    return _ARTICLE.sub(_article, changed) if changed else None


def _article(match: re.Match[str]) -> str:
    return f"{match[1]}n {match[2]}" if match[2] in "aeiou" else f"{match[1]} {match[2]}"


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _stems(text: str) -> set[str]:
    return {word[:5] for word in _words(text)}


def _swap_name(question: str, paragraph: str, pools: Sequence[Swaps], rng: Random) -> str | None:
    stems = _stems(paragraph)
    # A name that the paragraph spells differently, or leaves to the context, could not be told from its swap.
    known = [(start, name) for start, name in names(question) if _stems(name) <= stems and len(name) > 2]
    if not known:
        return None
    start, name = rng.choice(known)
    for pool in pools:
        offered = pool.offers(_kind(question, start, name))
        taken = stems | _stems(question)
        new = next((new for new in rng.sample(offered, min(len(offered), _TRIES)) if _foreign(new, taken)), None)
        if new:
            return question[:start] + new + question[start + len(name) :]
    return None


def _swap_word(question: str, paragraph: str, pools: Sequence[Swaps], rng: Random) -> str | None:
    stems = _stems(paragraph)
    taken = stems | _stems(question)
    options = [
        (word, new)
        for before, word in _content_words(question)
        if word[:5] in stems
        for new in pools[0].offers((before, word[-2:]))  # of another subject it would be told by that
        if new[:5] not in taken
    ]
    if not options:
        return None
    word, new = rng.choice(options)
    return re.sub(rf"\b{word}\b", new, question, count=1)


def _foreign(name: str, stems: set[str]) -> bool:
    own = _stems(name) - {"of", "the", "and", "de"}
    related = any(own & set(group) and stems & set(group) for group in _SAME)
    return len(name) > 3 and not own & stems and not related


def _swap_number(question: str, paragraph: str, rng: Random) -> str | None:
    years = [m for m in _YEAR.finditer(question) if m[0] in paragraph]
    numbers = [m for m in _NUMBER.finditer(question) if m[0] in paragraph]
    if not years and not numbers:
        return None
    match = rng.choice(years or numbers)
    for _ in range(10):
        if years:
            new = str(min(int(match[0]) + rng.choice([-1, 1]) * rng.randint(1, 40), 2029))
        else:
            value = float(match[0].replace(",", ""))
            scaled = value * rng.choice([0.3, 0.5, 0.7, 1.5, 2, 3]) + rng.randint(1, 3)
            decimals = len(match[0].partition(".")[2])
            new = f"{scaled:,.{decimals}f}" if "," in match[0] else f"{scaled:.{decimals}f}"
        # "the 1980s" or "20 to 30" in the paragraph may cover a number that is not written there.
        if new not in paragraph and (not years or f"{new[:3]}0s" not in paragraph):
            return question[: match.start()] + new + question[match.end() :]
    return None


def _antonym(question: str, paragraph: str, rng: Random) -> str | None:
    opening = {word[:4] for word in _words(paragraph)}
    options = []
    for match in _WORD.finditer(question):
        if not match.start() or (match[0] != match[0].lower() and not match[0].istitle()):
            continue
        for other in ANTONYMS.get(match[0].lower(), ()):
            # With both in the paragraph the swapped question may well have its answer there.
            if other[:4] not in opening:
                options.append((match, other.title() if match[0].istitle() else other))
    if not options:
        return None
    match, other = rng.choice(options)
    return question[: match.start()] + other + question[match.end() :]


def _negation(question: str, paragraph: str) -> str | None:
    if _NEGATED.search(paragraph) or _NEGATED.search(question):
        return None
    match = _AUXILIARY.match(question)
    if not match:
        return None
    auxiliary = match[1]
    negated = {"can": "can't", "will": "won't"}.get(auxiliary.lower(), f"{auxiliary}n't")
    return question[: match.start(1)] + negated + question[match.end(1) :]
