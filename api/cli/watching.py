"""`pincite watch`: the store kept up to date while files change. The only import of `watchfiles`."""

import math
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import note
from api.cli.indexing import print_report
from api.cli.options import EmbedderOption, StoreOption, settings_of
from api.words import count
from index.errors import StoreError, UsageError

SWEEP = 300  # seconds
TICK = 1000  # milliseconds between two looks at the clock


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("watch", epilog="Example:  pincite watch articles --sweep 60")(watch)


def watch(
    paths: Annotated[list[Path], typer.Argument(help="Folders and files.", show_default=False)],
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out what matches this glob; repeatable.")] = None,
    sweep: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds between two looks at every file.")] = SWEEP,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
) -> None:
    """Keep the store up to date while files change.

    What is new or changed is indexed, and documents whose files are gone are removed, until interrupted (Ctrl-C).
    """
    from api.watching import Watcher

    settings = settings_of(store, embedder)
    watcher = Watcher(tuple(paths), tuple(exclude or ()), settings, note)
    watcher.update()
    note(f"watching {count(len(paths), 'path')}; stop with Ctrl-C")
    for _ in _moments(paths, settings.store, sweep):
        try:
            if report := watcher.update():
                print_report(report)
        except (StoreError, UsageError) as error:  # another writer, a folder that is away: the next look may be better
            note(f"not up to date: {error}")


def _moments(paths: Iterable[Path], store: Path, sweep: int) -> Iterator[None]:
    """Yield whenever something changed, and at least every `sweep` seconds: a network drive may tell of no changes."""
    import watchfiles

    ours = store.absolute()
    roots = [Path(os.path.abspath(path)) for path in paths]
    looked = -math.inf  # so that the first look comes once changes are seen: none falls in between
    # Not filtered by watchfiles: it would go on waiting, past any sweep, while there are changes of the store alone.
    for changes in watchfiles.watch(
        *paths, watch_filter=None, rust_timeout=TICK, yield_on_timeout=True, ignore_permission_denied=True
    ):
        if time.monotonic() >= looked + sweep or any(_is_theirs(Path(path), roots, ours) for _, path in changes):
            yield
            looked = time.monotonic()


def _is_theirs(changed: Path, roots: Iterable[Path], ours: Path) -> bool:
    """Tell whether a changed path may matter: our own writing would wake us for ever, hidden files are not indexed.

    As for `pincite index`, hidden is what lies in one of the `roots` under a name that begins with a dot.
    """
    from index.files import IGNORE_FILE  # slow to import, and `--help` needs this module

    path = Path(os.path.abspath(changed))
    if path.is_relative_to(ours):
        return False
    below = [path.relative_to(root).parts for root in roots if path.is_relative_to(root)]
    return not below or any(
        not any(name.startswith(".") for name in (parts[:-1] if parts[-1:] == (IGNORE_FILE,) else parts))
        for parts in below
    )
