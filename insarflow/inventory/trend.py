"""Phases of many pairs -> one steady rate, and how far it may be wrong when pairs share what their acquisitions saw.

Arrays are pair first, (pair, slope): each step is a loop over pairs or acquisitions, of all slopes at once, so that the
bits of a slope do not depend on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

_TOTALS: Final = ((0.25, 0.08), (0.5, 0.25), (1.0, 0.62), (2.0, 0.04), (4.0, 0.01))
"""Scatter of a pair in units of the expected one, and how likely it is beforehand; the mean of its square is 1."""

_SHARES: Final = (
    (0.95, 0.04, 0.01, 0.40),
    (0.35, 0.64, 0.01, 0.20),
    (0.05, 0.90, 0.05, 0.15),
    (0.50, 0.02, 0.48, 0.20),
    (0.05, 0.05, 0.90, 0.05),
)
"""Parts of its square: air of the acquisitions, unsteady motion, the pair's own; and how likely they are beforehand."""

_STEADY: Final = 1e-6
_BLOCK: Final = 512
"""Slopes that are worked on at once."""


@dataclass(frozen=True)
class Network:
    """Which acquisitions the pairs join.

    Attributes
    ----------
    reference, secondary
        Index of the acquisition, in order of time, int64 (pair,).
    days
        Between the two, float64 (pair,).
    times
        Of the acquisitions since the first, days, float64 (acquisition,).
    """

    reference: np.ndarray
    secondary: np.ndarray
    days: np.ndarray
    times: np.ndarray

    @property
    def width(self) -> int:
        """Largest number of places between the acquisitions of a pair."""
        return int((self.secondary - self.reference).max(initial=0))


def network_of(date: np.ndarray, delay: np.ndarray) -> Network:
    """The network of pairs, of their earlier acquisitions (datetime64) and delays (timedelta64)."""
    acquisitions = np.unique(np.concatenate([date, date + delay]))
    return Network(
        np.searchsorted(acquisitions, date),
        np.searchsorted(acquisitions, date + delay),
        delay / np.timedelta64(1, "D"),
        (acquisitions - acquisitions[0]) / np.timedelta64(1, "D"),
    )


def trend(phase: np.ndarray, variance: np.ndarray, network: Network, expected: float) -> tuple[np.ndarray, np.ndarray]:
    """Rate of each slope, and the variance of its error.

    Parameters
    ----------
    phase
        rad, float64 (pair, slope); finite wherever `variance` is.
    variance
        Of the noise of each pair by itself, rad2, more than 0; infinite where a pair is not to be used.
    network
        Of the pairs.
    expected
        Standard deviation of a pair beyond that noise where nothing else is known, rad.

    Returns
    -------
    rate, variance
        Mean rate from the first to the last acquisition of the network and the variance of its error, rad/day and
        (rad/day)2, float64 (slope,); NaN where a slope has no pair.

    Notes
    -----
    ``phase = rate * days + x[secondary] - x[reference] + e``. What an acquisition is off the steady motion, `x`, is its
    air, independent from day to day, and unsteady motion, which wanders (a random walk). Both are in all its pairs, with
    opposite signs in those that end and that begin with it: in a chain the air cancels but for the ends. `e` is each
    pair's own. The three variances are unknown. Of 25 ways to share out the scatter each gives the
    best linear prediction of the mean rate, its variance and the restricted likelihood. Means over the 25, weighted by
    likelihood and by what was likely beforehand, are what is returned, the spread between them included. So few pairs
    fall back on `expected`, and many speak for themselves.

    References
    ----------
    Restricted likelihood: Patterson and Thompson (1971), doi:10.1093/biomet/58.3.545.
    """
    rate = np.full(phase.shape[1], np.nan)
    spread = np.full(phase.shape[1], np.nan)
    for start in range(0, phase.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        rate[part], spread[part] = _trend(phase[:, part], variance[:, part], network, expected)
    return rate, spread


def misfit(phase: np.ndarray, variance: np.ndarray, network: Network, free: float) -> np.ndarray:
    """What no motion of the slope explains of each pair, however unsteady: how badly it closes with the others.

    Parameters
    ----------
    phase, variance, network
        As `trend`; pairs of infinite variance are told their misfit all the same.
    free
        How far the slope may be from its steady motion at an acquisition, rad.

    Returns
    -------
    ndarray
        rad, float64 (pair, slope): phase minus the motion that fits the used pairs; NaN where a slope has none.
    """
    out = np.full(phase.shape, np.nan)
    for start in range(0, phase.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        system = _System(phase[:, part], 1.0 / variance[:, part], network, free**2, _STEADY * free**2)
        rate = system.steady()
        place = (system.solved[:, 1] - rate * system.solved[:, 0])[1::2]
        moved = place[network.secondary] - place[network.reference]
        out[:, part] = phase[:, part] - rate * network.days[:, None] - moved
    return out


def _trend(phase: np.ndarray, variance: np.ndarray, network: Network, expected: float) -> tuple[np.ndarray, np.ndarray]:
    used = np.isfinite(variance)
    phase = np.where(used, phase, 0.0)
    told = []
    for total, likely in _TOTALS:
        for air, motion, alone, likelier in _SHARES:
            scatter = (total * expected) ** 2
            own = variance + alone * scatter
            system = _System(phase, 1.0 / own, network, 0.5 * air * scatter, motion * scatter / network.days.min())
            log = np.log(np.where(used, own, 1.0)).sum(axis=0) + system.logarithm
            told.append((np.log(likely * likelier) - 0.5 * (log + system.misfit()), *system.mean()))
    weight, rates, variances = (np.array(column) for column in zip(*told, strict=True))
    known = used.any(axis=0)
    weight = np.where(known, weight, 0.0)
    weight = np.exp(weight - weight.max(axis=0))
    weight /= weight.sum(axis=0)
    rate = (weight * rates).sum(axis=0)
    spread = (weight * (np.where(known, variances, np.nan) + (rates - rate) ** 2)).sum(axis=0)
    return rate, spread


class _System:
    """Mixed model of `trend` with given variances: products ``x' V^-1 y`` of days (0) and phase (1).

    ``V^-1 = W - W B N^-1 B' W`` with ``N = Q + B' W B``, where B takes positions to pairs and Q is the inverse of the
    positions' covariance. Unknown are, in order of time, the wandering of each acquisition and the same plus its air, so
    that N is banded. The wandering of the first one is of no consequence; its variance is 1.
    """

    def __init__(self, phase: np.ndarray, weight: np.ndarray, network: Network, air: float, motion: float) -> None:
        known = weight > 0
        self._given = np.stack([np.where(known, network.days[:, None], 0.0), np.where(known, phase, 0.0)], axis=1)
        self._weighted = self._given * weight[:, None]
        self._times, size = network.times, len(network.times)
        self._sums = np.zeros((2 * size, 3, phase.shape[1]))
        band = np.zeros((2 * max(network.width, 1) + 1, 2 * size, phase.shape[1]))
        wander = 1.0 / (motion * np.diff(network.times))[:, None]
        band[0] = 1.0 / air
        band[1, ::2] = -1.0 / air
        band[0, :-2:2] += wander
        band[0, 2::2] += wander
        band[2, :-2:2] -= wander
        band[0, 0] += 1.0
        for p, (i, j) in enumerate(zip(network.reference.tolist(), network.secondary.tolist(), strict=True)):
            self._sums[2 * j + 1, :2] += self._weighted[p]
            self._sums[2 * i + 1, :2] -= self._weighted[p]
            band[0, 2 * i + 1] += weight[p]
            band[0, 2 * j + 1] += weight[p]
            band[2 * (j - i), 2 * i + 1] -= weight[p]
        self._sums[-2, 2], self._sums[0, 2] = 1.0 / network.times[-1], -1.0 / network.times[-1]
        prior = np.log(wander).sum() - size * np.log(air)
        self.solved, determinant = _solve(band, self._sums)
        self._information = self._product(0, 0)
        with np.errstate(divide="ignore"):  # of slopes without a pair
            self.logarithm = determinant - prior + np.log(self._information)

    def steady(self) -> np.ndarray:
        """Rate of the steady motion, rad/day (slope,); NaN without a pair."""
        rate: np.ndarray = self._product(0, 1) / np.where(self._information > 0, self._information, np.nan)
        return rate

    def mean(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean rate over the network's time and its variance, (slope,); NaN without a pair."""
        wandered = [(self._sums[:, 2] * self.solved[:, k]).sum(axis=0) for k in range(3)]
        part = 1.0 - wandered[0]
        information = np.where(self._information > 0, self._information, np.nan)
        return part * self.steady() + wandered[1], wandered[2] + part**2 / information

    def misfit(self) -> np.ndarray:
        """Weighted squares of what neither the steady motion nor the positions explain, (slope,)."""
        misfit: np.ndarray = self._product(1, 1) - self.steady() ** 2 * self._information
        return misfit

    def _product(self, x: int, y: int) -> np.ndarray:
        product: np.ndarray = (self._given[:, x] * self._weighted[:, y]).sum(axis=0)
        return product - (self._sums[:, x] * self.solved[:, y]).sum(axis=0)


def _solve(band: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solution of banded systems, one a slope, for right sides (unknown, side, slope), and log det (slope,).

    ``band[k, j]`` (k, unknown, slope) is row j + k of column j; it is used up. Cholesky without roots, ``L D L'``.
    """
    width, size = band.shape[0] - 1, band.shape[1]
    x = right.copy()
    for j in range(size):
        column = band[1:, j] / band[0, j]
        for k in range(1, min(width, size - 1 - j) + 1):
            band[: width + 1 - k, j + k] -= band[k:, j] * column[k - 1]
            x[j + k] -= column[k - 1] * x[j]
        band[1:, j] = column
    x /= band[0][:, None]
    for j in reversed(range(size)):
        for k in range(1, min(width, size - 1 - j) + 1):
            x[j] -= band[k, j] * x[j + k]
    logarithm: np.ndarray = np.log(band[0]).sum(axis=0)
    return x, logarithm
