"""A service that asks for keys, and what its tests share."""

import time
from contextlib import contextmanager

from fakes import answerer_over
from fastapi.testclient import TestClient

from api.app import create_app
from api.bounds import Bounds
from api.keys import new_key
from api.service_store import ServiceStore

CLIMBED = "Who first climbed the mountain Eiger?"


@contextmanager
def guarded(store, folder, reader=None, **bounds):
    """Give (client, keys) of a service over `store` that asks for the keys in `folder`."""
    with ServiceStore(folder) as keys:
        app = create_app(answerer_over(store, reader=reader), keys=keys, bounds=Bounds(**bounds))
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client, keys


def key_for(keys, *scopes, days=None, made=None):
    """Make a key; return its text."""
    key, text = new_key("test", scopes, days, made or time.time())
    keys.add_key(key)
    return text


def bearer(text):
    return {"authorization": f"Bearer {text}"}


def refused(response, status):
    """Assert that the response is a problem of this status, and return what it says."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    found = response.json()
    assert (found["status"], found["type"]) == (status, "about:blank")
    assert "\n" not in found["detail"]
    return found["detail"]
