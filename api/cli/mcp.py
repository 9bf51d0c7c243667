"""`pincite mcp`."""

import asyncio
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import typer

from api.cli.console import note
from api.cli.options import EmbedderOption, ReaderOption, StoreOption, settings_of
from api.cli.serving import require_store
from api.settings import Settings
from index.errors import UsageError

if TYPE_CHECKING:
    from rag.answer import Answerer

_EPILOG = """Example:  pincite mcp --store /home/me/articles

\b
As an agent on the desktop is told of it (Claude Desktop and others):
  {"mcpServers": {
    "articles": {
      "command": "/home/me/.venv/bin/pincite",
      "args": ["mcp", "--store", "/home/me/articles"]}}}"""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("mcp", epilog=_EPILOG)(mcp)


def mcp(store: StoreOption = None, embedder: EmbedderOption = None, reader: ReaderOption = None) -> None:
    """Answer an agent on this machine (Model Context Protocol).

    It asks over stdin and is answered over stdout, until stdin ends.
    """
    settings = settings_of(store, embedder, reader)
    try:
        from api.mcp import serve_stdio
    except ModuleNotFoundError as missing:  # an extra
        raise UsageError(f"this needs `pip install 'pincite[mcp]'` (no {missing.name})") from None
    from api.logs import configure_logs

    require_store(settings.store)
    configure_logs(settings.log_questions)
    if sys.stdin.isatty():
        note("Pincite answers an agent that starts it, not a person; see `pincite mcp --help` (stop with Ctrl-C)")
    # Else Ctrl-C would wait for stdin, which the SDK reads in a thread; nothing is written here that an end could harm.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(serve_stdio(partial(_load, settings), settings.bounds()))


def _load(settings: Settings) -> "Answerer":
    from api.build import open_answerer
    from api.metrics import Metrics
    from api.observed import ObservedAnswerer

    return ObservedAnswerer(open_answerer(settings=settings), Metrics(), settings.log_questions)
