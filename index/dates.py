"""Dates as articles write them -> ISO dates."""

import datetime
import re
from dataclasses import dataclass

# January to December, by language; a name counts wherever it stands, whatever the language of the text.
_LANGUAGES = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sept oct nov dec",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "jänner feber mär apr mai jun jul aug sep okt nov dez",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "janv févr mars avr mai juin juil août sept oct nov déc",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "ene feb mar abr may jun jul ago set oct nov dic",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "gen feb mar apr mag giu lug ago set ott nov dic",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "januari februari mars april maj juni juli augusti september oktober november december",
    "januar februar marts april maj juni juli august september oktober november december",
    "januar februar mars april mai juni juli august september oktober november desember",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "ledna února března dubna května června července srpna září října listopadu prosince",
    "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
)
_MONTHS = {name: number for names in _LANGUAGES for number, name in enumerate(names.split(), start=1)}
_MONTH = rf"(?P<{{0}}>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?(?!\w)"
_OF = r"(?:\s+(?:de|del|di))?"
_YEAR = r"(?P<{0}>(?:1[4-9]|20)\d\d)"
_DATE = re.compile(
    "|".join(
        (
            rf"{_YEAR.format('y1')}(?P<sep>[-/.])(?P<m1>\d\d?)(?P=sep)(?P<d1>\d\d?)",
            rf"{_YEAR.format('y2')}[年년]\s?(?P<m2>\d\d?)[月월]\s?(?P<d2>\d\d?)[日일]",
            rf"{_MONTH.format('m3')}\s+(?P<d3>\d\d?)(?:st|nd|rd|th)?,?\s+{_YEAR.format('y3')}",
            rf"(?P<d4>\d\d?)(?:st|nd|rd|th|er|\.|º)?{_OF}\s+{_MONTH.format('m4')}{_OF},?\s+{_YEAR.format('y4')}",
            rf"(?<!\w){_MONTH.format('m5')}{_OF},?\s+{_YEAR.format('y5')}",
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
        month = int(name) if name.isdigit() else _MONTHS.get(name.lower(), 0)  # 0: no month (KASIM is not kasım)
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
