"""How the numbers of the ISSLIDE paper were worked out: means over patches, at the threshold that suits them best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from insarflow.errors import InsarError
from insarflow.learn.metrics import hausdorff

STEPS: Final = 100
THRESHOLDS: Final = np.array([1.0 - k / STEPS for k in range(STEPS + 1)], np.float32)
"""From 1 down to 0; a pixel moves above, not at, a threshold."""

_TINY: Final = 1e-12
"""Added below the line, so that nothing predicted is a precision of 0."""

_PRECISION, _RECALL, _DICE, _IOU, _DISTANCE = range(5)


@dataclass
class PatchMeans:
    """Sums over patches at 101 thresholds, and nothing else: memory does not grow with the patches.

    Attributes
    ----------
    patches
        With movement; the others were dropped.
    sums
        float64 ``(5, 101)``: precision, recall, Dice, IoU and distance of each patch at `THRESHOLDS`, added up.
    counts
        int64 ``(2, 102)``: absent and moving pixels by the number of thresholds that they reach.
    auc_last
        Area under the ROC curve of the patch that came last.

    Notes
    -----
    F1 is the harmonic mean of the *mean* precision and the *mean* recall, and the threshold is the one where it is
    highest **on these very patches**; of several, the highest. The ROC curve has the points of the 101 thresholds, at
    or above. The released script prints that of its last patch alone, in an order drawn for the run; here it is the
    last of the data's order. It adds in float32, here it is float64.

    References
    ----------
    Bralet et al. (2024), ISSLIDE, doi:10.1109/LGRS.2024.3365299, Table I.
    """

    patches: int = 0
    sums: np.ndarray = field(default_factory=lambda: np.zeros((5, STEPS + 1)))
    counts: np.ndarray = field(default_factory=lambda: np.zeros((2, STEPS + 2), np.int64))
    auc_last: float = float("nan")

    def update(self, probability: np.ndarray, moving: np.ndarray) -> None:
        """Add patches: probability, float32, and bool, both ``(batch, y, x)``; those without movement are dropped."""
        for one, true in zip(probability, moving, strict=True):
            if true.any():
                self._add(one, true)

    def _add(self, probability: np.ndarray, moving: np.ndarray) -> None:
        rising = THRESHOLDS[::-1]
        above = np.searchsorted(rising, probability, side="left")
        said = _at_least(above)
        hits = _at_least(above[moving])
        true = int(moving.sum())
        self.patches += 1
        self.sums[_PRECISION] += hits / (said + _TINY)
        self.sums[_RECALL] += hits / (true + _TINY)
        self.sums[_DICE] += 2 * hits / (said + true)
        self.sums[_IOU] += hits / (true + said - hits + _TINY)
        self.sums[_DISTANCE] += _distances(above, said, moving)
        reached = np.searchsorted(rising, probability, side="right")
        counts = np.stack([np.bincount(reached[moving == kind], minlength=STEPS + 2) for kind in (False, True)])
        self.counts += counts
        self.auc_last = _auc(counts)

    def scores(self) -> dict[str, float]:
        """``threshold``, and at it ``f1``, ``precision``, ``recall``, ``dice``, ``iou``, ``hausdorff`` (pixels).

        ``auc`` is that of the pixels of all patches, ``auc_last`` of the last patch.

        Raises
        ------
        InsarError
            If no patch had movement.
        """
        if not self.patches:
            raise InsarError("the patches to score must hold movement, instead got none: nothing can be averaged")
        mean = self.sums / self.patches
        precision, recall = mean[_PRECISION], mean[_RECALL]
        f1 = 2 * precision * recall / (precision + recall + 1e-20)
        best = int(np.argmax(f1))
        return {
            "f1": float(f1[best]),
            "auc_last": self.auc_last,
            "auc": _auc(self.counts),
            **{name: float(mean[k, best]) for name, k in (("dice", _DICE), ("iou", _IOU), ("hausdorff", _DISTANCE))},
            "precision": float(precision[best]),
            "recall": float(recall[best]),
            "threshold": round(1.0 - best / STEPS, 2),
            "patches": self.patches,
        }


def patch_distance(said: np.ndarray, true: np.ndarray) -> float:
    """The distance of two masks ``(y, x)`` that the paper calls Hausdorff, in pixels.

    It is the largest distance of a border pixel of one to the other mask, an inner one being at 0. Nothing predicted
    has no distance; what the arithmetic of the paper's library gives then is that to a pixel above the first one.

    Notes
    -----
    The library calls it an average, which it is not. A border pixel has one of its four neighbours outside of the mask
    or of the image.
    """
    if said.any():
        return hausdorff(said, true, to="mask")
    rows, columns = np.nonzero(true)
    return float(np.hypot(rows + 1, columns).max(initial=0.0))


def _at_least(above: np.ndarray) -> np.ndarray:
    """How many pixels lie above each of `THRESHOLDS`, of the number of thresholds that each lies above."""
    counts = np.bincount(above.ravel(), minlength=STEPS + 2)
    more: np.ndarray = np.cumsum(counts[::-1])[: STEPS + 1]
    return more


def _distances(above: np.ndarray, said: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """`patch_distance` at each of `THRESHOLDS`; worked out again only where a pixel is added."""
    found = np.empty(STEPS + 1)
    for k in range(STEPS + 1):
        same = k > 0 and said[k] == said[k - 1]
        found[k] = found[k - 1] if same else patch_distance(above > STEPS - k, moving)
    return found


def _auc(counts: np.ndarray) -> float:
    """Area under the curve through the 101 thresholds; NaN with one class alone."""
    false, hits = np.cumsum(counts[:, ::-1], axis=1)[:, : STEPS + 1]
    if not false[-1] or not hits[-1]:
        return float("nan")
    height, width = (hits[1:] + hits[:-1]) / (2 * hits[-1]), np.diff(false) / false[-1]
    return float((height * width).sum())
