"""Files, and encoders that fail where a text says so; the processes of the cluster import this too."""

import os
from functools import partial
from pathlib import Path

from fakes import WINDOW, WordEncoder

from api.build import manifest_for
from api.cluster.ingestion import Shards, ingest_on_cluster
from api.cluster.workers import Work
from index.chunk_limits import ChunkLimits
from index.files import find_files
from index.ingest import IngestOptions, ingest
from index.shards import make_shards
from index.store import Store

MANIFEST = manifest_for(WordEncoder())
OPTIONS = IngestOptions(ChunkLimits(WINDOW), 2**20)
TOWNS = ["Memphis", "Thebes", "Luxor", "Aswan", "Cairo", "Giza", "Edfu", "Esna", "Qena", "Minya", "Tanta", "Siwa"]
QUESTIONS = [f"Who sold the bread of {town}?" for town in TOWNS] + ["Which river floods?", "Who is the pilot?"]


class SometimesFailing(WordEncoder):
    """Fails for a text with the word "poison", the first time for "flaky", and ends its process for "fatal"."""

    def __init__(self, folder):
        self._folder = Path(folder)

    def encode_passages(self, texts):
        for text in texts:
            if "fatal" in text:
                os._exit(1)
            if "poison" in text:
                raise ValueError("poison is not encoded")
            if "flaky" in text and not (self._folder / "failed once").exists():
                (self._folder / "failed once").touch()
                raise ConnectionError("at first")
        return super().encode_passages(texts)


def articles(folder, count):
    """Write so many files of two paragraphs, in some folders."""
    for number in range(count):
        town = TOWNS[number % len(TOWNS)]
        path = folder / f"{number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"The market of {town}\n\nAda{number} Miller sold the bread of {town} for {number} coins.\n\n"
            f"The Nile floods the fields of {town} each summer, says {TOWNS[number * 5 % 12]}.\n"
        )
    return folder


def on_cluster(files, store, shards=3, encoder=WordEncoder, prune=False, progress=lambda *_: None):
    """Index a folder into shards with a fake embedder; return the report."""
    count = make_shards(store, shards, shards)
    found = find_files([files]).files
    work = Work(encoder, OPTIONS)
    return ingest_on_cluster(Shards(store, count, MANIFEST), found, [files], work, prune, progress)


def in_one_store(files, folder):
    """Index the same folder into one store, and return it open."""
    store = Store.open(folder, MANIFEST, create=True)
    ingest(store, find_files([files]).files, WordEncoder(), OPTIONS, lambda *_: None)
    return store


def failing(folder):
    """Return what makes the encoder that fails."""
    return partial(SometimesFailing, str(folder))
