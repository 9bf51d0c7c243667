"""`pincite eval --cluster`: a gold set asked of a service that runs on a cluster, past its HTTP interface."""

import hashlib
from pathlib import Path
from typing import Any

from ray import serve

from api.build import note_other_top_k
from api.cluster.connection import connected
from api.cluster.serving import APP, EMBEDDER, READER, SHARD, ClusterOptions, Parts
from api.evaluating import Notify, Progress, evaluate_with
from api.settings import Settings
from index.errors import UsageError
from rag.answer import Answerer
from rag.gold import load_gold


def run_cluster_evaluation(
    address: str, gold_file: Path, settings: Settings, *, top_k: int, notify: Notify, progress: Progress
) -> dict[str, Any]:
    """Return the report (see `rag.evaluate`) of the service on the cluster at `address`.

    All shards have to answer, and none may be written to meanwhile: else it raises StoreError, and the next run takes
    up where this one was. UsageError for a malformed gold set, before anything else, and where no service runs there.
    """
    gold = load_gold(gold_file)
    digest = hashlib.sha256(gold_file.read_bytes()).hexdigest()
    with connected(address):
        answerer = _answerer(address, settings, top_k)
        note_other_top_k(answerer, top_k, notify)
        settings.store.mkdir(parents=True, exist_ok=True)  # the journal lies on this machine
        return evaluate_with(answerer, gold, digest, top_k=top_k, notify=notify, progress=progress)


def _answerer(address: str, settings: Settings, top_k: int) -> Answerer:
    running = serve.status().applications.get(APP)
    if running is None:
        raise UsageError(f"no service {APP!r} runs on the cluster at {address}; start it with `serve run CONFIG`")
    prefix = SHARD.format("")
    count = sum(name.startswith(prefix) for name in running.deployments)
    handles = [serve.get_deployment_handle(SHARD.format(number), APP) for number in range(count)]
    models = [serve.get_deployment_handle(name, APP) for name in (EMBEDDER, READER)]
    return Parts(handles, *models).answerer(settings, ClusterOptions(store=str(settings.store)), top_k)
