"""A parsed page -> the blocks that a reader sees, in order, each with what the page's markup says of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml.etree import iterwalk
from lxml.html import HtmlElement

from index.plain import printable


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_UNSEEN = _set(
    "script style noscript template head svg canvas audio video iframe object embed select datalist map title"
)
_BLOCKS = _set(
    "address article aside blockquote body button caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frameset h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol optgroup p pre search "
    "section summary table tbody tfoot thead tr ul"
)
_TIGHT = _set("li tr dt dd")  # shown below one another without a gap
_LISTS = _set("ul ol dl table")
_CELLS = _set("td th")
_ARTICLE = _set("article main")
_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_LEVEL = re.compile(r"h([1-6])")

_BY_TAG = {
    "nav": "navigation",
    "menu": "navigation",
    "footer": "footer",
    "aside": "aside",
    "form": "form",
    "button": "form",
    "dialog": "notice",
}
_BY_ROLE = {
    "navigation": "navigation",
    "banner": "navigation",
    "contentinfo": "footer",
    "complementary": "aside",
    "search": "form",
    "dialog": "notice",
    "alertdialog": "notice",
}
# By the words of an element's class and id, as page makers name them.
_BY_NAME = tuple(
    (re.compile(rf"(?<=-)(?:{names})(?=-)"), label)
    for label, names in (
        ("share", "share|sharing|sharedaddy|social|socials|addthis|follow-us"),
        (
            "related",
            "related|recommended|recommendations|recirc|trending|popular|most-(?:read|viewed|popular)|mostread|read-next"
            "|more-(?:stories|posts|news|from)|also-like|outbrain|taboola|teasers?|up-next",
        ),
        ("comments", "comments|comment-list|comment-form|disqus|respond"),
        ("notice", "cookies?|consent|gdpr|paywall|modal|popup|overlay"),
        ("newsletter", "newsletter|subscribe|subscription|signup|sign-up|promo|donate"),
        ("navigation", "nav|navbar|navigation|menu|breadcrumbs?|pagination|pager|tags?|tag-list|topics|skip|toolbar"),
        ("advertisement", "ads?|advert|advertisement|advertorial|sponsor|sponsored"),
        ("licence", "copyright|legal|colophon|licen[cs]e|disclaimer"),
        ("footer", "footer|site-info|masthead|topbar"),
        ("aside", "sidebar|widget|widgets"),
    )
)
_SPACES = re.compile(r"[ \t\n\r\f]+")


@dataclass(frozen=True, slots=True)
class Seen:
    """A block as it is shown. `label`: what the markup around it says it is, None where nothing speaks against it.

    `linked`: the share of its letters that are links, 0 to 1. `in_article`: it lies in the page's <article> or <main>.
    """

    text: str
    level: int
    label: str | None
    tight: bool
    linked: float
    in_article: bool


@dataclass(slots=True)
class _Inside:
    """What holds for the text inside an element."""

    label: str | None = None
    article: bool = False
    level: int = 0
    tight: bool = False
    preformatted: bool = False
    linked: bool = False


@dataclass(slots=True)
class _Open:
    """The block that is being read."""

    parts: list[str] = field(default_factory=list)
    linked: int = 0
    letters: int = 0

    def add(self, text: str | None, inside: _Inside) -> None:
        """Add the text of a node; whitespace counts as one space, but in preformatted text."""
        if text:
            self.parts.append(text.replace("\r\n", "\n").replace("\r", "\n") if inside.preformatted else _flat(text))
            letters = len("".join(text.split()))
            self.letters += letters
            self.linked += letters if inside.linked else 0

    def close(self, inside: _Inside) -> Iterator[Seen]:
        """Yield the block, if there is anything to see in it, and begin another."""
        text = printable("".join(self.parts)).replace("\f", " ")
        if not inside.preformatted:
            text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text))
        text = text.strip()
        if text:
            linked = self.linked / max(1, self.letters)
            yield Seen(text, inside.level, inside.label, inside.tight, linked, inside.article)
        self.parts, self.linked, self.letters = [], 0, 0


def seen_blocks(page: HtmlElement) -> Iterator[Seen]:
    """Yield the visible blocks of a page in order. Scripts, styles, hidden elements and fallbacks are not visible."""
    weigh = _Weight(page)
    stack = [_Inside()]
    opened = _Open()
    walk = iterwalk(page, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "end":
            if tag in _BLOCKS:
                yield from opened.close(stack[-1])
            stack.pop()
            opened.add(element.tail if element is not page else None, stack[-1])
            continue
        if tag in _BLOCKS:
            yield from opened.close(stack[-1])
        elif tag == "br":
            opened.parts.append("\n")
        elif tag in _CELLS and any(opened.parts):
            opened.parts.append("\t")
        stack.append(_inside(element, tag, stack[-1], weigh))
        if not tag or tag in _UNSEEN or _is_hidden(element):
            walk.skip_subtree()
        else:
            opened.add(element.text, stack[-1])
    yield from opened.close(stack[-1])


class _Weight:
    """Tells which elements are too much of a page for their name to speak against them.

    All are weighed at once: names may nest as deep as a page does, and each element's text is that of all below it.
    """

    def __init__(self, page: HtmlElement) -> None:
        self._letters: dict[HtmlElement, int] = {}
        for element in reversed(list(page.iter())):
            below = sum(self._letters[child] + len(child.tail or "") for child in element)
            self._letters[element] = len(element.text or "") + below
        self._titled = {above for title in page.iter("h1") for above in title.iterancestors()}
        self._most = self._letters[page] // 2

    def is_the_page(self, element: HtmlElement) -> bool:
        """Tell whether an element holds a heading of the first level, or most of the page's text."""
        return element in self._titled or self._letters[element] > self._most


def _inside(element: HtmlElement, tag: str, around: _Inside, weight: _Weight) -> _Inside:
    heading = _LEVEL.fullmatch(tag)
    label = around.label
    if label is None and tag and tag not in _ARTICLE | {"html", "body"}:
        label = _label(element, tag)
        label = None if label and weight.is_the_page(element) else label
    return _Inside(
        label=label,
        article=around.article or tag in _ARTICLE or element.get("role") == "main",
        level=int(heading[1]) if heading else around.level,
        tight=(tag in _TIGHT and element.getprevious() is not None) or (around.tight and tag not in _LISTS),
        preformatted=around.preformatted or tag in ("pre", "textarea"),
        linked=around.linked or tag == "a",
    )


def _label(element: HtmlElement, tag: str) -> str | None:
    if by_tag := _BY_TAG.get(tag) or _BY_ROLE.get(element.get("role", "").lower()):
        return by_tag
    given = f"{element.get('class') or ''} {element.get('id') or ''}"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", "-", given).lower()
    return next((label for pattern, label in _BY_NAME if pattern.search(f"-{words}-")), None)


def _is_hidden(element: HtmlElement) -> bool:
    return element.get("hidden") is not None or bool(_HIDDEN.search(element.get("style") or ""))


def _flat(text: str) -> str:
    return _SPACES.sub(" ", text)
