"""Two runs over the same questions: the difference of a statistic, how sure it is, and whether chance would do as much.

Rows have the shape (n, 2, k): for each question the k numbers of the baseline and of the run, NaN where it has none.
"""

from collections.abc import Callable
from itertools import product
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rag.metrics import RESAMPLES, SEED, Floats, Statistic, bootstrap

# Pairs that differ: up to this many, all ways to swap them (2 ** 10) are tried, which is fewer than would be drawn.
EXACT = 10
_BLOCK = 1_000_000  # numbers at a time: bounds the memory of a test, not its result
_ROUNDING = 1e-12  # sums of the same numbers in another order

Difference = Callable[[Floats], Floats]  # (samples, n, 2, k) -> (samples,)


class Paired(TypedDict):
    """`difference` is `value - baseline`. Interval (95 %) and p-value are None where they cannot be had."""

    baseline: float
    value: float
    difference: float
    n: int
    ci_low: float | None
    ci_high: float | None
    p_value: float | None


def known_mean(samples: Floats) -> Floats:
    """Return the mean of each sample over the questions that have a value, NaN if none has: (samples, n, 1)."""
    known = ~np.isnan(samples[..., 0])
    totals, counts = np.where(known, samples[..., 0], 0).sum(axis=1), known.sum(axis=1)
    return np.asarray(np.divide(totals, counts, out=np.full(len(samples), np.nan), where=counts > 0))


def compare_pairs(rows: ArrayLike, statistic: Statistic = known_mean) -> Paired:
    """Return the difference of a statistic (samples, n, k) between the two runs of `rows`.

    The interval is the percentile bootstrap over questions, both runs of a question drawn together (Efron & Tibshirani,
    1993), with the resamples and the seed of `metrics.bootstrap`. Raises ValueError if there are no rows.
    """
    data = np.asarray(rows, dtype=np.float64)

    def difference(samples: Floats) -> Floats:
        return np.asarray(statistic(samples[:, :, 1]) - statistic(samples[:, :, 0]))

    low, high = bootstrap(data, difference)
    baseline, value = (float(statistic(data[None, :, run])[0]) for run in (0, 1))
    return Paired(
        baseline=baseline,
        value=value,
        difference=value - baseline,
        n=len(data),
        ci_low=None if np.isnan(low) else low,
        ci_high=None if np.isnan(high) else high,
        p_value=permutation_p(data, difference),
    )


def permutation_p(rows: Floats, difference: Difference) -> float:
    """Return the two-sided p-value of the paired permutation test; for a mean, that is the sign-flip test.

    If the runs were alike, each question's two results could as well be swapped: p is the share of the swaps whose
    difference is at least as large as the one seen (Fisher, 1935; for retrieval: Smucker, Allan & Carterette, CIKM
    2007). All swaps are tried where at most `EXACT` pairs differ; else 2,000 are drawn with a fixed seed, and the one
    seen is counted among them, so that p is never 0 (Phipson & Smyth, 2010).
    """
    differ = np.flatnonzero([not np.array_equal(before, now, equal_nan=True) for before, now in rows])
    swaps, drawn = _swaps(len(differ))
    # A swap that leaves one run without a value is NaN. It counts as large: never a p-value that is too small.
    seen = abs(float(difference(rows[None])[0])) - _ROUNDING
    size = max(1, _BLOCK // rows.size)
    blocks = [swaps[start : start + size] for start in range(0, len(swaps), size)]
    large = sum(int((~(np.abs(difference(_swapped(rows, differ, block))) < seen)).sum()) for block in blocks)
    return (large + drawn) / (len(swaps) + drawn)


def _swaps(pairs: int) -> tuple[NDArray[np.bool_], bool]:
    """Return which pairs to swap, shape (samples, pairs), and whether they were drawn."""
    if pairs <= EXACT:
        return np.array(list(product((False, True), repeat=pairs)), dtype=np.bool_).reshape(2**pairs, pairs), False
    return np.random.default_rng(SEED).random((RESAMPLES, pairs)) < 0.5, True


def _swapped(rows: Floats, differ: NDArray[np.intp], swaps: NDArray[np.bool_]) -> Floats:
    """Return one sample of all rows for each row of `swaps`: (samples, n, 2, k)."""
    samples = np.repeat(rows[None], len(swaps), axis=0)
    pairs = samples[:, differ]
    samples[:, differ] = np.where(swaps[:, :, None, None], pairs[:, :, ::-1], pairs)
    return samples
