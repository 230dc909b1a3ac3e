"""Rate of motion by stacking: one straight line through the origin for all interferograms of a pixel, and its error."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from insarflow.kernels._jit import jit

Method = Literal["least-squares", "sum"]

_POWERS: Final = {"least-squares": 1.0, "sum": 0.0, "mean": -1.0}
"""Power of its time span that a pair's phase is weighted by."""


def stacking_rate(
    phase: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    pairs: np.ndarray,
    years: np.ndarray,
    method: Method | Literal["mean"],
    noise: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rate of a stack of interferograms, its error, and the number of interferograms.

    Parameters
    ----------
    phase
        Shape ``(pair, y, x)``, any unit, real; NaN is missing.
    weight
        Real, same shape: how much each pair counts in its pixel. A pair whose weight is NaN, 0 or less is left out.
        None: all alike.
    pairs
        int64, shape ``(pair, 2)``: positions of the earlier and the later date.
    years
        float64, shape ``(date,)``.
    method
        ``"least-squares"``: ``sum(w phase * t) / sum(w t^2)`` over the pairs, w their weights, t their time spans.
        ``"sum"``: ``sum(w phase) / sum(w t)``. ``"mean"``: ``sum(w phase / t) / sum(w)``, the mean of the pairs' rates.
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
    sum of squared residuals has the mean ``A |(I - t c^T) B|^2`` (Frobenius' norm), which gives A. All methods are of
    this kind, ``c = a / sum(a t)`` with a equal to w t, w or w / t.
    """
    shape = phase.shape[1:]
    out = np.full((2, *shape), np.nan, np.float32)
    count = np.zeros(shape, np.int32)
    spans = years[pairs[:, 1]] - years[pairs[:, 0]]
    factors = spans ** _POWERS[method]
    weights = np.zeros((0, 0, 0), np.float32) if weight is None else weight
    work, shares = np.zeros((2, len(years))), np.zeros(len(pairs))
    _stack(phase, weights, pairs, spans, factors, -1.0 if noise is None else noise, work, shares, out, count)
    return out[0], out[1], count


@jit
def _stack(phase, weight, pairs, spans, factors, noise, work, shares, out, count):  # type: ignore[no-untyped-def]
    weighted = weight.shape[0] > 0
    for i in range(phase.shape[1]):
        for j in range(phase.shape[2]):
            used, top, bottom = 0, 0.0, 0.0
            for p in range(pairs.shape[0]):
                shares[p] = 0.0
                own = np.float64(weight[p, i, j]) if weighted else 1.0
                # NaN is not above 0.
                if np.isfinite(phase[p, i, j]) and own > 0.0:
                    used += 1
                    shares[p] = own * factors[p]
                    top += np.float64(phase[p, i, j]) * shares[p]
                    bottom += shares[p] * spans[p]
            count[i, j] = used
            if used > 0:
                rate = top / bottom
                out[0, i, j] = rate
                shared, scatter = _spread(phase, i, j, pairs, spans, shares, bottom, rate, work)
                own = noise * noise if noise >= 0 else scatter
                out[1, i, j] = np.sqrt(shared * own)


@jit
def _spread(phase, i, j, pairs, spans, shares, bottom, rate, work):  # type: ignore[no-untyped-def]
    """Variance of the rate in units of that of a date's noise, and an estimate of the latter."""
    for d in range(work.shape[1]):
        work[0, d] = work[1, d] = 0.0
    used, squares, times = 0, 0.0, 0.0
    for p in range(pairs.shape[0]):
        if shares[p] > 0.0:
            used += 1
            share = shares[p] / bottom
            for side in range(2):
                sign = 2.0 * side - 1.0
                work[0, pairs[p, side]] += sign * share
                work[1, pairs[p, side]] += sign * spans[p]
            squares += (phase[p, i, j] - rate * spans[p]) ** 2
            times += spans[p] * spans[p]
    shared, cross = 0.0, 0.0
    for d in range(work.shape[1]):
        shared += work[0, d] * work[0, d]
        cross += work[0, d] * work[1, d]
    expected = 2.0 * used - 2.0 * cross + times * shared
    return shared, squares / expected if used > 1 and expected > 1e-9 * used else np.nan
