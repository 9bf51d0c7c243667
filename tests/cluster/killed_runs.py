"""Runs of `index` on a cluster that are killed, as a whole or a process at a time; what the shards hold then."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from index.shards import shard_folder
from index.store import Store

SHARDS = 3


def held(store):
    """All documents with their passages and vectors, by source."""
    with store.snapshot() as snapshot:
        return {
            stored.document.source: (stored, [one.passage for one in snapshot.passages_of(stored.document.document_id)])
            for stored in snapshot.iter_documents()
        }


def killed_run(files, folder, at):
    """Index slowly in a process of its own, kill it once `at` documents are stored; return how many are in the end."""
    run = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "slow_run.py", files, folder], start_new_session=True
    )
    deadline = time.monotonic() + 120
    while stored(folder) < at and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)  # the driver, and of Ray what it started in its group
    run.wait()
    return settled(folder)


def stored(folder):
    """The number of documents in the shards, as far as they are made."""
    found = 0
    for number in range(SHARDS):
        if Store.exists(shard_folder(folder, number)):
            with Store.open(shard_folder(folder, number)) as shard, shard.snapshot() as snapshot:
                found += snapshot.documents
    return found


def settled(folder):
    """The same once no process of the run writes any more: those that lost their driver end by themselves."""
    before, now = -1, stored(folder)
    while before != now:
        time.sleep(5)
        before, now = now, stored(folder)
    return now


@contextmanager
def workers_killed(titles, every, most):
    """While the block runs, kill a Ray worker of this process's now and then, by these titles in turn; give them."""
    ended, killed = threading.Event(), []

    def kill():
        while len(killed) < most and not ended.wait(every):
            wanted = titles[len(killed) % len(titles)]
            if found := [(pid, title) for pid, title in workers() if title.startswith(wanted)]:
                # The oldest: Ray starts each again a few times only, and what takes its place has a higher id.
                pid, title = min(found)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(title)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def workers():
    """The ids and titles of the processes that Ray started below this one, which it names by what they do."""
    parents, titles = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(process.name)] = (process / "cmdline").read_bytes().decode(errors="replace")
    for pid, title in titles.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and title.startswith("ray::"):
            yield pid, title.rstrip("\0 ")
