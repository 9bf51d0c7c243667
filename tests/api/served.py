"""A service on a port of its own, for clients that need a network."""

import socket
import threading
from contextlib import contextmanager

import uvicorn
from waiting import wait_for


@contextmanager
def served(app):
    """Serve the app on loopback; give its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
