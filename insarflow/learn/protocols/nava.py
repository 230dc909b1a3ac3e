"""How the numbers of Nava et al. (2021) were worked out: clips that are right, of those called landslides and those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from insarflow.errors import InsarError
from insarflow.learn.metrics.tally import share


@dataclass
class ClipCounts:
    """The confusion matrix of clips; the more probable class is the answer.

    Attributes
    ----------
    hits, false, missed, right
        Landslides found, other clips called landslides, landslides missed, other clips that are called none.

    References
    ----------
    Nava et al. (2021), Improving landslide detection on SAR data through deep learning, equations 4 to 6, Table 3.
    """

    hits: int = 0
    false: int = 0
    missed: int = 0
    right: int = 0

    def update(self, probability: np.ndarray, landslide: np.ndarray) -> None:
        """Add clips: probability of a landslide, float32, and bool, both ``(clip,)``."""
        said = probability > 0.5
        self.hits += int((said & landslide).sum())
        self.false += int((said & ~landslide).sum())
        self.missed += int((~said & landslide).sum())
        self.right += int((~said & ~landslide).sum())

    def scores(self) -> dict[str, float]:
        """``accuracy``, ``precision`` and ``recall``, and the number of ``clips``.

        Raises
        ------
        InsarError
            If no clip shows a landslide.
        """
        if not self.hits + self.missed:
            raise InsarError("the clips to score must hold landslides, instead got none: no recall is defined")
        clips = self.hits + self.false + self.missed + self.right
        return {
            "accuracy": share(self.hits + self.right, clips),
            "precision": share(self.hits, self.hits + self.false),
            "recall": share(self.hits, self.hits + self.missed),
            "threshold": 0.5,
            "clips": clips,
        }
