"""A model over a region, block by block, each from its own window of the source.

Chained lazily, filter and model would make every block wait for its neighbours, so that most of the region is held in
memory. Here a window is read with all the margin that the processing and the model look at, processed as a region of
its own, and cut. Windows begin on the grids of patches, looks and poolings, so the pixels that are kept do not differ.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import xarray as xr

from insarflow.errors import RecipeWarning
from insarflow.learn.weights import load_card
from insarflow.ops.margins import Margin, margins
from insarflow.schema import DIMS, SPACE
from insarflow.segment import segment
from insarflow.segment.windows import round_up
from insarflow.workflows.prepare import prepare, steps_before

NEEDED = ("igram", "coherence", "amplitude", "unwrapped", "valid")


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
        size, source_size = self.shape[axis], self.source.sizes[SPACE[axis]]
        return slice(*self.margins[axis].source(part.start, part.stop, size=size, source_size=source_size))


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
    looks_at = margins(steps, card.stride)
    if looks_at is None:
        return None
    source = ds[[name for name in NEEDED if name in ds]]
    shape = prepared.sizes["y"], prepared.sizes["x"]
    return Windows(source, shape, looks_at, model, recipe, device, tile_size)


def _inside(parts: Any, starts: list[int]) -> dict[str, slice]:
    return {
        dim: slice(part.start - start, part.stop - start) for dim, part, start in zip(SPACE, parts, starts, strict=True)
    }
