import codecs
import itertools
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.errors import UsageError
from index.files import find_files


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def sources(found):
    return [file.source for file in found.files]


def skipped(entries):
    return {entry.source: entry.reason for entry in entries}


def test_folders_are_searched_in_order_and_sources_are_relative(tmp_path):
    make(tmp_path, "b.txt", "a/z.md", "a/b/c.TXT", "c.txt")
    found = find_files([tmp_path])
    assert sources(found) == ["a/b/c.TXT", "a/z.md", "b.txt", "c.txt"]
    assert found.files[0].path == tmp_path / "a/b/c.TXT"


def test_a_single_file_has_its_name_as_source(tmp_path):
    make(tmp_path, "a/b.txt")
    assert sources(find_files([tmp_path / "a/b.txt"])) == ["b.txt"]


def test_other_kinds_are_listed_with_the_reason(tmp_path):
    make(tmp_path, "a.txt", "b.odt", "README")
    found = find_files([tmp_path, tmp_path / "b.odt"])
    assert skipped(found.unsupported) == {
        "README": "files of type (no suffix) are not supported",
        "b.odt": "files of type .odt are not supported",
    }


def test_hidden_names_are_excluded_and_listed(tmp_path):
    make(tmp_path, "a.txt", ".b.txt", ".git/c.txt")
    found = find_files([tmp_path])
    assert sources(found) == ["a.txt"]
    assert skipped(found.excluded) == {".b.txt": "hidden", ".git/": "hidden"}


def test_exclude_patterns_work_as_in_a_gitignore(tmp_path):
    make(tmp_path, "a.txt", "drafts/b.txt", "c/drafts/d.txt", "c/e.md")
    found = find_files([tmp_path], ["drafts/", "/a.txt"])
    assert sources(found) == ["c/e.md"]
    assert skipped(found.excluded) == dict.fromkeys(["a.txt", "c/drafts/", "drafts/"], "excluded by --exclude")


def test_an_ignore_file_holds_in_its_folder_and_below_and_the_nearest_one_wins(tmp_path):
    make(tmp_path, "a.md", "s/a.md", "s/b.txt", "s/t/keep.md", "s/t/c.md", "o/b.txt")
    (tmp_path / ".pinciteignore").write_text("# a comment\n*.md\n")
    (tmp_path / "s/.pinciteignore").write_text("/b.txt\n")
    (tmp_path / "s/t/.pinciteignore").write_text("!keep.md\n")
    found = find_files([tmp_path])
    assert sources(found) == ["o/b.txt", "s/t/keep.md"]
    assert skipped(found.excluded) == {
        "a.md": "excluded by .pinciteignore",
        "s/a.md": "excluded by .pinciteignore",
        "s/b.txt": "excluded by s/.pinciteignore",
        "s/t/c.md": "excluded by .pinciteignore",
    }


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A folder that git knows, with the same names again and again in it."""
    folder = tmp_path_factory.mktemp("repository")
    for names in itertools.product(["", "a", "b", "docs"], ["", "a", "b"], ["", "docs"], ["x.txt", "y.md", "keep.txt"]):
        make(folder, "/".join(filter(None, names)))
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


ANYWHERE = [
    "*",
    "*/",
    "**",
    "**/",
    "*.txt",
    "*.md",
    "x.txt",
    "a",
    "a/",
    "b/",
    "docs",
    "docs/",
    "?",
    "[ab]",
    "[!a]/",
    "d*s",
]
BELOW = ["/*", "/a", "/a/", "/docs/", "/x.txt", "a/b", "a/*", "a/**", "a/**/", "b/**", "docs/**", "docs/*", "docs/**/"]
DEEPER = [
    "**/b",
    "**/b/",
    "*/b",
    "*/docs/",
    "docs/**/*.md",
    "docs/keep.txt",
    "**/a/x.txt",
    "a/**/keep.txt",
    "a/b/k*.txt",
]
LINES = [sign + pattern for pattern in ANYWHERE + BELOW + DEEPER for sign in ("", "!")]
PATTERNS = st.lists(st.sampled_from(LINES), max_size=5).map("\n".join)


@settings(deadline=None, max_examples=150)
@example("a/b\n!a", "")
@example("*\n!*/\n!*.txt", "")
@example("docs/**\n!docs/keep.txt", "")
@example("*.md\ndocs/**/\n!docs/a/", "!y.md\n/*/")
@given(PATTERNS, PATTERNS)
def test_ignore_files_leave_out_what_git_leaves_out(repository, top, nearer):
    (repository / ".pinciteignore").write_text(top)
    (repository / "docs/.pinciteignore").write_text(nearer)
    asked = ["git", "-C", repository, "ls-files", "--others", "--exclude-per-directory=.pinciteignore"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(sources(find_files([repository]))) == {name for name in listed if not name.endswith(".pinciteignore")}


def test_a_byte_order_mark_is_no_part_of_the_first_pattern(tmp_path):
    make(tmp_path, "a.txt", "b.txt")
    (tmp_path / ".pinciteignore").write_bytes(codecs.BOM_UTF8 + b"a.txt\r\n")
    assert sources(find_files([tmp_path])) == ["b.txt"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_ignore_file_that_is_not_utf_8_is_refused(tmp_path, encoding):
    make(tmp_path, "s/a.txt")
    (tmp_path / "s/.pinciteignore").write_bytes("a.txt\n".encode(encoding))
    with pytest.raises(UsageError, match=r"s/\.pinciteignore: is UTF-16, or no text; save it as UTF-8$"):
        find_files([tmp_path])


def test_folders_nested_deeper_than_calls_may_be_are_searched(tmp_path):
    folders = list(itertools.accumulate(["d"] * 600, Path.joinpath, initial=tmp_path))[1:]
    for folder in folders:
        folder.mkdir()
    make(folders[-1], "a.txt")
    found = find_files([tmp_path])
    (folders[-1] / "a.txt").unlink()
    for folder in reversed(folders):  # not left to pytest, whose calls nest as deep as folders do
        folder.rmdir()
    assert sources(found) == ["d/" * 600 + "a.txt"]


def test_links_in_a_circle_are_followed_once(tmp_path):
    make(tmp_path, "a/b.txt", "c/d.txt")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/x").symlink_to(tmp_path / "c")
    (tmp_path / "z").symlink_to(tmp_path / "c")
    found = find_files([tmp_path])
    assert sources(found) == ["a/b.txt", "a/x/d.txt", "c/d.txt"]
    assert skipped(found.excluded) == dict.fromkeys(["a/up/", "z/"], "a link to a folder that is read already")


def test_what_cannot_be_read_is_listed(tmp_path):
    make(tmp_path, "a.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    found = find_files([tmp_path])
    assert sources(found) == ["a.txt"]
    assert skipped(found.rejected)["gone.txt"] == "cannot be read: No such file or directory"
    assert skipped(found.rejected)["loop.txt"].startswith("cannot be read: Too many levels")
    assert skipped(found.unsupported)["pipe.txt"] == "not a regular file"


def test_a_name_that_is_not_text_is_listed(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    except OSError:
        pytest.skip("this file system refuses such names")
    found = find_files([tmp_path])
    assert sources(found) == []
    assert skipped(found.unsupported) == {"caf\ufffd.txt": "its name is not valid text; rename it"}


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere: no such file or folder; check the path"):
        find_files([tmp_path / "nowhere"])


def test_two_files_with_one_source_are_refused(tmp_path):
    make(tmp_path, "a/x.txt", "b/x.txt")
    with pytest.raises(UsageError, match=r"a/x\.txt and .*b/x\.txt would both be 'x\.txt'"):
        find_files([tmp_path / "a", tmp_path / "b"])


def test_the_same_file_given_twice_is_one_file(tmp_path, monkeypatch):
    make(tmp_path, "a/x.txt", "a/y.odt")
    monkeypatch.chdir(tmp_path)
    found = find_files([tmp_path / "a", Path("a"), Path("a/x.txt")])
    assert sources(found) == ["x.txt"]
    assert len(found.unsupported) == 1


def test_an_empty_folder_has_nothing(tmp_path):
    found = find_files([tmp_path])
    assert (found.files, found.excluded, found.unsupported) == ([], [], [])


def test_a_pattern_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--exclude: .*write patterns as in a \.gitignore"):
        find_files([tmp_path], ["!"])
