"""`pincite watch`: the store kept up to date while files change. The only import of `watchfiles`."""

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
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
            report = watcher.update()
        except (StoreError, UsageError, OSError) as error:  # another writer, a folder away, a drive that fails
            note(f"not up to date: {error}")  # the next look may be better
        else:
            if report:
                print_report(report)


def _moments(paths: Sequence[Path], store: Path, sweep: int) -> Iterator[None]:
    """Yield whenever something changed, and at least every `sweep` seconds: a network drive may tell of no changes."""
    while True:
        try:
            yield from _heard(paths, store, sweep)
        except FileNotFoundError:  # gone since `_identities` found it
            time.sleep(TICK / 1000)
            yield


def _heard(paths: Sequence[Path], store: Path, sweep: int) -> Iterator[None]:
    """Yield as `_moments` does, until something is not heard.

    The system watches a file or folder, whatever its name. Another one that took the name is not heard, nor what a new
    link leads to.
    """
    import watchfiles

    roots = [Path(os.path.abspath(path)) for path in paths]
    watched = _identities(paths)
    there = [path for path, one in zip(paths, watched, strict=True) if one]
    looked = -math.inf  # so that the first look comes once changes are seen: none falls in between
    # Not filtered by watchfiles: it would go on waiting, past any sweep, while there are changes of the store alone.
    for changes in watchfiles.watch(
        *there, watch_filter=None, rust_timeout=TICK, yield_on_timeout=True, ignore_permission_denied=True
    ):
        theirs = [(kind, path) for kind, path in changes if _is_theirs(Path(path), roots, store)]
        # One that is deleted and made again may have the identity of the first.
        gone = {Path(os.path.abspath(path)) for kind, path in theirs if kind is watchfiles.Change.deleted}
        linked = any(os.path.islink(path) for _, path in theirs)
        all_heard = gone.isdisjoint(roots) and not linked and _identities(paths) == watched
        if time.monotonic() >= looked + sweep or (theirs and all_heard):
            yield
            looked = time.monotonic()
        if not all_heard:
            return


def _identities(paths: Iterable[Path]) -> list[tuple[int, int] | None]:
    """Return what tells each file or folder from another one of its name, None for one that is away."""
    from index.files import identity

    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            found.append(identity(path))
        except OSError:
            found.append(None)
    return found


def _is_theirs(changed: Path, roots: Iterable[Path], store: Path) -> bool:
    """Tell whether a changed path may matter: our own writing would wake us for ever, hidden files are not indexed.

    As for `pincite index`, hidden is what lies in one of the `roots` under a name that begins with a dot.
    """
    from index.files import IGNORE_FILE  # slow to import, and `--help` needs this module

    if Path(os.path.realpath(changed)).is_relative_to(os.path.realpath(store)):
        return False
    path = Path(os.path.abspath(changed))
    below = [path.relative_to(root).parts for root in roots if path.is_relative_to(root)]
    return not below or any(
        not any(name.startswith(".") for name in (parts[:-1] if parts[-1:] == (IGNORE_FILE,) else parts))
        for parts in below
    )
