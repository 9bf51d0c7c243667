"""One run of `pincite eval` or `calibrate`: the gold set is read first, then the store and the models are opened."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api.build import CALIBRATION, note_other_top_k, open_answerer
from api.settings import Settings
from index.moment import Moment
from rag.answer import Answerer, AnswererAt
from rag.calibrate import Calibration, fit
from rag.documents import StoredDocuments, corpus_fingerprint
from rag.evaluate import evaluate
from rag.gold import GoldQuestion, load_gold
from rag.journal import journal, key_of
from rag.judge import sample

Notify = Callable[[str], None]
Progress = Callable[[int, int, str], None]


def run_evaluation(
    gold_file: Path, settings: Settings, top_k: int, notify: Notify, progress: Progress
) -> dict[str, Any]:
    """Return the evaluation report (see `rag.evaluate`). UsageError for a malformed gold set, before anything else."""
    gold = load_gold(gold_file)
    answerer = open_answerer(settings=settings, notify=notify, top_k=top_k)
    note_other_top_k(answerer, top_k, notify)
    return evaluate_with(
        answerer,
        gold,
        hashlib.sha256(gold_file.read_bytes()).hexdigest(),
        top_k=top_k,
        notify=notify,
        progress=progress,
    )


def evaluate_with(
    answerer: Answerer,
    gold: Sequence[GoldQuestion],
    gold_sha256: str,
    *,
    top_k: int,
    notify: Notify,
    progress: Progress,
) -> dict[str, Any]:
    """Return the report of an answerer that is open; `gold_sha256` is of the file that `gold` was read from.

    The whole run is of one generation: what is written to the store meanwhile changes none of it. A run that was cut
    short is taken up where it stopped if everything that its answers depend on is as it was. Raises Locked where the
    very same run is under way elsewhere, StoreError where the store's folder cannot be written.
    """
    with answerer.store.snapshot() as snapshot:
        run_info = _run_info(answerer, snapshot, gold_sha256, top_k)
        depends_on = {
            **run_info,
            # Apart in some answers, though one calibration may hold for both: fp32 and bf16.
            "precisions": [answerer.encoder.info.precision, answerer.reader.info.precision],
            "calibration": asdict(answerer.calibration),
            "manifest": answerer.store.manifest.to_json(),
        }
        with journal(answerer.store.folder, key_of(depends_on)) as records:
            if records:
                notify(f"taken up after {len(records)} of {len(gold)} questions")
            return evaluate(
                AnswererAt(answerer, snapshot),
                StoredDocuments(snapshot),
                gold,
                top_k=top_k,
                run_info=run_info,
                progress=lambda done, total: progress(done, total, ""),
                records=records,
            )


def _run_info(answerer: Answerer, snapshot: Moment, gold_sha256: str, top_k: int) -> dict[str, object]:
    return {
        "version": version("pincite"),
        "generation": snapshot.generation,
        "corpus": corpus_fingerprint(snapshot),
        "gold": gold_sha256,
        "models": _models(answerer),
        "settings": {"top_k": top_k, **asdict(answerer.fingerprint(top_k))},
    }


def _models(answerer: Answerer) -> dict[str, str]:
    return {"embedder": answerer.encoder.info.name, "reader": answerer.reader.info.name}


def run_calibration(
    gold_file: Path, settings: Settings, top_k: int, notify: Notify, progress: Progress
) -> tuple[Path, Calibration]:
    """Fit a calibration on a gold set, write it into the store, and return where it is with what it is."""
    gold = [question for question in load_gold(gold_file) if question.answers or not question.answerable]
    answerer = open_answerer(settings=settings, notify=notify, calibrated=False)
    samples = []
    with answerer.store.snapshot() as snapshot:
        questions = [question.question for question in gold]
        asked = AnswererAt(answerer, snapshot).ask_many(questions, top_k, depth=0)
        for done, (question, one) in enumerate(zip(gold, asked, strict=True), start=1):
            progress(done, len(gold), "")
            samples.append(sample(question, one.answer))
    calibration = fit([one for one in samples if one], answerer.fingerprint(top_k), gold_file.name)
    path = answerer.store.folder / CALIBRATION
    calibration.save(path)
    return path, calibration
