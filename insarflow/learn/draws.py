"""Random numbers of a training: functions of (seed, epoch, index), so that one that is resumed draws the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Generator
from torch.utils.data import Sampler

from insarflow.ops.checks import check_whole

_ORDER, _BATCH, _LOADER = range(3)


def _number(seed: int, *place: int) -> int:
    """63 random bits; places that differ in one number have nothing in common."""
    return int(np.random.SeedSequence((seed, *place)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def order_of(length: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's samples: int64 ``(length,)``, a permutation that is a function of (seed, epoch)."""
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(length)


def batch_seed(seed: int, epoch: int, batch: int, rank: int = 0) -> int:
    """Seed of all that is drawn for one batch, by one process of `rank`."""
    return _number(seed, _BATCH, epoch, batch, rank)


def batch_generator(
    seed: int, epoch: int, batch: int, *, rank: int = 0, device: torch.device | str = "cpu"
) -> Generator:
    """The generator of a batch's augmentations, on the device of the batch."""
    return Generator(device).manual_seed(batch_seed(seed, epoch, batch, rank))


class EpochSampler(Sampler[int]):
    """Sample numbers in an order that is a function of (seed, epoch); several processes share them out.

    Parameters
    ----------
    length
        Number of samples.
    seed, epoch
        Of the order; `set_epoch` changes the epoch.
    rank, world
        Which of how many processes this is. All get as many samples: up to ``world - 1`` are left out of an epoch.
    dataset
        Told the epoch too, if it has a method ``set_epoch``.
    loader
        Generator that a `DataLoader` seeds its workers from: set for each epoch, and so a function of (seed, epoch).
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        epoch: int = 0,
        rank: int = 0,
        world: int = 1,
        dataset: object = None,
        loader: Generator | None = None,
    ) -> None:
        self.length = check_whole("length", length, low=world)
        self.seed, self.rank, self.world = seed, rank, world
        self.dataset, self.loader = dataset, loader
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it before each."""
        self.epoch = epoch
        if self.loader is not None:
            self.loader.manual_seed(_number(self.seed, _LOADER, epoch, self.rank))
        tell = getattr(self.dataset, "set_epoch", None)
        if callable(tell):
            tell(epoch)

    def __len__(self) -> int:
        """Samples of this process."""
        return self.length // self.world

    def __iter__(self) -> Iterator[int]:
        """Numbers of this process's samples."""
        order = order_of(self.length, self.seed, self.epoch)
        return iter(order[self.rank : len(self) * self.world : self.world].tolist())


@contextmanager
def own_draws() -> Iterator[None]:
    """Give torch's global generators back as they were: a training seeds them for layers that draw, dropout say."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices):
        yield
