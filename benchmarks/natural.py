"""Questions with their paragraph -> a corpus of paragraphs that answers half of them, and two gold sets over it.

Input is JSON Lines (or .xz of it), one question a line: id, title, context, question, answers [{text, start}],
answerable. Each context becomes one text file, named by its sha256; those whose second digit is odd are left out, so
that their questions have no answer in the documents. The first digit says which gold set a question goes to: even
`fit`, odd `report`. One that was to have no answer is dropped if a file may answer it after all, holding an accepted
answer and half of the question's terms.

    python -m benchmarks.natural tydiqa_en_dev.jsonl.xz nq_oracle_eval.jsonl.xz natural
    pincite index natural/articles --store natural/store
    pincite eval natural/report.jsonl --store natural/store
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.squad import Row, gold_line, read_rows, write_gold
from index.lexical import terms
from rag.normalise import normalise

HALVES = ("fit", "report")


def digits_of(context: str) -> str:
    """Return what names and sorts a context: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(context.encode()).hexdigest()[:16]


def is_kept(digits: str) -> bool:
    """Tell whether a context of this name becomes a file."""
    return int(digits[1], 16) % 2 == 0


class Kept:
    """The contexts that are kept, ready to be asked whether they may answer a question."""

    def __init__(self, contexts: Sequence[str]) -> None:
        """Normalise each, and take its terms."""
        self._texts = [(f" {normalise(context)} ", terms(context).keys()) for context in contexts]

    def may_answer(self, row: Row) -> bool:
        """Tell whether one holds an accepted answer and half of the question's terms."""
        answers = [f" {normalise(answer['text'])} " for answer in row["answers"]]
        asked = terms(row["question"]).keys()
        return any(
            2 * len(asked & held) >= len(asked) and any(answer in text for answer in answers)
            for text, held in self._texts
        )


def gold_sets(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the lines of each gold set, in the order of the rows; rows without answers are passed over."""
    kept = Kept([context for context in dict.fromkeys(row["context"] for row in rows) if is_kept(digits_of(context))])
    gold: dict[str, list[Row]] = {half: [] for half in HALVES}
    for row in rows:
        digits = digits_of(row["context"])
        if not row["answers"] or (not is_kept(digits) and kept.may_answer(row)):
            continue
        asked = row if is_kept(digits) else {**row, "answers": [], "answerable": False}
        gold[HALVES[int(digits[0], 16) % 2]].append(gold_line(asked, f"{digits}.txt", {row["context"]: 0}))
    return gold


def main() -> None:
    """Write `articles/`, `fit.jsonl` and `report.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="+")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rows = [row for path in given.questions for row in read_rows(path)]
    articles = given.out / "articles"
    articles.mkdir(parents=True)  # what another run left there would be indexed too
    for context in {row["context"] for row in rows}:
        if is_kept(digits := digits_of(context)):
            (articles / f"{digits}.txt").write_bytes(context.encode())
    write_gold(given.out, gold_sets(rows))


if __name__ == "__main__":
    main()
