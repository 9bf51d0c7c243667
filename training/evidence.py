r"""Fit what a candidate's score adds to the reader's margin (`rag.evidence`), on gold sets over stores.

Every passage that is read for a question gives one candidate, right or wrong (token F1 of at least 0.5). A logistic
regression tells them apart by their evidence; its weights, in units of that of the margin, are written for the models
that were used. All gold sets together weigh the same, however many questions they have.

    python -m training.evidence --on squad/fit.jsonl squad/fit.store --on natural/fit.jsonl natural/store \
        --out rag/models/evidence.json

Confidence is a function of the score: calibrate it anew (`pincite calibrate`).
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from api.build import open_answerer
from index.errors import PinciteError, UsageError
from rag.answer import TOP_K, Answerer
from rag.evidence import Evidence, Weights
from rag.gold import GoldQuestion, load_gold
from rag.judge import candidate_right

DIGITS = 4  # of a weight
log = logging.getLogger("training")

Judged = list[tuple[Evidence, bool]]


def judged(answerer: Answerer, gold: Sequence[GoldQuestion], name: str) -> Judged:
    """Return the evidence of every candidate, and whether it is right; what nobody can judge is left out."""
    pairs: Judged = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        asked = answerer.ask_many((question.question for question in gold), TOP_K, depth=0)
        for question, reply in bar.track(zip(gold, asked, strict=True), total=len(gold), description=name):
            for one in reply.candidates:
                right = candidate_right(question, one.quote) if one else None
                pairs += [(one.evidence, right)] if one and right is not None else []
    return pairs


def fit(sets: Sequence[Judged]) -> Weights:
    """Return the weights, each divided by that of the margin.

    Logistic regression with an L2 penalty (C = 1) over standardised evidence; each set weighs the same. UsageError
    unless there are right and wrong candidates, and those of greater margin are the oftener right.
    """
    rows = np.array([astuple(evidence) for pairs in sets for evidence, _ in pairs], np.float64)
    right = [is_right for pairs in sets for _, is_right in pairs]
    if len(set(right)) < 2:
        raise UsageError("the candidates are all right or all wrong; name gold sets that have both")
    shares = np.concatenate([np.full(len(pairs), 1 / len(pairs)) for pairs in sets if pairs])
    scaler = StandardScaler()
    model = LogisticRegression(C=1.0, max_iter=1_000).fit(
        scaler.fit_transform(rows), right, sample_weight=shares * len(rows) / shares.sum()
    )
    by_name = dict(zip((field.name for field in fields(Evidence)), model.coef_[0] / scaler.scale_, strict=True))
    margin = by_name.pop("margin")
    if margin <= 0:
        raise UsageError("candidates of greater margin are no oftener right; name gold sets with more questions")
    return Weights(**{name: round(float(weight / margin), DIGITS) for name, weight in by_name.items()})


def main() -> None:
    """Run the command; a reason for refusing goes to stderr, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(
        prog="python -m training.evidence", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sets_help = "a gold set and its store; may be repeated"
    parser.add_argument(
        "--on", type=Path, nargs=2, metavar=("GOLD", "STORE"), action="append", required=True, help=sets_help
    )
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    given = parser.parse_args()
    try:
        if not given.out.parent.is_dir():
            raise UsageError(f"{given.out.parent}: no such folder; name a file in one that is there")
        answerers = [(load_gold(gold), gold, open_answerer(store, calibrated=False)) for gold, store in given.on]
        encoder, reader = answerers[0][2].encoder.info, answerers[0][2].reader.info
        sets = []
        for gold, path, answerer in answerers:
            sets.append(judged(answerer, gold, path.name))
            log.info("%s: %s candidates, %s right", path, len(sets[-1]), sum(right for _, right in sets[-1]))
        weights = fit(sets)
    except PinciteError as error:
        log.error("%s", error)
        sys.exit(2)
    fitted = {"embedder": encoder.sha256, "reader": reader.sha256, "weights": asdict(weights)}
    given.out.write_text(json.dumps(fitted, indent=1) + "\n", "utf-8")
    log.info("%s: %s", given.out, weights)


if __name__ == "__main__":
    main()
