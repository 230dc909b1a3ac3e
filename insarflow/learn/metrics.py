"""Scores of a model on patches, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import ndimage
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision, BinaryPrecisionRecallCurve

from insarflow.simulate.truth import MISSING, MOVING, OPEN

THRESHOLDS = torch.linspace(0.0, 1.0, 101)
SMALLEST_OBJECT = 12
SAME_OBJECT = 0.3


@dataclass
class PixelScores:
    """Pixel scores over any number of patches; pixels that the truth leaves open, or that are missing, do not count.

    Scores by threshold are kept in 101 bins, so memory does not grow with the data.
    """

    curve: BinaryPrecisionRecallCurve = field(default_factory=lambda: BinaryPrecisionRecallCurve(thresholds=THRESHOLDS))
    auroc: BinaryAUROC = field(default_factory=lambda: BinaryAUROC(thresholds=THRESHOLDS))
    average: BinaryAveragePrecision = field(default_factory=lambda: BinaryAveragePrecision(thresholds=THRESHOLDS))

    def update(self, probability: torch.Tensor, target: torch.Tensor) -> None:
        """Add patches: probability float, target as `insarflow.simulate.truth`, same shape."""
        counted = target < OPEN
        p, t = probability[counted], (target[counted] == MOVING).int()
        for metric in (self.curve, self.auroc, self.average):
            metric.update(p, t)

    def best_threshold(self) -> float:
        """The threshold with the highest F1."""
        precision, recall, thresholds = self._curve()
        f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-9)
        return float(thresholds[int(f1.argmax())])

    def at(self, threshold: float) -> dict[str, float]:
        """Precision, recall, F1, IoU at a threshold; area under ROC; average precision."""
        precision, recall, thresholds = self._curve()
        k = int((thresholds - threshold).abs().argmin())
        p, r = float(precision[k]), float(recall[k])
        f1 = 2 * p * r / max(p + r, 1e-9)
        scores = {"precision": p, "recall": r, "f1": f1, "iou": f1 / (2 - f1)}
        scores |= {"auroc": float(self.auroc.compute()), "average_precision": float(self.average.compute())}
        return {name: round(value, 4) for name, value in scores.items()}

    def _curve(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Precision and recall at each threshold; a threshold nothing reaches has precision 0."""
        precision, recall, thresholds = self.curve.compute()
        return precision[:-1].nan_to_num(0.0), recall[:-1].nan_to_num(0.0), thresholds


@dataclass
class ObjectScores:
    """Movers found, missed and falsely reported, map by map.

    A visible mover is found if one predicted object overlaps it with an intersection over union of at least 0.3,
    open pixels left out. A predicted object of at least 12 pixels that touches no mover, visible or not, is false.
    """

    found: int = 0
    missed: int = 0
    false: int = 0

    def update(self, probability: np.ndarray, target: np.ndarray, threshold: float) -> None:
        """Add one patch: probability float ``(y, x)``, target uint8 ``(y, x)``."""
        predicted, count = ndimage.label(probability >= threshold)
        actual, movers = ndimage.label(target == MOVING)
        closed = target < OPEN
        sizes = np.bincount(predicted[closed], minlength=count + 1)
        for number in range(1, movers + 1):
            here = actual == number
            if here.sum() < SMALLEST_OBJECT:
                continue
            overlap = np.bincount(predicted[here], minlength=count + 1)[1:]
            union = here.sum() + sizes[1:] - overlap
            hit = overlap.size > 0 and bool((overlap / np.maximum(union, 1)).max() >= SAME_OBJECT)
            self.found += hit
            self.missed += not hit
        touching = np.unique(predicted[(target == MOVING) | (target == OPEN)])
        whole = np.bincount(predicted[target != MISSING], minlength=count + 1)
        self.false += sum(bool(whole[k] >= SMALLEST_OBJECT) and k not in touching for k in range(1, count + 1))

    def scores(self) -> dict[str, float]:
        """Counts, precision, recall and F1 of objects."""
        precision = self.found / max(self.found + self.false, 1)
        recall = self.found / max(self.found + self.missed, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        counts: dict[str, float] = {"found": self.found, "missed": self.missed, "false": self.false}
        return counts | {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}
