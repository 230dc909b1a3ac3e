"""How far the outline of a prediction lies from the true one: Hausdorff distance, in linear time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy import ndimage

from insarflow.learn.metrics.checks import checked_probability
from insarflow.simulate.truth import MOVING, OPEN

To = Literal["border", "mask"]

_CROSS: Final = ndimage.generate_binary_structure(2, 1)


def border_distances(
    a: np.ndarray, b: np.ndarray, *, spacing: tuple[float, float] = (1.0, 1.0), to: To = "border"
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each border pixel of one mask to the other mask, both ways.

    Parameters
    ----------
    a, b
        bool ``(y, x)``, at least one pixel set in each. A border pixel is a set pixel of which one of the four
        neighbours is not set, or lies outside of the image.
    spacing
        Size of a pixel ``(y, x)``: ``(1, 1)`` for distances in pixels, metres for metres.
    to
        ``"border"``: to the nearest border pixel of the other mask. ``"mask"``: to its nearest set pixel, so that 0
        is what lies inside.

    Returns
    -------
    of_a, of_b
        float64, one distance between pixel centres per border pixel, in reading order.

    Raises
    ------
    TypeError, ValueError
        If a mask is not bool ``(y, x)``, is empty, the shapes differ, or a spacing is not positive.
    """
    _check_masks(a, b, spacing)
    for name, mask in (("a", a), ("b", b)):
        if not mask.any():
            raise ValueError(f"{name} must have a pixel set, instead got an empty mask: see hausdorff for its rules")
    rows, cols = (np.flatnonzero((a | b).any(axis=axis)) for axis in (1, 0))
    # Only set pixels matter, so the box around them is enough; one more row and column keep its borders as they are.
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    a, b = np.pad(a[box], 1), np.pad(b[box], 1)
    borders = _border(a), _border(b)
    goals = borders if to == "border" else (a, b)
    far_from_a, far_from_b = (ndimage.distance_transform_edt(~goal, sampling=spacing) for goal in goals)
    return far_from_b[borders[0]], far_from_a[borders[1]]


def hausdorff(
    a: np.ndarray,
    b: np.ndarray,
    *,
    percentile: float = 100.0,
    spacing: tuple[float, float] = (1.0, 1.0),
    to: To = "border",
) -> float:
    """Hausdorff distance of two masks of any shape.

    Parameters
    ----------
    a, b
        bool ``(y, x)``.
    percentile
        Of the distances of each direction, of which the larger is taken: 100 is the Hausdorff distance, 95 is HD95.
    spacing, to
        As in `border_distances`.

    Returns
    -------
    float
        In units of `spacing`. 0 if both masks are empty; NaN if one is, since no distance is meant then.

    Raises
    ------
    TypeError, ValueError
        If a mask is not bool ``(y, x)``, the shapes differ, a spacing is not positive, or a percentile not in 0..100.

    References
    ----------
    Huttenlocher et al. (1993), doi:10.1109/34.232073.

    Examples
    --------
    >>> a, b = np.zeros((4, 9), bool), np.zeros((4, 9), bool)
    >>> a[1:3, 1:3], b[1:3, 4:6] = True, True
    >>> hausdorff(a, b), hausdorff(a, b, spacing=(10.0, 20.0))
    (3.0, 60.0)
    """
    _check_masks(a, b, spacing)
    if not 0.0 <= percentile <= 100.0:
        raise ValueError(f"percentile must be within 0..100, instead got percentile={percentile}")
    if not a.any() or not b.any():
        return float("nan") if a.any() or b.any() else 0.0
    return max(float(np.percentile(d, percentile)) for d in border_distances(a, b, spacing=spacing, to=to))


@dataclass
class DistanceScores:
    """Mean distances of outlines over any number of patches.

    Patches of which one mask is empty have no distance: they are counted apart, and the mean is over the others.

    Attributes
    ----------
    patches
        Patches with a distance, those where both masks are empty (distance 0) among them.
    one_empty
        Patches where movement is only predicted or only true.
    both_empty
        Patches where there is none and none is predicted.
    total, total_95
        Sums of the Hausdorff distance and of its 95th percentile, in units of the spacing.
    """

    patches: int = 0
    one_empty: int = 0
    both_empty: int = 0
    total: float = 0.0
    total_95: float = 0.0

    def update(
        self,
        probability: np.ndarray,
        target: np.ndarray,
        threshold: float,
        *,
        spacing: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """Add a patch ``(y, x)``; pixels that the truth leaves open or that are missing belong to neither mask.

        Raises
        ------
        TypeError, ValueError
            If shapes or types do not fit, or a probability that counts is NaN or outside 0..1.
        """
        p, t = (tensor.cpu().numpy() for tensor in checked_probability(probability, target))
        said, true = (p >= threshold) & (t < OPEN), t == MOVING
        _check_masks(said, true, spacing)
        if said.any() != true.any():
            self.one_empty += 1
            return
        self.patches += 1
        self.both_empty += not true.any()
        if true.any():
            both = border_distances(said, true, spacing=spacing)
            self.total += max(float(d.max()) for d in both)
            self.total_95 += max(float(np.percentile(d, 95.0)) for d in both)

    def merge(self, other: DistanceScores) -> None:
        """Add what another process counted."""
        for name in ("patches", "one_empty", "both_empty", "total", "total_95"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def scores(self) -> dict[str, float]:
        """Means in units of the spacing, left out without a patch, and counts."""
        counts: dict[str, float] = {
            "patches": self.patches,
            "one_empty": self.one_empty,
            "both_empty": self.both_empty,
        }
        if not self.patches:
            return counts
        return counts | {
            "hausdorff": round(self.total / self.patches, 4),
            "hausdorff_95": round(self.total_95 / self.patches, 4),
        }


def _border(mask: np.ndarray) -> np.ndarray:
    border: np.ndarray = mask & ~ndimage.binary_erosion(mask, _CROSS)
    return border


def _check_masks(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float]) -> None:
    for name, mask in (("a", a), ("b", b)):
        if mask.dtype != np.bool_:
            raise TypeError(f"{name} must be bool, instead got {mask.dtype}: compare it with a threshold")
        if mask.ndim != 2:
            raise ValueError(f"{name} must have the dimensions (y, x), instead got shape={mask.shape}")
    if a.shape != b.shape:
        raise ValueError(f"b must have the shape of a, {a.shape}, instead got shape={b.shape}")
    if not all(0.0 < size < np.inf for size in spacing):
        raise ValueError(f"spacing must be two positive sizes (y, x), instead got spacing={spacing}")
