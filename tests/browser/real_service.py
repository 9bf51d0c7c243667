"""A running service over the seeds' articles and one that attacks, read by the tests' small models."""

import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from fakes import WINDOW, NameReader, WordEncoder, answerer_over, new_store
from library import ATTACK
from served import served
from waiting import wait_for

from api.app import create_app
from api.keys import new_key
from api.service_store import ServiceStore
from index.chunk_limits import ChunkLimits
from index.originals import put_bytes

ROOT = Path(__file__).parents[2]


class PatientReader(NameReader):
    """Reads when it is told to: what a page shows meanwhile can be looked at."""

    def __init__(self):
        self.may_read = threading.Event()
        self.may_read.set()

    def read(self, pairs):
        assert self.may_read.wait(timeout=20)
        return super().read(pairs)


class Service:
    """A running service; `reader` can be made to wait."""

    def __init__(self, address, store, reader, key=None, reading_key=None):
        self.address, self.store, self.reader, self.key, self.reading_key = address, store, reader, key, reading_key


@contextmanager
def serving(folder, with_keys=False):
    """Give a service over the seeds and the attack; with keys, one that may all and one that may only ask."""
    texts = {path.name: path.read_bytes() for path in sorted((ROOT / "seeds").glob("*.txt"))}
    texts["<b>attack</b>.txt"] = ATTACK.encode()
    reader = PatientReader()
    with new_store(folder / "store") as store, ServiceStore(folder / "store") as keys:
        for source, data in texts.items():
            put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), source, data)
        given = []
        for scopes in (("ask", "write"), ("ask",)) if with_keys else ():
            key, text = new_key("browser", scopes, None, time.time())
            keys.add_key(key)
            given.append(text)
        app = create_app(answerer_over(store, reader=reader), keys=keys if with_keys else None)
        with served(app) as address:
            yield Service(address, store, reader, *given)


def evaluated(address):
    """Have a service evaluate the seeds' gold set; return the id of the run."""
    gold = (ROOT / "seeds" / "gold.jsonl").read_bytes()
    runs = f"{address}/v1/evaluations"
    with urlopen(Request(runs, gold, {"content-type": "application/x-ndjson"})) as reply:
        run = json.load(reply)["id"]

    def done():
        with urlopen(f"{runs}/{run}") as reply:
            return json.load(reply)["status"] == "done"

    wait_for(done)
    return run
