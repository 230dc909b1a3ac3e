"""Training patches straight from a stack: no files between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch.utils.data import ConcatDataset, Dataset

from insarflow.errors import SelectionError
from insarflow.learn.augment import Transform
from insarflow.learn.channels import ChannelReader
from insarflow.learn.indexed import Indexed
from insarflow.learn.indexed import Sample as Sample
from insarflow.learn.labels import Labels
from insarflow.learn.patch_index import Scenes, as_table, balanced, grid_rows, random_rows
from insarflow.learn.phase import CHANNELS
from insarflow.learn.rasterise import Drawing
from insarflow.learn.truth import truth_of
from insarflow.ops.checks import check_fraction, check_kind, check_whole
from insarflow.schema import validate
from insarflow.simulate.truth import MISSING, OPEN
from insarflow.stack.labels import cell_of, pair_of, pairs_of
from insarflow.stack.store import open_stack
from insarflow.types import PairLike, Recipe, Window


class PatchDataset(Indexed):
    """Patches of the interferograms of a stack, with what people or a simulation say of them.

    Parameters
    ----------
    ds
        A stack, or where it is stored. One sample reads one window of one interferogram, if the stack is just read from
        a store.
    labels
        Those of `insarflow.learn.labels.read_labels`, or an image of states (`insarflow.simulate.truth`) on the stack's
        pixels.
    patch
        Side of a patch, pixels.
    channels
        See `insarflow.learn.channels.ChannelReader`.
    step
        Distance of patches on a grid, by default `patch`; the last ones are flush with the image's far sides.
    count
        Number of patches at drawn places, instead of a grid.
    balance
        Share of patches with a mover. On a grid some others are left out; among those without a mover, those with a
        rejected polygon are kept first. At drawn places, each patch is drawn as it has to be, and about every other
        one without a mover around a rejected polygon, if there is one.
    least_valid
        Share of pixels that must be known; patches without any are left out always. With None nobody looks, which saves
        reading all of the stack once.
    pairs
        Names of those to use.
    recipe
        Steps that the stack goes through before, as it does before a map is made.
    drawing
        How polygons become pixels.
    weighted
        Whether samples hold ``weight``, the labels' confidence.
    memory
        Bytes in which images are held as they lie in the store, one after the other as long as they fit (three or four
        a pixel of phase alone): patches are then cut out of them. What does not fit is read for each patch anew, in
        chunks of 512 by 512 pixels, which costs ten times as long and more. Forked worker processes share them,
        spawned ones read the store.
    seed
        Of places and of `transforms`.
    transforms
        A random change of a batch (`insarflow.learn.augment`), applied to each sample by itself.

    Attributes
    ----------
    index
        A row for each patch: ``date`` and ``delay``; ``pair``, ``reference`` and ``secondary``, names of the pair and
        of its acquisitions; ``y``, ``x``, ``height``, ``width``, in pixels of the stack after the steps; ``positive``,
        ``rejected`` and ``valid``, shares of its pixels that move in this pair, lie in a rejected polygon, and are
        known (NaN if nobody looked). The rows' labels stay with `at`.
    cells
        Pairs by name, with their positions along date and delay.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    InsarError
        Of the stack, its pairs, channels or labels; `SelectionError` if there is no patch.

    Notes
    -----
    A sample is a dict: ``image``, float32 ``(channel, y, x)``, finite, 0 where a channel is missing; ``mask``, uint8
    ``(y, x)``, the states of `insarflow.simulate.truth`, missing where a channel is; ``valid``, bool ``(y, x)``, the
    pixels that count in a loss: those whose mask is absent or moving. With `weighted`, ``weight``, float32 ``(y, x)``,
    0..1.

    A sample is a function of seed, epoch (`set_epoch`) and the label of its row, in any process. Worker processes of a
    loader may be forked or spawned, and learn of the epoch even if they persist.

    Examples
    --------
    >>> from insarflow import Grid, Pair, stack_pairs
    >>> grid = Grid((0.0, 20.0, 0.0, 0.0, 0.0, -20.0), (96, 96), "EPSG:32632")
    >>> images = {"igram": np.ones((96, 96), "complex64"), "coherence": np.ones((96, 96), "float32")}
    >>> stack = stack_pairs({Pair.parse("20210703_20210709"): images}, grid)
    >>> patches = PatchDataset(stack, xr.DataArray(np.zeros((96, 96), bool), dims=("y", "x")), patch=64)
    >>> patches.index[["pair", "y", "x"]].values.tolist()[-1]
    ['20210703_20210709', 32, 32]
    >>> {name: tuple(value.shape) for name, value in patches[0].items()}
    {'image': (3, 64, 64), 'mask': (64, 64), 'valid': (64, 64)}
    """

    def __init__(
        self,
        ds: xr.Dataset | str | Path,
        labels: Labels | xr.DataArray,
        *,
        patch: int = 128,
        channels: Sequence[str] = CHANNELS,
        step: int | None = None,
        count: int | None = None,
        balance: float | None = None,
        least_valid: float | None = 0.0,
        pairs: Literal["all"] | Sequence[PairLike] = "all",
        recipe: Recipe | None = None,
        drawing: Drawing | None = None,
        weighted: bool = False,
        memory: int = 0,
        seed: int = 0,
        transforms: Transform | None = None,
    ) -> None:
        check_kind("recipe", recipe, Recipe | None, "an insarflow.Recipe")
        check_kind("drawing", drawing, Drawing | None, "a Drawing")
        step = _check_numbers(patch, step, count, balance, least_valid, seed)
        stack = validate(open_stack(ds) if isinstance(ds, str | Path) else ds)
        self.reader = ChannelReader(stack, channels, recipe or Recipe())
        height, width = self.reader.shape
        if patch > min(height, width):
            raise ValueError(f"patch must fit into the image of {height} by {width} pixels, instead got patch={patch}")
        processed = self.reader.processed
        self.truth = truth_of(labels, drawing or Drawing(), processed.assign_coords(stack[["date", "delay"]].coords))
        chosen = pairs_of(stack) if pairs == "all" else [pair_of(stack, pair) for pair in pairs]
        self.cells = {pair.name: (pair, cell_of(stack, pair)) for pair in chosen}
        scenes = Scenes(self.reader, self.truth, list(self.cells.values()), patch, least_valid)
        if check_whole("memory", memory, low=0):
            self.reader.keep([cell for _, cell in self.cells.values()], memory)
        super().__init__(_index(scenes, step, count, balance, seed), seed)
        self.weighted, self.transforms = weighted, transforms

    def use(self, index: pd.DataFrame) -> None:
        """Take other rows."""
        super().use(index)
        # A row of a table takes longer to get than a patch to read.
        self._rows = index["pair"].to_numpy(), index[["y", "x", "height", "width"]].to_numpy(), index.index.to_numpy()

    def __getitem__(self, number: int) -> Sample:
        """One sample, by its position in the index."""
        name, place, label = (column[number] for column in self._rows)
        pair, cell = self.cells[name]
        window = Window(*place.tolist())
        image, there = self.reader.read(cell, window)
        mask = self.truth.mask(window, pair, cell)
        mask[~there] = MISSING
        sample = {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask)}
        if self.weighted:
            weight = self.truth.confidence(window, pair)
            sample["weight"] = torch.from_numpy(np.ones(window.shape, np.float32) if weight is None else weight)
        if self.transforms is not None:
            sample = changed(sample, self.transforms, self.generator(int(label)))
        sample["valid"] = sample["mask"] < OPEN
        return sample


def joined(sets: Sequence[PatchDataset]) -> Dataset[Sample]:
    """The patches of several stacks, one after the other."""
    return sets[0] if len(sets) == 1 else ConcatDataset(sets)


def changed(sample: Sample, transforms: Transform, generator: torch.Generator) -> Sample:
    """A sample after a random change; its weights move as its mask does."""
    mask = sample["mask"]
    if "weight" not in sample:
        image, mask = transforms(sample["image"][None], mask[None], generator)
        return {"image": image[0], "mask": mask[0]}
    # Transforms move a mask's whole numbers: states, and above them numbers of weights.
    weights, numbers = torch.unique(sample["weight"], return_inverse=True)
    image, moved = transforms(sample["image"][None], (mask.int() + _STATES * numbers.int())[None], generator)
    states = (moved[0] % _STATES).to(mask.dtype)
    return {"image": image[0], "mask": states, "weight": weights[moved[0].long() // _STATES]}


_STATES = MISSING + 1


def _index(scenes: Scenes, step: int, count: int | None, balance: float | None, seed: int) -> pd.DataFrame:
    if not scenes.pairs:
        raise SelectionError("pairs must name an interferogram at least, instead got none")
    if count is not None:
        return as_table(list(random_rows(scenes, count, balance, seed)))
    index = as_table(grid_rows(scenes, step))
    if index.empty:
        raise SelectionError(f"no patch has a share of known pixels of least_valid={scenes.least_valid}: lower it")
    return index if balance is None else balanced(index, balance, seed)


def _check_numbers(
    patch: int, step: int | None, count: int | None, balance: float | None, least_valid: float | None, seed: int
) -> int:
    """The step of a grid, once all numbers are checked."""
    check_whole("patch", patch, low=1)
    check_whole("seed", seed, low=0)
    if count is not None:
        check_whole("count", count, low=1)
        if step is not None:
            raise ValueError(f"step is of a grid, and count of drawn places: give one, instead got {step=}, {count=}")
    for name, share in (("balance", balance), ("least_valid", least_valid)):
        if share is not None:
            check_fraction(name, share)
    return patch if step is None else check_whole("step", step, low=1, high=patch)
