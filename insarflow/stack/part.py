"""A part of a stack by position: cells, rows and columns; lazy images keep the way they are read."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.ops.pick import part_of, without
from insarflow.schema import CELLS, DIMS, SPACE, VARIABLES
from insarflow.types import Window

Index = slice | np.ndarray


def take(ds: xr.Dataset, cells: dict[str, Index], window: Window | None = None) -> xr.Dataset:
    """Positions along ``date`` and ``delay``, in any order, and a window of the pixels.

    As ``ds.isel``, but the graphs of lazy images are not of all their blocks.
    """
    lazy = {
        name: v
        for name, v in ds.variables.items()
        if name in ds.data_vars and isinstance(v.data, da.Array) and v.dims in (DIMS, SPACE)
    }
    moved = {
        name: xr.Variable(
            v.dims,
            part_of(v.data, [np.arange(v.sizes[d])[cells.get(str(d), slice(None))] for d in v.dims[:-2]], window),
            v.attrs,
            v.encoding,
        )
        for name, v in lazy.items()
    }
    index: dict[str, Any] = dict(cells)
    if window is not None:
        index |= {"y": slice(window.y0, window.y1), "x": slice(window.x0, window.x1)}
    return ds.drop_vars(list(lazy)).isel(index).assign(moved)[list(ds.data_vars)]


def existing(ds: xr.Dataset) -> np.ndarray:
    """Cells that hold an interferogram: bool, ``(date, delay)``; all where ``valid`` is lazy or not there."""
    if "valid" in ds and not isinstance(ds["valid"].data, da.Array):
        return np.asarray(ds["valid"].transpose(*CELLS).values, bool)
    return np.ones((ds.sizes["date"], ds.sizes["delay"]), bool)


def keep_cells(ds: xr.Dataset, keep: np.ndarray) -> xr.Dataset:
    """The cells to keep, at least one, without the dates and delays of which none is left; the others are missing."""
    rows, cols = np.asarray(keep.any(axis=1)), np.asarray(keep.any(axis=0))
    exists = existing(ds)[rows][:, cols]
    ds, keep = take(ds, {"date": _index(rows), "delay": _index(cols)}), keep[rows][:, cols]
    if not (exists & ~keep).any():
        return ds
    changed: dict[str, Any] = {n: (DIMS, without(ds[n].data, keep), ds[n].attrs) for n in images(ds)}
    if "valid" in ds:
        changed["valid"] = (CELLS, ds["valid"].data & keep, ds["valid"].attrs)
    if "perpendicular_baseline" in ds:
        changed["perpendicular_baseline"] = ds["perpendicular_baseline"].where(xr.DataArray(keep, dims=CELLS))
    return replaced(ds, changed)


def images(ds: xr.Dataset) -> list[str]:
    """Variables with an image for each cell."""
    return [name for name, variable in VARIABLES.items() if name in ds and variable.dims == DIMS]


def replaced(ds: xr.Dataset, variables: dict[str, Any]) -> xr.Dataset:
    """`ds` with variables replaced; they keep the encoding, which names their CRS."""
    result = ds.assign(variables)
    for name in variables:
        result[name].encoding = ds[name].encoding
    return result


def _index(flags: np.ndarray) -> Index:
    """Positions that are True: a slice where it can be, which takes no copy of what is in memory."""
    at = np.flatnonzero(flags)
    return slice(int(at[0]), int(at[-1]) + 1) if at[-1] - at[0] + 1 == at.size else at
