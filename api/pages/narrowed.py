"""The questions of a report that an address asks for, a page of them at a time. Pure functions."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from rag.compare import Row
from rag.report import STAGES

ROWS = 25  # on a page
WRONG = "wrong"  # every stage but "ok"
MOVED = {"lost": "lost", "won": "won", "changed": "answered otherwise"}
_AROUND = 2  # pages that are linked on either side of the one that is shown
_LONGEST = 200  # characters of what an address asks for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for; "" is any. `page` is as it was typed, and may be no number."""

    q: str = ""
    outcome: str = ""
    tag: str = ""
    page: str = ""

    @property
    def all(self) -> bool:
        """Tell whether every question is asked for."""
        return not (self.words or self.outcome or self.tag)

    @property
    def words(self) -> list[str]:
        """The words that a question has to have, whatever their case."""
        return self.q.casefold().split()


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of rows: `page` of `pages`, from 1; `found` rows are on all of them together, of `total`.

    `missed` is the page that was asked for where there is no such page, else "". `kept` is what else the address has.
    """

    rows: Sequence[Row]
    found: int
    total: int
    page: int
    pages: int
    missed: str
    wanted: Wanted
    kept: dict[str, str]

    @property
    def first(self) -> int:
        """The number of the first row, from 1, among all that were found; 0 if none was."""
        return min(self.found, (self.page - 1) * ROWS + 1)

    @property
    def last(self) -> int:
        """The number of the last row among all that were found; 0 if none was."""
        return min(self.found, self.page * ROWS)

    @property
    def whole(self) -> bool:
        """Tell whether these are the first rows of all, beside which there is room for what all say together."""
        return self.wanted.all and self.page == 1

    def near(self) -> list[int]:
        """Return the pages to be linked: the first, the last, and those around this one; 0 stands for a gap."""
        around = range(max(self.page - _AROUND, 1), min(self.page + _AROUND, self.pages) + 1)
        before = [1, *([0] if around[0] > 2 else [])] if around[0] > 1 else []
        after = [*([0] if around[-1] < self.pages - 1 else []), self.pages] if around[-1] < self.pages else []
        return [*before, *around, *after]

    def address(self, page: int) -> str:
        """Return the address of another page of the same rows."""
        asked = {"q": self.wanted.q, "outcome": self.wanted.outcome, "tag": self.wanted.tag}
        asked["page"] = str(page) if page > 1 else ""
        return _address(self.kept | {name: value for name, value in asked.items() if value})

    @property
    def unnarrowed(self) -> str:
        """The address of all rows."""
        return _address(self.kept)


def wanted_in(q: str = "", outcome: str = "", tag: str = "", page: str = "") -> Wanted:
    """Return what the parameters of an address ask for; none of them makes a page long."""
    return Wanted(q[:_LONGEST].strip(), outcome[:_LONGEST], tag[:_LONGEST], page[:_LONGEST])


def listing(
    rows: Sequence[Row], text_of: Callable[[Row], str], wanted: Wanted, kept: dict[str, str] | None = None
) -> Listing:
    """Return the page of `rows` that is wanted; where there is no such page, the nearest. `text_of` is searched."""
    found = rows if wanted.all else [row for row in rows if _is_wanted(row, wanted, text_of)]
    pages = max(1, -(-len(found) // ROWS))
    asked = _number(wanted.page)
    page = min(max(asked or 1, 1), pages)
    missed = "" if asked == page or not wanted.page else wanted.page
    some = found[(page - 1) * ROWS : page * ROWS]
    return Listing(some, len(found), len(rows), page, pages, missed, wanted, kept or {})


def text_of_question(row: Row) -> str:
    """Return all that is said of a question of a report, and of its answers."""
    said = [row["question"], row["id"], *row["tags"], row["prediction"], row["candidate"], *row.get("gold_answers", ())]
    for place in row["citations"]:
        said += [place["prefix"], place["quote"], place["suffix"], place["title"], place["source"]]
    return " ".join(part for part in said if part)


def moved_rows(comparison: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return the questions that went otherwise in two runs (see `rag.compare`), with `stage` the key of `MOVED`."""
    return [{**row, "stage": moved, "tags": []} for moved in MOVED for row in comparison[moved]]


def text_of_moved(row: Row) -> str:
    """Return all that is said of a question that went otherwise in two runs."""
    return " ".join([row["question"], row["id"], *(row[run]["prediction"] or "" for run in ("baseline", "run"))])


def outcomes(rows: Sequence[Row]) -> dict[str, str]:
    """Return the outcomes that there are to choose from, and how each is said."""
    stages = {row["stage"] for row in rows}
    return {WRONG: "wrong"} | {stage: said for stage, (said, _) in STAGES.items() if stage in stages}


def tags_of(rows: Sequence[Row]) -> list[str]:
    """Return the tags of the questions of a report, the most frequent first and then by name."""
    counted = Counter(tag for row in rows for tag in dict.fromkeys(row["tags"]))
    return sorted(counted, key=lambda tag: (-counted[tag], tag))


def _address(parameters: Mapping[str, str]) -> str:
    return f"?{urlencode(parameters)}#questions"


def _is_wanted(row: Row, wanted: Wanted, text_of: Callable[[Row], str]) -> bool:
    if wanted.outcome and not _ended_as(row["stage"], wanted.outcome):
        return False
    if wanted.tag and wanted.tag not in (tag[:_LONGEST] for tag in row["tags"]):
        return False
    text = text_of(row).casefold() if wanted.words else ""
    return all(word in text for word in wanted.words)


def _ended_as(stage: str, outcome: str) -> bool:
    return stage != "ok" if outcome == WRONG else stage == outcome


def _number(typed: str) -> int | None:
    try:
        return int(typed)
    except ValueError:
        return None
