"""`pincite watch`: one look at a time, and the process that waits for changes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256

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
    return [summary.source for summary in documents(folder)]


def documents(folder):
    with Store.open(folder) as store, store.snapshot() as snapshot:
        return snapshot.list_documents()


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


def test_a_file_that_goes_bad_again_is_said_again(watcher, articles):
    for words in ("Good.", "Good again."):
        (articles / "half.txt").write_text(words)
        watcher.update()
        (articles / "half.txt").write_bytes(b"\x00\x01\x02\x80" * 20)
        assert [one.source for one in watcher.update().rejected] == ["half.txt"]
        assert watcher.update() is None


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


def test_the_store_does_not_wake_it_however_store_and_folder_are_spelled(articles, tmp_path):
    (tmp_path / "link").symlink_to(articles)
    for root in (articles, tmp_path / "link"):
        for store in (articles / "store", tmp_path / "link" / "store", articles / ".." / "articles" / "store"):
            assert not _is_theirs(root / "store" / "store.sqlite", [root], store)
            assert _is_theirs(root / "nile.txt", [root], store)


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


@contextmanager
def watching(*paths, cwd):
    """Run the command, until the block ends."""
    command = [sys.executable, "-m", "api.cli", "watch", *paths, "--store", "store"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    # A shell that starts the tests in the background has them ignore Ctrl-C, which a child would inherit.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as process:
        try:
            while "watching" not in process.stderr.readline():
                assert process.poll() is None
            yield process
        finally:
            process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said


def test_the_command_indexes_while_files_change_and_its_own_store_does_not_wake_it(articles):
    with watching(".", cwd=articles):
        (articles / "new.txt").write_text("New words are here.")
        wait_for(lambda: "new.txt" in sources(articles / "store"))
        (articles / "nile.txt").unlink()
        wait_for(lambda: "nile.txt" not in sources(articles / "store"))
    assert sources(articles / "store") == ["bread.md", "new.txt"]


def take_place_of(path, make):
    """Make something beside `path`, and have it take the name, as a program that saves a file does."""
    made = path.with_name(".made")
    make(made)
    made.replace(path)


def swap_link(articles):
    (articles.parent / "two").mkdir()
    take_place_of(articles / "link", lambda made: made.symlink_to(articles.parent / "two"))
    return articles / "link"


def make_anew(articles):
    shutil.rmtree(articles)
    articles.mkdir()
    return articles


def move_away(articles):
    articles.rename(articles.with_name("moved"))
    articles.mkdir()
    return articles


@pytest.mark.parametrize("replaced", [swap_link, make_anew, move_away])
def test_a_folder_in_the_place_of_another_is_watched_as_that_was(articles, tmp_path, replaced):
    (tmp_path / "one").mkdir()
    (articles / "link").symlink_to(tmp_path / "one")

    def is_heard(file):
        file.write_text("New words are here.")
        wait_for(lambda: file.relative_to(articles).as_posix() in sources(tmp_path / "store"))

    with watching("articles", cwd=tmp_path):
        is_heard(articles / "before.txt")  # the watching has begun
        folder = replaced(articles)
        is_heard(folder / "new.txt")  # maybe by the look that the replacement itself leads to
        is_heard(folder / "newer.txt")


def test_a_file_that_is_saved_by_renaming_another_is_watched_on(articles, tmp_path):
    file = articles / "nile.txt"

    def is_indexed():
        return documents(tmp_path / "store")[0].sha256 == sha256(file.read_bytes()).hexdigest()

    with watching(file, cwd=tmp_path):
        for words in ("Saved once.", "Saved twice.", "Saved again."):
            take_place_of(file, lambda made, words=words: made.write_text(words))
            wait_for(is_indexed)


def test_a_drive_that_fails_is_waited_for_as_one_that_is_away(articles, tmp_path):
    drive = tmp_path / "drive"
    drive.symlink_to(articles)
    with watching("drive", cwd=tmp_path) as process:
        take_place_of(drive, lambda made: made.symlink_to("a" * 300))  # no name is as long: to look at it fails
        while "not up to date" not in process.stderr.readline():
            assert process.poll() is None
        take_place_of(drive, lambda made: made.symlink_to(articles))
        (articles / "new.txt").write_text("New words are here.")
        wait_for(lambda: "new.txt" in sources(tmp_path / "store"))
    assert sources(tmp_path / "store") == ["bread.md", "new.txt", "nile.txt"]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.1)
