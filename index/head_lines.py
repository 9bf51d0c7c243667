"""What the lines at the head and foot of an article look like: bylines, datelines, sources, addresses."""

import re

LINK = r"\[(?P<{0}>[^\[\]]+)\]\([^()]*\)"
PARTICLES = (
    "de|da|do|dos|del|della|der|den|di|du|la|le|van|von|vom|zu|zur|bin|bint|ibn|al|el|y|e|and|und|et|of|the|for|&"
)
_WORD = r"(?:[^\W\d_a-zß-öø-ÿа-яё][\w'’.&-]*)"
_PART = rf"(?:{PARTICLES}|{_WORD}|al-{_WORD}|d['’]{_WORD})"
NAME = rf"(?:{_WORD}|al-{_WORD}|d['’]{_WORD})(?:(?:\s+{_PART}){{0,11}}\s+{_WORD})?"
_NAMES = rf"(?:{_WORD}|al-{_WORD}|d['’]{_WORD})(?:(?:,?\s+{_PART}){{0,30}},?\s+{_WORD})?"
# In other languages the word may begin a title or a name ("Di Maio"): two words must follow it, and see `foreign`.
_FOREIGN = r"(?P<foreign>(?:Von|Par|Por|Di|Door|De|Av|Af)(?=\s+\S+\s+\S)|(?:Auteure?|Autor(?:in|e|a)?|Автор)\s*:)"
# "By" before one of these begins a phrase ("By Order of the Council"), not a byline.
_PHRASE = (
    "order|way|means|law|virtue|reason|authority|command|decree|resolution|consent|request|invitation|appointment|royal|"
    "agreement|contract|default|design|definition|contrast|comparison|nature|accident|mistake|proxy|popular|example|"
    "numbers|land|sea|air|rail|road|hand|mail|email|telephone"
)
_SIGNED = rf"By(?![*_:]*\s+(?:{_PHRASE})\b)|Written by|Story by|Words by|Text by|Authors?\s*:|{_FOREIGN}"
_LEAD = rf"(?:[*_]{{0,3}}(?:{_SIGNED})[*_]{{0,3}}:?[*_]{{0,3}}\s+)"
BYLINE = re.compile(
    rf"[*_]{{0,3}}(?i:{_LEAD})(?:{LINK.format('link')}|(?P<name>{_NAMES}))(?P<rest>\s*[*_]{{0,3}}(?:\s*[|·•–—,/-].*)?)"
)
PERSON = re.compile(rf"{_WORD}(?:\s+(?:(?:{PARTICLES})\s+)?{_WORD}){{1,3}}")
PROFILE = re.compile(r"(?:Author[’']?s?[’']? (?:Profile|Bio|Biography)|About the author)\s*:?", re.IGNORECASE)
SOURCE = re.compile(
    r"(?:Source|Publisher|Published by|Publication|Journal|Quelle|Fuente|Fonte|Bron|Источник)"
    rf"\s*:\s*(?:{LINK.format('link')}|(?P<name>{NAME}))"
)
JOURNAL = re.compile(  # "Human Affairs 30 (2):189-198 (2020)"
    r"(?P<name>[^\W\d_][\w&:,.’' -]{2,80}?),?\s+\d{1,4}\s*(?:\(\d{1,4}(?:[-–]\d+)?\))?\s*:\s*"
    r"\d+(?:\s*[-–]\s*\d+)?\s*\((?P<year>\d{4})\)\.?"
)
DATELINE = re.compile(rf"[*_]*(?:{LINK.format('link')},?|(?P<name>{NAME})\s*[,|·–—-])\s*")
DATED = re.compile(
    r"[*_]*(?:(?:(?:First )?(?:Published|Posted|Date|Updated|Last updated|Last modified)(?: on| at)?"
    r"|Veröffentlicht(?: am)?|Aktualisiert(?: am)?|Stand|Datum|Publié(?:e)?(?: le)?|Mis à jour(?: le)?"
    r"|Publicado(?: el)?|Actualizado(?: el)?|Fecha|Pubblicato(?: il)?|Data|Publicado em"
    r"|Gepubliceerd(?: op)?|Опубликовано|Дата|发布时间)"
    r"\s*[:：]?\s*)?(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?\s+"
    r"|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tag,?\s+(?:den\s+)?|Mittwoch,?\s+(?:den\s+)?"
    r"|(?:Le\s+)?(?:lun|mar|mercre|jeu|vendre|same)di,?\s+|(?:Le\s+)?dimanche,?\s+|(?:Am|Le|El|Il)\s+)?",
    re.IGNORECASE,
)
AFTER_DATE = re.compile(
    r"(?:\s*г\.)?[\s,T|–-]*(?:(?:at|um|à|a las|alle ore|om|kl\.|в) )?(?:\d\d?[:.h]\d\d(?:[:.]\d\d)?\s*"
    r"(?:[ap]\.?m\.?|Uhr|uur)?\s*(?:Z|UTC|GMT|[A-Z]{2,4}|[+-]\d\d:?\d\d)?)?[\s*_.)]*",
    re.IGNORECASE,
)
ADDRESS = re.compile(
    r"(?:URL|Link|Original(?: article)?|Source|Permalink|Canonical|Retrieved "
    r"from)\s*:\s*(?:\[[^\[\]]*\]\(|<)?(?P<x>https?://[^\s<>()]+(?:\([^\s<>()]*\)[^\s<>()]*)*)[>)]?",
    re.IGNORECASE,
)
ENDS_PROSE = re.compile(r"(?<!\.\.)(?<!\b\w\.\w)\.[\"”]?$|[;,:。_–—-]$")  # but "..." and "U.S." may end a title
SALUTATION = re.compile(
    r"(?:Dear|Sehr geehrte[rs]?|Ch(?:er|ère)s?|Estimad[oa]s?|Gentile) .{1,60}[,:!]|To whom it may concern.?",
    re.IGNORECASE,
)
AFFILIATION = re.compile(r"Universit|Institut|Department|College|Cent(?:er|re)\b|School|Academy|@", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Capitalised lines that are no names.
NO_PERSON = _words(
    "introduction summary abstract overview background chapter part section contents preface foreword notes findings "
    "history news times daily post review journal press agency street ingredients instructions method results "
    "discussion conclusion references appendix report update opinion editorial world business sports the a an "
    "new with by q&a town city terms provisions conditions agreement contract"
)
# Cities that stand alone in a news agency's dateline (after the Associated Press Stylebook): places, not publishers.
CITIES = _words(
    "amsterdam athens atlanta baghdad bangkok beijing beirut berlin boston brussels cairo chicago copenhagen dallas "
    "denver detroit dublin geneva havana helsinki houston istanbul jakarta jerusalem johannesburg kabul kyiv lisbon "
    "london madrid manila miami milan montreal moscow mumbai munich nairobi oslo paris prague rome seoul shanghai "
    "singapore stockholm sydney tehran tokyo toronto vienna warsaw washington zurich"
) | {
    "hong kong",
    "los angeles",
    "mexico city",
    "new delhi",
    "new york",
    "san francisco",
    "rio de janeiro",
    "united nations",
}
