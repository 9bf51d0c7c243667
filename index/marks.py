"""Boilerplate of scraped articles: spans to mark, by rules about whole lines. Nothing is ever removed.

Precision first: a rule matches a whole line, or a paragraph that opens with words only a notice opens with.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.dates import find_date
from index.offsets import line_spans
from index.types import Mark

_LONGEST = 5_000  # characters; a longer line is text
_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.)*)\]\([^()\s]*+(?:\([^()\s]*+\))?[^()]*+\)")
_MARKUP = re.compile(r"\*\*|__|\\(?=[^\w\s])|^\s*#{1,6}\s+|^\s*>\s+")
_BULLET = re.compile(r"[-*+•–]\s|\d{1,2}[.)]\s")

_NETWORKS = (
    "Twitter|Facebook|X|LinkedIn|WeChat|Weibo|WhatsApp|Telegram|Instagram|YouTube|Reddit|Pinterest|Threads|Mastodon"
    "|Bluesky|TikTok|Flipboard"
)
_LANGUAGES = "中文|双语|雙語|English|Fran[cç]ais|Espa[nñ]ol|Deutsch|Русский|العربية|日本語|한국어|Portugu[eê]s|Italiano"
_SHARE_WORD = (
    rf"Share|Tweet|Print|Bookmark|E-?mail|Comments?|\d+ Comments?|\d+ Comment\(s\)|Copy link|Pin it|Save|{_NETWORKS}"
)


def _line(*patterns: str) -> re.Pattern[str]:
    """Return a pattern for a whole line that matches any of the given ones, whatever its case."""
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE)


_NAVIGATION = _line(
    r"(You are here:?\s*)?(Home|Front page|Startseite|Accueil|Inicio|Главная|首页)"
    r"\s*+([/>»›|→](?=[^/>»›|→.])\s*+[^/>»›|→.]{0,40}+\s*+){1,6}",
    rf"(Global|International|U\.?S\.?|UK|Asia|Europe|Africa)\s+Edition[A-Z\s|/]*(\s*+(?:[|/·]\s*+)?({_LANGUAGES}))*",
    rf"({_LANGUAGES})(\s*+(?:[|/·,]\s*+)?({_LANGUAGES}))+",
    r"External links|Through your library|Advertisement",
    r"Set ?up an account with your affiliations in order to access resources via your .{1,40}proxy server",
    r"Skip to (main )?(content|navigation)|Jump to (navigation|content|search)|Toggle navigation|Back to (the )?top",
    r"(Next|Previous) (article|post|story|page)( [»›→])?|Log ?in|Sign (in|up)|(Log|Sign) in / (Register|Sign up)",
)
_LABELLED_LINKS = re.compile(
    r"(Regions?|Topics?|Tags?|Categor(y|ies)|Themes?|Sections?|Filed under|Posted in|Keywords?)\s*:", re.I
)
_SHARE = _line(
    rf"(Follow|Like|Join|Find)( us)?( on)?( ({_NETWORKS}|and|or|&))+( to join the conversation)?[.!]?",
    r"(Adjust )?(Font|Text) size\s*:?[\sA+\-|]*",
    r"(\w+ ){0,3}App Downloads?|Download (our|the) (\w+ ){0,2}app( now| today)?[.!]?|Get the app",
    r"Comment on .{1,60} (on|at) (our|the) .{0,20}page",
    r"Become a (member|subscriber|supporter|patron) of .{1,60}",
    r"(Subscribe to|Sign up for) (our|the) ((free|daily|weekly) )*newsletters?[.!]?",
    r"(Copy|Export|Download)?\s*(BIBTEX|citation)|Cite this (article|paper|page)|Copy\s+BIBTEX",
    rf"Share (this|on)( (article|page|post|story))?[ :-]*((with|via|on|by) )?({_NETWORKS}|E-?mail|,|/|and|or|\s)*",
)
_SHARE_TOKENS = re.compile(rf"(?:(?:{_SHARE_WORD})(?:[\s\-/|·,&]|and\b)*)+", re.IGNORECASE)
_NETWORKS_NAMED = _line(rf"(({_NETWORKS}), )*({_NETWORKS}),? (and|&) ({_NETWORKS})", r"Twitter ?/ ?X|X ?/ ?Twitter")
_SHARE_PREFIX = re.compile(
    r"(?:\d+ Comment(?:\(s\)|s)?\s*)?(?:(?:Print|E-?mail|Share|Tweet|Bookmark)(?:[\s\-/|·,&]|and\b)*){2,}",
    re.IGNORECASE,
)
_RELATED_HEADING = _line(
    r"Similar (books and )?articles",
    r"Related (articles|stories|content|posts|topics|news|reading|links)",
    r"You (may|might) also (like|be interested in)",
    r"Most (viewed|read|popular|shared|commented|e-?mailed)( (in|this|today)\b.{0,20})?",
    r"Trending( now| stories| topics)?|Popular (posts|articles|stories)",
    r"More (articles|stories|news|posts)( (from|on|in|by)\b.{0,40})?",
    r"More (on this|like this|from this author)",
    r"Recommended( for you| stories| articles)|Latest (news|stories|articles|posts)",
    r"(What to )?read next|Read also|See also|Up next",
    r"Don[’']t miss|Editor[’']?s[’']? (picks|choice)",
)
_RELATED_LINE = _line(
    r"(More )?Articles by:.{0,80}",
    r"(Read more|Read also|Also read|Related( stor(y|ies)| articles?)?)\s*:.{1,150}(?<![.!?])",
)
_REFERENCE = re.compile(
    r"(?:^|[.\s])\S.{0,200}\s[-–]\s(1[5-9]|20)\d\d\s[-–]\s.{3,}|\(?(1[5-9]|20)\d\d\)?[^.]{0,80}:\d+[-–]\d+\.?$"
)
# A notice speaks of what it is part of and of copying it; contracts and articles speak of one of the two.
_MEDIUM = "(publication|book|article|story|site|website|web ?page|material|content|work|magazine|newspaper)s?"
_COPIED = "(copied|transmitted|(re)?distributed|re(produced|published|printed|written|posted))"
_CONSENT = "(permission|consent|authori[sz]ation|prohibited)"
_LICENCE = _line(
    r"(Copyright\s*)?(©\s*(copyright|by |\d{4}|(?-i:[A-Z]))|\(c\)\s*copyright).*",
    # With a name: "(c) 2021 budget" counts something.
    r"\(c\)\s*(1[89]|20)\d\d[-–,.\s\d]*+((present|by)\b[,.\s]*+)?(?-i:[^\W\d_a-zß-öø-ÿ]).*",
    r"Copyright\s*(©|\(c\)|(by )?(1[89]|20)\d\d\s*[-–,.]).*|Copyright\s+(1[89]|20)\d\d(\s+[\w.,&' -]{0,60})?",
    r"(.{0,120}[.;,|]\s*)?All rights reserved[.!]?",
    r"Disclaimer\s*:.*\b(responsib|liab|accura|inaccura|views|opinions|endorse|constitute|advice|warrant|informational).*",
    r"(For )?(Media|Press) (inquiries|enquiries|contacts?)\s*:.{0,200}",
    r".{0,10}ICP\s?[备证备].{0,40}|.{0,2}公网安备.{0,40}",
    r"(The )?(views|opinions)\b.{0,150}\b(do not|don[’']t) necessarily (reflect|represent)\b.{0,200}",
    r"(Opinion|Op-ed|Guest) (articles|pieces|columns|posts)\b.{0,40}\breflect the (views|opinions) "
    r"of (their|the) authors?\b.{0,120}",
    rf"The contents? of this (article|site|page|post).{{0,60}}\b(sole responsibility|may not be.{{0,60}}\b{_COPIED}).*",
    r".{0,120}copyrighted material the use of which has not (always )?been specifically authori[sz]ed.*",
    r"This (article|story|work|post) (is|was|has been) (re)?(published|licensed|printed|posted|distributed) (here )?"
    r"(with permission\b|(from .{1,80} )?under (an? |the )?(Creative Commons|CC[ -]BY|.{0,60}\blicen[cs]es?\b"
    r"(?! (from|of|to|by)\b))).{0,200}",
    r"(Licensed|Published|Available) under (a |the )?(Creative Commons|CC[ -]BY).{0,150}",
    rf"No part of this {_MEDIUM}\b.{{0,60}}\bmay be\b.{{0,80}}\b{_COPIED}\b.{{0,300}}",
    rf"This {_MEDIUM}\b.{{0,60}}\b(may|must|can|shall)(not)?\b.{{0,80}}\b{_COPIED}\b.{{0,200}}\b{_CONSENT}\b.{{0,100}}",
    # In part of what, or of something else: a clause about that.
    rf"(Any )?reproduction( or \w+)? (in whole or (in )?part\b(?! of )|of this {_MEDIUM}\b|without .{{0,20}}permission"
    rf"|of (any )?(material|content|article)s? (from|on|in)\b|is (strictly )?prohibited without\b).{{0,200}}"
    rf"\b{_CONSENT}\b.{{0,100}}",
    r"Reproduction (is )?(strictly )?prohibited[.!]?",
)
_STATISTICS = _line(
    r"(Upload a copy of this work\s+)?Papers currently archived\s*:\s*[\d,.]+",
    r"(Page ?views|Views|Downloads|Hits|Total (views|downloads))\s*:\s*[\d,.]+\s?[km]?",
    r"[\d,.]+\s?[km]? (page ?views|views|downloads|reads|hits)",
    r"Added to PP( index)?|\d[\d,]* \(#[\d,]+\)|Historical graph of downloads|How can I increase my downloads\?",
    r"(Citations of|References found in) this work|No (citations|references) found\.?|Add more (citations|references)",
    r"\d{1,3}[ -]min(ute)?s?[ -]read",
)
_SHARES = _line(r"Shares\s*:\s*[\d,.]+\s?[km]?|[\d,.]+\s?[km]? shares")
# Facts of a company, a person or a case; boilerplate only beside other boilerplate of their kind.
_BESIDE = {
    "licence": _line(
        r"([\w ]{1,40} )?Licen[cs]e (for [\w ]{1,60}|number|no\.?)\s*+(?::\s*+)?(?=[A-Z-]*\d)[\dA-Z-]++",
        r"(Business |Company )?Registration (number|no\.?)\s*+(?::\s*+)?(?=[\w-]*\d)[\w-]++",
    ),
    "share": _SHARES,
    "statistics": _SHARES,
    "related": _line(r"See also\s*:.{1,150}(?<![.!?])"),
}
_PERIOD = re.compile(r"\d{1,3} (months?|days?|weeks?|hours?|years?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank: its span without the whitespace around it, its words without markup, its bare text."""

    start: int
    end: int
    raw: str
    plain: str
    after_blank: bool


def find_marks(text: str) -> tuple[Mark, ...]:
    """Return the spans of `text` that are not part of the article, in order and without overlap.

    Labels: navigation, share, related, licence, statistics. Marks of one label with only whitespace between are one.
    """
    lines = _lines(text)
    labels: list[str | None] = [_label(line) for line in lines]
    _add_lists(lines, labels)
    _add_beside(lines, labels)
    _add_periods(lines, labels)
    found = [_mark(line, label) for line, label in zip(lines, labels, strict=True)]
    return tuple(_joined(text, [mark for mark in found if mark]))


def merged_marks(text: str, marks: Sequence[Mark], more: Sequence[Mark]) -> tuple[Mark, ...]:
    """Return `marks`, and of `more` what lies outside them, in order and without overlap, as both lists are."""
    kept = list(marks)
    ahead = 0
    for mark in more:
        while ahead < len(marks) and marks[ahead].end <= mark.start:
            ahead += 1
        start, at = mark.start, ahead
        while at < len(marks) and marks[at].start < mark.end:
            kept += _visible(text, start, marks[at].start, mark.label)
            start, at = marks[at].end, at + 1
        kept += _visible(text, start, mark.end, mark.label)
    return tuple(_joined(text, sorted(kept, key=lambda mark: mark.start)))


def _visible(text: str, start: int, end: int, label: str) -> list[Mark]:
    """Return a mark on `start:end` without the whitespace at its ends; none where nothing is left."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    return [Mark(start, end, label)] if start < end else []


def plain_line(raw: str) -> str:
    """Return a line's words: Markdown links replaced by their text, emphasis, headings' marks and escapes removed."""
    return _MARKUP.sub("", _LINK.sub(r"\1", raw)).strip(" \t\xa0*_")


def share_prefix(raw: str) -> int:
    """Return how many characters of share buttons come before the publisher and date that share a line with them."""
    buttons = _SHARE_PREFIX.match(raw)
    if not buttons or buttons.end() == len(raw) or not find_date(raw[buttons.end() :]):
        return 0
    return buttons.end()


def _lines(text: str) -> list[_Line]:
    lines = []
    after_blank = True
    for first, last in line_spans(text):
        if first == last:
            after_blank = True
            continue
        if last - first > _LONGEST:
            start, end, raw = first, last, ""
        else:
            whole = text[first:last]
            raw = whole.strip()
            start = first + len(whole) - len(whole.lstrip())
            end = start + len(raw)
        if start < end:
            lines.append(_Line(start, end, raw, plain_line(raw), after_blank))
        after_blank = start == end
    return lines


def _label(line: _Line) -> str | None:
    plain = line.plain
    if not plain:
        return None
    if _LICENCE.fullmatch(plain):
        return "licence"
    if len(plain) > 300:
        return None
    if _NAVIGATION.fullmatch(plain) or _links_only(line.raw):
        return "navigation"
    if _SHARE.fullmatch(plain) or _is_share_bar(line) or share_prefix(line.raw):
        return "share"
    if _RELATED_LINE.fullmatch(plain):
        return "related"
    return "statistics" if _STATISTICS.fullmatch(plain) else None


def _links_only(raw: str) -> bool:
    """Tell whether the line is a label ("Tags:") and nothing but links."""
    label = _LABELLED_LINKS.match(raw)
    return bool(label) and "](" in raw and not _LINK.sub("", raw[label.end() if label else 0 :]).strip(" ,;|/·*")


def _is_share_bar(line: _Line) -> bool:
    """Tell whether the line is buttons; "Facebook and Instagram", "Twitter/X" and headings are words."""
    if line.raw.startswith("#") or _NETWORKS_NAMED.fullmatch(line.plain) or not _SHARE_TOKENS.fullmatch(line.plain):
        return False
    return len(re.findall(_SHARE_WORD, line.plain, re.IGNORECASE)) > 1 or line.plain in ("Share", "Tweet")


def _add_lists(lines: list[_Line], labels: list[str | None]) -> None:
    """Label the headings of related-article lists and the list under each, up to the end of its block."""
    for at, line in enumerate(lines):
        if labels[at] or not _RELATED_HEADING.fullmatch(line.plain.rstrip(" :")):
            continue
        last = at
        while last + 1 < len(lines) and not labels[last + 1] and _is_item(lines[last + 1], first=last == at):
            last += 1
        # Prose under such words is the article's own chapter.
        if last > at or at + 1 == len(lines) or labels[at + 1]:
            labels[at : last + 1] = ["related"] * (last + 1 - at)


def _is_item(line: _Line, first: bool) -> bool:
    listed = bool(_BULLET.match(line.raw)) or bool(_LINK.fullmatch(line.raw.strip("*_ ")))
    if not listed and line.after_blank and not first:
        return False
    if not line.plain or len(line.plain) > 300 or line.raw.startswith("#"):
        return False
    if _REFERENCE.search(line.plain):
        return True
    return len(line.plain) <= 150 and (listed or not line.plain.endswith((".", "!", ":", ";", ",", ".”", '."')))


def _add_beside(lines: list[_Line], labels: list[str | None]) -> None:
    """Label what is boilerplate only beside such: downwards and upwards, for one such line may follow another."""
    for step in (1, -1):
        for at in range(len(lines))[::step]:
            beside = labels[at - step] if 0 <= at - step < len(lines) else None
            if not labels[at] and beside in _BESIDE and _BESIDE[beside].fullmatch(lines[at].plain):
                labels[at] = beside


def _add_periods(lines: list[_Line], labels: list[str | None]) -> None:
    """Label a bare "6 months" as statistics where it stands beside statistics."""
    for at, line in enumerate(lines):
        if not labels[at] and _PERIOD.fullmatch(line.plain):
            beside = labels[max(0, at - 1)], labels[min(len(labels) - 1, at + 1)]
            labels[at] = "statistics" if beside == ("statistics", "statistics") else None


def _mark(line: _Line, label: str | None) -> Mark | None:
    if label is None:
        return None
    buttons = share_prefix(line.raw) if label == "share" else 0
    return Mark(line.start, line.start + len(line.raw[:buttons].rstrip()) if buttons else line.end, label)


def _joined(text: str, marks: list[Mark]) -> list[Mark]:
    joined: list[Mark] = []
    for mark in marks:
        if joined and joined[-1].label == mark.label and not text[joined[-1].end : mark.start].strip():
            joined[-1] = Mark(joined[-1].start, mark.end, mark.label)
        else:
            joined.append(mark)
    return joined
