"""Samples by the rows of a table, drawn anew in each epoch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from insarflow.learn.patch_index import labelled
from insarflow.ops.checks import check_whole

Sample = dict[str, torch.Tensor]


class Indexed(Dataset[Sample]):
    """A data set whose samples are functions of seed, epoch and the label of a row, in any process.

    Parameters
    ----------
    index
        A row for each sample.
    seed
        Of all that is drawn.

    Attributes
    ----------
    index, seed
        As given.
    """

    def __init__(self, index: pd.DataFrame, seed: int) -> None:
        self.seed = check_whole("seed", seed, low=0)
        self.use(index)
        # Shared, so that workers that are there already see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def use(self, index: pd.DataFrame) -> None:
        """Take other rows."""
        self.index = index

    @property
    def epoch(self) -> int:
        """The epoch that samples are drawn for."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Let all later samples be those of an epoch.

        Raises
        ------
        TypeError, ValueError
            If it is no whole number from 0 on.
        """
        self._epoch.fill_(check_whole("epoch", epoch, low=0))

    def at(self, rows: pd.DataFrame | Sequence[int] | np.ndarray) -> Self:
        """Some of the samples, by the labels of their rows, or by the rows; they stay as they are.

        Raises
        ------
        SelectionError
            If a label is not in the index, or none is given.
        """
        part = copy.copy(self)
        part.use(labelled(self.index, rows))
        return part

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.index)

    def generator(self, label: int) -> torch.Generator:
        """What the sample with this label draws from in this epoch."""
        state = np.random.SeedSequence((self.seed, self.epoch, label)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state >> np.uint64(1)))
