"""Samples by the rows of a table, read and then changed: what data sets of papers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pandas as pd

from insarflow.datasets.folder import Origin
from insarflow.learn.augment import Transform
from insarflow.learn.indexed import Indexed
from insarflow.learn.patches import Sample, changed


class Rows(Indexed, ABC):
    """Samples by the rows of a table.

    Parameters
    ----------
    index
        A row for each sample.
    channels
        Names of the channels of ``image``.
    transforms
        A random change of a batch, applied to each sample by itself (`insarflow.learn.augment`).
    seed
        Of `transforms`.

    Attributes
    ----------
    index, channels
        As given.
    origin
        Where the data set is from.
    """

    origin: Origin

    def __init__(
        self, index: pd.DataFrame, channels: Sequence[str], *, transforms: Transform | None = None, seed: int = 0
    ) -> None:
        super().__init__(index, seed)
        self.channels, self.transforms = tuple(channels), transforms

    @abstractmethod
    def read(self, row: pd.Series[Any]) -> Sample:
        """``image`` and ``mask`` of a row, in physical units, before any change."""

    @abstractmethod
    def finish(self, sample: Sample, row: pd.Series[Any]) -> Sample:
        """The sample that a network is given, from one that `read` made and transforms may have changed."""

    def __getitem__(self, number: int) -> Sample:
        """One sample, by its position in the index."""
        row = self.index.iloc[number]
        sample = self.read(row)
        if self.transforms is not None:
            sample = changed(sample, self.transforms, self.generator(int(self.index.index[number])))
        return self.finish(sample, row)
