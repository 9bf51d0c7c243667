"""Sentence boundaries by rule. Spans tile the text; a verdict depends on the text near the boundary alone."""

import re
from collections.abc import Iterator

# Either a run of sentence-ending marks with its closing quotes, its footnote and the whitespace after it, or a line
# break with it. Runs are entered at their first character only (the look-behinds), which keeps the scan linear.
_CANDIDATE = re.compile(
    r"""(?P<full>[。！？｡]++["'”’»」』】〉》)\]]*+\s*+)
      | (?<![.!?…؟।])(?P<marks>[.!?…؟।]++)(?P<close>["'”’»›)\]}*_」』]*+)
        (?P<note>(?:\[[^\[\]\r\n]{1,20}\]|[¹²³⁰-⁹†‡]++)*+)(?P<number>\(\d{1,3}\)|\d{1,3})?+(?P<space>\s++)
      | (?P<line>[\r\n]\s*+)""",
    re.VERBOSE,
)
# "No." before a number is a word of its own: "No" alone likes to begin sentences.
_NEXT_WORD = re.compile(r"[\"'“‘„«‹(\[{*_¿¡]{0,8}(?P<word>[\w'’-]{0,30}(?:(?<=\bNo)\.(?=\s\d))?)")
_LAST_WORD = re.compile(r"[\w.'’]{1,20}\Z")
_BLANK_LINE = re.compile(r"(?:\r\n?+|\n)[^\S\r\n]*[\r\n]")  # CRLF is one line break, never two
_ABOVE = re.compile(r"[^\r\n]{30}(?P<end>[^\r\n])(?:\r\n|\r|\n)\Z")  # a line so long may be wrapped, right above
_ITEM_NUMBER = re.compile(r"(?<![^\r\n])[ \t]*+\d{1,3}(?:\.\d{1,3}){0,4}\Z")  # "1" of "1. First", "1.4" of "1.4. The"
_NUMBER = re.compile(r"\d|[A-Z]{1,8}-?\d")  # 5, A-123
_ROMAN = re.compile(r"[IVXL]{1,8}(?![\w'’-])")
_LIST_ITEM = re.compile(r"(?:[-*+•‣◦>#|]|\d{1,3}[.)]|[a-zA-Z][.)])\s|\||```")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that stand before what they name; a full stop after them ends nothing. "Det" does so with its capital only: in
# Swedish the other is a word that ends sentences.
_TITLES = _words(
    "mr mrs ms mx messrs dr drs prof st sr sra mme mlle gen col lt maj capt cpt cmdr adm sgt cpl rev fr hon gov sen "
    "rep pres amb atty supt insp Det e.g i.e cf v vs viz approx ca al ed eds"
)
# Words that stand before a number, and those that do before digits alone.
_BEFORE_NUMBERS = _words("no nos nr fig figs eq eqs vol vols p pp ch sec art para par pt tab app op")
_BEFORE_DIGITS = _words("jan feb mar apr jun jul aug sep sept oct nov dec")
# Words that do before digits or an initial, and anywhere else may end a sentence; of citations and addresses, mostly.
_CITED = _words(
    "b c d fl r Apt Bankr Bldg Cir Civ Cl Crim Ct Dist Div Ext Fed Fl Pub Reg Rm Rptr Stat Ste Supp Tel Ala Ariz Ark "
    "Cal Colo Conn Del Fla Ga Ill Ind Kan Ky La Mass Md Mich Minn Miss Mo Mont Neb Nev Okla Ore Pa Tenn Tex Va Vt "
    "Wash Wis Wyo"
)
# Words that may end a sentence; they do where a word follows that likes to begin one.
_EITHER_WAY = _words("inc ltd co corp bros jr sr etc dept univ assn mt ave blvd rd est ph.d phd a.m p.m")
_STARTERS = _words(
    "The A An It He She They We I You In On At By For From With To Of As If When While After Before Since Although "
    "Because But And Or So Yet Nor This That These Those There Here His Her Its Their Our My Your However Moreover "
    "Meanwhile Also Then Now Today Yesterday What Who Where Why How Which Some Many Most All No Not One Two Both Each "
    "Such Other Others Another Under During Despite Until Later Last Next First Finally Since"
)
_WRAP_FROM, _WRAP_TO = 55, 120  # the widths at which people and programs wrap lines


def sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of the sentences in `text[start:end]`, whitespace after a sentence included; they tile it.

    A blank line always ends a sentence. A line break does, unless the next line goes on in lower case or the lines
    look wrapped. Text beyond [start, end) has no influence.
    """
    begin = start
    for found in _CANDIDATE.finditer(text, start, end):
        if found.end() < end and found.start() > start and _ends_sentence(text, found, start, end):
            yield begin, found.end()
            begin = found.end()
    if begin < end:
        yield begin, end


def sentence_bounds(text: str, start: int, end: int, reach: int) -> tuple[int, int]:
    """Return the nearest sentence boundaries at or before `start` and at or after `end`, at most `reach` away."""
    lo, hi = max(0, start - reach), min(len(text), end + reach)
    found_start, found_end = lo, hi
    for first, last in sentences(text, lo, hi):
        if first <= start:
            found_start = first
        if last >= end:
            found_end = last
            break
    return found_start, found_end


def _ends_sentence(text: str, found: re.Match[str], lo: int, hi: int) -> bool:
    gap = found["line"] or found["space"] or ""
    if _BLANK_LINE.search(gap):
        return True
    if found["full"]:
        return True
    wraps = bool(gap) and ("\n" in gap or "\r" in gap)
    if wraps and _LIST_ITEM.match(text, found.end(), hi):
        return True
    if found["marks"]:
        return _marks_end(text, found, lo, hi) or (wraps and not _wrapped(text, found, lo, hi))
    return not _wrapped(text, found, lo, hi)


def _wrapped(text: str, found: re.Match[str], lo: int, hi: int) -> bool:
    """Tell whether the line break in `found` is only where a paragraph's line was full."""
    after = found.end()
    if text[after : after + 1].islower():
        return True
    break_at = next(i for i in range(found.start(), after) if text[i] in "\r\n")
    first = max(
        text.rfind("\n", max(lo, break_at - 200), break_at), text.rfind("\r", max(lo, break_at - 200), break_at)
    )
    width = break_at - max(first + 1, lo, break_at - 200)
    if not _WRAP_FROM <= width <= _WRAP_TO or text[break_at - 1] in ":;|":
        return False
    following = re.match(r"[^\r\n]{0,200}", text[after : min(hi, after + 200)])
    line = following.group() if following else ""
    # It was full if the next word would have made it longer than the line that follows.
    return width + 1 + len(line.split(maxsplit=1)[0] if line.strip() else "") > len(line)


def _marks_end(text: str, found: re.Match[str], lo: int, hi: int) -> bool:
    """Tell whether the ending marks end a sentence, by the word before and the word after."""
    following = _NEXT_WORD.match(text, found.end(), min(hi, found.end() + 40))
    word = following["word"] if following else ""
    if word[:1].islower():
        return False
    number = found["number"] or ""
    if number.isdecimal() and not (word[:1].isupper() and _may_have_note(text, found)):
        return False
    if found["marks"] != "." or found["close"].strip("*_") or found["note"]:
        return True
    before = _LAST_WORD.search(text[max(lo, found.start() - 20) : found.start()])
    last = before.group() if before else ""
    if last[:1].isdigit() and _numbers_an_item(text, found.start(), lo):
        return False
    return not _stop_belongs_to_word(last, number.strip("()"), word)


def _numbers_an_item(text: str, at: int, lo: int) -> bool:
    """Tell whether the number that ends at `at` begins a line, and is no decimal of a sentence that is wrapped."""
    found = _ITEM_NUMBER.search(text[max(lo, at - 32) : at])
    if not found or "." not in found.group():
        return bool(found)
    above = _ABOVE.search(text[max(lo, at - 64) : at - len(found.group())])
    return above is None or above["end"] in ".!?:;"


def _may_have_note(text: str, found: re.Match[str]) -> bool:
    """Tell whether digits right behind the marks may be a footnote's: after a digit they are a decimal's."""
    before = text[found.start() - 1]
    return before.islower() or before in "\"'”’»›)]" or bool(found["close"])


def _stop_belongs_to_word(last: str, number: str, word: str) -> bool:
    """Tell whether the stop after `last` is an abbreviation's; `number` stands right behind it, then `word`."""
    # A single letter keeps its case: "v." is versus, "V." an initial or the fifth.
    key = last if len(last) == 1 else last.lower()
    after = number or word
    if last in _TITLES or key in _TITLES:
        return True
    if key in _BEFORE_NUMBERS:
        # Behind "no." or "modern art." somebody may begin to speak ("I", "V. Smith"): not behind "Art."
        return bool(_NUMBER.match(after) or (last[0].isupper() and key != "no" and _ROMAN.match(after)))
    if key in _BEFORE_DIGITS:
        return after[:1].isdigit()
    if last in _CITED and (after[:1].isdigit() or (len(after) == 1 and after.isupper() and after not in _STARTERS)):
        return True
    initial = len(last) == 1 and last.isupper()
    dotted = "." in last and all(len(part) <= 2 for part in last.split("."))
    if initial or dotted or key in _EITHER_WAY:
        return word not in _STARTERS
    return False
