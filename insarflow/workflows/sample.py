"""A small part of a stack in memory, to try out the work on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, TypeVar

import dask
import numpy as np
import xarray as xr

from insarflow.schema import CELLS, DIMS, SPACE, VARIABLES
from insarflow.stack.assemble import valid_cells

T = TypeVar("T")

SIDE: Final = 1024
"""Largest side of a sample, pixels: that of a tile, as a network takes more time per pixel for smaller ones."""

_PATIENCE: Final = 1.0
"""Time after which a piece of work is not tried again, s."""

_LONG: Final = 5.0
"""Time from which what is done once is too little of it to be worth a second run, s."""

_CELL: Final = 128
"""Side of the squares that count as known if they hold one pixel: about what a network is spared of."""


@dataclass(frozen=True)
class Sample:
    """One interferogram's window, and what reading it told.

    Attributes
    ----------
    window
        A stack of one interferogram, at most `SIDE` pixels a side, in memory.
    known
        Part of the image that is not missing, 0..1, as far as seen.
    read
        Time to read a pixel of one interferogram, s.
    """

    window: xr.Dataset
    known: float
    read: float


def take_sample(ds: xr.Dataset) -> Sample:
    """Read at most three blocks of one interferogram, and cut the window with most pixels out of them.

    Parameters
    ----------
    ds
        A stack, lazy.

    Raises
    ------
    ProductError, StoreError
        If the source is damaged there.
    """
    cells = np.argwhere(valid_cells(ds))
    i, j = cells[len(cells) // 2]
    pair = ds.isel(date=[i], delay=[j])
    blocks = [_block_slices(pair, place) for place in (0.5, 0.0, 1.0)]
    windows: list[xr.Dataset] = []
    shares, seconds, pixels = [], 0.0, 0
    different = {tuple((s.start, s.stop) for s in block.values()): block for block in blocks}
    for slices in different.values():
        took, read = _read(pair[image_names(ds)].isel(slices))
        if not windows and took < _LONG:
            took, _ = _read(pair[image_names(ds)].isel(slices))  # what is loaded and compiled once is no part of it
        seconds += took
        block = pair.isel(slices).assign(read.data_vars).load()
        pixels += block.sizes["y"] * block.sizes["x"]
        present = _present(block)
        shares.append(_share(present))
        # A copy, as a view would keep the whole block.
        windows.append(block.isel(_best_window(present)).copy(deep=True))
    window = max(windows, key=lambda w: int(_present(w).sum()))
    if not _present(window).any():
        # Nothing was met by chance: what is met elsewhere is taken to be like a flat interferogram.
        return Sample(filled(window), 1.0, seconds / pixels)
    return Sample(window, float(np.mean(shares)), seconds / pixels)


def _read(lazy: xr.Dataset) -> tuple[float, xr.Dataset]:
    """Time to read images by one thread, s, and the images in memory."""
    with dask.config.set(scheduler="sync"):
        started = time.perf_counter()
        read = lazy.compute()
        return time.perf_counter() - started, read


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Time of the fastest of a few runs, s, and what `work` gives: any run may be disturbed."""
    times: list[float] = []
    while not times or (len(times) < 5 and sum(times) < _PATIENCE):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return min(times), result


def filled(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with 1 for every pixel that is missing."""
    return ds.assign({name: ds[name].fillna(1) for name in image_names(ds)})


def image_names(ds: xr.Dataset) -> list[str]:
    """Names of the variables that every interferogram has one image of."""
    return [name for name, variable in VARIABLES.items() if name in ds and variable.dims == DIMS]


def largest_block(ds: xr.Dataset) -> tuple[int, int]:
    """Rows and columns of the largest block of the images."""
    chunks = ds[image_names(ds)].chunksizes
    rows, cols = (max(chunks.get(dim, (ds.sizes[dim],))) for dim in SPACE)
    return rows, cols


def _block_slices(ds: xr.Dataset, place: float) -> dict[str, slice]:
    """The block at a place between the first and the last, along both axes."""
    slices = {}
    for dim in SPACE:
        edges = list(pairwise(accumulate(ds.chunksizes.get(dim, (ds.sizes[dim],)), initial=0)))
        slices[dim] = slice(*edges[round(place * (len(edges) - 1))])
    return slices


def _present(ds: xr.Dataset) -> np.ndarray:
    """Pixels that are not missing in the first image variable: bool, ``(y, x)``."""
    image = ds[image_names(ds)[0]].transpose(*CELLS, *SPACE).values[0, 0]
    return np.asarray(np.isfinite(image))


def _share(present: np.ndarray) -> float:
    rows, cols = (range(0, n, _CELL) for n in present.shape)
    return float(np.mean([present[y : y + _CELL, x : x + _CELL].any() for y in rows for x in cols]))


def _best_window(present: np.ndarray) -> dict[str, slice]:
    corners = [
        (y, x)
        for y in range(0, max(1, present.shape[0] - SIDE + 1), SIDE // 2)
        for x in range(0, max(1, present.shape[1] - SIDE + 1), SIDE // 2)
    ]
    y, x = max(corners, key=lambda c: int(present[c[0] : c[0] + SIDE, c[1] : c[1] + SIDE].sum()))
    return {"y": slice(y, y + SIDE), "x": slice(x, x + SIDE)}
