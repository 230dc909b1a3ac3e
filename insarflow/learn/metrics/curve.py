"""Scores of objects by threshold, to choose one by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from insarflow.learn.metrics.matching import SAME_OBJECT, SMALLEST_OBJECT
from insarflow.learn.metrics.objects import ObjectScores, rates


class ObjectCurve:
    """Object scores at several thresholds, to choose one by.

    Parameters
    ----------
    thresholds
        Ascending, between 0 and 1, both excluded.
    smallest, same
        As of `ObjectScores`.
    """

    def __init__(
        self, thresholds: Sequence[float], *, smallest: int = SMALLEST_OBJECT, same: float = SAME_OBJECT
    ) -> None:
        rising = all(a < b for a, b in pairwise(thresholds))
        if not len(thresholds) or not rising or not 0.0 < thresholds[0] <= thresholds[-1] < 1.0:
            raise ValueError(
                f"thresholds must ascend between 0 and 1, both excluded, instead got thresholds={list(thresholds)}"
            )
        self.at = {float(threshold): ObjectScores(smallest=smallest, same=same) for threshold in thresholds}

    def update(
        self, probability: np.ndarray, target: np.ndarray, *, label: np.ndarray | None = None, scene: object = ""
    ) -> None:
        """Add one map, as `ObjectScores.update`, at every threshold."""
        for threshold, scores in self.at.items():
            scores.update(probability, target, threshold, label=label, scene=scene)

    def best_threshold(self) -> float:
        """The threshold with the highest F1 of objects; of several, the middle one of the first in a row.

        Raises
        ------
        ValueError
            If no mover was counted, so that no threshold is better than another.
        """
        thresholds = list(self.at)
        f1 = [rates(scores.tally.total())[2] for scores in self.at.values()]
        if not any(scores.found + scores.missed for scores in self.at.values()):
            raise ValueError("target must hold movers to choose a threshold, instead got none: add scenes")
        first = int(np.argmax(f1))
        last = first
        while last + 1 < len(f1) and f1[last + 1] == f1[first]:
            last += 1
        return thresholds[(first + last) // 2]

    def merge(self, other: ObjectCurve) -> None:
        """Add what another process counted.

        Raises
        ------
        ValueError
            If it has other thresholds or rules.
        """
        if list(other.at) != list(self.at):
            raise ValueError(f"other must have the thresholds {list(self.at)}, instead got {list(other.at)}")
        for threshold, scores in self.at.items():
            scores.merge(other.at[threshold])
