"""Parts killed again and again under load, for minutes: `make cluster`. It prints how long each took to come back."""

import time

import pytest
from harm import Load, expected, kill, service
from samples import MANIFEST, articles, in_one_store

from benchmarks.shards import spread
from index.shards import ShardedStore

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # Ray's own
ROUNDS = 5
QUIET = 20  # replies in a row that are whole again


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """240 documents in 4 shards."""
    folder = tmp_path_factory.mktemp("harmed")
    with in_one_store(articles(folder / "files", 240), folder / "one") as one:
        spread(one, folder / "shards", 4)
    return folder / "shards"


@pytest.mark.parametrize("when_missing", ["partial", "refuse"])
def test_whatever_is_killed_no_reply_is_wrong_and_all_are_whole_again_in_the_end(ray_cluster, shards, when_missing):
    with ShardedStore.open(shards, MANIFEST) as sharded:
        right = expected(sharded)
    options = {"when_missing": when_missing, "shard_seconds": 1}
    with service(shards, **options) as url, Load(url, right, clients=4) as load:
        load.wait_for("whole", QUIET)
        for deployment in ("shard-2", "embedder", "reader", "ingress"):
            for _ in range(ROUNDS):
                told(load, deployment, when_missing)
    assert "wrong" not in load.kinds(), [reply for reply in load.replies if reply[1] == "wrong"][:1]
    if when_missing == "refuse":
        assert "partial" not in load.kinds()


def told(load, deployment, when_missing):
    """Kill a replica, wait until all is well, and print what was replied meanwhile."""
    began, first = load.now(), len(load.replies)
    kill(deployment)
    time.sleep(2)
    load.wait_for("whole", QUIET)
    since = load.replies[first:]
    counted = {kind: sum(other == kind for _, other, _ in since) for kind in ("whole", "partial", "refused", "wrong")}
    last = max((at for at, kind, _ in since if kind != "whole"), default=began)
    print(  # noqa: T201 (the figures that this is run for)
        f"{when_missing}: {deployment} killed; the last reply that was not whole {last - began:.1f} s later; {counted}"
    )
