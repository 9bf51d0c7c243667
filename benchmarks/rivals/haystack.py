"""Haystack: a pipeline of text embedder, FAISS retriever and extractive reader, as its documentation builds it.

The reader gives the model no token types. A BERT was trained with them, so its answers suffer: with `--token-types`
they are put in before the model is called, and the comparison is of the same model.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from haystack import Document, Pipeline  # type: ignore[import-not-found, unused-ignore]
from haystack_integrations.components.embedders.sentence_transformers import (  # type: ignore[import-not-found, unused-ignore]
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from haystack_integrations.components.readers.transformers import (  # type: ignore[import-not-found, unused-ignore]
    TransformersExtractiveReader,
)
from haystack_integrations.components.retrievers.faiss import (  # type: ignore[import-not-found, unused-ignore]
    FAISSEmbeddingRetriever,
)
from haystack_integrations.document_stores.faiss import (  # type: ignore[import-not-found, unused-ignore]
    FAISSDocumentStore,
)

from benchmarks.rivals.protocol import DEPTH, Job, Said, serve

Given = dict[str, Any]
Hook = Callable[[object, tuple[Any, ...], Given], tuple[tuple[Any, ...], Given]]


class Haystack:
    """One pipeline to index, one to search, one to ask."""

    packages = (
        "torch", "numpy", "sentence-transformers", "transformers", "faiss-cpu",
        "haystack-ai", "sentence-transformers-haystack", "transformers-haystack", "faiss-haystack",
    )  # fmt: skip

    def __init__(self, token_types: bool) -> None:
        """Put token types in, or leave the reader as it comes."""
        self._token_types = token_types

    @property
    def pid(self) -> int:
        """The process that this is."""
        return os.getpid()

    def load(self, embedder: Path, reader: Path | None) -> None:
        """Load the models in fp32."""
        self._folder = str(embedder)
        # Embedders of the same settings share one model, which the first to be warmed up loads.
        self._dimension = len(self._embedder().run("dimension")["embedding"])
        if reader is None:
            return
        # The folder says float16, which saves disk: on a processor that computes no float16 it would be slow.
        self._reader = TransformersExtractiveReader(model=str(reader), model_kwargs={"dtype": torch.float32})
        self._reader.warm_up()
        if self._token_types:
            separator = self._reader.tokenizer.sep_token_id
            self._reader.model.register_forward_pre_hook(_token_types_after(separator), with_kwargs=True)

    def index(self, job: Job) -> None:
        """Embed, write and save."""
        embedder = SentenceTransformersDocumentEmbedder(
            model=self._folder, progress_bar=False, local_files_only=True, meta_fields_to_embed=["context"]
        )
        store = FAISSDocumentStore(embedding_dim=self._dimension)
        documents = [
            Document(id=one.id, content=one.text, meta={"context": one.context} if one.context else {})
            for one in job.passages
        ]
        store.write_documents(embedder.run(documents)["documents"])
        store.save(job.into / "store")

    def open(self, folder: Path) -> dict[str, str]:
        """Load the store, connect the pipelines."""
        store = FAISSDocumentStore(index_path=str(folder / "store"), embedding_dim=self._dimension)
        self._searching = Pipeline()
        self._searching.add_component("embedder", self._embedder())
        self._searching.add_component("retriever", FAISSEmbeddingRetriever(document_store=store, top_k=DEPTH))
        self._searching.connect("embedder.embedding", "retriever.query_embedding")
        self._asking = Pipeline()
        self._asking.add_component("embedder", self._embedder())
        self._asking.add_component("retriever", FAISSEmbeddingRetriever(document_store=store, top_k=DEPTH))
        self._asking.add_component("reader", self._reader)
        self._asking.connect("embedder.embedding", "retriever.query_embedding")
        self._asking.connect("retriever.documents", "reader.documents")
        return {"threads": str(torch.get_num_threads()), "precision": str(self._reader.model.dtype)}

    def search(self, question: str) -> list[str]:
        """Run the first two parts."""
        found = self._searching.run({"embedder": {"text": question}})
        return [document.id for document in found["retriever"]["documents"]]

    def ask(self, question: str) -> Said:
        """Run all; None where the reader ranks its `no answer` first."""
        answers = self._asking.run({"embedder": {"text": question}, "reader": {"query": question}})["reader"]["answers"]
        best = next((answer.data for answer in answers if answer.data), None)
        return Said(answers[0].data if answers else None, best)

    def _embedder(self) -> Any:  # noqa: ANN401 (haystack is not installed where types are checked)
        embedder = SentenceTransformersTextEmbedder(model=self._folder, progress_bar=False, local_files_only=True)
        embedder.warm_up()
        return embedder


def _token_types_after(separator: int) -> Hook:
    """Return a hook that gives type 1 to what stands after the first separator, and 0 to padding."""

    def add(_: object, args: tuple[Any, ...], given: Given) -> tuple[tuple[Any, ...], Given]:
        is_end = given["input_ids"] == separator
        second = (is_end.cumsum(1) - is_end.long()).clamp(max=1)
        return args, {**given, "token_type_ids": second * given["attention_mask"]}

    return add


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--token-types", action="store_true")
    serve(Haystack(parser.parse_args().token_types))
