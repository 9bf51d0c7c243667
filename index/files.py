"""Paths -> files to load, each under the source it will be cited by. The only import of `pathspec`."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from index.errors import UsageError
from index.load import supported

IGNORE_FILE = ".pinciteignore"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and its source: the path below the folder that was given, with "/" between the names."""

    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder (its name ends in "/") that is left out, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What lies under the paths. Nothing is left out without being listed here; `rejected` is what cannot be read."""

    files: list[FoundFile] = field(default_factory=list)
    rejected: list[Skipped] = field(default_factory=list)
    excluded: list[Skipped] = field(default_factory=list)
    unsupported: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Rules:
    """Ignore patterns and the folder (relative to the root, "" or ending in "/") below which they hold."""

    folder: str
    spec: GitIgnoreSpec
    reason: str

    def verdict(self, source: str) -> bool | None:
        """Tell whether the patterns exclude (True) or include again (False) the source; None if they are silent."""
        return self.spec.check_file(source[len(self.folder) :]).include


def find_files(paths: Sequence[Path], exclude: Sequence[str] = ()) -> Found:
    """Return the files under `paths`, folders searched recursively, in the order of paths and then of names.

    `exclude` holds patterns as in a .gitignore, relative to each folder given. Names that begin with a dot are
    excluded unless given themselves. Raises UsageError for a missing path, for a pattern that cannot be read, and
    where two files would have one source.
    """
    found = Found()
    asked = _Rules("", _spec(exclude, "--exclude"), "excluded by --exclude")
    for path in paths:
        if path.is_dir():
            _Walk(path, asked, found, {identity(path)}).folder(path, "", ())
        elif path.exists():
            _add_file(path, path.name, asked, found)
        else:
            raise UsageError(f"{os.fsencode(path).decode(errors='replace')}: no such file or folder; check the path")
    return _without_repeats(found)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One search below the folder `root`; `seen` holds the folders entered, so that links cannot lead in circles."""

    root: Path
    asked: _Rules
    found: Found
    seen: set[tuple[int, int]]

    def folder(self, path: Path, prefix: str, rules: tuple[_Rules, ...]) -> None:
        """Add what lies in a folder; `prefix` is its source, `rules` hold the ignore files above it."""
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            self.found.rejected.append(_unreadable(prefix or "./", error))
            return
        if IGNORE_FILE in names:
            rules = (*rules, _ignore_rules(path / IGNORE_FILE, prefix))
        for name in names:
            if name != IGNORE_FILE:
                self._entry(path / name, prefix + name, rules)

    def _entry(self, path: Path, source: str, rules: tuple[_Rules, ...]) -> None:
        try:
            is_folder = path.is_dir()
        except OSError as error:  # its folder can be listed, and not entered
            self.found.rejected.append(_unreadable(source, error))
            return
        named = f"{source}/" if is_folder else source
        if reason := self._exclusion(named, rules):
            self.found.excluded.append(Skipped(_shown(named), reason))
        elif not is_folder:
            _add_file(path, source, None, self.found)
        elif path.is_symlink() and identity(path) in self.seen:
            self.found.excluded.append(Skipped(_shown(named), "a link to a folder that is read already"))
        else:
            self.seen.add(identity(path))
            self.folder(path, named, rules)

    def _exclusion(self, source: str, rules: tuple[_Rules, ...]) -> str | None:
        name = source.rstrip("/").rsplit("/", 1)[-1]
        if name.startswith("."):
            return "hidden"
        if self.asked.verdict(source):
            return self.asked.reason
        for each in reversed(rules):  # the nearest ignore file has the last word
            if (verdict := each.verdict(source)) is not None:
                return each.reason if verdict else None
        return None


def _add_file(path: Path, source: str, asked: _Rules | None, found: Found) -> None:
    if asked and asked.verdict(source):
        found.excluded.append(Skipped(_shown(source), asked.reason))
        return
    try:
        reason = _unfit(path, source)
    except OSError as error:
        found.rejected.append(_unreadable(source, error))
        return
    if reason:
        found.unsupported.append(Skipped(_shown(source), reason))
    else:
        found.files.append(FoundFile(path, source))


def _unreadable(source: str, error: OSError) -> Skipped:
    return Skipped(_shown(source), f"cannot be read: {error.strerror}")


def _unfit(path: Path, source: str) -> str | None:
    try:
        source.encode()
    except UnicodeEncodeError:
        return "its name is not valid text; rename it"
    if not stat.S_ISREG(path.stat().st_mode):
        return "not a regular file"
    return (
        None if supported(source) else f"files of type {Path(source).suffix.lower() or '(no suffix)'} are not supported"
    )


def _without_repeats(found: Found) -> Found:
    """Return what was found with each file once. Raises UsageError where two files have one source."""
    first: dict[str, FoundFile] = {}
    for file in found.files:
        other = first.setdefault(file.source, file)
        if other is not file and not os.path.samefile(other.path, file.path):
            raise UsageError(f"{other.path} and {file.path} would both be {file.source!r}; index the folder above them")
    lists = (found.rejected, found.excluded, found.unsupported)
    return Found(list(first.values()), *(list(dict.fromkeys(one)) for one in lists))


def _ignore_rules(path: Path, folder: str) -> _Rules:
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); fix or remove it") from error
    return _Rules(folder, _spec(lines, str(path)), f"excluded by {_shown(folder)}{IGNORE_FILE}")


def _spec(patterns: Iterator[str] | Sequence[str], where: str) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise UsageError(f"{where}: {' '.join(str(error).split())}; write patterns as in a .gitignore") from error


def identity(path: Path) -> tuple[int, int]:
    """Return what tells a file or folder from another one of its name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _shown(source: str) -> str:
    """Return a source as text that can be printed: bytes of a name that are no text become U+FFFD."""
    return source.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
