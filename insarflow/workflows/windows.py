"""A model over a region, block by block, each from its own window of the source.

Chained lazily, filter and model would make every block wait for its neighbours, so that most of the region is held in
memory. Here a window is read with all the margin that the processing and the model look at, processed as a region of
its own, and cut. Windows begin on the grids of patches, looks and poolings, so the pixels that are kept do not differ.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import xarray as xr

from insarflow.errors import RecipeWarning
from insarflow.kernels.coherence import row_grid
from insarflow.learn.weights import load_card
from insarflow.ops.presets import Settings
from insarflow.schema import DIMS, SPACE
from insarflow.segment import segment
from insarflow.segment.windows import round_up
from insarflow.types import Looks, Recipe
from insarflow.workflows.prepare import prepare, steps_before

ANCHORED_NOWHERE = ("goldstein", "multilook", "coherence", "add_offset", "conjugate")
"""Operations whose result does not depend on where in the world a window begins, its grid given."""

NEEDED = ("igram", "coherence", "amplitude", "unwrapped", "valid")


@dataclass(frozen=True)
class Margin:
    """What processing looks at around a pixel, in pixels of the source along one axis.

    Attributes
    ----------
    looks
        Pixels of the source in one of the result.
    reach
        Pixels on either side.
    grid
        Windows begin at multiples.
    """

    looks: int
    reach: int
    grid: int


@dataclass(frozen=True)
class Windows:
    """Probability of movement of a stack, for any block of its pixels.

    Attributes
    ----------
    source
        The stack before processing, lazy.
    shape
        ``(y, x)`` of the result.
    """

    source: xr.Dataset
    shape: tuple[int, int]
    margins: tuple[Margin, Margin]
    model: str | Path
    recipe: str | Path
    device: str | None
    tile_size: int

    @property
    def side(self) -> int:
        """Pixels of a square block that the network sees in one tile, margin included, if tiles are large enough."""
        stride = load_card(self.model).stride
        inner = (self.tile_size - 2 * self._halo) // stride * stride
        return inner if 2 * inner >= self.tile_size else self.tile_size

    @property
    def _halo(self) -> int:
        card = load_card(self.model)
        return round_up(card.reach, card.stride)

    def blocks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sizes of square blocks that cover the result."""
        chunks = da.core.normalize_chunks((self.side, self.side), shape=self.shape)
        return chunks[0], chunks[1]

    def segmented(self, rows: slice, cols: slice) -> xr.Dataset:
        """``probability`` of a block, lazy, each pair in one chunk; what else the processed stack holds is left out."""
        stride = load_card(self.model).stride
        near = [
            slice(max(0, part.start - self._halo) // stride * stride, min(size, part.stop + self._halo))
            for part, size in zip((rows, cols), self.shape, strict=True)
        ]
        far = [self._far(part, axis) for axis, part in enumerate(near)]
        window = self.source.isel(dict(zip(SPACE, far, strict=True)))
        window = window.assign({n: window[n].chunk(y=-1, x=-1) for n in window if window[n].dims == DIMS})
        prepared, _ = prepare(window, load_card(self.model).recipe, self.recipe)
        crop = prepared.isel(_inside(near, [f.start // m.looks for f, m in zip(far, self.margins, strict=True)]))
        with warnings.catch_warnings():
            # Laying out the whole has warned already.
            warnings.simplefilter("ignore", RecipeWarning)
            result = segment(crop, self.model, device=self.device, tile_size=self.tile_size)
        return result[["probability", "valid"]].isel(_inside((rows, cols), [part.start for part in near]))

    def _far(self, part: slice, axis: int) -> slice:
        margin, size = self.margins[axis], self.source.sizes[SPACE[axis]]
        first = max(0, part.start * margin.looks - margin.reach) // margin.grid * margin.grid
        last = round_up(part.stop * margin.looks + margin.reach, margin.grid)
        return slice(first, size if part.stop == self.shape[axis] else min(size, last))


def windows(
    ds: xr.Dataset,
    prepared: xr.Dataset,
    *,
    model: str | Path,
    recipe: str | Path,
    device: str | None,
    tile_size: int,
) -> Windows | None:
    """Lay out the work on `ds` in windows; None if an operation of the recipe looks at the whole region.

    Parameters
    ----------
    ds
        The stack before processing.
    prepared
        What `insarflow.workflows.prepare.prepare` makes of it.
    """
    card = load_card(model)
    steps = steps_before(ds, card.recipe, recipe)
    if any(step["operation"] not in ANCHORED_NOWHERE for step in steps.steps):
        return None
    source = ds[[name for name in NEEDED if name in ds]]
    margins = _margin(steps, "y", card.stride), _margin(steps, "x", card.stride)
    shape = prepared.sizes["y"], prepared.sizes["x"]
    return Windows(source, shape, margins, model, recipe, device, tile_size)


def _margin(steps: Recipe, dim: str, stride: int) -> Margin:
    looks, reach, grid = 1, 0, 1
    for step in steps.steps:
        if step["operation"] == "goldstein":
            # A patch flush with the window's end is none of the region's: it must not touch what is kept.
            settings = Settings.of(**{name: value for name, value in step.items() if name != "operation"})
            reach += looks * settings.patch_size
            grid = math.lcm(grid, looks * settings.step)
        elif step["operation"] == "coherence":
            window: Any = step.get("window", 5)
            size = window if isinstance(window, int) else Looks(*window).__dict__[dim]
            reach += looks * size
            if dim == "y":
                grid = math.lcm(grid, looks * row_grid(size, step.get("weights", "boxcar")))
        elif step["operation"] == "multilook":
            looks *= step[dim]
    return Margin(looks, reach, math.lcm(grid, looks * stride))


def _inside(parts: Any, starts: list[int]) -> dict[str, slice]:
    return {
        dim: slice(part.start - start, part.stop - start) for dim, part, start in zip(SPACE, parts, starts, strict=True)
    }


def probability_by_windows(work: Windows, chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    """Probability of the whole region, ``(date, delay, y, x)``, in these spatial chunks, each from its own window."""
    rows = [list(_slices(sizes)) for sizes in chunks[-2:]]
    blocks = [[work.segmented(y, x)["probability"].data for x in rows[1]] for y in rows[0]]
    whole: da.Array = da.block(blocks)
    return whole


def _slices(sizes: tuple[int, ...]) -> Iterator[slice]:
    start = 0
    for size in sizes:
        yield slice(start, start + size)
        start += size
