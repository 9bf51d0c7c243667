"""How well boilerplate is marked, line by line, on pages whose lines were labelled by hand.

    python -m benchmarks.boilerplate [--write docs/ingestion.md]

The pages are the seed articles and those in tests/index/pages. Beside each lies a file `.boilerplate` with the lines of
its text that are not part of the article, in order; all others are.
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from index.load import load_bytes
from index.offsets import line_spans
from index.types import Document

ROOT = Path(__file__).parent.parent
LABELS = ROOT / "tests" / "index" / "pages"
FOLDERS = (LABELS, ROOT / "seeds")
BEGIN, END = "<!-- python -m benchmarks.boilerplate -->\n", "<!-- end -->\n"


@dataclass(frozen=True, slots=True)
class Score:
    """Lines of one page: how many there are, are boilerplate, are marked, and which were marked or missed wrongly."""

    page: str
    lines: int
    boilerplate: int
    marked: int
    wrong: tuple[str, ...]  # lines of the article that are marked
    missed: tuple[str, ...]


def score(document: Document, labels: list[str]) -> Score:
    """Return how the marks of a document agree with the labels; ValueError where these are not lines of it, in order.

    A line counts as marked where most of its characters are.
    """
    left = list(labels)
    wrong, missed = [], []
    lines = marked = 0
    for start, end in line_spans(document.text):
        words = document.text[start:end].strip()
        if not words:
            continue
        covered = sum(max(0, min(end, mark.end) - max(start, mark.start)) for mark in document.marks)
        is_marked = 2 * covered > len(words)
        is_label = bool(left) and left[0] == words
        left = left[1:] if is_label else left
        lines, marked = lines + 1, marked + is_marked
        wrong += [words] if is_marked and not is_label else []
        missed += [words] if is_label and not is_marked else []
    if left:
        raise ValueError(f"{document.source}: no line {left[0]!r} where the labels say")
    return Score(document.source, lines, len(labels), marked, tuple(wrong), tuple(missed))


def scores() -> list[Score]:
    """Return the score of every labelled page, by name."""
    found = []
    for label in sorted(LABELS.glob("*.boilerplate")):
        page = next(path for folder in FOLDERS if (path := folder / label.stem).is_file())
        labels = label.read_text("utf-8").splitlines()
        found.append(score(load_bytes(page.name, page.read_bytes()), labels))
    return found


def precision(found: list[Score]) -> float:
    """Return the share of the marked lines that are boilerplate."""
    marked = sum(one.marked for one in found)
    return (marked - sum(len(one.wrong) for one in found)) / marked


def recall(found: list[Score]) -> float:
    """Return the share of the boilerplate lines that are marked."""
    boilerplate = sum(one.boilerplate for one in found)
    return (boilerplate - sum(len(one.missed) for one in found)) / boilerplate


def table(found: list[Score]) -> str:
    """Return the figures as Markdown: all pages together, and those of each kind."""
    rows = [
        "| pages | lines | boilerplate | marked | article lines marked | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = Counter(Path(one.page).suffix for one in found)
    groups = [("all", found), *((kind, [one for one in found if one.page.endswith(kind)]) for kind in sorted(kinds))]
    for name, some in groups:
        counts = [
            sum(values) for values in zip(*((one.lines, one.boilerplate, one.marked) for one in some), strict=True)
        ]
        wrong = sum(len(one.wrong) for one in some)
        cells = [
            f"{name} ({len(some)})",
            *map(str, counts),
            str(wrong),
            f"{precision(some):.3f}",
            f"{recall(some):.3f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Print the table and every line that is not as labelled; with --write, put the table into a document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", type=Path, help="a document with the two comments that the table stands between")
    args = parser.parse_args()
    found = scores()
    print(table(found))
    for one in found:
        for kind, words in [("WRONG", each) for each in one.wrong] + [("missed", each) for each in one.missed]:
            print(f"{kind}\t{one.page}\t{words}")
    if args.write:
        before, _, rest = args.write.read_text("utf-8").partition(BEGIN)
        args.write.write_text(before + BEGIN + table(found) + END + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()
