"""`pincite watch`: one look at a time, and the process that waits for changes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
from fakes import WINDOW, WordEncoder

from api.cli.watching import _is_theirs
from api.settings import Settings
from api.watching import Watcher
from index.chunk_limits import ChunkLimits
from index.errors import UsageError
from index.originals import put_bytes
from index.store import Store


@pytest.fixture
def watcher(articles, tmp_path):
    made = Watcher((articles,), (), Settings(store=tmp_path / "store"), print)
    made.encoder = WordEncoder()
    return made


def sources(folder):
    with Store.open(folder) as store, store.snapshot() as snapshot:
        return [summary.source for summary in snapshot.list_documents()]


def test_a_look_indexes_what_changed_and_removes_what_is_gone(watcher, articles, tmp_path):
    assert watcher.update().added == ["bread.md", "nile.txt"]
    assert watcher.update() is None
    (articles / "new.txt").write_text("New words are here.")
    (articles / "bread.md").write_text("# Bread\n\nOther words are here.\n")
    (articles / "nile.txt").unlink()
    report = watcher.update()
    assert (report.added, report.replaced, report.pruned) == (["new.txt"], ["bread.md"], ["nile.txt"])
    assert sources(tmp_path / "store") == ["bread.md", "new.txt"]


def test_a_file_that_cannot_be_read_is_said_once_and_indexed_when_it_can(watcher, articles):
    watcher.update()
    (articles / "half.pdf").write_bytes(b"%PDF-1.4 half")
    assert [one.source for one in watcher.update().rejected] == ["half.pdf"]
    assert watcher.update() is None
    (articles / "half.pdf").unlink()
    (articles / "half.txt").write_text("Whole.")
    assert watcher.update().added == ["half.txt"]


def test_documents_of_a_folder_that_is_away_are_kept(watcher, articles, tmp_path):
    watcher.update()
    shutil.move(articles, tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="no such file or folder"):
        watcher.update()
    articles.mkdir()  # where the drive would be mounted
    with pytest.raises(UsageError, match=r"all of its documents \(2\) are gone at once"):
        watcher.update()
    assert sources(tmp_path / "store") == ["bread.md", "nile.txt"]


def test_the_only_document_of_a_folder_that_is_away_is_kept_too(watcher, articles, tmp_path):
    (articles / "bread.md").unlink()
    watcher.update()
    shutil.move(articles, tmp_path / "elsewhere")
    articles.mkdir()
    for looks in (watcher, replace(watcher)):  # the one that saw the file, and one that was started since
        with pytest.raises(UsageError, match=r"all of its documents \(1\) are gone at once"):
            looks.update()
    assert sources(tmp_path / "store") == ["nile.txt"]


@pytest.mark.parametrize(
    ("changed", "matters"),
    [
        *(("a.txt", True), ("deep/a.txt", True), (".pinciteignore", True), ("deep/.pinciteignore", True), ("", True)),
        *((".a.txt", False), (".git/index", False), (".git/deep/a.txt", False), (".git/.pinciteignore", False)),
        *(("store/a.txt", False), ("../store/a.txt", True)),
    ],
)
@pytest.mark.parametrize("root", ["articles", ".hidden/.articles"])
def test_what_is_hidden_to_index_is_hidden_to_watch_and_no_more(tmp_path, root, changed, matters):
    folder = tmp_path / root
    assert _is_theirs(folder / changed, [folder], folder / "store") is matters


def test_the_last_of_several_files_may_be_deleted_one_by_one(watcher, articles, tmp_path):
    watcher.update()
    for name in ("nile.txt", "bread.md"):
        (articles / name).unlink()
        assert watcher.update().pruned == [name]
    assert sources(tmp_path / "store") == []


def test_what_was_uploaded_in_the_place_of_a_deleted_file_since_the_look_began_stays(watcher, articles, tmp_path):
    class Late(WordEncoder):
        def encode_passages(self, texts):
            with Store.open(tmp_path / "store") as store:
                put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), "nile.txt", b"Uploaded words.")
            return super().encode_passages(texts)

    watcher.update()
    (articles / "nile.txt").unlink()
    (articles / "new.txt").write_text("New words are here.")
    watcher.encoder = Late()
    report = watcher.update()
    assert (report.added, report.pruned) == (["new.txt"], [])
    assert sources(tmp_path / "store") == ["bread.md", "new.txt", "nile.txt"]


def test_the_command_indexes_while_files_change_and_its_own_store_does_not_wake_it(articles, tmp_path):
    command = [sys.executable, "-m", "api.cli", "watch", ".", "--store", "store"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    # A shell that starts the tests in the background has them ignore Ctrl-C, which a child would inherit.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=articles, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as process:
        try:
            while "watching" not in process.stderr.readline():
                assert process.poll() is None
            (articles / "new.txt").write_text("New words are here.")
            wait_for(lambda: "new.txt" in sources(articles / "store"))
            (articles / "nile.txt").unlink()
            wait_for(lambda: "nile.txt" not in sources(articles / "store"))
        finally:
            process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert sources(articles / "store") == ["bread.md", "new.txt"]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.1)
