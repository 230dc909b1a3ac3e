"""Phase unwrapping on labelled arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.base import compute, tokenize

from insarflow.ops.attributes import looks_of, mapped
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import Present, check_choice, check_image, check_on, check_whole
from insarflow.ops.layer import array_by_rule
from insarflow.ops.overlap import map_overlap, map_windows
from insarflow.ops.tiling import Offsets, Place, Seams, TileAxis, place_tile, reconcile, seams_of
from insarflow.ops.unwrap_tile import CYCLES, MISSING, require_snaphu, unwrap_tile
from insarflow.schema import SPACE, describe, recipe_of, require
from insarflow.types import Tile

Cost = Literal["smooth", "defo"]
"""SNAPHU's statistics: of a smooth surface, or of deformation that may have discontinuities."""

LEAST = 4
"""Smallest side of an image that SNAPHU takes, pixels."""

SMALLEST_TILE = 16


def unwrap(
    ds: xr.Dataset, *, looks: float | None = None, cost: Cost = "smooth", tile: int = 2048, overlap: int | None = None
) -> xr.Dataset:
    """Unwrap the interferograms with SNAPHU (extra ``unwrap``).

    Parameters
    ----------
    ds
        Holds ``igram`` (complex64, dims ``(..., y, x)``; NaN and 0 have no phase) and ``coherence`` (float32, 0..1).
    looks
        Independent looks of the coherence, at least 1: fewer than the pixels averaged where neighbours are correlated.
        By default the attribute ``effective_looks``, or the product of ``looks``, those of which the stack was made.
    cost
        ``"smooth"`` for smooth phase, ``"defo"`` where the ground may have moved so fast that phase jumps.
    tile
        Largest side that is unwrapped at once, pixels. What is larger is divided into tiles of this side.
    overlap
        Least number of pixels that neighbouring tiles share, by default an eighth of `tile`.

    Returns
    -------
    Dataset
        `ds` with ``unwrapped`` (float32, rad, positive away from the satellite; NaN where ``igram`` has no phase; it
        differs from the phase of ``igram`` by whole cycles, and has an arbitrary constant of such) and ``components``
        (uint16: connected components, inside which the cycles are trusted; 1 is the largest, 0 is none). Lazy if
        ``igram`` or ``coherence`` is; any chunking gives the same.

    Raises
    ------
    TypeError, MissingVariableError
        If `ds` is no Dataset, or lacks ``igram`` or ``coherence``, or these are of another dtype.
    ValueError
        If an argument is out of range, `looks` is not known, or the images are too small.
    InsarError
        If the package snaphu is not installed; or, when it is computed, if SNAPHU fails.

    Notes
    -----
    SNAPHU takes about 400 bytes a pixel of a tile, for each that is worked on at a time: 1.6 GB for one of 2048 x 2048.
    Four bytes a pixel of an interferogram wait until the last of its tiles is done. It runs in a process of its own;
    its files are in a temporary folder, which is removed whatever happens.

    The cycles of tiles are reconciled by the pixels that they share: for each two components of neighbouring tiles the
    median of their difference, in whole cycles; where such seams disagree, those on which more pixels agree are
    believed. Parts of
    SNAPHU must not be used commercially: see its terms.

    References
    ----------
    Chen and Zebker (2001), doi:10.1364/JOSAA.18.000338; Chen and Zebker (2002), doi:10.1109/TGRS.2002.802453.
    """
    require(ds, "igram", "coherence", to="unwrap")
    igram = check_image(ds["igram"], "igram", "complex64")
    coherence = check_on(ds["coherence"], "coherence", "float32", igram)
    number = looks_of(ds, looks)
    check_choice("cost", cost, get_args(Cost))
    size = check_whole("tile", tile, low=SMALLEST_TILE)
    shared = check_whole("overlap", size // 8 if overlap is None else overlap, low=1, high=size // 2)
    for dim in SPACE:
        if igram.sizes[dim] < LEAST:
            got = {str(d): igram.sizes[d] for d in SPACE}
            raise ValueError(
                f"igram must have at least {LEAST} pixels along y and x to be unwrapped, instead got {got}"
            )
    require_snaphu()
    axes = TileAxis.of(igram.sizes["y"], size, shared), TileAxis.of(igram.sizes["x"], size, shared)
    present = present_cells(ds, "igram")
    images = [_one_deep(image.data, size) for image in (igram, coherence)]
    placed = _cycles(images[0], images[1], axes, present, looks=number, cost=cost)
    phase = map_overlap(_radians, images[0], placed, depth=0, dtype=np.float32, present=present)
    labels = map_windows(
        _components, placed, reads=(_same, _same), out_chunks=phase.chunks[-2:], dtype=np.uint16, present=present
    )
    if not any(isinstance(image.data, da.Array) for image in (igram, coherence)):
        phase, labels = compute(phase, labels)
    kept = mapped(igram)
    found = {
        name: describe(xr.DataArray(data, igram.coords, igram.dims, attrs=kept), name)
        for name, data in (("unwrapped", phase), ("components", labels))
    }
    recipe = recipe_of(ds).then("unwrap", looks=number, cost=cost, tile=size, overlap=shared)
    return ds.assign(found).assign_attrs(recipe=recipe.to_json())


def _one_deep(image: np.ndarray | da.Array, side: int) -> da.Array:
    """An image a block, or a part of one."""
    if not isinstance(image, da.Array):
        blocks: da.Array = da.from_array(image, chunks=(*(1 for _ in image.shape[:-2]), side, side))
        return blocks
    deep = max((max(sizes) for sizes in image.chunks[:-2]), default=1) > 1
    return image.rechunk(dict.fromkeys(range(image.ndim - 2), 1)) if deep else image


def _cycles(
    igram: da.Array, coherence: da.Array, axes: tuple[TileAxis, TileAxis], present: Present, *, looks: float, cost: Cost
) -> da.Array:
    """`CYCLES` of all pixels, a tile's core a block."""
    sides = tuple((axis.length,) * len(axis.starts) for axis in axes)
    tiles = map_windows(
        unwrap_tile, igram, coherence, reads=axes, out_chunks=(sides[0], sides[1]), dtype=CYCLES, present=present,
        looks=looks, cost=cost,
    )  # fmt: skip
    lead, token = tiles.chunks[:-2], tokenize(tiles, axes)
    ones = tuple((1,) * len(axis.starts) for axis in axes)
    objects = np.dtype(object)
    seams = array_by_rule(f"seams-{token}", _SeamsRule(tiles.name, axes), (*lead, *ones), objects, [tiles])
    solved = _SolvedRule(seams.name, (len(axes[0].starts), len(axes[1].starts)))
    offsets = array_by_rule(f"offsets-{token}", solved, (*lead, (1,), (1,)), objects, [seams])
    cores = tuple(tuple(b - a for a, b in pairwise(axis.edges)) for axis in axes)
    rule = _PlacedRule(tiles.name, offsets.name, axes)
    return array_by_rule(f"cycles-{token}", rule, (*lead, *cores), CYCLES, [tiles, offsets])


@dataclass(frozen=True)
class _SeamsRule:
    """The rule that compares each tile with its neighbours."""

    tiles: str
    axes: tuple[TileAxis, TileAxis]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Compare a tile with the next ones."""
        *lead, row, col = key[1:]
        places = [(row, col), (row, col + 1), (row + 1, col)]
        there = [p for p in places if all(k < len(axis.starts) for k, axis in zip(p, self.axes, strict=True))]
        return Task(key, _seams, (row, col), self.axes, *(TaskRef((self.tiles, *lead, *p)) for p in there))


@dataclass(frozen=True)
class _SolvedRule:
    """The rule that reconciles the tiles of each interferogram."""

    seams: str
    counts: tuple[int, int]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Reconcile the tiles of an interferogram."""
        return Task(key, _solve, *(TaskRef((self.seams, *key[1:-2], *place)) for place in np.ndindex(self.counts)))


@dataclass(frozen=True)
class _PlacedRule:
    """The rule that adds to each tile the cycles it is off."""

    tiles: str
    offsets: str
    axes: tuple[TileAxis, TileAxis]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Add to a tile the cycles it is off."""
        lead, place = key[1:-2], key[-2:]
        needs = TaskRef((self.tiles, *key[1:])), TaskRef((self.offsets, *lead, 0, 0))
        return Task(key, _put, place, self.axes, *needs)


def _seams(place: Place, axes: tuple[TileAxis, TileAxis], *tiles: np.ndarray) -> Seams:
    return seams_of(place, axes, *(tile.reshape(tile.shape[-2:]) for tile in tiles))


def _solve(*tiles: Seams) -> dict[Place, Offsets]:
    return reconcile(tiles)


def _put(place: Place, axes: tuple[TileAxis, TileAxis], tile: np.ndarray, offsets: dict[Place, Offsets]) -> np.ndarray:
    core = place_tile(place, axes, tile.reshape(tile.shape[-2:]), offsets)
    return core.reshape(*tile.shape[:-2], *core.shape)


def _same(start: int, stop: int, size: int) -> tuple[int, int]:
    return start, stop


def _radians(igram: np.ndarray, placed: np.ndarray, *, tile: Tile) -> np.ndarray:
    """Phase and whole cycles, added in double precision."""
    cycles = placed["cycles"]
    phase = np.angle(igram.astype(np.complex128)) + 2 * np.pi * cycles
    return np.where(cycles == MISSING, np.float32(np.nan), phase.astype(np.float32))


def _components(placed: np.ndarray, *, tile: Tile) -> np.ndarray:
    return np.ascontiguousarray(placed["component"])
