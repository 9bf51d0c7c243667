"""Gold sets: questions with known answers, read from JSON Lines, SQuAD JSON or CSV.

JSON Lines: one object a line, keys `id`, `question` and any of `answers`, `sources`, `evidence`, `answerable` (true if
absent), `tags`. Blank lines are skipped. Where `sources` is absent, it is the sources of the evidence.
SQuAD v1.1 and v2.0 JSON: an article becomes the source `<title>.txt`. Its offsets count within a paragraph, not a file,
so there is no evidence.
CSV with a header (file ending in .csv): `question`, and any of `id` (else q1, q2, ...), `answers`, `source` (or
`sources`) and `tags` (several parted by `|`), `answerable` (true or false; true if empty).
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from index.errors import UsageError
from rag.fields import list_in, object_in, text_in
from rag.types import MAX_QUESTION, is_blank

_KEYS = {"id", "question", "answers", "sources", "evidence", "answerable", "tags"}
_EVIDENCE_KEYS = {"source", "start", "end"}
_COLUMNS = {"id", "question", "answers", "source", "answerable", "tags"}
_BOOLEANS = {"": True, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The span `start:end` of a source's text that answers a question; never empty."""

    source: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question and what is right for it.

    An answerable one has answers, or evidence alone: it then measures retrieval alone. An unanswerable one has
    neither. Every source of the evidence is among `sources`; each source answers the question on its own.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    sources: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    answerable: bool
    tags: tuple[str, ...]


class Placed(NamedTuple):
    """A question with where it stands: `gold.jsonl:12`, or a path in SQuAD JSON."""

    place: str
    question: GoldQuestion


def load_gold(path: Path) -> list[GoldQuestion]:
    """Read a gold set, in file order; the format is told by the ending and the content.

    Raises UsageError, naming file and line, if anything in it is malformed, an id comes twice or it holds no question.
    """
    return _without_ids_twice(load_placed(path))


def parse_gold(content: str, name: str) -> list[GoldQuestion]:
    """Read a gold set from its text; `name` is what errors call it, and `.csv` at its end means CSV.

    Raises UsageError as `load_gold` does.
    """
    return _without_ids_twice(_parse_placed(content, name))


def load_placed(path: Path) -> list[Placed]:
    """Read a gold set with the place of each question; as `load_gold`, but an id may come twice."""
    return _parse_placed(_content(path), str(path))


def load_lines(path: Path) -> list[GoldQuestion]:
    """Read a gold set that lines can be added to: as `load_gold`, but JSON Lines alone, and it may be empty."""
    lines = _json_lines(_content(path).removeprefix("\ufeff"), str(path))
    return _without_ids_twice([Placed(place, question_from(raw, place)) for place, raw in lines])


def line_of(question: GoldQuestion) -> str:
    """Return the question as a line of JSON Lines, without a line break."""
    return json.dumps(asdict(question), ensure_ascii=False)


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name a gold set that exists") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _parse_placed(content: str, name: str) -> list[Placed]:
    entries = _entries(content.removeprefix("\ufeff"), name)
    placed = [Placed(place, question_from(raw, place)) for place, raw in entries]
    if not placed:
        raise UsageError(f"{name}: holds no question; write one as a line of JSON with id, question and answers")
    return placed


def _without_ids_twice(placed: Sequence[Placed]) -> list[GoldQuestion]:
    seen: dict[str, str] = {}
    for place, question in placed:
        if question.id in seen:
            raise UsageError(f"{place}: the id {question.id!r} is taken by {seen[question.id]}; give each line its own")
        seen[question.id] = place
    return [question for _, question in placed]


def _entries(content: str, name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield (place, entry with the keys of JSON Lines) for every question, whatever the format."""
    if name.lower().endswith(".csv"):
        return _csv_entries(content, name)
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):
        whole = None  # several lines, or one that `_json_lines` will name
    if isinstance(whole, dict) and "data" in whole:
        return _squad_entries(whole["data"], name)
    return _json_lines(content, name)


def _json_lines(content: str, name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    # Not splitlines(): U+2028 and its like may stand inside a JSON string.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            entry = json.loads(line, object_pairs_hook=_no_key_twice)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{place}: not JSON ({error}); each line is one JSON object") from error
        yield place, object_in(entry, f"{place}: the line")


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise ValueError("a key is given twice")
    return entry


def _squad_entries(articles: object, name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    for a, article in enumerate(list_in(articles, f"{name}: data")):
        place = f"{name}: data[{a}]"
        article = object_in(article, f"{place}: the article")
        sources = [f"{article['title']}.txt"] if article.get("title") else []
        for p, paragraph in enumerate(list_in(article.get("paragraphs"), f"{place}: paragraphs")):
            inner = f"{place}.paragraphs[{p}]"
            for q, item in enumerate(list_in(object_in(paragraph, inner).get("qas"), f"{inner}: qas")):
                yield f"{inner}.qas[{q}]", _squad_entry(item, sources, f"{inner}.qas[{q}]")


def _squad_entry(item: object, sources: list[str], place: str) -> dict[str, object]:
    entry = object_in(item, f"{place}: the question")
    answerable = not entry.get("is_impossible", False)
    given = list_in(entry.get("answers", []), f"{place}: answers") if answerable else []
    answers = [object_in(answer, f"{place}: each answer").get("text") for answer in given]
    asked = {"id": entry.get("id"), "question": entry.get("question")}
    return asked | {"answers": answers, "sources": sources, "answerable": answerable}


def _csv_entries(content: str, name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = ["source" if column == "sources" else column for column in next(reader, [])]  # the key of JSON, too
        if unknown := set(header) - _COLUMNS:
            raise UsageError(f"{name}:1: unknown columns {sorted(unknown)}; known: {sorted(_COLUMNS)}")
        if "question" not in header or len(set(header)) != len(header):
            raise UsageError(f"{name}:1: needs a header that names each column once, `question` among them")
        for number, row in enumerate(filter(None, reader), start=1):  # a blank line is an empty row
            place = f"{name}:{reader.line_num}"
            if len(row) != len(header):
                raise UsageError(f"{place}: {len(row)} fields where the header names {len(header)}; quote commas")
            yield place, _csv_entry(dict(zip(header, row, strict=True)), number, place)
    except csv.Error as error:
        raise UsageError(f'{name}:{reader.line_num}: not CSV ({error}); parted by commas, quoted with "') from error


def _csv_entry(row: Mapping[str, str], number: int, place: str) -> dict[str, object]:
    answerable = row.get("answerable", "").strip().lower()
    if answerable not in _BOOLEANS:
        raise UsageError(f"{place}: answerable is {row['answerable']!r}; write true or false")
    several = {
        key: [part.strip() for part in row.get(column, "").split("|") if part.strip()]
        for key, column in (("answers", "answers"), ("sources", "source"), ("tags", "tags"))
    }
    identity = row.get("id", "").strip() or f"q{number}"
    return {"id": identity, "question": row["question"], "answerable": _BOOLEANS[answerable], **several}


def question_from(raw: Mapping[str, object], place: str) -> GoldQuestion:
    """Return an entry with the keys of JSON Lines as a value that keeps the promises of `GoldQuestion`.

    Raises UsageError, naming the place, where it does not.
    """
    if unknown := raw.keys() - _KEYS:
        raise UsageError(f"{place}: unknown keys {sorted(unknown)}; known: {sorted(_KEYS)}")
    question = _string(raw.get("question"), place, "question")
    if is_blank(question):
        raise UsageError(f"{place}: question is {question!r}; needs words that can be seen, not blank")
    if len(question) > MAX_QUESTION:
        raise UsageError(f"{place}: question has {len(question)} characters; the most is {MAX_QUESTION}")
    answerable = raw.get("answerable", True)
    if not isinstance(answerable, bool):
        raise UsageError(f"{place}: answerable is {answerable!r}; write true or false")
    evidence = tuple(_evidence(item, place) for item in list_in(raw.get("evidence", []), f"{place}: evidence"))
    sources = _strings(raw, "sources", place) or tuple(dict.fromkeys(span.source for span in evidence))
    gold = GoldQuestion(
        id=_string(raw.get("id"), place, "id"),
        question=question,
        answers=_strings(raw, "answers", place),
        sources=sources,
        evidence=evidence,
        answerable=answerable,
        tags=_strings(raw, "tags", place),
    )
    _check_sense(gold, place)
    return gold


def _check_sense(gold: GoldQuestion, place: str) -> None:
    if gold.answerable and not (gold.answers or gold.evidence):
        raise UsageError(f"{place}: needs answers or evidence; if nothing answers it, say so: answerable false")
    if not gold.answerable and (gold.answers or gold.evidence):
        raise UsageError(f"{place}: answerable is false, yet answers or evidence are given; drop one or the other")
    if stray := {span.source for span in gold.evidence} - set(gold.sources):
        raise UsageError(f"{place}: evidence lies in {sorted(stray)}, not among sources; add it there")


def _evidence(item: object, place: str) -> Evidence:
    entry = object_in(item, f"{place}: each evidence")
    if entry.keys() != _EVIDENCE_KEYS:
        raise UsageError(f"{place}: evidence has the keys {sorted(entry)}; needs exactly {sorted(_EVIDENCE_KEYS)}")
    start, end = entry["start"], entry["end"]
    # type(), because True is an int to isinstance.
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        raise UsageError(f"{place}: evidence {start!r}:{end!r} is no span; needs whole numbers, 0 <= start < end")
    return Evidence(_string(entry["source"], place, "evidence source"), start, end)


def _strings(raw: Mapping[str, object], key: str, place: str) -> tuple[str, ...]:
    """Return the distinct strings of a list, in order."""
    items: Iterable[object] = list_in(raw.get(key, []), f"{place}: {key}")
    return tuple(dict.fromkeys(_string(item, place, f"each of {key}") for item in items))


def _string(value: object, place: str, what: str) -> str:
    text = text_in(value, f"{place}: {what}")
    if not text.strip():
        raise UsageError(f"{place}: {what} is {text!r}; needs text, not blank")
    return text
