"""Parts killed again and again under load, for minutes: `make cluster`. It prints how long each took to come back."""

import os
import time
from collections import Counter
from itertools import pairwise

import pytest
from harm import Load, expected, kill, service
from killed_runs import held, killed_run, workers_killed
from samples import MANIFEST, articles, in_one_store, on_cluster
from slow_run import Slow

from benchmarks.shards import spread
from benchmarks.sidebyside import Spread
from index.shards import ShardedStore
from index.store import Store

pytestmark = pytest.mark.cluster
ROUNDS = int(os.environ.get("ROUNDS", "5"))  # how often each part is killed: `make cluster ROUNDS=1`
FILES = 120 * ROUNDS  # that are indexed while processes are killed
QUIET = 20  # replies in a row that are whole again
KINDS = ("whole", "partial", "refused", "wrong")
HEAD = f"""
| when missing | killed | times | last reply not whole, s later | longest without a reply, s | {" | ".join(KINDS)} |
{"|---" * (5 + len(KINDS))}|"""


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
    options, table = {"when_missing": when_missing, "shard_seconds": 2}, []
    with service(shards, **options) as url, Load(url, right, clients=4) as load:
        load.wait_for("whole", QUIET)
        for deployment in ("shard-2", "embedder", "reader", "ingress"):
            harms = [harmed(load, deployment) for _ in range(ROUNDS)]
            table.append(line(f"{when_missing} | {deployment.partition('-')[0]}", harms))
    print(HEAD, *table, sep="\n")  # noqa: T201 (the figures that this is run for)
    assert "wrong" not in load.kinds(), [reply for reply in load.replies if reply[1] == "wrong"][:1]
    if when_missing == "refuse":
        assert "partial" not in load.kinds()


def harmed(load, deployment):
    """Kill a replica, wait until all is well; return what was replied meanwhile, see `line`."""
    began, first = load.now(), len(load.replies)
    kill(deployment)
    time.sleep(2)
    load.wait_for("whole", QUIET)
    since = load.replies[first:]
    last = max((at for at, kind, _ in since if kind != "whole"), default=began)
    times = [began, *(at for at, _, _ in since)]
    pause = max(later - earlier for earlier, later in pairwise(times))
    return last - began, pause, Counter(kind for _, kind, _ in since)


def line(what, harms):
    """Return a line of Markdown: medians with the range of all kills, and the replies of all of them by kind."""
    until_whole, pauses, replies = zip(*harms, strict=True)
    counted = sum(replies, Counter())
    spreads = " | ".join(Spread.of(seconds).show(1) for seconds in (until_whole, pauses))
    return f"| {what} | {len(harms)} | {spreads} | {' | '.join(str(counted[kind]) for kind in KINDS)} |"


def test_processes_of_a_run_are_killed_and_no_file_is_missing_or_given_up(ray_cluster, tmp_path, one):
    files, folder = one
    with workers_killed(("ray::MapWorker", "ray::Writer"), every=4, most=ROUNDS + 1) as killed:
        began = time.monotonic()
        report = on_cluster(files, tmp_path, encoder=Slow)
        took = time.monotonic() - began
    print(f"index: {len(killed)} processes killed ({', '.join(killed)}); {len(report.added)} files in {took:.1f} s")  # noqa: T201
    assert killed
    assert report.rejected == []
    same(folder, tmp_path)


def test_runs_are_killed_half_way_again_and_again_and_what_is_stored_is_not_embedded_again(ray_cluster, tmp_path, one):
    files, folder = one
    done = 0
    for number in range(1, ROUNDS + 1):
        done = killed_run(files, tmp_path, at=done + FILES // (ROUNDS + 1) // 4)
        print(f"index: killed for the {number}. time, {done} of {FILES} files are stored")  # noqa: T201
    report = on_cluster(files, tmp_path)
    assert (len(report.unchanged), len(report.added)) == (done, FILES - done)
    assert report.embedded == FILES - done  # one a file
    print(f"index: the last run embeds the {report.embedded} others alone")  # noqa: T201
    same(folder, tmp_path)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Files, and the folder of one store that holds them."""
    folder = tmp_path_factory.mktemp("one")
    files = articles(folder / "files", FILES)
    in_one_store(files, folder / "store").close()
    return files, folder / "store"


def same(folder, shards):
    with Store.open(folder) as expected, ShardedStore.open(shards) as sharded:
        assert held(sharded) == held(expected)
