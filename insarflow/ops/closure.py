"""Closure phase of triplets of interferograms."""

from __future__ import annotations

from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.kernels.closure import closure
from insarflow.ops.attributes import mapped
from insarflow.ops.checks import check_image
from insarflow.ops.overlap import map_overlap
from insarflow.ops.phase import Phase
from insarflow.ops.pick import Cell, pick
from insarflow.schema import CELLS, require
from insarflow.types import Pair

MOST_NAMES: Final = 6
"""Pairs that an error lists."""


def closure_phase(ds: xr.Dataset) -> xr.DataArray:
    """Phase that is left when three interferograms of three days are added round the triangle.

    Parameters
    ----------
    ds
        A stack with ``igram`` (dims ``(date, delay, y, x)``). Every triplet of days whose three interferograms have a
        place in it is formed; where ``valid`` says that one does not exist, it is left out.

    Returns
    -------
    DataArray
        float32, rad, -pi to pi, dims ``(triplet, y, x)``: ``phase(1, 2) + phase(2, 3) - phase(1, 3)``, wrapped; NaN
        where one of the three is. Coordinates ``first``, ``second`` and ``third`` are the days. Lazy if ``igram`` is,
        one triplet a block; any chunking gives the same bits.

    Raises
    ------
    TypeError, MissingVariableError
        If `ds` is no Dataset or has no ``igram``, or that is not complex64.
    ValueError
        If ``igram`` lacks a dimension, or no three interferograms make a triangle.

    Notes
    -----
    Of single looks it is 0. After averaging it is not where the ground changes: soil moisture, vegetation, or
    unwrapping errors of a product.

    References
    ----------
    De Zan, Zonno and Lopez-Dekker (2015), IEEE Transactions on Geoscience and Remote Sensing 53, 6608-6616.

    Examples
    --------
    >>> days = {"date": np.array(["2018-07-02", "2018-07-08"], "datetime64[ns]")}
    >>> delays = {"delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]")}
    >>> phase = np.array([[0.25, 0.25], [0.5, 0.0]]).reshape(2, 2, 1, 1)
    >>> igram = xr.DataArray(np.exp(1j * phase).astype("complex64"), {**days, **delays}, ("date", "delay", "y", "x"))
    >>> closure_phase(igram.to_dataset(name="igram")).values.round(3)
    array([[[0.5]]], dtype=float32)
    """
    require(ds, "igram", to="closure_phase")
    igram = ds["igram"]
    if not set(CELLS) <= set(igram.dims):
        raise ValueError(
            f"closure_phase needs igram with date and delay, instead got dims={tuple(map(str, igram.dims))}"
        )
    igram = check_image(igram, "igram", "complex64")
    triplets = _triplets(ds)
    images = igram.transpose(*CELLS, ...).data
    sides = [[cells[side] for cells in triplets] for side in range(3)]
    data = _closed(*(pick(images, side) for side in sides)) if isinstance(images, da.Array) else _each(images, triplets)
    dims = ("triplet", *(d for d in igram.dims if d not in CELLS))
    dates, delays = ds["date"].values, ds["delay"].values
    first, second, both = (np.array(side).T for side in sides)
    days = {"first": dates[first[0]], "second": dates[second[0]], "third": dates[both[0]] + delays[both[1]]}
    coords: dict[Any, Any] = {n: c for n, c in igram.coords.items() if not set(c.dims) & set(CELLS)}
    coords |= {name: ("triplet", values) for name, values in days.items()}
    attrs = mapped(igram)
    return Phase(data, coords, dims, "phase", {**attrs, "units": "rad", "long_name": "closure phase"})


Triplet = tuple[Cell, Cell, Cell]
"""Cells of days 1 and 2, 2 and 3, 1 and 3."""


def _triplets(ds: xr.Dataset) -> list[Triplet]:
    """All that exist: for each pair those that begin on its later day and end where one that begins with it does."""
    exists = np.ones((ds.sizes["date"], ds.sizes["delay"]), bool)
    if "valid" in ds and not isinstance(ds["valid"].data, da.Array):
        exists = ds["valid"].transpose(*CELLS).values
    dates, delays = ds["date"].values, ds["delay"].values
    cells: list[Cell] = [(i, j) for i, j in np.argwhere(exists).tolist()]
    ends = {cell: dates[cell[0]] + delays[cell[1]] for cell in cells}
    beginning: dict[np.datetime64, dict[np.datetime64, Cell]] = {}
    for cell, end in ends.items():
        beginning.setdefault(dates[cell[0]], {})[end] = cell
    triplets = [
        (first, second, beginning[dates[first[0]]][third])
        for first in cells
        for third, second in beginning.get(ends[first], {}).items()
        if third in beginning[dates[first[0]]]
    ]
    if not triplets:
        names = [Pair(dates[i], end).name for (i, _), end in ends.items()]
        few = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
        raise ValueError(f"closure_phase needs three pairs of three days, instead got {few or 'no pair'}")
    return triplets


def _closed(first: Any, second: Any, both: Any) -> Any:
    return map_overlap(closure, first, second, both, depth=0, dtype=np.float32)


def _each(images: np.ndarray, triplets: list[Triplet]) -> np.ndarray:
    """Closure of images in memory, one triplet after the other."""
    out = np.empty((len(triplets), *images.shape[2:]), np.float32)
    for k, cells in enumerate(triplets):
        out[k] = _closed(*(images[cell] for cell in cells))
    return out
