"""Rate of motion by stacking: one straight line through the origin for all interferograms of a pixel."""

from __future__ import annotations

from typing import Literal

import numpy as np

from insarflow.kernels._jit import jit

Method = Literal["least-squares", "sum"]


def stacking_rate(
    phase: np.ndarray, *, pairs: np.ndarray, years: np.ndarray, method: Method, noise: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rate of a stack of interferograms, its error, and the number of interferograms.

    Parameters
    ----------
    phase
        Shape ``(pair, y, x)``, any unit, real; NaN is missing.
    pairs
        int64, shape ``(pair, 2)``: positions of the earlier and the later date.
    years
        float64, shape ``(date,)``.
    method
        ``"least-squares"``: ``sum(phase * t) / sum(t^2)`` over the pairs, t their time spans. ``"sum"``:
        ``sum(phase) / sum(t)``.
    noise
        Standard deviation of one date's noise, in the unit of `phase`; None: from the scatter about the rate.

    Returns
    -------
    rate, rate_std
        float32, ``(y, x)``, unit of `phase` a year; NaN without a pair, the error also with one alone and no `noise`.
    count
        int32.

    Notes
    -----
    Every date has independent noise of one variance A, which all pairs of the date share: the noise of the pairs has
    the covariance ``A B B^T``, B the incidence matrix. With ``rate = c^T phase`` its variance is ``A |B^T c|^2``; the
    sum of squared residuals has the mean ``A |(I - t c^T) B|^2`` (Frobenius' norm), which gives A.
    """
    shape = phase.shape[1:]
    out = np.full((2, *shape), np.nan, np.float32)
    count = np.zeros(shape, np.int32)
    spans = years[pairs[:, 1]] - years[pairs[:, 0]]
    work = np.zeros((2, len(years)))
    _stack(phase, pairs, spans, method == "sum", -1.0 if noise is None else noise, work, out, count)
    return out[0], out[1], count


@jit
def _stack(phase, pairs, spans, plain, noise, work, out, count):  # type: ignore[no-untyped-def]
    for i in range(phase.shape[1]):
        for j in range(phase.shape[2]):
            used, top, bottom = 0, 0.0, 0.0
            for p in range(pairs.shape[0]):
                value = phase[p, i, j]
                if np.isfinite(value):
                    used += 1
                    top += value if plain else np.float64(value) * spans[p]
                    bottom += spans[p] if plain else spans[p] * spans[p]
            count[i, j] = used
            if used > 0:
                rate = top / bottom
                out[0, i, j] = rate
                shared, scatter = _spread(phase, i, j, pairs, spans, plain, bottom, rate, work)
                own = noise * noise if noise >= 0 else scatter
                out[1, i, j] = np.sqrt(shared * own)


@jit
def _spread(phase, i, j, pairs, spans, plain, bottom, rate, work):  # type: ignore[no-untyped-def]
    """Variance of the rate in units of that of a date's noise, and an estimate of the latter."""
    for d in range(work.shape[1]):
        work[0, d] = work[1, d] = 0.0
    used, squares, times = 0, 0.0, 0.0
    for p in range(pairs.shape[0]):
        value = phase[p, i, j]
        if np.isfinite(value):
            used += 1
            share = 1.0 / bottom if plain else spans[p] / bottom
            for side in range(2):
                sign = 2.0 * side - 1.0
                work[0, pairs[p, side]] += sign * share
                work[1, pairs[p, side]] += sign * spans[p]
            squares += (value - rate * spans[p]) ** 2
            times += spans[p] * spans[p]
    shared, cross = 0.0, 0.0
    for d in range(work.shape[1]):
        shared += work[0, d] * work[0, d]
        cross += work[0, d] * work[1, d]
    expected = 2.0 * used - 2.0 * cross + times * shared
    return shared, squares / expected if used > 1 and expected > 1e-9 * used else np.nan
