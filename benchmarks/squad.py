"""SQuAD-form questions -> two folders of articles with a gold set each: one to calibrate on, one to report on.

Input is JSON Lines (or .xz of it), one question a line: id, title, context, question, answers [{text, start}],
answerable. Each title becomes one text file, its paragraphs in order of first appearance. Titles are sorted; those at
even positions (0, 2, 4 ...) go to `fit`, the others to `report`, so that no document is in both.

    python -m benchmarks.squad squad2_dev_half.jsonl.xz squad
    pincite index squad/fit --store squad/fit.store
    pincite calibrate squad/fit.jsonl --store squad/fit.store
    pincite index squad/report --store squad/report.store
    pincite eval squad/report.jsonl --store squad/report.store
"""

import argparse
import json
import lzma
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Read the questions, sorted by title; their order within a title stays."""
    data = path.read_bytes()
    lines = (lzma.decompress(data) if path.suffix == ".xz" else data).decode().split("\n")
    return sorted((json.loads(line) for line in lines if line), key=lambda row: str(row["title"]))


def article(rows: Iterable[Row]) -> tuple[str, dict[str, int]]:
    """Return a title's text and where each of its paragraphs begins in it."""
    places: dict[str, int] = {}
    end = 0
    for row in rows:
        if row["context"] not in places:
            places[row["context"]] = end
            end += len(row["context"]) + len("\n\n")
    return "\n\n".join(places) + "\n", places


def gold_line(row: Row, source: str, places: dict[str, int]) -> Row:
    """Return one line of a gold set (see docs/evaluation.md)."""
    begin = places[row["context"]]
    spans = {(begin + answer["start"], begin + answer["start"] + len(answer["text"])) for answer in row["answers"]}
    return {
        "id": row["id"],
        "question": row["question"].strip(),
        "answers": list(dict.fromkeys(answer["text"] for answer in row["answers"])),
        "sources": [source] if row["answerable"] else [],
        "evidence": [{"source": source, "start": start, "end": end} for start, end in sorted(spans)],
        "answerable": row["answerable"],
    }


def write_gold(folder: Path, gold: Mapping[str, Iterable[Row]]) -> None:
    """Write each gold set into a file of its name."""
    for name, lines in gold.items():
        body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_bytes(body.encode())


def main() -> None:
    """Write `fit/`, `fit.jsonl`, `report/` and `report.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    gold: dict[str, list[Row]] = {"fit": [], "report": []}
    for position, (title, group) in enumerate(groupby(read_rows(args.questions), key=lambda row: str(row["title"]))):
        rows, half = list(group), ("fit", "report")[position % 2]
        text, places = article(rows)
        source = f"{title}.txt"
        (args.out / half).mkdir(parents=True, exist_ok=True)
        (args.out / half / source).write_bytes(text.encode())
        gold[half] += [gold_line(row, source, places) for row in rows]
    write_gold(args.out, gold)


if __name__ == "__main__":
    main()
