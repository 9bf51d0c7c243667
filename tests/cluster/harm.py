"""A service on Ray Serve, its replicas killed while it is asked: what it replies meanwhile, and how long it takes."""

import itertools
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2
import ray
from fakes import NameReader, WordEncoder, answerer_over
from samples import QUESTIONS

from api.build import CALIBRATION
from api.cluster.serving import APP, ClusterOptions, application
from api.schemas import AskReply
from api.settings import Settings
from benchmarks.cluster import serving

KEPT = ("question", "answer", "sentence", "confidence", "calibrated", "citations", "alternatives")


@contextmanager
def service(folder, **options):
    """Serve the store in shards with fake models; give the address."""
    answerer_over(None).calibration.save(folder / CALIBRATION)
    given = ClusterOptions(store=str(folder), insecure=True, **options)
    with serving(application(given, Settings(store=folder), WordEncoder, NameReader)) as url:
        yield url


def wait_until(good, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if good():
                return
        except httpx2.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("it does not come up")
        time.sleep(0.2)


def replicas(deployment):
    """The names of the actors that are replicas of a deployment now."""
    named = ray.util.list_named_actors(all_namespaces=True)
    return [one["name"] for one in named if f"{APP}#{deployment}#" in one["name"]]


def kill(deployment):
    """End the process of a replica, as the machine's failing would."""
    ray.kill(ray.get_actor(replicas(deployment)[0], namespace="serve"), no_restart=True)


def told(reply):
    """What must be as in one store, of a reply as JSON: ids of passages, times and the store's state are not."""
    passages = [{**passage, "passage_id": 0, "score": 0} for passage in reply["passages"]]
    return {**{key: reply[key] for key in KEPT}, "passages": passages}


def expected(corpus):
    """What one store (or the shards of it, in this process) replies to each question."""
    answerer = answerer_over(corpus)
    return {q: told(json.loads(AskReply.model_validate(answerer.ask(q)).model_dump_json())) for q in QUESTIONS}


@dataclass
class Load:
    """Clients that ask all questions over and over; what each reply was: whole, partial, refused or wrong."""

    url: str
    right: dict
    clients: int = 4
    replies: list = field(default_factory=list)  # (seconds since the beginning, kind, what was wrong)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def now(self):
        return time.monotonic() - self._began

    def kinds(self):
        return {kind for _, kind, _ in self.replies}

    def wait_for(self, kind, more, seconds=90):
        """Wait until so many more replies in a row are of this kind; return the seconds that it took."""
        began, first = self.now(), len(self.replies)
        wait_until(lambda: self._in_a_row(kind, first) >= more, seconds)
        return self.now() - began

    def last_not(self, kind):
        """When the last reply that was not of this kind came."""
        return max((at for at, other, _ in self.replies if other != kind), default=0.0)

    def _in_a_row(self, kind, first):
        latest = reversed(self.replies[first:])
        return sum(1 for _ in itertools.takewhile(lambda reply: reply[1] == kind, latest))

    def _ask(self, number):
        with httpx2.Client(timeout=30) as client:
            for question in itertools.islice(itertools.cycle(QUESTIONS), number, None):
                if self._stop.is_set():
                    return
                kind, wrong = self._once(client, question)
                self.replies.append((self.now(), kind, wrong))

    def _once(self, client, question):
        try:
            reply = client.post(f"{self.url}/v1/ask", json={"question": question})
        except httpx2.HTTPError as error:
            return "refused", str(error)
        if reply.status_code >= 500:
            return "refused", reply.text[:200]
        if reply.status_code != 200:
            return "wrong", reply.text[:500]
        said = reply.json()
        if "partial" in said:
            return "partial", said["partial"]
        return ("whole", None) if told(said) == self.right[question] else ("wrong", said)
