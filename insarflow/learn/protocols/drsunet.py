"""How the numbers of the DRs-UNet paper are to be worked out: the pixels of all patches, at a probability of 0.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from insarflow.errors import InsarError
from insarflow.learn.metrics.tally import share


@dataclass
class PixelCounts:
    """The confusion matrix of all pixels, and means over patches beside it.

    Attributes
    ----------
    hits, false, missed
        Pixels.
    patches
        With movement or a prediction of it.
    f1_sum, iou_sum
        Of those.

    Notes
    -----
    The text takes precision, recall, F1 and IoU from one confusion matrix. The printed numbers cannot all be of one:
    there IoU = F1 / (2 - F1), but an F1 of 81.86 % stands beside an IoU of 72.18 % and not of 69.3 % (Table 4, U-Net),
    as it may of means over batches or images. So means over patches are given, too.

    References
    ----------
    Chen et al. (2022), DRs-UNet, doi:10.3390/rs14081848, equations 6 to 9, Tables 3 and 4.
    """

    hits: int = 0
    false: int = 0
    missed: int = 0
    patches: int = 0
    f1_sum: float = 0.0
    iou_sum: float = 0.0

    def update(self, probability: np.ndarray, moving: np.ndarray) -> None:
        """Add patches: probability, float32, and bool, both ``(batch, y, x)``."""
        for said, true in zip(probability > 0.5, moving, strict=True):
            self._add(said, true)

    def _add(self, said: np.ndarray, moving: np.ndarray) -> None:
        hits, false, missed = (int(m.sum()) for m in (said & moving, said & ~moving, ~said & moving))
        self.hits, self.false, self.missed = self.hits + hits, self.false + false, self.missed + missed
        if hits + false + missed:
            self.patches += 1
            self.f1_sum += share(2 * hits, 2 * hits + false + missed)
            self.iou_sum += share(hits, hits + false + missed)

    def scores(self) -> dict[str, float]:
        """``precision``, ``recall``, ``f1``, ``iou`` of all pixels; ``mean_f1`` and ``mean_iou`` over patches.

        Raises
        ------
        InsarError
            If no pixel moves.
        """
        if not self.hits + self.missed:
            raise InsarError("the patches to score must hold movement, instead got none: no recall is defined")
        hits, said, true = self.hits, self.hits + self.false, self.hits + self.missed
        return {
            "precision": share(hits, said),
            "recall": share(hits, true),
            "f1": share(2 * hits, said + true),
            "iou": share(hits, said + self.missed),
            "mean_f1": self.f1_sum / self.patches,
            "mean_iou": self.iou_sum / self.patches,
            "threshold": 0.5,
        }
