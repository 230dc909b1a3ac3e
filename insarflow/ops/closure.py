"""Closure phase of triplets of interferograms."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.ops.phase import Phase
from insarflow.schema import CELLS, require
from insarflow.types import Pair


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
        where one of the three is. Coordinates ``first``, ``second`` and ``third`` are the days. Lazy if ``igram`` is.

    Raises
    ------
    TypeError, MissingVariableError
        If `ds` is no Dataset or has no ``igram``.
    ValueError
        If no three interferograms make a triangle.

    Notes
    -----
    Of single looks it is 0. After averaging it is not where the ground changes: soil moisture, vegetation, or
    unwrapping errors of a product.

    References
    ----------
    De Zan, Zonno and Lopez-Dekker (2015), doi:10.1109/TGRS.2015.2444431.
    """
    require(ds, "igram", to="closure_phase")
    igram = ds["igram"]
    if not set(CELLS) <= set(igram.dims):
        raise ValueError(
            f"closure_phase needs igram with date and delay, instead got dims={tuple(map(str, igram.dims))}"
        )
    cells = _cells(ds)
    triplets = [
        (first, middle, Pair(first.reference, middle.secondary))
        for first in cells
        for middle in cells
        if first.secondary == middle.reference and Pair(first.reference, middle.secondary) in cells
    ]
    if not triplets:
        raise ValueError(f"closure_phase needs three pairs of three days, instead got {[p.name for p in cells]}")
    images = igram.transpose(*CELLS, ...).data
    closed = [_close(*(images[cells[pair]] for pair in triplet)) for triplet in triplets]
    data = da.stack(closed) if isinstance(images, da.Array) else np.stack(closed)
    dims = ("triplet", *(d for d in igram.dims if d not in CELLS))
    days = zip(*((a.reference, b.reference, c.secondary) for a, b, c in triplets), strict=True)
    coords: dict[Any, Any] = {n: c for n, c in igram.coords.items() if not set(c.dims) & set(CELLS)}
    coords |= {n: ("triplet", np.array(d)) for n, d in zip(("first", "second", "third"), days, strict=True)}
    attrs = {name: igram.attrs[name] for name in ("grid_mapping",) if name in igram.attrs}
    return Phase(data, coords, dims, "phase", {**attrs, "units": "rad", "long_name": "closure phase"})


def _cells(ds: xr.Dataset) -> dict[Pair, tuple[int, int]]:
    """Place of each pair along date and delay."""
    exists = None
    if "valid" in ds and not isinstance(ds["valid"].data, da.Array):
        exists = ds["valid"].transpose(*CELLS).values
    return {
        Pair.at(date, delay): (i, j)
        for i, date in enumerate(ds["date"].values)
        for j, delay in enumerate(ds["delay"].values)
        if exists is None or exists[i, j]
    }


def _close(first: Any, second: Any, both: Any) -> Any:
    """Wrapped sum of two phases minus a third, in double precision."""
    if isinstance(first, da.Array):
        return da.map_blocks(
            _close, first, second, both, dtype=np.float32, meta=np.empty((0,) * first.ndim, np.float32)
        )
    product = first.astype(np.complex128) * second * np.conj(both)
    angle: np.ndarray = np.angle(product).astype(np.float32)
    return np.where(np.isnan(product), np.float32(np.nan), angle)
