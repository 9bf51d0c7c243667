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
_SUBHEADINGS = _set("h2 h3 h4 h5 h6")
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
# By the words of an element's class and id: those that only makers of pages use, wherever they stand in a name ...
_BY_MAKERS = (
    ("share", "sharedaddy|addthis|share-this|follow-us|social-(?:shar(?:e|ing)|follow|links?|icons?|buttons?|bar)"),
    (
        "related",
        "(?:related|popular|recommended)-(?:posts?|articles?|stories|news|content)|recirc|most-(?:read|viewed|popular)"
        "|mostread|read-next|more-(?:stories|posts|news|from)|also-like|outbrain|taboola|up-next",
    ),
    ("comments", "disqus|commentlist|comment-(?:list|form|body|content|text|reply)"),
    ("notice", "gdpr|paywall|cookies?-(?:banner|bar|consent|notice)"),
    ("newsletter", "newsletter|subscribe|signup|sign-up|promo|donate"),
    ("navigation", "nav|navbar|breadcrumbs?|pagination|pager|tag-list|skip"),
    ("advertisement", "ads?|advert|advertisement|advertorial|sponsored"),
    ("licence", "colophon"),
    ("footer", "footer|site-info|masthead|topbar"),
    ("aside", "sidebar"),
)
# ... and those that a section of an article may have for its subject ("social-security", "related-work"): these must be
# the whole name, but for the parts of a page.
_BY_SUBJECT = (
    ("share", "share|sharing|socials?|social-media"),
    ("related", "related|recommended|recommendations|trending|popular|teasers?"),
    ("comments", "comments|respond"),
    ("notice", "cookies?|consent|modal|popup|overlay"),
    ("newsletter", "subscription"),
    ("navigation", "navigation|menu|tags?|topics|toolbar"),
    ("advertisement", "sponsor"),
    ("licence", "copyright|legal|licen[cs]e|disclaimer"),
    ("aside", "widgets?"),
)
_PARTS = (
    "area|articles?|banner|bars?|block|bottom|box|buttons?|cloud|container|content|entry|footer|global|group|header|icons?"
    "|inline|inner|items?|js|links?|list|main|mobile|mw|nav|page|panel|posts?|primary|secondary|side|single|site|story|title"
    "|tools?|top|widget|wp|wrap|wrapper"
)
_NAMES = (
    *((re.compile(rf"(?<![a-z])(?:{names})(?![a-z])"), label, False) for label, names in _BY_MAKERS),
    *(
        (
            re.compile(rf"(?<![^ ])(?:[a-z]{{1,3}}-)?(?:(?:{_PARTS})-)*(?:{names})(?:-(?:{_PARTS}))*(?![^ ])"),
            label,
            True,
        )
        for label, names in _BY_SUBJECT
    ),
)
_SHORT = 50  # letters from which a sentence is one
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»」)\]]*$")
_SPACES = re.compile(r"[ \t\n\r\f]+")


@dataclass(frozen=True, slots=True)
class Seen:
    """A block as it is shown. `label`: what the markup around it says it is, None where nothing speaks against it.

    `linked`: the share of its letters that are links, 0 to 1. `in_article`: it lies in the page's <article> or <main>.
    `may_be_subject`: the label comes from a name that a section of the article may have for its subject.
    """

    text: str
    level: int
    label: str | None
    tight: bool
    linked: float
    in_article: bool
    may_be_subject: bool


@dataclass(slots=True)
class _Inside:
    """What holds for the text inside an element."""

    label: str | None = None
    may_be_subject: bool = False
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
            yield Seen(text, inside.level, inside.label, inside.tight, linked, inside.article, inside.may_be_subject)
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
    """Tells of which elements the name cannot speak against them: too much of a page, and sections of the article.

    All are weighed at once: names may nest as deep as a page does, and each element's text is that of all below it.
    """

    def __init__(self, page: HtmlElement) -> None:
        self._letters: dict[HtmlElement, int] = {}
        self._headed: set[HtmlElement] = set()
        self._told: set[HtmlElement] = set()  # with a sentence
        blocks: set[HtmlElement] = set()
        for element in reversed(list(page.iter())):
            below = sum(self._letters[child] + len(child.tail or "") for child in element)
            self._letters[element] = len(element.text or "") + below
            is_block = element.tag in _BLOCKS
            tells = is_block and not any(child in blocks for child in element) and _tells(element)
            is_heading = element.tag in _SUBHEADINGS
            for some, own in ((blocks, is_block), (self._headed, is_heading), (self._told, tells)):
                if own or any(child in some for child in element):
                    some.add(element)
        self._titled = {above for title in page.iter("h1") for above in title.iterancestors()}
        self._most = self._letters[page] // 2

    def is_the_page(self, element: HtmlElement) -> bool:
        """Tell whether an element holds a heading of the first level, or most of the page's text."""
        return element in self._titled or self._letters[element] > self._most

    def is_section(self, element: HtmlElement) -> bool:
        """Tell whether an element holds a heading below the first level, and a sentence that is no link."""
        return element in self._headed and element in self._told


def _tells(block: HtmlElement) -> bool:
    text = _flat("".join(block.itertext())).strip()
    return is_sentence(text, sum(len(_flat("".join(link.itertext()))) for link in block.iter("a")) / max(1, len(text)))


def is_sentence(text: str, linked: float) -> bool:
    """Tell whether a block's text, of which the share `linked` is links, reads like a sentence."""
    return len(text) >= _SHORT and linked < 0.5 and bool(_SENTENCE_END.search(text))


def _inside(element: HtmlElement, tag: str, around: _Inside, weight: _Weight) -> _Inside:
    heading = _LEVEL.fullmatch(tag)
    label, may_be_subject = around.label, around.may_be_subject
    if (label is None or may_be_subject) and tag and tag not in _ARTICLE | {"html", "body"}:
        found, by_subject = _label(element, tag)
        spared = by_subject and (label is not None or (around.article and weight.is_section(element)))
        if found and not spared and not weight.is_the_page(element):
            label, may_be_subject = label or found, by_subject
    return _Inside(
        label=label,
        may_be_subject=may_be_subject,
        article=around.article or tag in _ARTICLE or element.get("role") == "main",
        level=int(heading[1]) if heading else around.level,
        tight=(tag in _TIGHT and element.getprevious() is not None) or (around.tight and tag not in _LISTS),
        preformatted=around.preformatted or tag in ("pre", "textarea"),
        linked=around.linked or tag == "a",
    )


def _label(element: HtmlElement, tag: str) -> tuple[str | None, bool]:
    """Return what an element's tag, role or name says it is, and whether it is a name that may be a subject."""
    if by_tag := _BY_TAG.get(tag) or _BY_ROLE.get(element.get("role", "").lower()):
        return by_tag, False
    given = f"{element.get('class') or ''} {element.get('id') or ''}"
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z\s]+", "-", given).lower().split()
    words = " ".join(part.strip("-") for part in parts)
    return next(((label, may) for pattern, label, may in _NAMES if pattern.search(words)), (None, False))


def _is_hidden(element: HtmlElement) -> bool:
    return element.get("hidden") is not None or bool(_HIDDEN.search(element.get("style") or ""))


def _flat(text: str) -> str:
    return _SPACES.sub(" ", text)
