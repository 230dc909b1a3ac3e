"""Pixel scores from one histogram of probability: bounded, exact at every threshold, and added up in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from insarflow.learn.metrics.bootstrap import Interval, bootstrap
from insarflow.learn.metrics.checks import checked_probability, where_counted
from insarflow.learn.metrics.tally import Stratum, Tally, share

STEPS: Final = 1024
"""Thresholds are multiples of one part in this: a power of two, so that float32 falls into its bin exactly."""

CALIBRATED_FROM: Final = 0.05
"""Probability from which pixels count in the calibration error: of the many others a constant would be right, too."""

_BINS: Final = STEPS + 1
_FIXED_POINT: Final = 2.0**24
"""Unit of sums of probability: whole numbers add without rounding, so their order is free."""

_EDGES: Final = np.rint(np.linspace(0, STEPS, 21)).astype(np.int64)[1:]
"""Bins of the calibration error: the multiples of 1 / `STEPS` nearest to those of `CALIBRATED_FROM`."""


@dataclass
class PixelScores:
    """Pixel scores over any number of patches; pixels that the truth leaves open, or that are missing, do not count.

    A histogram of probability in steps of 1/1024 by truth is kept for each scene and stratum (25 kB each), so scores
    are those of all pixels at thresholds that are multiples of 1/1024, and memory does not grow with the data.

    Attributes
    ----------
    tally
        By scene and stratum: absent pixels, moving pixels, and sum of probability in units of 2^-24, for each of 1025
        bins (the last is probability 1).

    Examples
    --------
    >>> scores = PixelScores()
    >>> scores.update(np.array([0.9, 0.6, 0.2], "float32"), np.array([1, 0, 0], "uint8"), strata={"delay": 12})
    >>> scores.at(0.5)["precision"], scores.at(0.5, of=("delay", 12))["recall"], scores.best_threshold()
    (0.5, 1.0, 0.75)
    """

    tally: Tally = field(default_factory=lambda: Tally(3 * _BINS))

    def update(
        self,
        probability: Tensor | np.ndarray,
        target: Tensor | np.ndarray,
        *,
        scene: object = "",
        strata: Mapping[str, object] | None = None,
    ) -> None:
        """Add patches of one scene; tensors are counted on their device.

        Parameters
        ----------
        probability
            Floating point, any shape, 0..1; ignored, NaN or not, where the target does not count.
        target
            States of `insarflow.simulate.truth`, same shape.
        scene
            What intervals draw again as one; see `intervals`.
        strata
            Kind of pairs -> label, such as ``{"delay": 18, "recipe": "isslide"}``.

        Raises
        ------
        TypeError, ValueError
            If shapes or types do not fit, or a probability that counts is NaN or outside 0..1.
        """
        p, t = checked_probability(probability, target)
        p = where_counted(p, t).ravel()
        bins = (p * STEPS).to(torch.int32)
        # States that do not count come last and are cut off; their probability is 0 and adds nothing.
        counts = torch.bincount(bins + _BINS * t.ravel().to(torch.int32), minlength=2 * _BINS)[: 2 * _BINS]
        # Sums of whole numbers below 2^53 are exact in double precision: 5e8 pixels a call.
        total = torch.bincount(bins, weights=(p.double() * _FIXED_POINT).round_(), minlength=_BINS)
        self.tally.add(torch.cat([counts, total.to(torch.int64)]).cpu().numpy(), scene=scene, strata=strata)

    def best_threshold(self, of: Stratum = None) -> float:
        """The threshold with the highest F1, in the middle if several in a row have it; never 0 or 1.

        Raises
        ------
        ValueError
            If no moving pixel was counted, so that no threshold is better than another.
        """
        hits, false, positives, _ = _curves(self.tally.total(of))
        if positives == 0:
            raise ValueError("target must hold moving pixels to choose a threshold, instead got none: add scenes")
        f1 = (2 * hits / (hits + false + positives))[1:STEPS]
        first = int(f1.argmax())
        others = np.flatnonzero(f1[first:] != f1[first])
        last = first + (int(others[0]) - 1 if others.size else len(f1) - 1 - first)
        return (1 + (first + last) // 2) / STEPS

    def at(self, threshold: float, *, of: Stratum = None) -> dict[str, float]:
        """Scores at the multiple of 1/1024 nearest to a threshold, four digits.

        Returns
        -------
        dict
            ``precision``, ``recall``, ``f1``, ``iou``, ``dice``, ``accuracy`` at ``probability >= threshold``, 0 where
            they divide by nothing; and, left out where they are not defined, ``auroc``, ``average_precision``,
            ``calibration_error`` (see `calibration_error`), ``brier``.
        """
        values = _scores(self.tally.total(of), _step(threshold))
        named = zip(_NAMES, values.tolist(), strict=True)
        return {name: round(value, 4) for name, value in named if not np.isnan(value)}

    def calibration_error(self, of: Stratum = None) -> float:
        """Expected calibration error of the pixels with a probability of at least 0.05; NaN if there is none.

        Pixels are sorted into 19 bins of probability, 0.05 wide (edges are rounded to multiples of 1/1024, so the first
        is 0.0498); the absolute difference of mean probability and share of moving pixels is averaged, weighted by
        the number of pixels.
        """
        return _calibration_error(self.tally.total(of))

    def intervals(
        self, threshold: float, *, seed: int, of: Stratum = None, n: int = 1000, level: float = 0.95
    ) -> dict[str, Interval]:
        """Scores with the intervals that other scenes of the same kind would give; see `bootstrap`.

        Raises
        ------
        ValueError
            If there are less than two scenes.
        """
        step = _step(threshold)
        whole = bootstrap(self.tally.by_scene(of), lambda h: _scores(h, step), seed=seed, n=n, level=level)
        return {name: whole.part(i) for i, name in enumerate(_NAMES)}

    def strata(self) -> list[tuple[str, str]]:
        """Kinds and labels that pixels were counted of."""
        return self.tally.strata()

    def merge(self, other: PixelScores) -> None:
        """Add what another process counted."""
        self.tally.merge(other.tally)

    def state(self) -> dict[str, np.ndarray]:
        """All that was counted as plain arrays."""
        return self.tally.state()

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """The scores that gave this state."""
        return cls(Tally.from_state(state))


_NAMES: Final = (
    *("precision", "recall", "f1", "iou", "dice", "accuracy"),
    *("auroc", "average_precision", "calibration_error", "brier"),
)


def _step(threshold: float) -> int:
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be between 0 and 1, instead got threshold={threshold}")
    return round(threshold * STEPS)


def _curves(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Moving and absent pixels at or above each threshold, float64 ``(1025,)``, and all of them."""
    absent, moving = histogram[:_BINS], histogram[_BINS : 2 * _BINS]
    hits, false = (np.cumsum(counts[::-1])[::-1].astype(np.float64) for counts in (moving, absent))
    return hits, false, float(hits[0]), float(false[0])


def _scores(histogram: np.ndarray, step: int) -> np.ndarray:
    """The scores of `_NAMES`, float64; NaN where the last four are not defined."""
    hits, false, positives, negatives = _curves(histogram)
    tp, fp = hits[step], false[step]
    fn, tn = positives - tp, negatives - fp
    f1 = share(2 * tp, 2 * tp + fp + fn)
    return np.array([
        *(share(tp, tp + fp), share(tp, positives), f1, share(tp, tp + fp + fn), f1),
        share(tp + tn, positives + negatives),
        *(_auroc(hits, false), _average_precision(hits, false)),
        *(_calibration_error(histogram), _brier(histogram)),
    ])  # fmt: skip


def _auroc(hits: np.ndarray, false: np.ndarray) -> float:
    """Share of pairs of a moving and an absent pixel in the right order; those of one bin count half."""
    if hits[0] == 0 or false[0] == 0:
        return float("nan")
    above = np.append(hits, 0.0)
    return float((-np.diff(np.append(false, 0.0)) * (above[:-1] + above[1:]) / 2).sum() / (hits[0] * false[0]))


def _average_precision(hits: np.ndarray, false: np.ndarray) -> float:
    """Precision averaged over the steps of recall."""
    if hits[0] == 0:
        return float("nan")
    gained = -np.diff(np.append(hits, 0.0))
    return float((gained * hits / np.maximum(hits + false, 1.0)).sum() / hits[0])


def _calibration_error(histogram: np.ndarray) -> float:
    absent, moving, total = (np.add.reduceat(part, _EDGES) for part in histogram.reshape(3, _BINS))
    # The bin of probability 1 belongs to the one below it.
    absent, moving, total = (np.append(part[:-2], part[-2] + part[-1]) for part in (absent, moving, total))
    pixels = float((absent + moving).sum())
    return float(np.abs(total / _FIXED_POINT - moving).sum() / pixels) if pixels else float("nan")


def _brier(histogram: np.ndarray) -> float:
    """Mean squared difference of probability and truth, taking every probability as the mean of its bin."""
    absent, moving, total = histogram.reshape(3, _BINS)
    pixels = absent + moving
    if not pixels.any():
        return float("nan")
    mean = total / _FIXED_POINT / np.maximum(pixels, 1)
    return float((absent * mean**2 + moving * (1 - mean) ** 2).sum() / pixels.sum())
