"""Scores -> probabilities of being right; the threshold below which there is no answer; risk and coverage."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from index.errors import StoreError, UsageError

FORMAT = 1
DIGITS = 4  # of a confidence, as it is reported and compared
CURVE_POINTS = 200
# Share of the questions that people ask and their documents do not answer, for which the threshold is chosen. An
# assumption: test sets are built with half, which would make the threshold withhold too much. It was picked with the
# scores of seeds/gold.jsonl in view, so that set's answered and withheld shares are no independent test of it.
UNANSWERABLE = 0.25


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a calibration was fitted with; scores of anything else do not mean the same."""

    embedder: str
    reader: str
    precision: str
    top_k: int
    fusion: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Answering only at `confidence` or above: how many answers that gives, and the share of them that is wrong."""

    confidence: float
    answers: int
    risk: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(right | score) = 1 / (1 + exp(-(slope * score + intercept))), and where to stop answering.

    Platt, "Probabilistic Outputs for Support Vector Machines", 1999. `fingerprint` None means not fitted.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5
    fingerprint: Fingerprint | None = None
    fitted_on: str = ""
    questions: int = 0
    curve: tuple[CurvePoint, ...] = field(default=())

    def probability(self, score: float) -> float:
        """Return the probability that an answer of this score is right, 0..1."""
        z = self.slope * score + self.intercept
        return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))

    def confidence(self, score: float) -> float:
        """Return that probability as it is reported and compared with a threshold: to four decimals."""
        return round(self.probability(score), DIGITS)

    def at_risk(self, target: float) -> float:
        """Return the lowest confidence from which at most a share `target` of the answers given was wrong.

        Raises UsageError where no confidence reaches that, or where too few answers were seen to say so: with none
        wrong of n, the 95 % upper bound of the risk is 3 / n (Hanley & Lippman-Hand, JAMA 1983), so n >= 3 / target.
        """
        shown = [point for point in self.curve if point.answers * target >= 3]
        enough = [point.confidence for point in shown if point.risk <= target]
        if not shown:
            raise UsageError(
                f"risk:{target:g}: the calibration's {self.questions} questions are too few to show so small a risk; "
                "ask for a larger one, or calibrate with more"
            )
        if not enough:
            raise UsageError(
                f"risk:{target:g}: the smallest risk seen on the calibration's {self.questions} questions was "
                f"{_up(min(point.risk for point in shown))}; ask for that or more, or calibrate with your own questions"
            )
        return round(min(enough), DIGITS)  # the curve may have been written with more

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n", "utf-8")
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote; StoreError if it is something else."""
        try:
            stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if not isinstance(stored, dict) or stored.pop("format") != FORMAT:
                raise ValueError("another format")
            numbers = [stored[name] for name in ("slope", "intercept", "threshold")]
            if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
                raise ValueError("no finite numbers")
            stored["curve"] = tuple(CurvePoint(**point) for point in stored["curve"])
            stored["fingerprint"] = Fingerprint(**stored["fingerprint"])
            return cls(**stored)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(
                f"{path}: not a calibration ({error}); make it again with `pincite calibrate`, or delete it"
            ) from None


@dataclass(frozen=True, slots=True)
class Sample:
    """One question's best candidate: its score, whether it is right, and its F1 (None: the question has no answer)."""

    score: float
    right: bool
    f1: float | None


def _up(share: float) -> str:
    """Return a share in three decimals, rounded up, so that asking for it is granted."""
    return f"{math.ceil(round(share * 1000, 9)) / 1000:.3f}"


def fit(samples: Sequence[Sample], fingerprint: Fingerprint, fitted_on: str) -> Calibration:
    """Fit by logistic regression, and choose the threshold (see `best_threshold`).

    Raises UsageError unless both right and wrong answers are there, and the higher score is the likelier right.
    """
    if len({sample.right for sample in samples}) < 2:
        raise UsageError(
            f"{fitted_on}: the answers are all right or all wrong; calibrate with a gold set that has both"
        )
    from sklearn.linear_model import LogisticRegression  # slow to import, and no answer needs it

    ordered = sorted(samples, key=lambda sample: -sample.score)
    right = [sample.right for sample in ordered]
    model = LogisticRegression(C=np.inf).fit(np.array([[sample.score] for sample in ordered]), right)
    platt = Calibration(slope=float(model.coef_[0, 0]), intercept=float(model.intercept_[0]))
    if platt.slope <= 0:
        raise UsageError(
            f"{fitted_on}: of its {len(samples)} answers those with the higher score are no oftener right; "
            "calibrate with more questions"
        )
    confidences = [platt.confidence(sample.score) for sample in ordered]
    return Calibration(
        slope=platt.slope,
        intercept=platt.intercept,
        threshold=best_threshold(ordered, confidences),
        fingerprint=fingerprint,
        fitted_on=fitted_on,
        questions=len(samples),
        curve=risk_curve(confidences, right),
    )


def best_threshold(samples: Sequence[Sample], confidences: Sequence[float]) -> float:
    """Return the confidence from which answering makes overall F1 (SQuAD v2.0) greatest at the assumed mix.

    Answering a question that has an answer gains its F1; answering one that has none loses the 1 that withholding
    scores. Both kinds are weighted to their assumed shares, whatever their shares in the samples. `confidences` are
    those of the samples and descend; there is one at least, and those of one confidence are answered together.
    """
    without = sum(sample.f1 is None for sample in samples)
    loss = UNANSWERABLE / without if without else 0.0
    gain = (1 - UNANSWERABLE) / (len(samples) - without) if without < len(samples) else 0.0
    worth = np.cumsum([-loss if sample.f1 is None else gain * sample.f1 for sample in samples])
    last = np.append(np.diff(confidences) < 0, True)  # of one confidence: the threshold parts no others
    return confidences[int(np.argmax(np.where(last, worth, -np.inf)))]


def risk_curve(confidences: Sequence[float], right: Sequence[bool]) -> tuple[CurvePoint, ...]:
    """Return risk by coverage, thinned to at most `CURVE_POINTS`. `confidences` descend; ties count together."""
    points: list[CurvePoint] = []
    wrong = 0
    for count, (confidence, is_right) in enumerate(zip(confidences, right, strict=True), start=1):
        wrong += not is_right
        if count == len(confidences) or confidences[count] < confidence:
            points.append(CurvePoint(confidence, count, wrong / count))
    step = max(1, math.ceil(len(points) / CURVE_POINTS))
    return tuple(points[step - 1 :: step])
