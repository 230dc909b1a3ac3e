"""Phase statistics: what coherence says about phase noise, and means of directions."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import betainc, betaincc, gammaln

from insarflow.kernels._jit import jit

Spread = Literal["exact", "cramer-rao"]

KNOTS = 2049


def phase_std(coherence: np.ndarray, *, looks: float, method: Spread = "exact") -> np.ndarray:
    """Standard deviation of the interferometric phase of `looks` independent looks, rad.

    Parameters
    ----------
    coherence
        float32 or float64, 0..1; NaN is missing.
    looks
        Independent looks averaged, at least 1.
    method
        ``"exact"``: from the density of the multilook phase. ``"cramer-rao"``: its limit for high coherence or many
        looks, ``sqrt(1 - c^2) / (c sqrt(2 looks))``, which grows without bound where coherence vanishes.

    Returns
    -------
    ndarray
        The input's dtype, from 0 at coherence 1 to pi / sqrt(3) at 0 (exact), NaN where missing.

    Raises
    ------
    ValueError
        If a coherence lies outside 0..1.

    References
    ----------
    Lee et al. (1994), doi:10.1109/36.312890; Just and Bamler (1994), doi:10.1364/AO.33.004361; Rodriguez and
    Martin (1992), doi:10.1049/ip-f-2.1992.0018.
    """
    low, high = _range(coherence)
    if low < 0.0 or high > 1.0:
        wrong = low if low < 0.0 else high
        raise ValueError(f"coherence must be between 0 and 1 (NaN is missing), instead got coherence={wrong:g}")
    values = coherence.astype(np.float64)
    if method == "cramer-rao":
        with np.errstate(divide="ignore"):
            spread = np.sqrt(1 - values * values) / (values * np.sqrt(2 * looks))
    else:
        # Even steps of the arc sine: as a function of it the curve has no vertical end.
        spread = np.interp(np.arcsin(values), np.linspace(0, np.pi / 2, KNOTS), _curve(float(looks)))
    result: np.ndarray = spread.astype(coherence.dtype)
    return result


def phase_density(phase: np.ndarray, coherence: float, looks: float) -> np.ndarray:
    """Probability density of the multilook phase around its mean, per rad.

    Lee's hypergeometric function written with the incomplete beta function, in which nothing overflows.
    """
    beta = coherence * np.cos(phase)
    rest = 1 - beta * beta
    factor = np.exp(looks * np.log((1 - coherence**2) / rest)) / np.sqrt(rest)
    scale = np.exp(gammaln(looks + 0.5) - gammaln(looks)) / (2 * np.sqrt(np.pi))
    share = np.where(beta < 0, betaincc(0.5, looks - 0.5, beta * beta), 1 + betainc(0.5, looks - 0.5, beta * beta))
    density: np.ndarray = (1 - coherence**2) ** looks / (2 * np.pi * rest) + factor * scale * beta * share
    return density


@lru_cache(maxsize=32)
def _curve(looks: float) -> np.ndarray:
    nodes, weights = np.polynomial.legendre.leggauss(32)
    spread = np.zeros(KNOTS)
    for k, angle in enumerate(np.linspace(0, np.pi / 2, KNOTS)[:-1]):
        gamma = float(np.sin(angle))
        narrow = np.sqrt(1 - gamma * gamma) / (gamma * np.sqrt(2 * looks)) if k else np.pi
        edges = np.minimum(np.array([0.0, 1.0, 3.0, 6.0, 12.0, 30.0, np.inf]) * narrow, np.pi)
        half = np.diff(edges)[:, None] / 2
        phase = edges[:-1, None] + half * (1 + nodes)
        spread[k] = np.sqrt(2 * np.sum(half * weights * phase**2 * phase_density(phase, gamma, looks)))
    return spread


def add_directions(
    igram: np.ndarray, weight: np.ndarray | None, total: np.ndarray, weights: np.ndarray | None, count: np.ndarray
) -> None:
    """Add the unit phasors of an image to sums, in place; NaN and 0 have no direction and are left out.

    Parameters
    ----------
    igram
        complex64, shape ``(y, x)``.
    weight
        float32, same shape, or None for 1; NaN and what is not positive leave the pixel out.
    total
        complex128, same shape: sum of weighted unit phasors.
    weights
        float64, same shape: sum of weights; None without `weight`.
    count
        int32, same shape: number of pixels added.
    """
    z, sums = np.ascontiguousarray(igram).view(np.float32), total.view(np.float64)
    if weight is None:
        _add_unit(z, sums, count)
    else:
        _add_weighted(z, np.ascontiguousarray(weight, np.float32), sums, weights, count)


def circular_std(length: np.ndarray) -> np.ndarray:
    """Circular standard deviation, rad, of directions whose mean phasor has this length: ``sqrt(-2 ln R)``."""
    with np.errstate(divide="ignore"):
        spread: np.ndarray = np.sqrt(np.maximum(-2 * np.log(length), 0)).astype(np.float32)
    return spread


@jit
def _range(values):  # type: ignore[no-untyped-def]
    low, high = 0.0, 1.0
    for value in values.flat:
        if value < low:
            low = value
        if value > high:
            high = value
    return low, high


# Without branches, so that the loops become vector instructions.
@jit
def _add_unit(z, total, count):  # type: ignore[no-untyped-def]
    for r in range(count.shape[0]):
        line, sums, number = z[r], total[r], count[r]
        for k in range(number.size):
            re, im = np.float64(line[2 * k]), np.float64(line[2 * k + 1])
            power = re * re + im * im
            there = (power > 0.0) & (power < np.inf)
            length = np.sqrt(power) if there else 1.0
            sums[2 * k] += re / length if there else 0.0
            sums[2 * k + 1] += im / length if there else 0.0
            number[k] += there


@jit
def _add_weighted(z, weight, total, weights, count):  # type: ignore[no-untyped-def]
    for r in range(count.shape[0]):
        line, its, sums, all_of, number = z[r], weight[r], total[r], weights[r], count[r]
        for k in range(number.size):
            re, im, w = np.float64(line[2 * k]), np.float64(line[2 * k + 1]), np.float64(its[k])
            power = re * re + im * im
            there = (power > 0.0) & (power < np.inf) & (w > 0.0) & (w < np.inf)
            length = np.sqrt(power) if there else 1.0
            sums[2 * k] += w * (re / length) if there else 0.0
            sums[2 * k + 1] += w * (im / length) if there else 0.0
            all_of[k] += w if there else 0.0
            number[k] += there
