"""One shard of the result, computed by one task out of its own window of the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task
from dask.base import tokenize

from insarflow.errors import ModelError, StoreError
from insarflow.ops.cells import missing_block
from insarflow.ops.layer import array_by_rule, window_of
from insarflow.ops.margins import Margin, margins
from insarflow.ops.recipe import apply_recipe
from insarflow.schema import CELLS, DIMS, SPACE
from insarflow.segment.blocks import Tiling, predict_images
from insarflow.segment.device import Predictor
from insarflow.segment.images import Images, masked
from insarflow.stack.layout import shard_size
from insarflow.types import Recipe, Tile, Window


@dataclass(frozen=True)
class Work:
    """What is done in every shard.

    Attributes
    ----------
    steps
        Applied to what is read, before the network.
    done
        JSON of the recipe of what is read.
    skip_bad
        Whether a window that cannot be read is passed over.
    """

    predictor: Predictor
    tiling: Tiling
    device: str | None
    steps: Recipe
    done: str
    skip_bad: bool


def shards(ds: xr.Dataset, masks: Sequence[xr.DataArray], shape: tuple[int, int], work: Work) -> da.Array | None:
    """Probability of all interferograms, in blocks of a shard; None if they cannot be read window by window.

    Parameters
    ----------
    ds
        The stack before the steps, its images lazy.
    masks
        On the grid of the result.
    shape
        ``(y, x)`` of the result.

    Returns
    -------
    dask.array.Array or None
        ``(date, delay, y, x)``, as `insarflow.segment.device.predict`. No task depends on another.
    """
    looks_at = margins(work.steps, work.tiling.stride)
    sources = {name: ds[name].data for name in ("igram", "coherence") if name in ds}
    if looks_at is None or any(ds[name].dims != DIMS for name in sources):
        return None
    if not all(isinstance(a, da.Array) for a in sources.values()):
        return None
    valid = ds["valid"].values if "valid" in ds else np.ones([ds.sizes[dim] for dim in CELLS], bool)
    if not all(_is_read(array, cell) for array in sources.values() for cell in np.argwhere(valid).tolist()):
        return None
    hidden = [one.data for one in masks]
    if not all(isinstance(a, da.Array) and _is_read(a, ()) for a in hidden):
        return None
    sides = tuple(shard_size(size)[0] for size in shape)
    chunks = da.core.normalize_chunks((1, 1, *sides), shape=(ds.sizes["date"], ds.sizes["delay"], *shape))
    rule = _Shards(sources, hidden, work, looks_at, shape, (sides[0], sides[1]))
    name = f"segment-shards-{tokenize([a.name for a in (*sources.values(), *hidden)], work, shape)}"
    return array_by_rule(name, rule, chunks, work.predictor.dtype)


def _is_read(array: da.Array, cell: Sequence[int]) -> bool:
    """Whether an image is nothing but read, from one place."""
    return window_of(array, cell, (0, 1), (0, 1)) is not None


@dataclass(frozen=True)
class _Shards:
    """The rule of the tasks of `shards`."""

    sources: Mapping[str, da.Array]
    masks: Sequence[da.Array]
    work: Work
    margins: tuple[Margin, Margin]
    shape: tuple[int, int]
    sides: tuple[int, int]

    def reads(self, block: tuple[int, ...]) -> tuple[Shard, tuple[()]]:
        """What computes a block."""
        cell, at = block[:2], block[2:]
        starts = [k * side for k, side in zip(at, self.sides, strict=True)]
        stops = [min(size, start + side) for size, start, side in zip(self.shape, starts, self.sides, strict=True)]
        reads = self.work.tiling.reads
        near = tuple(reads(a, b, size) for a, b, size in zip(starts, stops, self.shape, strict=True))
        whole = next(iter(self.sources.values())).shape[-2:]
        far = [
            margin.source(*part, size=size, source_size=full)
            for margin, part, size, full in zip(self.margins, near, self.shape, whole, strict=True)
        ]
        found = {name: window_of(array, cell, *far) for name, array in self.sources.items()}
        windows = {name: window for name, window in found.items() if window is not None}
        hidden = [window for mask in self.masks if (window := window_of(mask, (), *near)) is not None]
        tile = Tile(_window(near), _window(list(zip(starts, stops, strict=True))), self.shape)
        first = tuple(part[0] // margin.looks for part, margin in zip(far, self.margins, strict=True))
        return Shard(windows, hidden, tile, (first[0], first[1]), self.work), ()

    def task(self, key: tuple[Any, ...]) -> Task:
        """Compute a block."""
        shard, _ = self.reads(key[1:])
        return Task(key, _lifted, shard)


@dataclass(frozen=True)
class Shard:
    """What computes a shard, in any process that sees the source.

    Attributes
    ----------
    windows
        Source and index of ``igram`` and ``coherence``; an image that is not there is not named.
    masks
        Source and index of each, of what the network reads.
    tile
        Place in the result.
    first
        ``(y, x)`` of the result where what is read begins.
    """

    windows: Mapping[str, tuple[Any, tuple[Any, ...]]]
    masks: Sequence[tuple[Any, tuple[Any, ...]]]
    tile: Tile
    first: tuple[int, int]
    work: Work

    computes: ClassVar[bool] = True
    """Whether a value costs more than reading it."""

    def encoded(
        self, index: tuple[()], encode: Callable[[np.ndarray], np.ndarray], dtype: str | None
    ) -> np.ndarray | None:
        """The shard as it is written; None if it cannot be read and that is to be passed over."""
        try:
            return encode(self.compute())
        except StoreError:
            if self.work.skip_bad:
                return None
            raise
        except ValueError as error:  # of a device that only this process has not
            raise ModelError(str(error)) from error

    def compute(self) -> np.ndarray:
        """``(y, x)``, as `insarflow.segment.device.predict`."""
        work = self.work
        if "igram" not in self.windows:
            return missing_block(self.tile.core.shape, work.predictor.dtype)
        return predict_images(
            masked(self._images(), [_plane(source[at]) for source, at in self.masks]),
            self.tile,
            predictor=work.predictor,
            tiling=work.tiling,
            device=work.device,
        )

    def _images(self) -> Images:
        if not self.work.steps.steps:
            sources = [self.windows[name] for name in ("igram", "coherence")]
            coded = all(getattr(source, "code", None) is not None for source, _ in sources)
            return Images(*(_plane(source.numbers(at) if coded else source[at]) for source, at in sources))
        ds = xr.Dataset(
            {name: (SPACE, _plane(source[at])) for name, (source, at) in self.windows.items()},
            attrs={"recipe": self.work.done},
        )
        ds = apply_recipe(ds, self.work.steps)
        read, (y, x) = self.tile.read, self.first
        window = (slice(read.y0 - y, read.y0 - y + read.height), slice(read.x0 - x, read.x0 - x + read.width))
        return Images(ds["igram"].values[window], ds["coherence"].values[window])


def _lifted(shard: Shard) -> np.ndarray:
    return shard.compute()[None, None]


def _plane(values: Any) -> np.ndarray:
    plane: np.ndarray = np.asarray(values)
    return plane.reshape(plane.shape[-2:])


def _window(bounds: Sequence[tuple[int, int]]) -> Window:
    (y0, y1), (x0, x1) = bounds
    return Window(y0, x0, y1 - y0, x1 - x0)
