"""Samples of several interferograms of one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd
import torch

from insarflow.learn.indexed import Indexed
from insarflow.learn.leakage import MEMBERS
from insarflow.learn.patch_index import balanced
from insarflow.learn.patches import PatchDataset, Sample
from insarflow.learn.samples import Batch
from insarflow.learn.transforms import augmented
from insarflow.ops.checks import check_choice, check_fraction, check_kind, check_whole
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN
from insarflow.types import Pair, Window

Rule = Literal["delay", "date", "near"]
RULES: Final = ("delay", "date", "near")
"""Ways to choose the members of a series."""

ORIGIN: Final = np.datetime64("2014-01-01", "ns")
"""Day that dates are counted from."""

_DAY: Final = np.timedelta64(1, "D")


class SeriesDataset(Indexed):
    """Several interferograms of each patch: those around one, with its truth or that of all.

    Parameters
    ----------
    patches
        Gives the places, the pairs, channels, labels, weights, transforms and seed.
    length
        Number of interferograms in a sample, its own included; what is lacking is filled.
    members
        Which go with a pair, nearest first: ``"delay"``, those of the same delay, by the distance of their dates;
        ``"date"``, those of the same date, by that of their delays; ``"near"``, all, by the sum of the distances of
        both acquisitions.
    pool
        Number of members of which `length` are drawn anew for each sample and epoch, the pair's own always if `target`
        is ``"pair"``; by default the nearest `length` are taken always.
    target
        Of which the mask is: ``"pair"``, the pair's; ``"season"``, where something moves in any member of the pool. Of
        pairs with the same members the first alone is then kept.
    balance
        Share of series with a mover, for ``"season"``, as that of `PatchDataset`, whose balance is that of pairs.

    Attributes
    ----------
    index
        As that of `patches`, with ``members``: names of all interferograms that a sample may show, its own included,
        with a space between. Splits and `insarflow.leakage_report` know of them: an acquisition that any member shows
        counts as shown. With ``"season"``, ``positive`` is of all members.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    SelectionError
        If a balance is out of reach.

    Notes
    -----
    A sample is a dict: ``image``, float32 ``(time, channel, y, x)``, finite, 0 where a channel is missing; ``when``,
    float32 ``(time, 2)``, days of the reference acquisition since 2014-01-01, and delay in days; ``there``, bool
    ``(time,)``, False for what is filled, and for members that hold no pixel of the place: all of them is 0; ``mask``,
    ``valid`` and ``weight`` as of `PatchDataset`. Where the pair itself (with ``"season"``: each member) is missing, so
    is the mask. The pair comes first if it is the target, the rest in order of time, what is filled last.

    Transforms change the members of a series together: `insarflow.learn.transforms.augmented`.

    As acquisitions of all members count, fewer series than pairs are left by a split that shares none: to train on
    many, choose short series, or make the data sets of the sides of different pairs (``pairs=`` of `PatchDataset`).

    Examples
    --------
    >>> import xarray as xr
    >>> from insarflow import Grid, stack_pairs
    >>> grid = Grid((0.0, 20.0, 0.0, 0.0, 0.0, -20.0), (64, 64), "EPSG:32632")
    >>> images = {"igram": np.ones((64, 64), "complex64"), "coherence": np.ones((64, 64), "float32")}
    >>> names = ["20210703_20210709", "20210709_20210715", "20210715_20210721"]
    >>> stack = stack_pairs({Pair.parse(name): images for name in names}, grid)
    >>> patches = PatchDataset(stack, xr.DataArray(np.zeros((64, 64), bool), dims=("y", "x")), patch=64)
    >>> series = SeriesDataset(patches, length=4)
    >>> series.index["members"][0]
    '20210703_20210709 20210709_20210715 20210715_20210721'
    >>> sample = series[1]
    >>> tuple(sample["image"].shape), sample["there"].tolist()
    ((4, 3, 64, 64), [True, True, True, False])
    >>> (sample["when"][:, 0] - sample["when"][0, 0]).tolist()[:3]
    [0.0, -6.0, 6.0]
    """

    def __init__(
        self,
        patches: PatchDataset,
        *,
        length: int,
        members: Rule = "delay",
        pool: int | None = None,
        target: Literal["pair", "season"] = "pair",
        balance: float | None = None,
    ) -> None:
        check_kind("patches", patches, PatchDataset, "a PatchDataset")
        self.length = check_whole("length", length, low=1)
        check_choice("members", members, RULES)
        check_choice("target", target, ("pair", "season"))
        size = length if pool is None else check_whole("pool", pool, low=length)
        self.patches, self.season = patches, target == "season"
        pairs = [pair for pair, _ in patches.cells.values()]
        chosen = {pair.name: " ".join(p.name for p in members_of(pair, pairs, members, size)) for pair in pairs}
        index = patches.index.assign(**{MEMBERS: patches.index["pair"].map(chosen)})
        if self.season:
            index = self._of_season(index)
        if balance is not None:
            if not self.season:
                raise ValueError("balance is of target='season'; for pairs give it to the PatchDataset")
            index = balanced(index, check_fraction("balance", balance), patches.seed)
        super().__init__(index, patches.seed)

    @property
    def epoch(self) -> int:
        """The epoch that members and transforms are drawn for."""
        return self.patches.epoch

    def set_epoch(self, epoch: int) -> None:
        """As `PatchDataset.set_epoch`."""
        self.patches.set_epoch(epoch)

    def __getitem__(self, number: int) -> Sample:
        """One sample, by its position in the index."""
        row, label = self.index.iloc[number], int(self.index.index[number])
        window = Window(int(row["y"]), int(row["x"]), int(row["height"]), int(row["width"]))
        shown = self._shown(row, label)
        reader = self.patches.reader
        image = np.zeros((self.length, len(reader.channels), *window.shape), np.float32)
        when, there = np.zeros((self.length, 2), np.float32), np.zeros(self.length, bool)
        missing = np.ones(window.shape, bool)
        for k, name in enumerate(shown):
            pair, cell = self.patches.cells[name]
            when[k] = (pair.reference - ORIGIN) / _DAY, pair.delay_days
            planes, known = reader.read(cell, window)
            there[k] = known.any()
            if there[k]:
                image[k] = planes
            if self.season or k == 0:
                missing &= ~known
        mask, weight = self._truth(row, window)
        mask[missing] = MISSING
        return self._changed(
            Batch(*(torch.from_numpy(a)[None] for a in (image, mask, weight, when, there))), label
        )  # fmt: skip

    def _shown(self, row: pd.Series[str], label: int) -> list[str]:
        """Names of the members of a sample in this epoch, in order."""
        names = row[MEMBERS].split()
        first = [] if self.season else [row["pair"]]
        others = [name for name in names if name not in first]
        free = self.length - len(first)
        if len(others) > free:
            drawn = np.random.default_rng((self.patches.seed, self.epoch, label, 1))
            others = [others[k] for k in np.sort(drawn.permutation(len(others))[:free])]
        return first + others

    def _truth(self, row: pd.Series[str], window: Window) -> tuple[np.ndarray, np.ndarray]:
        """States and weights of a window's pixels, of the pair or of all members."""
        truth, masks, weights = self.patches.truth, [], []
        for name in row[MEMBERS].split() if self.season else [row["pair"]]:
            pair, cell = self.patches.cells[name]
            masks.append(truth.mask(window, pair, cell))
            sure = truth.confidence(window, pair) if self.patches.weighted else None
            ones = np.ones(window.shape, np.float32)
            weights.append(ones if sure is None else np.where(masks[-1] == MOVING, sure, ones))
        if len(masks) == 1:
            return masks[0], weights[0]
        mask = most(masks)
        moving = np.max([np.where(m == MOVING, w, 0) for m, w in zip(masks, weights, strict=True)], axis=0)
        return mask, np.where(mask == MOVING, moving, np.float32(1))

    def _changed(self, batch: Batch, label: int) -> Sample:
        transforms = self.patches.transforms
        if transforms is not None:
            batch = augmented(batch, transforms, self.patches.generator(label))
        names = ("image", "mask", *(["weight"] if self.patches.weighted else []), "when", "there")
        sample = {name: getattr(batch, name)[0] for name in names}
        return {**sample, "valid": sample["mask"] < OPEN}

    def _of_season(self, index: pd.DataFrame) -> pd.DataFrame:
        """The first row of each series, with what moves in any member."""
        kept = index.drop_duplicates([MEMBERS, "y", "x", "height", "width"])
        windows = [Window(*map(int, place)) for place in kept[["y", "x", "height", "width"]].to_numpy()]
        shares = [
            float((self._truth(row, window)[0] == MOVING).mean())
            for (_, row), window in zip(kept.iterrows(), windows, strict=True)
        ]
        return kept.assign(positive=shares)


def members_of(pair: Pair, pairs: Sequence[Pair], rule: Rule, count: int) -> list[Pair]:
    """The members of a pair's series, in order of time.

    Parameters
    ----------
    pairs
        To choose from.
    rule
        See `SeriesDataset`.
    count
        How many, at most, the pair included.
    """
    known = {
        "delay": [other for other in pairs if other.delay == pair.delay],
        "date": [other for other in pairs if other.reference == pair.reference],
        "near": list(pairs),
    }[rule]
    return sorted(sorted(known, key=lambda other: (_distance(pair, other), other))[:count])


def _distance(one: Pair, other: Pair) -> np.timedelta64:
    return np.timedelta64(abs(one.reference - other.reference) + abs(one.secondary - other.secondary))


def most(masks: Sequence[np.ndarray]) -> np.ndarray:
    """What several masks say of their pixels together: moving if any does, else open, absent, missing."""
    out = np.full(masks[0].shape, MISSING, np.uint8)
    for state in _RISING:
        out[np.any([mask == state for mask in masks], axis=0)] = state
    return out


_RISING: Final[tuple[int, ...]] = (ABSENT, OPEN, MOVING)
