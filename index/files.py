"""Paths -> files to load, each under the source it will be cited by. The only import of `pathspec`."""

import codecs
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from index.errors import UsageError
from index.load import supported

IGNORE_FILE = ".pinciteignore"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
class _Pattern:
    """A line of an ignore file: what it names, whether it excludes that or includes it again, and folders alone."""

    regex: re.Pattern[str]
    excludes: bool
    folders_only: bool

    def names(self, source: str) -> bool:
        """Tell whether it names the source itself; what pathspec matches also lies in a folder that is named."""
        name = source.rstrip("/")
        if self.folders_only and name == source:
            return False
        # Its one group is the "/" behind a folder. Without it the pattern (`*`, `docs/**`) names all that it matches.
        return bool(self.regex.fullmatch(name) if self.regex.groups else self.regex.search(name))


@dataclass(frozen=True, slots=True)
class _Rules:
    """Ignore patterns and the folder (relative to the root, "" or ending in "/") below which they hold."""

    folder: str
    patterns: Sequence[_Pattern]
    reason: str

    def verdict(self, source: str) -> bool | None:
        """Tell whether the patterns exclude (True) or include again (False) the source; None if they are silent.

        As in git, the last one that names it decides. What lies in an excluded folder is never asked for.
        """
        below = source[len(self.folder) :]
        return next((pattern.excludes for pattern in reversed(self.patterns) if pattern.names(below)), None)


def find_files(paths: Sequence[Path], exclude: Sequence[str] = ()) -> Found:
    """Return the files under `paths`, folders searched recursively, in the order of paths and then of names.

    `exclude` holds patterns as in a .gitignore, relative to each folder given. Names that begin with a dot are
    excluded unless given themselves. Raises UsageError for a missing path, for a pattern that cannot be read, and
    where two files would have one source.
    """
    found = Found()
    asked = _Rules("", _patterns(exclude, "--exclude"), "excluded by --exclude")
    for path in paths:
        if path.is_dir():
            _Walk(asked, found, {identity(path)}).run(path)
        elif path.exists():
            _add_file(path, path.name, asked, found)
        else:
            raise UsageError(f"{os.fsencode(path).decode(errors='replace')}: no such file or folder; check the path")
    return _without_repeats(found)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name in a folder; `rules` hold the ignore files above it."""

    path: Path
    source: str
    rules: tuple[_Rules, ...]


@dataclass(frozen=True, slots=True)
class _Walk:
    """One search below a folder; `seen` holds the folders entered, so that links cannot lead in circles."""

    asked: _Rules
    found: Found
    seen: set[tuple[int, int]]

    def run(self, root: Path) -> None:
        """Add what lies in a folder and below it, in order."""
        pending = self._folder(root, "", ())  # the next one last: folders may nest deeper than calls
        while pending:
            pending += self._entry(pending.pop())

    def _folder(self, path: Path, prefix: str, rules: tuple[_Rules, ...]) -> list[_Entry]:
        """Return what lies in the folder whose source is `prefix`, the last name first."""
        try:
            names = sorted(os.listdir(path), reverse=True)
        except OSError as error:
            self.found.rejected.append(_unreadable(prefix or "./", error))
            return []
        if IGNORE_FILE in names:
            rules = (*rules, _ignore_rules(path / IGNORE_FILE, prefix))
        return [_Entry(path / name, prefix + name, rules) for name in names if name != IGNORE_FILE]

    def _entry(self, entry: _Entry) -> list[_Entry]:
        """Add a file, or return what lies in a folder."""
        path, source, rules = entry.path, entry.source, entry.rules
        try:
            is_folder = path.is_dir()
        except OSError as error:  # its folder can be listed, and not entered
            self.found.rejected.append(_unreadable(source, error))
            return []
        named = f"{source}/" if is_folder else source
        if reason := self._exclusion(named, rules):
            self.found.excluded.append(Skipped(_shown(named), reason))
        elif not is_folder:
            _add_file(path, source, None, self.found)
        elif path.is_symlink() and identity(path) in self.seen:
            self.found.excluded.append(Skipped(_shown(named), "a link to a folder that is read already"))
        else:
            self.seen.add(identity(path))
            return self._folder(path, named, rules)
        return []

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
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); fix or remove it") from error
    if data.startswith(_UTF16) or b"\0" in data:  # read as UTF-8 its patterns would match nothing
        raise UsageError(f"{path}: is UTF-16, or no text; save it as UTF-8")
    lines = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape").splitlines()
    return _Rules(folder, _patterns(lines, str(path)), f"excluded by {_shown(folder)}{IGNORE_FILE}")


def _patterns(lines: Sequence[str], where: str) -> list[_Pattern]:
    try:
        return [pattern for line in lines if (pattern := _pattern(line))]
    except ValueError as error:
        raise UsageError(f"{where}: {' '.join(str(error).split())}; write patterns as in a .gitignore") from error


def _pattern(line: str) -> _Pattern | None:
    """Return what a line of an ignore file says; None where it says nothing. Raises ValueError if it is no pattern."""
    trimmed = line.rstrip()
    folders_only = trimmed.endswith("/")  # taken off: with it pathspec means what lies in the folder, too
    read = GitIgnoreSpecPattern(trimmed[:-1] if folders_only else line)
    return None if read.regex is None else _Pattern(read.regex, bool(read.include), folders_only)


def identity(path: Path) -> tuple[int, int]:
    """Return what tells a file or folder from another one of its name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _shown(source: str) -> str:
    """Return a source as text that can be printed: bytes of a name that are no text become U+FFFD."""
    return source.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
