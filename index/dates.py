"""Dates as articles write them -> ISO dates."""

import datetime
import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<{0}>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?P<{0}>(?:1[4-9]|20)\d\d)"
_DATE = re.compile(
    "|".join(
        (
            rf"{_YEAR.format('y1')}(?P<sep>[-/.])(?P<m1>\d\d?)(?P=sep)(?P<d1>\d\d?)",
            rf"{_YEAR.format('y2')}年(?P<m2>\d\d?)月(?P<d2>\d\d?)日",
            rf"{_MONTH.format('m3')}\s+(?P<d3>\d\d?)(?:st|nd|rd|th)?,?\s+{_YEAR.format('y3')}",
            rf"(?P<d4>\d\d?)(?:st|nd|rd|th|\.)?\s+{_MONTH.format('m4')},?\s+{_YEAR.format('y4')}",
            rf"{_MONTH.format('m5')},?\s+{_YEAR.format('y5')}",
            rf"(?P<a6>\d\d?)(?P<sep6>[ /.-])(?P<b6>\d\d?)(?:(?P=sep6)|,\s?){_YEAR.format('y6')}",
        )
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date written at `start:end` of the string searched, and its ISO form (to the month where no day is given)."""

    start: int
    end: int
    iso: str


def find_date(line: str, first: int = 0) -> FoundDate | None:
    """Return the first real date in `line` from position `first` on, or None.

    Numbers alone, day or month first, count only where they can be read in one way (equal, or one above 12).
    """
    for found in _DATE.finditer(line, first):
        before, after = line[: found.start()][-1:], line[found.end() :][:1]
        if not (before.isdigit() or after.isdigit()) and (iso := _iso(found)):
            return FoundDate(found.start(), found.end(), iso)
    return None


def _iso(found: re.Match[str]) -> str | None:
    group = found.groupdict()
    number = next(n for n in "123456" if group[f"y{n}"])
    year = int(group[f"y{number}"])
    if number == "6":
        month, day = _unambiguous(int(group["a6"]), int(group["b6"]))
    else:
        name = group[f"m{number}"]
        month = int(name) if name.isdigit() else _MONTHS.index(name[:3].lower()) + 1
        day = 1 if number == "5" else int(group[f"d{number}"])
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        return None
    return date.isoformat()[:7] if number == "5" else date.isoformat()


def _unambiguous(first: int, second: int) -> tuple[int, int]:
    """Return (month, day), or (0, 0) where both orders are possible."""
    if first == second or second > 12:
        return first, second
    return (second, first) if first > 12 else (0, 0)
