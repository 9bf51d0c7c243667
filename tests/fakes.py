"""Small models whose answers can be told with a pencil, and a real store filled with documents for them."""

import hashlib
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.manifest import Manifest
from index.offsets import widen
from index.store import Store
from index.types import Document, EmbedderInfo, Mark, Metadata
from rag.answer import Answerer
from rag.calibrate import Calibration
from rag.read import Piece, ReaderInfo, Reads, Span

WINDOW = 64
AXES = 64
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[A-Z]\w+(?: [A-Z]\w+)*|\d+")


class WordEncoder:
    """Counts words on as many axes as there are remainders of their checksums; a token is a word."""

    info = EmbedderInfo("words", None, "0" * 64, AXES, "mean", "", "float32")
    window = WINDOW

    def token_spans(self, text):
        return [found.span() for found in _WORD.finditer(text)]

    def encode_query(self, text):
        return self._rows([text])[0]

    def encode_passages(self, texts):
        return self._rows(texts)

    def _rows(self, texts):
        rows = np.zeros((len(texts), AXES), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text.lower()):
                row[zlib.crc32(word.encode()) % AXES] += 1
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


class NameReader:
    """Answers with the first name or number that the question does not mention.

    Its margin is the number of the question's words (of four letters or more) that the text has, minus those it lacks.
    """

    info = ReaderInfo("names", "1" * 64, "float32")

    def read(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[Span | None]:
        return [self._best(question, pieces) for question, pieces in pairs]

    def _best(self, question, pieces):
        asked = set(_WORD.findall(question.lower())) | {"the", "by"}
        seen = set(_WORD.findall(" ".join(piece.text for piece in pieces).lower()))
        telling = {word for word in asked if len(word) >= 4}
        margin = float(len(telling & seen) - len(telling - seen))
        for number, piece in enumerate(pieces):
            for found in _NAME.finditer(piece.text) if piece.start is not None else ():
                if asked.isdisjoint(found[0].lower().split()):
                    return Span(number, *found.span(), found[0], margin)
        return None


class AnySpanReader:
    """Answers with a span that a checksum of question and text picks, widened as the real reader widens."""

    info = ReaderInfo("any span", "2" * 64, "float32")

    def read(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[Span | None]:
        return [self._pick(question, pieces) for question, pieces in pairs]

    def _pick(self, question, pieces):
        chance = zlib.crc32("".join([question, *(piece.text for piece in pieces)]).encode())
        number = len(pieces) - 1
        text = pieces[number].text
        start = chance % len(text)
        start, end = widen(text, start, min(len(text), start + 1 + chance % 7), 0, len(text))
        return Span(number, start, end, text[start:end], chance % 9 - 4.0)


MANIFEST = Manifest(WordEncoder.info, {"window": WINDOW})


def new_store(folder: Path) -> Store:
    return Store.open(folder, MANIFEST, create=True)


def put(
    store: Store,
    path: Path,
    source: str,
    metadata: Metadata = Metadata(),  # noqa: B008
    marks: tuple[Mark, ...] = (),
    limits: ChunkLimits = ChunkLimits(WINDOW),  # noqa: B008
):
    """Store the UTF-8 file at `path` under the name `source`; return the document."""
    data = path.read_bytes()
    text = data.decode("utf-8-sig")
    bom = len(data) - len(text.encode())
    digest = hashlib.sha256(data).hexdigest()
    document = Document(source, text, digest, "utf-8", bom, "text/plain", marks, metadata)
    encoder = WordEncoder()
    passages = chunk(document, encoder, limits)
    vectors = encoder.encode_passages([passage.embedding_text for passage in passages])
    with store.write() as writer:
        writer.put(document, str(path), len(data), passages, vectors)
    return document


def answerer_over(store: Store, threshold: float = 0.5, reader: Reads | None = None) -> Answerer:
    """An answerer with the models above, calibrated: confidence is 1 / (1 + exp(-margin))."""
    encoder, reader = WordEncoder(), reader or NameReader()
    fingerprint = Answerer(store, encoder, reader, Calibration()).fingerprint()
    return Answerer(store, encoder, reader, Calibration(threshold=threshold, fingerprint=fingerprint))
