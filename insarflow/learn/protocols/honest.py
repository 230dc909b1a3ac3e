"""The project's own scores, to stand beside those of a paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from insarflow.errors import InsarError
from insarflow.learn.metrics import DistanceScores, ObjectScores, PixelScores

UNTOLD: Final = 0.5
"""Threshold where there is no validation data to choose one on."""

Found = Iterable[tuple[np.ndarray, np.ndarray]]
"""Probability and truth, batch by batch."""


def choose(validated: Found | None) -> float:
    """The threshold: where F1 of all pixels, or clips, of the validation data is highest; 0.5 without any.

    Raises
    ------
    InsarError
        If nothing moves in the validation data.
    """
    if validated is None:
        return UNTOLD
    scores = PixelScores()
    for probability, target in validated:
        scores.update(probability, target)
    try:
        return scores.best_threshold()
    except ValueError as error:
        raise InsarError(
            "validation must hold what is looked for, to choose a threshold by, instead got none: split the data anew"
        ) from error


class PixelTally:
    """Scores of pixels, of objects, and of outlines; what is open or missing does not count.

    Parameters
    ----------
    threshold
        Probability from which a pixel moves.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.pixels, self.objects, self.distances = PixelScores(), ObjectScores(), DistanceScores()

    def update(self, probability: np.ndarray, target: np.ndarray) -> None:
        """Add patches: probability, float32, and states of `insarflow.simulate.truth`, both ``(batch, y, x)``."""
        self.pixels.update(probability, target)
        for one, true in zip(probability, target, strict=True):
            self.objects.update(one, true, self.threshold)
            self.distances.update(one, true, self.threshold)

    def scores(self) -> dict[str, float]:
        """Scores by name.

        Returns
        -------
        dict
            As `insarflow.learn.metrics.PixelScores.at`; ``object_precision``, ``object_recall``, ``object_f1`` of
            `insarflow.learn.metrics.ObjectScores`; ``hausdorff``, ``hausdorff_95`` and ``one_empty`` of
            `insarflow.learn.metrics.DistanceScores`, in pixels; ``threshold``.
        """
        objects, outlines = self.objects.scores(), self.distances.scores()
        return {
            **self.pixels.at(self.threshold),
            **{f"object_{name}": objects[name] for name in ("precision", "recall", "f1")},
            **{name: outlines[name] for name in ("hausdorff", "hausdorff_95", "one_empty") if name in outlines},
            "threshold": round(self.threshold, 4),
        }


class ClipTally:
    """Scores of clips.

    Parameters
    ----------
    threshold
        Probability from which a clip shows a landslide.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold, self.clips = threshold, PixelScores()

    def update(self, probability: np.ndarray, target: np.ndarray) -> None:
        """Add clips: probability, float32, and 0 or 1, uint8, both ``(batch,)``."""
        self.clips.update(probability, target)

    def scores(self) -> dict[str, float]:
        """As `insarflow.learn.metrics.PixelScores.at`, but for ``iou`` and ``dice``; and ``threshold``."""
        told = {name: value for name, value in self.clips.at(self.threshold).items() if name not in ("iou", "dice")}
        return {**told, "threshold": round(self.threshold, 4)}
