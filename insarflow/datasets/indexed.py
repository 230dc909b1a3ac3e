"""A data set as a table of its samples: what all data sets of papers have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from insarflow.datasets.folder import Origin
from insarflow.errors import SelectionError
from insarflow.learn.augment import Transform
from insarflow.learn.patches import Sample, changed
from insarflow.ops.checks import check_whole


class Indexed(Dataset[Sample], ABC):
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

    Notes
    -----
    A sample is a function of seed, epoch (`set_epoch`) and the label of its row, in any process.
    """

    origin: Origin

    def __init__(
        self, index: pd.DataFrame, channels: Sequence[str], *, transforms: Transform | None = None, seed: int = 0
    ) -> None:
        self.index, self.channels = index, tuple(channels)
        self.transforms, self.seed = transforms, check_whole("seed", seed, low=0)
        # Shared, so that workers that are there already see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    @abstractmethod
    def read(self, row: pd.Series[Any]) -> Sample:
        """``image`` and ``mask`` of a row, in physical units, before any change."""

    @abstractmethod
    def finish(self, sample: Sample, row: pd.Series[Any]) -> Sample:
        """The sample that a network is given, from one that `read` made and transforms may have changed."""

    @property
    def epoch(self) -> int:
        """The epoch that transforms draw for."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Let the transforms of all later samples be those of an epoch.

        Raises
        ------
        TypeError, ValueError
            If it is no whole number from 0 on.
        """
        self._epoch.fill_(check_whole("epoch", epoch, low=0))

    def at(self, rows: pd.DataFrame | Sequence[int] | np.ndarray) -> Self:
        """Some of the samples, by the labels of their rows, or by the rows.

        Raises
        ------
        SelectionError
            If a label is not in the index, or none is given.
        """
        labels = rows.index if isinstance(rows, pd.DataFrame) else pd.Index(np.asarray(rows))
        strange = labels.difference(self.index.index)
        if len(strange) or not len(labels):
            found = f"the label {strange[0]}" if len(strange) else "none"
            raise SelectionError(f"rows must be labels of the index, at least one, instead got {found}")
        part = copy.copy(self)
        part.index = self.index.loc[labels]
        return part

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.index)

    def __getitem__(self, number: int) -> Sample:
        """One sample, by its position in the index."""
        row = self.index.iloc[number]
        sample = self.read(row)
        if self.transforms is not None:
            sample = changed(sample, self.transforms, self._generator(int(self.index.index[number])))
        return self.finish(sample, row)

    def _generator(self, label: int) -> torch.Generator:
        state = np.random.SeedSequence((self.seed, self.epoch, label)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state >> np.uint64(1)))
