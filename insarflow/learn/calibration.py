"""Logits -> probabilities that say how often they are right: prior and temperature, fitted on validation scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
import torch
from scipy.optimize import brentq, minimize
from scipy.special import expit
from torch import Tensor

from insarflow.learn.metrics.checks import check_share, checked, where_counted

LIMIT: Final = 20.0
"""Logits beyond are taken as this: a probability of 2e-9 or 1 - 2e-9."""

_BINS: Final = 4096
_FIXED_POINT: Final = 2.0**20
"""Unit of sums of logits: whole numbers add without rounding, so their order is free."""

_SLOPES: Final = (0.01, 100.0)
"""Inverse temperatures that are tried: beyond, the logits tell nothing, or all."""

Values = TypeVar("Values", np.ndarray, Tensor)


@dataclass(frozen=True)
class Calibration:
    """Calibrated logit = (logit + shift) / temperature.

    Attributes
    ----------
    temperature
        Above 0; more than 1 makes an overconfident network less so.
    shift
        Log-odds added first: what a loss or a sampling that favours one class put on the logits, with its sign turned
        (`shift_of_prior`, `shift_of_weight`).

    Examples
    --------
    >>> calibration = Calibration(temperature=2.0, shift=-1.0)
    >>> calibration.apply(np.array([3.0, 1.0], "float32")).tolist()
    [1.0, 0.0]
    >>> calibration.probability(torch.tensor([1.0])).tolist()
    [0.5]
    """

    temperature: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, instead got temperature={self.temperature}")
        if not math.isfinite(self.shift):
            raise ValueError(f"shift must be a number, instead got shift={self.shift}")

    def apply(self, logits: Values) -> Values:
        """Calibrated logits, of the same kind, shape and dtype; NaN stays NaN."""
        return (logits + self.shift) / self.temperature

    def probability(self, logits: Values) -> Values:
        """Calibrated probability, of the same kind, shape and dtype; NaN stays NaN."""
        calibrated = self.apply(logits)
        if isinstance(calibrated, Tensor):
            return torch.sigmoid(calibrated)
        likely: np.ndarray = expit(calibrated).astype(calibrated.dtype, copy=False)
        return likely


class LogitHistogram:
    """Logits of any number of patches by truth, in 4096 bins from -20 to 20: bounded, added up in any order.

    Attributes
    ----------
    counts
        int64 ``(4, 4096)``: absent pixels, moving pixels, and the sums of their logits in units of 2^-20.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((4, _BINS), np.int64)

    def update(self, logits: Tensor | np.ndarray, target: Tensor | np.ndarray) -> None:
        """Add patches; tensors are counted on their device.

        Parameters
        ----------
        logits
            Floating point, any shape; ignored, NaN or not, where the target does not count.
        target
            States of `insarflow.simulate.truth`, same shape. Open and missing pixels do not count.

        Raises
        ------
        TypeError, ValueError
            If shapes or types do not fit, or a logit that counts is NaN.
        """
        values, t = checked(logits, target, name="logits")
        values = where_counted(values, t).ravel().double().clamp_(-LIMIT, LIMIT)
        bins = ((values + LIMIT) * (_BINS / (2 * LIMIT))).to(torch.int32).clamp_(max=_BINS - 1)
        # States that do not count come last and are cut off.
        bins += _BINS * t.ravel().to(torch.int32)
        counts = torch.bincount(bins, minlength=2 * _BINS)[: 2 * _BINS]
        total = torch.bincount(bins, weights=(values * _FIXED_POINT).round_(), minlength=2 * _BINS)[: 2 * _BINS]
        self.counts += torch.cat([counts, total.to(torch.int64)]).cpu().numpy().reshape(4, _BINS)

    def merge(self, other: LogitHistogram) -> None:
        """Add what another process counted."""
        self.counts += other.counts

    def state(self) -> dict[str, np.ndarray]:
        """All that was counted as a plain array."""
        return {"counts": self.counts.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """The histogram that gave this state."""
        histogram = cls()
        histogram.counts += state["counts"]
        return histogram

    def loss(self, calibration: Calibration | None = None) -> float:
        """Mean negative log-likelihood, nats a pixel, to about 1e-5; NaN without a pixel."""
        logits, sign, weight = self._points()
        calibrated = (calibration or Calibration()).apply(logits)
        return float(weight @ np.logaddexp(0.0, -sign * calibrated) / weight.sum()) if weight.size else float("nan")

    def _points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean logit, truth as -1 or 1, and number of pixels of each bin that holds any."""
        count, total = self.counts[:2].ravel(), self.counts[2:].ravel()
        some = np.flatnonzero(count)
        weight = count[some].astype(np.float64)
        return total[some] / _FIXED_POINT / weight, np.where(some < _BINS, -1.0, 1.0), weight


def shift_of_weight(positive_weight: float) -> float:
    """Shift that takes back a loss in which moving pixels weigh more.

    Parameters
    ----------
    positive_weight
        Weight of moving pixels over that of absent ones, above 0.

    Returns
    -------
    float
        ``-log(positive_weight)``: the weighted cross entropy is least where the odds are true odds times the weight.

    Raises
    ------
    ValueError
        If the weight is not positive.
    """
    if not 0.0 < positive_weight < math.inf:
        raise ValueError(f"positive_weight must be above 0, instead got positive_weight={positive_weight}")
    return -math.log(positive_weight)


def shift_of_prior(*, training: float, true: float) -> float:
    """Shift that takes back a choice of patches in which movement is more frequent than where the model is used.

    Parameters
    ----------
    training, true
        Share of moving pixels, among those that count, in training and in use; between 0 and 1.

    Returns
    -------
    float
        Log-odds of `true` minus those of `training`, by Bayes' rule: what a moving pixel looks like must be the same
        in both.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1.

    References
    ----------
    Saerens et al. (2002), doi:10.1162/089976602753284446.
    """
    check_share("training", training)
    check_share("true", true)
    return math.log(true / (1 - true)) - math.log(training / (1 - training))


def fit_temperature(histogram: LogitHistogram, *, shift: float = 0.0) -> Calibration:
    """The temperature with the least negative log-likelihood, the shift being known.

    Parameters
    ----------
    histogram
        Logits of validation pixels as the network gave them, of patches as frequent as they are in use.
    shift
        Log-odds to be added first, by `shift_of_prior` or `shift_of_weight`.

    Returns
    -------
    Calibration
        With a temperature of 0.01 to 100. On the histogram its likelihood is never below that of temperature 1. The
        ranking of pixels does not change, so a threshold is to be chosen afterwards, or calibrated like the logits.

    Raises
    ------
    ValueError
        If the histogram lacks moving or absent pixels, or the shift is no finite number.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, Proceedings of Machine Learning Research 70.
    """
    shift = Calibration(shift=shift).shift
    logits, sign, weight = _both_classes(histogram)
    moved = logits + shift

    def slope_of_loss(inverse: float) -> float:
        # The loss is convex in the inverse temperature, so this rises.
        return float(-(weight * sign * moved) @ expit(-sign * moved * inverse))

    low, high = _SLOPES
    if slope_of_loss(low) >= 0.0:
        inverse = low
    elif slope_of_loss(high) <= 0.0:
        inverse = high
    else:
        inverse = float(brentq(slope_of_loss, low, high, xtol=1e-12, rtol=1e-12))
    return Calibration(1.0 / inverse, shift)


def fit_temperature_and_shift(histogram: LogitHistogram) -> Calibration:
    """Temperature and shift with the least negative log-likelihood, for losses whose prior nobody can state.

    Dice and focal losses have no known shift. Also called Platt scaling.

    Parameters
    ----------
    histogram
        As of `fit_temperature`.

    Returns
    -------
    Calibration
        On the histogram its likelihood is never below that of `fit_temperature` without a shift.

    Raises
    ------
    ValueError
        If the histogram lacks moving or absent pixels.
    """
    logits, sign, weight = _both_classes(histogram)
    weight = weight / weight.sum()

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        calibrated = sign * (line[0] * logits + line[1])
        pull = -weight * sign * expit(-calibrated)
        return float(weight @ np.logaddexp(0.0, -calibrated)), np.array([pull @ logits, pull.sum()])

    start = np.array([1.0 / fit_temperature(histogram).temperature, 0.0])
    best = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[_SLOPES, (None, None)], options={"ftol": 1e-15, "gtol": 1e-10}
    )
    line = best.x if best.fun <= loss(start)[0] else start
    return Calibration(float(1.0 / line[0]), float(line[1] / line[0]))


def _both_classes(histogram: LogitHistogram) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    absent, moving = histogram.counts[:2].sum(axis=1).tolist()
    if not absent or not moving:
        raise ValueError(
            f"histogram must hold absent and moving pixels, instead got {absent} and {moving}: add validation scenes"
        )
    return histogram._points()
