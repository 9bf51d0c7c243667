"""The measures: pure functions, each with its formula, its source and what it does with nothing.

The first half scores one question; the second half is about many. A *statistic* takes resamples along the first axis,
so that the value (one sample) and its bootstrap interval (thousands) come from the same code.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rag.normalise import normalise

ECE_BINS = 15  # Guo et al., ICML 2017
RESAMPLES = 2_000
SEED = 0
INTERVAL = (2.5, 97.5)  # percentiles: a 95 % interval
_BLOCK = 2_000_000  # numbers drawn at a time: bounds the memory of a bootstrap, not its result

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # (resamples, n, ...) -> (resamples,)


class Metric(TypedDict):
    """A measured number: `n` is how many questions it is over; the interval is 95 %."""

    value: float
    n: int
    ci_low: float
    ci_high: float


def exact_match(prediction: str, accepted: Sequence[str]) -> float:
    """Return 1.0 if the prediction equals an accepted answer after normalisation, else 0.0 (SQuAD v1.1).

    Raises ValueError if nothing is accepted.
    """
    return _best(lambda predicted, wanted: float(predicted == wanted), prediction, accepted)


def f1(prediction: str, accepted: Sequence[str]) -> float:
    """Return the token F1 with the accepted answer that fits best: 2 * P * R / (P + R) over normalised tokens.

    P and R are the shares of the prediction's and of the accepted answer's tokens that are common to both, counted
    with repetition (SQuAD v1.1). Where either has no tokens, F1 is 1.0 if both have none, else 0.0 (SQuAD v2.0).
    Raises ValueError if nothing is accepted.
    """
    return _best(lambda predicted, wanted: _token_f1(predicted.split(), wanted.split()), prediction, accepted)


def _best(score: Callable[[str, str], float], prediction: str, accepted: Sequence[str]) -> float:
    if not accepted:
        raise ValueError("no accepted answer to compare with")
    return max(score(normalise(prediction), normalise(answer)) for answer in accepted)


def _token_f1(predicted: list[str], wanted: list[str]) -> float:
    if not predicted or not wanted:
        return float(predicted == wanted)
    common = (Counter(predicted) & Counter(wanted)).total()
    return 2 * common / (len(predicted) + len(wanted))  # 2PR / (P + R), without the division by zero


def reciprocal_rank(relevant: AbstractSet[str], ranked: Sequence[str], k: int) -> float:
    """Return 1 / rank of the first relevant item among the first `k`, ranks from 1; 0.0 if none is there.

    Raises ValueError if nothing is relevant, `k` < 1 or an item is ranked twice.
    """
    _check_ranking(relevant, ranked, k)
    return next((1 / rank for rank, item in enumerate(ranked[:k], start=1) if item in relevant), 0.0)


def recall(relevant: AbstractSet[str], ranked: Sequence[str], k: int) -> float:
    """Return the share of the relevant items that are among the first `k`.

    Raises ValueError if nothing is relevant, `k` < 1 or an item is ranked twice.
    """
    _check_ranking(relevant, ranked, k)
    return len(relevant & set(ranked[:k])) / len(relevant)


def ndcg(relevant: AbstractSet[str], ranked: Sequence[str], k: int) -> float:
    """Return the binary nDCG of the first `k`: DCG divided by the DCG of a ranking with all relevant items first.

    DCG is the sum of 1 / log2(rank + 1) over the relevant items among the first `k`, ranks from 1 (Järvelin &
    Kekäläinen, TOIS 2002; as in trec_eval).
    Raises ValueError if nothing is relevant, `k` < 1 or an item is ranked twice.
    """
    _check_ranking(relevant, ranked, k)
    gains = 1 / np.log2(np.arange(2, k + 2))  # of ranks 1..k
    found = sum(float(gain) for gain, item in zip(gains, ranked[:k], strict=False) if item in relevant)
    return found / sum(float(gain) for gain in gains[: len(relevant)])


def _check_ranking(relevant: AbstractSet[str], ranked: Sequence[str], k: int) -> None:
    if not relevant:
        raise ValueError("nothing is relevant, so no ranking can be right or wrong")
    if k < 1:
        raise ValueError(f"need k >= 1, got {k}")
    if len(set(ranked)) != len(ranked):
        raise ValueError("an item is ranked twice")


def ece(confidences: Sequence[float], right: Sequence[bool], bins: int = ECE_BINS) -> float:
    """Return the expected calibration error: sum over bins of |bin| / n * |mean confidence - share right|.

    The bins have equal mass: pairs are ranked by confidence, highest first, and cut into `bins` runs whose sizes differ
    by at most one (n runs if n < `bins`). Pairs of equal confidence each count as the mean of their outcomes, so their
    order does not matter (Naeini et al., AAAI 2015; equal mass: Nixon et al., CVPR Workshops 2019).
    Raises ValueError if there are no pairs, lengths differ or a confidence is outside 0..1.
    """
    return float(ece_statistic(bins)(calibration_pairs(confidences, right)[None])[0])


def aurc(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Return the area under the risk-coverage curve: the mean over k of the share wrong among the k most confident.

    k runs from 1 to n; 0 is best. Pairs of equal confidence each count as the mean of their outcomes, so their order
    does not matter (Geifman & El-Yaniv, NeurIPS 2017).
    Raises ValueError if there are no pairs, lengths differ or a confidence is outside 0..1.
    """
    return float(aurc_statistic(calibration_pairs(confidences, right)[None])[0])


def calibration_pairs(confidences: Sequence[float], right: Sequence[bool]) -> Floats:
    """Return rows of (confidence, outcome), shape (n, 2), outcome 1.0 for right. Raises ValueError as `ece` does."""
    pairs = np.array(list(zip(confidences, right, strict=True)), dtype=np.float64)
    if not len(pairs):
        raise ValueError("no confidence to judge")
    if not np.all((pairs >= 0) & (pairs <= 1)):  # also refuses NaN
        raise ValueError("a confidence is outside 0..1")
    return pairs


def mean(samples: Floats) -> Floats:
    """Return the mean of each resample: (resamples, n) -> (resamples,)."""
    return np.asarray(samples.mean(axis=1))


def percentile(percent: float) -> Statistic:
    """Return the statistic that gives a percentile of each resample, interpolated linearly between neighbours."""
    return lambda samples: np.asarray(np.percentile(samples, percent, axis=1))


def ece_statistic(bins: int) -> Statistic:
    """Return the statistic of `ece`: (resamples, n, 2) -> (resamples,)."""

    def statistic(samples: Floats) -> Floats:
        confidence, outcome = _ranked(samples)
        n = confidence.shape[1]
        starts = np.arange(min(bins, n)) * n // min(bins, n)
        gaps = np.add.reduceat(confidence - outcome, starts, axis=1)
        return np.asarray(np.abs(gaps).sum(axis=1) / n)  # |bin| / n * |mean gap| = |sum of gaps| / n

    return statistic


def aurc_statistic(samples: Floats) -> Floats:
    """Return the statistic of `aurc`: (resamples, n, 2) -> (resamples,)."""
    _, outcome = _ranked(samples)
    coverage = np.arange(1, outcome.shape[1] + 1)
    return np.asarray((np.cumsum(1 - outcome, axis=1) / coverage).mean(axis=1))


def _ranked(samples: Floats) -> tuple[Floats, Floats]:
    """Return confidences, highest first, and outcomes, each the mean of its tie: both (resamples, n)."""
    order = np.argsort(-samples[:, :, 0], axis=1, kind="stable")
    confidence = np.take_along_axis(samples[:, :, 0], order, axis=1)
    outcome = np.take_along_axis(samples[:, :, 1], order, axis=1)
    opens_tie = np.ones(confidence.shape, dtype=np.bool_)
    opens_tie[:, 1:] = confidence[:, 1:] != confidence[:, :-1]
    tie = np.cumsum(opens_tie.ravel()) - 1
    means = np.bincount(tie, weights=outcome.ravel()) / np.bincount(tie)
    return confidence, means[tie].reshape(outcome.shape)


def bootstrap(rows: Floats, statistic: Statistic) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a statistic over `rows`, one row a question (Efron, 1979).

    2,000 resamples of len(rows) rows with replacement, seed 0: the same rows give the same interval.
    Raises ValueError if there are no rows.
    """
    n = len(rows)
    if not n:
        raise ValueError("nothing to resample")
    draw = np.random.default_rng(SEED)
    block = max(1, _BLOCK // n)
    sizes = [min(block, RESAMPLES - done) for done in range(0, RESAMPLES, block)]
    values = np.concatenate([statistic(rows[draw.integers(0, n, size=(size, n))]) for size in sizes])
    low, high = np.percentile(values, INTERVAL)
    return float(low), float(high)


def estimate(rows: ArrayLike, statistic: Statistic = mean) -> Metric:
    """Return a statistic over `rows` (one a question) with its interval. Raises ValueError if there are no rows."""
    data = np.asarray(rows, dtype=np.float64)
    low, high = bootstrap(data, statistic)
    return Metric(value=float(statistic(data[None])[0]), n=len(data), ci_low=low, ci_high=high)
