"""Settings -> ready parts: the only place where they are wired together."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from api.settings import Settings, load_settings
from index.chunk_limits import RULES, ChunkLimits
from index.embed import Embedder
from index.manifest import NO_MARKS, Manifest
from index.models import EMBEDDER_SHA256, ModelFiles, converted, find_embedder, find_reader, quantised
from index.runtime import AUTO, INT8, has_int8
from index.shards import ShardedStore, shard_count
from index.store import Store
from index.types import Encoder
from rag.answer import TOP_K, Answerer
from rag.calibrate import Calibration, Fingerprint
from rag.read import Reader

DEFAULT_READER = Path(__file__).parent.parent / "rag" / "models" / "reader"
DEFAULT_READER_SHA256 = "8ca216ce012d854d342e4b44bd0ed6774f16b5d7d0b6aa19d9912aea6303e7f4"
CALIBRATION = "calibration.json"
SHIPPED = "calibration*.json"  # one for each kind of precision
Notify = Callable[[str], None]

log = logging.getLogger("pincite")


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model that is ready, and where."""

    kind: str
    name: str
    sha256: str
    precision: str
    folder: str


def prepare_models(settings: Settings, notify: Notify) -> list[PreparedModel]:
    """Convert both models unless that is done, and load them."""
    embedder, reader = build_embedder(settings, notify), build_reader(settings, notify)
    embedder.encode_query("")
    embedder.encode_passages([""])
    one, other = embedder.info, reader.info
    return [
        PreparedModel("embedder", one.name, one.sha256, one.precision, str(embedder.folder)),
        PreparedModel("reader", other.name, other.sha256, other.precision, str(reader.folder)),
    ]


def build_embedder(settings: Settings, notify: Notify = log.info) -> Embedder:
    """Return the embedder, prepared for this machine if this is its first use."""
    files = find_embedder(settings.embedder)
    folder, precision = _prepared(files, "embedder", settings, notify)
    return Embedder(files, folder, settings.threads, precision)


def build_reader(settings: Settings, notify: Notify = log.info) -> Reader:
    """Return the reader, prepared for this machine if this is its first use."""
    files = find_reader(settings.reader, DEFAULT_READER, DEFAULT_READER_SHA256)
    folder, precision = _prepared(files, "reader", settings, notify)
    return Reader(files, folder, settings.threads, precision)


def _prepared(files: ModelFiles, kind: str, settings: Settings, notify: Notify) -> tuple[Path, str]:
    """Return a model's folder and what it is to run in: int8 by itself only where its loss was measured."""
    if settings.precision == INT8 and not has_int8():
        log.warning(
            "int8: this processor is not known to add without overflow, so answers may differ from those measured; "
            "leave PINCITE_PRECISION at auto"
        )
    measured = files.sha256 in {EMBEDDER_SHA256, DEFAULT_READER_SHA256}
    precision = INT8 if settings.precision == AUTO and measured and has_int8() else settings.precision
    prepare = quantised if precision == INT8 else converted
    return prepare(files, kind, settings.cache / "models", notify), precision


def chunk_limits(encoder: Encoder) -> ChunkLimits:
    """Return how documents are cut for this embedder."""
    return ChunkLimits(window=encoder.window)


def manifest_for(encoder: Encoder, mark_boilerplate: bool = True) -> Manifest:
    """Return what a store made with this embedder says of itself."""
    chunker = {"rules": RULES, **asdict(chunk_limits(encoder))} | ({} if mark_boilerplate else {"marks": NO_MARKS})
    return Manifest(embedder=encoder.info, chunker=chunker)


def load_calibration(settings: Settings, fingerprint: Fingerprint) -> Calibration:
    """Return the calibration that was fitted with these parts: the store's own, else one beside the default reader.

    That has one for each kind of precision. Where none fits, one that does but for `top_k`, or the store's, is better
    than none; the answers say that it does not fit.
    """
    paths = (settings.store / CALIBRATION, *sorted(DEFAULT_READER.glob(SHIPPED)))
    calibrations = [Calibration.load(path) for path in paths if path.is_file()]
    fitting = [one for one in calibrations if one.fingerprint == fingerprint]
    alike = [one for one in calibrations if _same_parts(one, fingerprint)]
    same_reader = [one for one in calibrations if one.fingerprint and one.fingerprint.reader == fingerprint.reader]
    return next(iter([*fitting, *alike, *same_reader]), Calibration())


def _same_parts(calibration: Calibration, fingerprint: Fingerprint) -> bool:
    fitted = calibration.fingerprint
    return fitted is not None and replace(fitted, top_k=fingerprint.top_k) == fingerprint


def note_other_top_k(answerer: Answerer, top_k: int, notify: Notify) -> None:
    """Say so where confidence was fitted with another number of passages than is read."""
    fitted = answerer.calibration.fingerprint
    if fitted and fitted.top_k != top_k:
        notify(f"confidence is calibrated for --top-k {fitted.top_k}; take it as a rough order only")


def open_corpus(folder: Path, manifest: Manifest | None = None) -> Store | ShardedStore:
    """Open the store in a folder, or all shards of one that is in shards; raises StoreError as they do."""
    return Store.open(folder, manifest) if shard_count(folder) is None else ShardedStore.open(folder, manifest)


def open_answerer(
    store: Path | str | None = None,
    *,
    settings: Settings | None = None,
    notify: Notify = log.info,
    calibrated: bool = True,
    top_k: int = TOP_K,
) -> Answerer:
    """Open a store and the models, ready to answer: `open_answerer("my-store").ask("Who ...?")`.

    Where it is not to be `calibrated`, for a search or to calibrate it anew, no calibration is looked at; else one is
    that was fitted for `top_k`, if there is one.
    Raises StoreError (absent, damaged, made with another embedder), ModelError, UsageError.
    """
    settings = settings or load_settings()
    if store is not None:
        settings = settings.model_copy(update={"store": Path(store)})
    # Opened without the models first: that it is absent or damaged is known in no time.
    found = open_corpus(settings.store)
    if found.is_empty:  # as a first `pincite index` that was cut off, or rejected every file, leaves it
        notify(f"the store at {settings.store} is empty; fill it with `pincite index PATHS`")
    found.close()
    encoder = build_embedder(settings, notify)
    with ThreadPoolExecutor(1) as beside:  # each takes its time to be compiled
        ready = beside.submit(encoder.encode_query, "")
        reader = build_reader(settings, notify)
        ready.result()
    opened = open_corpus(settings.store, manifest_for(encoder, settings.mark_boilerplate))
    answerer = Answerer(opened, encoder, reader, Calibration())
    if not calibrated:
        return answerer
    answerer.calibration = load_calibration(settings, answerer.fingerprint(top_k))
    if not _same_parts(answerer.calibration, answerer.fingerprint()):
        log.warning("confidence is not calibrated for these models; run `pincite calibrate GOLD`")
    return answerer
