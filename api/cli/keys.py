"""`pincite keys`: who may use the service."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import note, print_json
from api.cli.options import JsonOption, StoreOption, settings_of
from api.keys import Key, new_key
from api.service_store import ServiceStore
from index.errors import StoreError, UsageError

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    keys.command("create", epilog="Example:  pincite keys create --name laptop --scope ask --days 90")(create)
    keys.command("list", epilog="Example:  pincite keys list --json")(list_keys)
    keys.command("revoke", epilog="Example:  pincite keys revoke 0123456789ab")(revoke)
    app.add_typer(
        keys,
        name="keys",
        help="Make, list and revoke the keys that the service asks for.",
        epilog="Example:  pincite keys create --name laptop",
    )


def create(
    name: Annotated[str, typer.Option(help="What the key is for, to tell it in the list.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may: ask, write or admin; repeatable [ask].", show_default=False)
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires [never].")] = None,
    json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Make a key and print it, this once: what is kept does not tell it."""
    key, text = new_key(name, scope or ["ask"], days, time.time())
    with _opened(settings_of(store).store) as service:
        first = not service.all_keys()
        service.add_key(key)
    if json:
        print_json({"key": text, **_shown(key)})
    else:
        typer.echo(text)
    note(f"key {key.key_id}: keep it now, it is not shown again; end it with `pincite keys revoke {key.key_id}`")
    if first:
        note("the service asks for keys from its next start")


def list_keys(json: JsonOption = False, store: StoreOption = None) -> None:
    """List the keys, with those that have expired or were revoked."""
    with _opened(settings_of(store).store) as service:
        shown = [_shown(key) for key in service.all_keys()]
    if json:
        print_json({"keys": shown})
        return
    for key in shown:
        expires = f"expires {key['expires']}" if key["expires"] else "does not expire"
        state = f"revoked {key['revoked']}" if key["revoked"] else expires
        typer.echo("\t".join([key["key_id"], ",".join(key["scopes"]), f"made {key['created']}", state, key["name"]]))
    if not shown:
        note("there are no keys; make one with `pincite keys create`")


def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `pincite keys list` shows.", show_default=False)],
    store: StoreOption = None,
) -> None:
    """End a key for good. So ends every session that was begun with it; a running service knows at once."""
    with _opened(settings_of(store).store) as service:
        if not service.revoke_key(key_id, time.time()):
            raise UsageError(f"there is no key {key_id!r}; `pincite keys list` shows those there are")
    typer.echo(f"key {key_id} revoked")


@contextmanager
def _opened(folder: Path) -> Iterator[ServiceStore]:
    from index.shards import shard_count  # slow to import
    from index.store import Store

    if not Store.exists(folder) and shard_count(folder) is None:
        raise StoreError(f"no store at {folder}; make one with `pincite index PATHS`")
    with ServiceStore(folder) as service:
        yield service


def _shown(key: Key) -> dict[str, Any]:
    times = {"created": key.created, "expires": key.expires, "revoked": key.revoked}
    written = {name: None if at is None else datetime.fromtimestamp(at, UTC).isoformat() for name, at in times.items()}
    return {"key_id": key.key_id, "name": key.name, "scopes": sorted(key.scopes), **written}
