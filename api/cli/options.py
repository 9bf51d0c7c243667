"""Options that several commands share, and what they make of them."""

from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings, load_settings

StoreOption = Annotated[Path | None, typer.Option("--store", help="The store's folder [PINCITE_STORE, else .pincite].")]
EmbedderOption = Annotated[str | None, typer.Option("--embedder", help="Embedding model: a folder or a name.")]
ReaderOption = Annotated[str | None, typer.Option("--reader", help="Question-answering model: a folder or a name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON: the objects of the HTTP interface.")]
TopKOption = Annotated[int, typer.Option("--top-k", min=1, max=100, help="Passages to read and return.")]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="A Ray cluster: HOST:PORT, auto, or local for one of its own."),
]
SourceOption = Annotated[str | None, typer.Option("--source", help="Only documents whose source matches this glob.")]


def settings_of(store: Path | None, embedder: str | None = None, reader: str | None = None) -> Settings:
    """Return the settings with what the command line says."""
    return load_settings(store=store, embedder=embedder, reader=reader)
