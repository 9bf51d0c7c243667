"""Options that several commands share, and what they make of them."""

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings, load_settings
from index.errors import UsageError

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

# Every command takes these, so that one set of options serves them all; one that has no use for one does not show it.
_COMMON = {
    name: Annotated[str | None, typer.Option(f"--{name}", hidden=True, help="Of no use to this command.")]
    for name in ("store", "embedder", "reader")
}


def taking_common(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command as one that takes all common options, and passes over those it does not know."""
    own = inspect.signature(command)
    unused = {name: kind for name, kind in _COMMON.items() if name not in own.parameters}

    def taking(**given: object) -> None:
        command(**{name: value for name, value in given.items() if name not in unused})

    keyword = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in unused.items()]
    functools.update_wrapper(taking, command)
    taking.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])  # type: ignore[attr-defined]
    taking.__annotations__ = {**command.__annotations__, **unused}
    return taking


def settings_of(store: Path | None, embedder: str | None = None, reader: str | None = None) -> Settings:
    """Return the settings with what the command line says."""
    return load_settings(store=store, embedder=embedder, reader=reader)


def expect_writable(*paths: Path | None) -> None:
    """Raise UsageError, before anything is done, where a file cannot be written."""
    for path in paths:
        if path and not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}; make it, or name a file in another")
        if path and (path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK)):
            why = "a folder" if path.is_dir() else "not to be written"
            raise UsageError(f"{path}: is {why}; name a file that can be written")
