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


def pixel_scores(tested: Found, threshold: float) -> dict[str, float]:
    """Scores of pixels, of objects, and of outlines.

    Parameters
    ----------
    tested
        Probability, float32, and states of `insarflow.simulate.truth`, both ``(batch, y, x)``. What is open or missing
        does not count.
    threshold
        Probability from which a pixel moves.

    Returns
    -------
    dict
        As `insarflow.learn.metrics.PixelScores.at`; ``object_precision``, ``object_recall``, ``object_f1`` of
        `insarflow.learn.metrics.ObjectScores`; ``hausdorff``, ``hausdorff_95`` and ``one_empty`` of
        `insarflow.learn.metrics.DistanceScores`, in pixels; ``threshold``.
    """
    pixels, objects, distances = PixelScores(), ObjectScores(), DistanceScores()
    for probability, target in tested:
        pixels.update(probability, target)
        for one, true in zip(probability, target, strict=True):
            objects.update(one, true, threshold)
            distances.update(one, true, threshold)
    outlines = distances.scores()
    return {
        **pixels.at(threshold),
        **{f"object_{name}": objects.scores()[name] for name in ("precision", "recall", "f1")},
        **{name: outlines[name] for name in ("hausdorff", "hausdorff_95", "one_empty") if name in outlines},
        "threshold": round(threshold, 4),
    }


def clip_scores(tested: Found, threshold: float) -> dict[str, float]:
    """As `insarflow.learn.metrics.PixelScores.at` of clips, but for ``iou`` and ``dice``, and ``threshold``."""
    clips = PixelScores()
    for probability, target in tested:
        clips.update(probability, target)
    told = {name: value for name, value in clips.at(threshold).items() if name not in ("iou", "dice")}
    return {**told, "threshold": round(threshold, 4)}
