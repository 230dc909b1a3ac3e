"""How far a score would differ on other scenes of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from insarflow.learn.metrics.checks import check_share

_AT_ONCE: Final = 64
"""Resamples added up by one product of matrices: enough to be fast, few enough to stay small."""


class Interval(NamedTuple):
    """A score and where it lies on other scenes."""

    value: float | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray

    def part(self, index: int) -> Interval:
        """One number of a statistic that has several."""
        return Interval(*(float(np.asarray(field)[index]) for field in self))


def bootstrap(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], float | np.ndarray],
    *,
    seed: int,
    n: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Interval of a statistic of summed counts, by drawing whole scenes with replacement.

    Parameters
    ----------
    counts
        Real numbers, shape ``(scene, ...)``: what each scene adds. Pixels and movers of one scene share terrain and
        atmosphere, so scenes are drawn and not pixels.
    statistic
        Of the sum over scenes, shape ``(...)``, as float64: one number or a vector; NaN where it is not defined.
    seed
        Of the draws: the same seed and counts give the same interval.
    n
        Number of resamples.
    level
        Share of the resamples that lies inside.

    Returns
    -------
    Interval
        Value on the scenes as they are; percentiles of the resamples on which the statistic is defined.

    Raises
    ------
    ValueError
        If there are less than two scenes, or `n` or `level` is out of range.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13: the percentile interval.

    Examples
    --------
    >>> found, all_of_them = [8, 5, 9, 2], [10, 10, 10, 10]
    >>> recall = bootstrap(np.array([found, all_of_them]).T, lambda sums: sums[0] / sums[1], seed=0)
    >>> round(float(recall.value), 3), recall.low < 0.5 < 0.7 < recall.high
    (0.6, True)
    """
    if counts.ndim < 1 or counts.shape[0] < 2:
        raise ValueError(
            f"counts must be of at least two scenes, instead got shape={counts.shape}: give each update its scene"
        )
    if n < 1:
        raise ValueError(f"n must be at least 1, instead got n={n}")
    check_share("level", level)
    rng = np.random.default_rng(seed)
    scenes = counts.shape[0]
    flat = counts.reshape(scenes, -1).astype(np.float64)
    drawn: list[float | np.ndarray] = []
    for start in range(0, n, _AT_ONCE):
        times = rng.multinomial(scenes, np.full(scenes, 1 / scenes), size=min(_AT_ONCE, n - start))
        drawn.extend(statistic(sums.reshape(counts.shape[1:])) for sums in times.astype(np.float64) @ flat)
    value = statistic(flat.sum(axis=0).reshape(counts.shape[1:]))
    low, high = _percentiles(np.array(drawn, np.float64), level)
    return Interval(value, low, high)


def _percentiles(drawn: np.ndarray, level: float) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Lower and upper end, NaN left out; NaN where nothing is left."""
    columns = drawn.reshape(len(drawn), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    for i, column in enumerate(columns.T):
        known = column[~np.isnan(column)]
        if known.size:
            ends[:, i] = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    if drawn.ndim == 1:
        return float(ends[0, 0]), float(ends[1, 0])
    return ends[0], ends[1]
