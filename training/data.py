"""Labelled questions from files: SQuAD v1/v2 JSON, or JSONL, each plain or xz-compressed."""

import itertools
import json
import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.errors import UsageError
from index.models import sha256_of
from rag.metrics import f1

ENDINGS = (".json", ".jsonl", ".json.xz", ".jsonl.xz")

# As their publishers state them. A set that is not here, and not in --licences, is "not stated" in the model card.
LICENCES = {
    "squad1_train_pieces": "SQuAD 1.1 train, 44 articles; CC BY-SA 4.0",
    "squadshifts_new_wiki": "SQuADShifts (Miller et al. 2020); CC BY 4.0",
    "squadshifts_reddit": "SQuADShifts (Miller et al. 2020); CC BY 4.0",
    "squadshifts_amazon_reviews": "SQuADShifts (Miller et al. 2020); CC BY 4.0",
    "tydiqa_en_train": "TyDi QA GoldP, English; Apache-2.0",
    "nq_oracle_train": "NQ-open dev with gold paragraphs; CC BY-SA 3.0",
    "multispanqa_valid": "MultiSpanQA; CC BY-SA 3.0",
    "qed_dev": "QED; CC BY-SA 3.0",
    "qamr_wiki": "QAMR; MIT",
    "fairytaleqa": "FairytaleQA; Apache-2.0",
    "covidqa": "COVID-QA; Apache-2.0",
    "bioasq_snippets": "BioASQ; CC BY 2.5",
    "mrqa_ood_small": "MRQA 2019, DuoRC, RACE and relation extraction samples; MIT (MRQA)",
    "clapnq_dev_unanswerable": "CLAPNQ; Apache-2.0",
    "derived_negatives": "questions of the sets above with other paragraphs of theirs; as theirs",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An accepted answer; `context[start:end] == text` of its example, in characters."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Return the exclusive end."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled question; no answers: the context does not say."""

    id: str
    source: str
    title: str
    context: str
    question: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that was read, for the model card."""

    name: str
    sha256: str
    licence: str
    answerable: int
    unanswerable: int


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the data files that `paths` name or hold (not in folders below), each once, by name within a folder.

    Raises UsageError if a path is absent or a folder holds none.
    """
    files: list[Path] = []
    for path in paths:
        found = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.name.endswith(ENDINGS))
        if not found:
            raise UsageError(f"{path}: no such file, or no data in it; name a {', '.join(ENDINGS)} file or a folder")
        files += [file for file in found if file not in files]
    return files


def read_file(path: Path, licences: dict[str, str]) -> tuple[list[Example], DataFile]:
    """Read one file. Raises UsageError, with the place, where it is not in either form or an answer is not there."""
    try:
        stored = path.read_bytes()
        text = (lzma.decompress(stored) if path.suffix == ".xz" else stored).decode("utf-8")
    except (OSError, UnicodeDecodeError, lzma.LZMAError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); see docs/reader.md for the forms") from None
    name = path.name.removesuffix(".xz").rpartition(".")[0]
    rows = _squad(text, name, path) if ".jsonl" not in path.name else _lines(text, path)
    examples = [_example(row, name, place) for place, row in rows]
    answerable = sum(bool(example.answers) for example in examples)
    licence = licences.get(name, LICENCES.get(name, "not stated"))
    return examples, DataFile(path.name, sha256_of(path), licence, answerable, len(examples) - answerable)


def _lines(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines(): a context may hold U+2028 and its kin, which JSON leaves as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield f"{path}:{number}", json.loads(line)
            except ValueError as error:
                raise UsageError(f"{path}:{number}: no JSON object ({error}); one is needed on each line") from None


def _squad(text: str, name: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        for article in json.loads(text)["data"]:
            for number, paragraph in enumerate(article["paragraphs"]):
                for qa in paragraph["qas"]:
                    answers = [] if qa.get("is_impossible") else qa["answers"]
                    row = {
                        "id": qa["id"],
                        "title": article.get("title", ""),
                        "context": paragraph["context"],
                        "question": qa["question"],
                        "answers": [{"text": a["text"], "start": a["answer_start"]} for a in answers],
                    }
                    yield f"{path}: {row['title']}, paragraph {number}", row
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not in SQuAD's form ({error!r}); see docs/reader.md for the forms") from None


def _example(row: dict[str, Any], name: str, place: str) -> Example:
    try:
        answers = tuple(Answer(str(a["text"]), int(a["start"])) for a in row["answers"])
        context, question = str(row["context"]), str(row["question"]).strip()
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{place}: a field is missing or of another kind ({error!r})") from None
    for answer in answers:
        if not answer.text.strip() or context[answer.start : answer.end] != answer.text:
            raise UsageError(f"{place}: the answer {answer.text!r} is not at {answer.start} of the context; correct it")
    if not question:
        raise UsageError(f"{place}: the question is empty; remove the line")
    source, title = str(row.get("source") or name), str(row.get("title") or "")
    return Example(str(row.get("id") or place), source, title, context, question, answers)


def target(example: Example) -> tuple[int, int] | None:
    """Return the span to learn, (start, end) in the context: the answer that agrees best with the others.

    Of answers that are the parts of a list in one sentence (MultiSpanQA, BioASQ) it is the run that covers them.
    None without answers.
    """
    if not example.answers:
        return None
    if len(example.answers) > 1 and (run := _covering_run(example)):
        return run
    counted = Counter(example.answers)
    texts = [answer.text for answer in example.answers]
    best = max(counted, key=lambda a: (sum(f1(a.text, [text]) for text in texts), -len(a.text), -a.start))
    return best.start, best.end


def _covering_run(example: Example) -> tuple[int, int] | None:
    parts = sorted({(answer.start, answer.end) for answer in example.answers})
    gaps = [example.context[a[1] : b[0]] for a, b in itertools.pairwise(parts)]
    apart = all(a[1] <= b[0] for a, b in itertools.pairwise(parts))
    listed = all(len(gap) <= 25 and ("," in gap or " and " in gap or " or " in gap) and "." not in gap for gap in gaps)
    return (parts[0][0], parts[-1][1]) if apart and gaps and listed else None
