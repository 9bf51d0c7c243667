"""The service on Ray Serve: the same app in front of replicas of shards, embedder and reader.

`serve run docs/cluster.yaml` builds it by `build`; `deploy` does so in Python.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from api.app import LOOPBACK, SPARE, create_app
from api.build import build_embedder, build_reader, load_calibration, manifest_for
from api.cluster.connection import resources_of
from api.cluster.remote import Remote, RemoteEncoder, RemoteReader
from api.cluster.shards import STATE, RemoteStore, ShardState
from api.logs import configure_logs
from api.service_store import ServiceStore
from api.settings import Settings, load_settings
from index.errors import PinciteError, UsageError
from index.shards import shard_count, shard_folder
from index.store import Store
from index.types import EmbedderInfo, Encoder
from rag.answer import TOP_K, Answerer
from rag.calibrate import Calibration
from rag.read import Piece, ReaderInfo, Reads, Span

APP = "pincite"  # the application's name on a cluster
SHARD, EMBEDDER, READER = "shard-{}", "embedder", "reader"  # the deployments' names
AT_ONCE = 64  # calls that a shard or an embedder takes on together
READ_TOGETHER = 16  # questions whose passages are read as one batch
READ_WAIT = 0.005  # seconds that the first of them waits for the others
MODEL_SECONDS = 60.0  # the longest wait for embedder or reader
HEALTH_EVERY = 5.0  # seconds between two looks of Serve at a replica, and the longest that one may take
NONE: Mapping[str, float] = {}
LOAD_AGAIN = 2.0  # seconds until an ingress looks again for parts that are not there yet

# What a shard may be asked: its state, and what these methods of `index.snapshot.Snapshot` give.
_LOOKS = frozenset(
    {STATE, "word_counts", "rankings", "stored_passages", "stored_documents", "passages_of", "list_documents"}
    | {"documents_by_sha256"}
)

log = logging.getLogger(__name__)


class ClusterOptions(BaseModel):
    """What the application is made with: `args` in a Serve config file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(description="The folder of the store in shards, the same path on every machine.")
    when_missing: Literal["refuse", "partial"] = Field(
        default="refuse", description="What a question gets while shards do not answer: 503, or a marked answer."
    )
    shard_seconds: float = Field(default=5.0, gt=0, le=600, description="After that a shard counts as missing.")
    pinned: bool = Field(default=False, description="Each shard runs where the resource pincite-shard-N is offered.")
    readers: int = Field(default=1, ge=1, description="Replicas of the reader.")
    embedders: int = Field(default=1, ge=1, description="Replicas of the embedder.")
    ingresses: int = Field(default=1, ge=1, description="Replicas of the app itself.")
    insecure: bool = Field(default=False, description="Ask for no keys.")
    hosts: list[str] | None = Field(
        default=list(LOOPBACK), description="Without keys: the names it is reached by; null for any."
    )


class ShardReplica:
    """One shard, which is an ordinary store, opened where it lies."""

    def __init__(self, folder: Path) -> None:
        """Open the shard; raises StoreError."""
        self._store = Store.open(folder)

    def look(self, at: str | None, what: str, *given: object) -> tuple[ShardState, Any]:
        """Return the shard's state and what is found in it; nothing where `at` is given and the state is another."""
        if what not in _LOOKS:
            raise UsageError(f"a shard is not asked for {what!r}")
        with self._store.snapshot() as snapshot:
            state = ShardState.of(snapshot)
            if what == STATE or at not in (None, state.state):
                return state, None
            return state, getattr(snapshot, what)(*given)

    def check_health(self) -> None:
        """Raise StoreError where the shard cannot be read, so that the replica is replaced."""
        with self._store.snapshot():
            pass


class EmbedderReplica:
    """An embedder for all questions."""

    def __init__(self, load: Callable[[], Encoder]) -> None:
        """Load the model."""
        self._encoder = load()

    def facts(self) -> tuple[EmbedderInfo, int]:
        """Return what it is, and its window in tokens."""
        return self._encoder.info, self._encoder.window

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """See `TokenSpans.token_spans`."""
        return self._encoder.token_spans(text)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """See `Encoder.encode_query`."""
        return self._encoder.encode_query(text)

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """See `Encoder.encode_passages`."""
        return self._encoder.encode_passages(texts)


Pairs = Sequence[tuple[str, tuple[Piece, ...]]]


class ReaderReplica:
    """A reader for all questions; those that come together are read together, which changes no answer."""

    def __init__(self, load: Callable[[], Reads]) -> None:
        """Load the model."""
        self._reader = load()

    def facts(self) -> ReaderInfo:
        """Return what it is."""
        return self._reader.info

    @serve.batch(max_batch_size=READ_TOGETHER, batch_wait_timeout_s=READ_WAIT)  # type: ignore[untyped-decorator]
    async def read(self, questions: list[Pairs]) -> list[list[Span | None]]:
        """Read the passages of several questions; see `Reads.read`."""
        spans = await asyncio.to_thread(self._reader.read, [pair for pairs in questions for pair in pairs])
        remaining = iter(spans)
        return [[next(remaining) for _ in pairs] for pairs in questions]


@serve.ingress()
class Ingress:
    """The app; it is made here, in the replica, for it cannot be sent."""

    def __init__(
        self,
        options: ClusterOptions,
        settings: Settings,
        shards: Sequence[DeploymentHandle[Any]],
        embedder: DeploymentHandle[Any],
        reader: DeploymentHandle[Any],
    ) -> None:
        """Take the handles of the other deployments; `shards` in order."""
        self._options, self._settings = options, settings
        self._parts = Parts(shards, embedder, reader)

    def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401 (Serve's name, and any ASGI app)
        """Return the app: it answers at once, and is ready when all parts are."""
        configure_logs(self._settings.log_questions)
        made = ServiceStore.exists(self._settings.store)
        keys = None if self._options.insecure or not made else ServiceStore(self._settings.store)
        if not self._options.insecure and (keys is None or not any(k.usable(time.time()) for k in keys.all_keys())):
            raise UsageError("there is no usable key; make one with `pincite keys create`, or set insecure: true")
        hosts = self._options.hosts if self._options.insecure else None
        bounds = self._settings.bounds()
        return create_app(self._load, hosts, keys, bounds, log_questions=self._settings.log_questions)

    def _load(self) -> Answerer:
        while True:
            try:
                return self._parts.answerer(self._settings, self._options)
            except PinciteError as error:
                log.warning("not ready: %s", error)
                time.sleep(LOAD_AGAIN)


class Parts:
    """The handles of all deployments that an answer needs."""

    def __init__(
        self,
        shards: Sequence[DeploymentHandle[Any]],
        embedder: DeploymentHandle[Any],
        reader: DeploymentHandle[Any],
    ) -> None:
        """Take the handles; `shards` in order."""
        self._shards, self._embedder, self._reader = shards, embedder, reader

    def answerer(self, settings: Settings, options: ClusterOptions, top_k: int = TOP_K) -> Answerer:
        """Return an answerer that asks them, calibrated for `top_k`; raises Unreachable where a model is not there."""
        encoder = RemoteEncoder(Remote(self._embedder, "the embedder", MODEL_SECONDS))
        reader = RemoteReader(Remote(self._reader, "the reader", MODEL_SECONDS))
        manifest = manifest_for(encoder, settings.mark_boilerplate)
        shards = [Remote(shard, f"shard {number}", options.shard_seconds) for number, shard in enumerate(self._shards)]
        store = RemoteStore(settings.store, manifest, shards, options.when_missing == "partial")
        answerer = Answerer(store, encoder, reader, Calibration())
        answerer.calibration = load_calibration(settings, answerer.fingerprint(top_k))
        return answerer


def build(options: ClusterOptions) -> Application:
    """Return the application: the `import_path` of a Serve config file, whose `args` are the options."""
    settings = load_settings(store=Path(options.store).absolute())
    return application(options, settings, partial(build_embedder, settings), partial(build_reader, settings))


def application(
    options: ClusterOptions, settings: Settings, embedder: Callable[[], Encoder], reader: Callable[[], Reads]
) -> Application:
    """Return the application with these models; raises UsageError where the store is not in shards."""
    count = shard_count(settings.store)
    if count is None:
        raise UsageError(
            f"{settings.store} is no store in shards; make one with `pincite index PATHS --cluster ADDRESS`"
        )
    shards = [
        _deployment(ShardReplica, SHARD.format(number), resources=resources_of(number, options.pinned)).bind(
            shard_folder(settings.store, number)
        )
        for number in range(count)
    ]
    models = [
        _deployment(EmbedderReplica, EMBEDDER, options.embedders).bind(embedder),
        _deployment(ReaderReplica, READER, options.readers).bind(reader),
    ]
    bounds = settings.bounds()
    most = bounds.concurrency + bounds.queue + SPARE
    app = _deployment(Ingress, "ingress", options.ingresses, at_once=most)
    return app.bind(options, settings, shards, *models)


def _deployment(
    replica: type, name: str, replicas: int = 1, resources: Mapping[str, float] = NONE, at_once: int = AT_ONCE
) -> serve.Deployment:
    """Return a deployment. How many cores it is to have is for the config file to say."""
    made: serve.Deployment = serve.deployment(
        replica,
        name=name,
        num_replicas=replicas,
        max_ongoing_requests=at_once,
        ray_actor_options={"num_cpus": 0, "resources": dict(resources)},
        health_check_period_s=HEALTH_EVERY,
        health_check_timeout_s=HEALTH_EVERY,
    )
    return made
