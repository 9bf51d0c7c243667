"""Folders of judged questions, read as Pincite would read their documents.

Two kinds are known, and any file may be compressed (`.xz`). BEIR: `corpus.jsonl` (_id, title, text), `queries.jsonl`
(_id, text), and relevance judgements in `qrels.tsv` or `qrels/test.tsv` (query-id, corpus-id, score, under a header);
another split is `qrels.<split>.tsv` or `qrels/<split>.tsv`, its questions `queries.<split>.jsonl` if there is one.
Gold: documents, alone or below `docs/`, and a gold set: `gold.jsonl` in the folder, or `<folder>.jsonl` beside it.
"""

import hashlib
import json
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.errors import UsageError
from index.files import find_files
from index.load import load_bytes
from index.types import Document, Field, Metadata
from rag.gold import GoldQuestion, parse_gold


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, and questions that name those of them that are relevant (`sources`), maybe with evidence."""

    name: str
    documents: list[Document]
    questions: list[GoldQuestion]


def load_collection(folder: Path, split: str = "") -> Collection:
    """Read a folder; questions without a relevant document are left out, for no ranking is right for them.

    Raises UsageError where the folder is of neither kind or has no such split.
    """
    corpus = _present([folder / "corpus.jsonl"])
    if corpus:
        judged = _judged(folder, split)
        return Collection(folder.name, list(_corpus(corpus)), list(_queries(folder, split, judged)))
    gold = _present([folder / "gold.jsonl", folder.with_name(f"{folder.name}.jsonl")])
    if gold is None or split:
        raise UsageError(f"{folder}: neither corpus.jsonl nor a gold set{' with splits' if split else ''} is here")
    root = folder / "docs" if (folder / "docs").is_dir() else folder
    documents = [load_bytes(file.source, file.path.read_bytes()) for file in find_files([root]).files]
    questions = [one for one in parse_gold(_text(gold), str(gold)) if one.answerable and one.sources]
    return Collection(folder.name, documents, questions)


def _present(paths: Iterable[Path]) -> Path | None:
    both = (path.with_name(path.name + suffix) for path in paths for suffix in ("", ".xz"))
    return next((path for path in both if path.is_file()), None)


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (lzma.decompress(data) if path.suffix == ".xz" else data).decode()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    # Not splitlines(): U+2028 and its like may stand inside a JSON string.
    return (json.loads(line) for line in _text(path).split("\n") if line.strip())


def _corpus(path: Path) -> Iterator[Document]:
    """Yield the documents as a loader would that knows their titles from elsewhere, as from an HTML header."""
    for row in _rows(path):
        metadata = Metadata(title=Field(row["title"])) if row.get("title") else Metadata()
        digest = hashlib.sha256(row["text"].encode()).hexdigest()
        yield Document(row["_id"], row["text"], digest, "utf-8", 0, "text/plain", metadata=metadata)


def _judged(folder: Path, split: str) -> dict[str, list[str]]:
    """Return the relevant documents of each question."""
    names = [f"qrels.{split}.tsv", f"qrels/{split}.tsv"] if split else ["qrels.tsv", "qrels/test.tsv"]
    path = _present(folder / name for name in names)
    if path is None:
        raise UsageError(f"{folder}: no {' or '.join(names)}; name another --split")
    relevant: dict[str, list[str]] = {}
    for line in _text(path).split("\n")[1:]:
        if line:
            question, document, score = line.split("\t")
            relevant.setdefault(question, []).extend([document] if int(score) > 0 else [])
    return relevant


def _queries(folder: Path, split: str, relevant: dict[str, list[str]]) -> Iterator[GoldQuestion]:
    path = _present([*([folder / f"queries.{split}.jsonl"] if split else []), folder / "queries.jsonl"])
    if path is None:
        raise UsageError(f"{folder}: no queries.jsonl; get the data set anew")
    for row in _rows(path):
        if sources := tuple(dict.fromkeys(relevant.get(row["_id"], []))):
            yield GoldQuestion(row["_id"], row["text"], (), sources, (), True, ())
