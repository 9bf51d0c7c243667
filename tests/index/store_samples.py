"""What the store's tests share: an encoder that is a function of the words, and documents of one passage a line."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from index.manifest import Manifest
from index.types import Document, EmbedderInfo, Metadata, Passage, document_id_of

WORDS = ["nile", "river", "egypt", "bread", "yeast"]
INFO = EmbedderInfo("words", None, "0" * 64, len(WORDS), "mean", "", "float32")
MANIFEST = Manifest(INFO, {"window": 256, "overlap": 1})


def encode(texts):
    """One axis a word; a text without any of them is the zero row."""
    rows = np.array([[text.lower().split().count(word) for word in WORDS] for text in texts], np.float32)
    rows = rows.reshape(len(texts), len(WORDS))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def document_of(source, lines, metadata=None):
    text = "\n".join(lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Document(source, text, digest, "utf-8", 0, "text/plain", (), metadata or Metadata())


def passages_of(document, context=""):
    passages, start = [], 0
    for line in document.text.split("\n"):
        passages.append(Passage(document.document_id, start, start + len(line), line, context))
        start += len(line) + 1
    return passages


def put(writer, source, lines, metadata=None, context=""):
    """Put a document of one passage a line."""
    document = document_of(source, lines, metadata)
    passages = passages_of(document, context)
    vectors = encode([passage.text for passage in passages])
    return writer.put(document, f"/files/{source}", len(document.text.encode()), passages, vectors)


def write(store, **sources):
    """Put documents (name: lines) as one generation."""
    with store.write() as writer:
        for name, lines in sources.items():
            put(writer, name, lines)


def remove(store, source):
    with store.write() as writer:
        return writer.remove(document_id_of(source))


def texts(snapshot, hits):
    """Return the passages' texts of a ranking, in its order."""
    return [stored.passage.text for stored in snapshot.stored_passages([passage_id for passage_id, _ in hits])]


def nearest_texts(store, word, k=10):
    with store.snapshot() as snapshot:
        return texts(snapshot, snapshot.nearest(encode([word])[0], k))


def matching_texts(store, question, k=10):
    with store.snapshot() as snapshot:
        return texts(snapshot, snapshot.matching(question, k))


NILE = encode(["nile"])[0]


def base_files(folder):
    return sorted(file.name for file in folder.glob("vectors-*"))


def run(code, *arguments, wait=True):
    """Run code in another process that knows the samples; return the finished (or running) process."""
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent.parent}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if not wait:
        return process
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err
