"""`pincite serve`."""

import ipaddress
import socket
from typing import Annotated

import typer

from api.cli.console import note
from api.cli.options import EmbedderOption, ReaderOption, StoreOption, settings_of
from index.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("serve", epilog="Example:  pincite serve --port 8080")(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let anyone on the network ask, without keys.")] = False,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Serve the ask page at / and the HTTP interface (see /docs)."""
    local = _is_loopback(host)
    if not local and not insecure:
        raise UsageError(
            f"{host} can be reached by others and there are no keys; add --insecure, or listen on 127.0.0.1"
        )
    listening = _listen(host, port)
    import uvicorn  # slow to import, as are the models

    from api.app import LOOPBACK, create_app
    from api.build import open_answerer

    answerer = open_answerer(settings=settings_of(store, embedder, reader), notify=note)
    app = create_app(answerer, allowed_hosts=[*LOOPBACK, host] if local else None)
    shown = f"[{host}]" if ":" in host else host
    note(f"Pincite answers at http://{shown}:{listening.getsockname()[1]}/ (stop with Ctrl-C)")
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=10)
    uvicorn.Server(config).run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before the models are loaded, so that a port in use is known at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"{host}: {error.strerror or error}; name an address of this machine") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(f"{host}:{port}: {error.strerror or error}; choose another with --port") from None
    return listening
