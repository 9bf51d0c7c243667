"""`pincite serve`."""

import ipaddress
import logging
import math
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.console import note
from api.cli.options import EmbedderOption, ReaderOption, StoreOption, settings_of
from api.settings import Settings
from index.errors import ModelError, PinciteError, UsageError

if TYPE_CHECKING:
    import uvicorn

    from api.keys import Key
    from api.running import Load
    from rag.answer import Answerer

App = Callable[..., Any]  # as ASGI calls it
CANNOT_BEGIN = 3  # uvicorn's own exit code of a worker that it is of no use to start again
MIN_PATIENCE = 10  # seconds that requests in flight have at least to finish when the service is stopped
WORKER_SILENCE = 60  # seconds after which a worker that does not answer its parent is replaced

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("serve", epilog="Example:  pincite serve --port 8080")(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; each has the models in its memory.")] = 1,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Ask for no keys: anyone who reaches the address may read and write.")
    ] = False,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Serve the pages and the HTTP interface (see /docs)."""
    settings = settings_of(store, embedder, reader)
    local = _is_loopback(host)
    made = [] if insecure else _keys(settings.store)
    if not local and not insecure and not any(key.usable(time.time()) for key in made):
        raise UsageError(
            f"{host} can be reached by others and there is no usable key; make one with `pincite keys create`, "
            "add --insecure, or listen on 127.0.0.1"
        )
    listening = listen(host, port)
    require_store(settings.store)
    # Without keys, whoever can make a browser here believe that its own name is ours would read every reply.
    hosts = (host,) if local and not made else None
    shown = f"[{host}]" if ":" in host else host
    asks = "asks for a key" if made else "asks for no key"
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    note(f"Pincite answers at {address} as soon as its models are loaded, and {asks} (stop with Ctrl-C)")
    service = Service(settings, hosts, asks_for_keys=bool(made))
    if workers == 1:
        serve_here(service, listening)
    else:
        serve_in_workers(service, listening, workers)


@dataclass(frozen=True)
class Service:
    """What it takes to make the app, here or in another process."""

    settings: Settings
    hosts: tuple[str, ...] | None  # besides those of loopback; None for any
    asks_for_keys: bool

    def __call__(self) -> App:
        """Return the app of a worker: where its models cannot be loaded, the process ends for good."""
        from api.logs import configure_logs

        configure_logs(self.settings.log_questions)
        return self.app(self._load_or_end)

    def app(self, load: "Load") -> App:
        """Return the app."""
        from api.app import LOOPBACK, create_app
        from api.service_store import ServiceStore

        hosts = None if self.hosts is None else [*LOOPBACK, *self.hosts]
        # Revoking the last key must not open the service, so any that was ever made counts. Closed by the process' end.
        keys = ServiceStore(self.settings.store) if self.asks_for_keys else None
        return create_app(load, hosts, keys, self.settings.bounds(), log_questions=self.settings.log_questions)

    def load(self) -> "Answerer":
        """Open the store and the models."""
        from api.build import open_answerer

        return open_answerer(settings=self.settings)

    def _load_or_end(self) -> "Answerer":
        try:
            return self.load()
        except Exception as error:
            log.error("%s", error, exc_info=None if isinstance(error, PinciteError) else error)
            os._exit(CANNOT_BEGIN)


def _config(app: "App | Service", settings: Settings, workers: int = 1) -> "uvicorn.Config":
    import uvicorn  # slow to import, as are the models

    return uvicorn.Config(
        app,
        factory=isinstance(app, Service),
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(MIN_PATIENCE, math.ceil(settings.deadline_seconds)),
        timeout_worker_healthcheck=WORKER_SILENCE,
    )


def serve_here(service: Service, listening: socket.socket) -> None:
    """Serve until a signal comes; raises what the models could not be loaded for."""
    import uvicorn

    from api.logs import configure_logs

    failures: list[Exception] = []

    def load() -> "Answerer":
        try:
            return service.load()
        except Exception as error:
            failures.append(error)
            server.should_exit = True
            raise

    configure_logs(service.settings.log_questions)
    server = uvicorn.Server(_config(service.app(load), service.settings))
    server.run(sockets=[listening])
    if failures:
        raise failures[0]


def serve_in_workers(service: Service, listening: socket.socket, workers: int) -> None:
    """Serve from so many processes until a signal comes, replacing those that die; ModelError if none can begin."""
    from uvicorn.supervisors import Multiprocess

    from api.logs import configure_logs
    from api.metrics import share_between_processes

    configure_logs(service.settings.log_questions)
    with tempfile.TemporaryDirectory(prefix="pincite-") as folder:
        share_between_processes(Path(folder))
        supervisor = Multiprocess(_config(service, service.settings, workers), sockets=[listening])
        supervisor.run()
    if any(process.exitcode == CANNOT_BEGIN for process in supervisor.processes):
        raise ModelError("the workers could not load the models; the log says why")


def require_store(store: Path) -> None:
    """Raise StoreError where it is absent or damaged: that is known without the models, in no time."""
    from index.store import Store

    Store.open(store).close()


def _keys(store: Path) -> "list[Key]":
    """Return the keys that were ever made for this store."""
    from api.service_store import ServiceStore

    if not ServiceStore.exists(store):
        return []
    with ServiceStore(store) as service:
        return service.all_keys()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
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
