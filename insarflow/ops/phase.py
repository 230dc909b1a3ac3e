"""Phase and amplitude of interferograms, as real numbers that can be looked at."""

from __future__ import annotations

import math
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from xarray.core.utils import UncachedAccessor
from xarray.plot.accessor import DataArrayPlotAccessor

from insarflow.ops.attributes import mapped
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import Present
from insarflow.ops.overlap import map_overlap
from insarflow.schema import SPACE, describe, require
from insarflow.types import Tile

COLOURS = "twilight"
"""Cyclic colour map of phase, by matplotlib's name: -pi and pi look the same."""


def phase(ds: xr.Dataset) -> xr.DataArray:
    """Wrapped phase of the interferograms of `ds`.

    Parameters
    ----------
    ds
        Holds ``igram`` (complex).

    Returns
    -------
    DataArray
        float32, rad, from -pi to pi, positive away from the satellite; NaN where ``igram`` is. Lazy if it is.
        xarray's own plots of it have cyclic colours from -pi to pi.

    Raises
    ------
    TypeError, MissingVariableError
        If `ds` is no Dataset or has no ``igram``.

    Notes
    -----
    For looking at, and for other programs. Averages and filters belong on ``igram``: the mean of -3 and 3 rad is not 0.

    Examples
    --------
    >>> ds = xr.Dataset({"igram": (("y", "x"), np.array([[1j]], "complex64"))})
    >>> round(float(phase(ds)[0, 0]), 4)
    1.5708
    """
    require(ds, "igram", to="phase")
    igram = ds["igram"]
    angle = each_pixel(np.angle, igram, present_cells(ds, "igram"))
    values = Phase(angle, igram.coords, igram.dims, "phase", mapped(igram))
    return values.assign_attrs(units="rad", long_name="phase, positive away from the satellite")


def amplitude(ds: xr.Dataset) -> xr.DataArray:
    """Amplitude: the variable of that name if there is one, else the magnitude of the interferograms.

    Parameters
    ----------
    ds
        Holds ``amplitude`` or ``igram``.

    Returns
    -------
    DataArray
        float32, in the product's own unit (1 everywhere if the product gave phase only), NaN where missing. Lazy if the
        input is.

    Raises
    ------
    TypeError, MissingVariableError
        If `ds` is no Dataset or has neither.
    """
    if isinstance(ds, xr.Dataset) and "amplitude" in ds:
        return ds["amplitude"]
    require(ds, "igram", to="amplitude")
    igram = ds["igram"]
    magnitude = each_pixel(np.abs, igram, present_cells(ds, "igram"))
    return describe(xr.DataArray(magnitude, igram.coords, igram.dims, attrs=mapped(igram)), "amplitude").assign_attrs(
        long_name="magnitude of the interferogram"
    )


def each_pixel(function: Any, igram: xr.DataArray, present: Present = None) -> np.ndarray | da.Array:
    """Apply a function that gives a real number to each pixel; float32, lazy if `igram` is.

    `present` says which cells have pixels; without it all do.
    """
    if present is not None and igram.dims[-2:] == SPACE:
        pixels: np.ndarray | da.Array = map_overlap(
            _of_block, igram.data, depth=0, dtype=np.float32, present=present, function_of_pixel=function
        )
        return pixels
    if isinstance(igram.data, da.Array):
        meta = np.empty((0,) * igram.ndim, np.float32)
        lazy: da.Array = da.map_blocks(_as_float32, igram.data, function, dtype=np.float32, meta=meta)
        return lazy
    return _as_float32(igram.values, function)


def _of_block(block: np.ndarray, *, function_of_pixel: Any, tile: Tile) -> np.ndarray:
    return _as_float32(block, function_of_pixel)


def _as_float32(block: np.ndarray, function: Any) -> np.ndarray:
    values: np.ndarray = function(block).astype(np.float32, copy=False)
    return values


class _PhasePlot(DataArrayPlotAccessor):
    """xarray's plots, where images have cyclic colours unless the caller chooses others."""

    __slots__ = ()

    def __call__(self, **kwargs: Any) -> Any:  # type: ignore[override]
        long = [d for d in self._da.dims if self._da.sizes[d] > 1 and d not in (kwargs.get("row"), kwargs.get("col"))]
        return super().__call__(**(_cyclic(kwargs) if len(long) == 2 and kwargs.get("hue") is None else kwargs))

    def imshow(self, *args: Any, **kwargs: Any) -> Any:
        return super().imshow(*args, **_cyclic(kwargs))

    def pcolormesh(self, *args: Any, **kwargs: Any) -> Any:
        return super().pcolormesh(*args, **_cyclic(kwargs))


def _cyclic(kwargs: dict[str, Any]) -> dict[str, Any]:
    if {"cmap", "colors", "norm", "levels", "vmin", "vmax", "center", "robust"} & set(kwargs):
        return kwargs
    return {"cmap": COLOURS, "vmin": -math.pi, "vmax": math.pi, **kwargs}


class Phase(xr.DataArray):  # type: ignore[no-untyped-call]
    """Phase in radians: a DataArray that xarray draws with cyclic colours. Arithmetic gives a plain DataArray."""

    __slots__ = ()

    plot = UncachedAccessor(_PhasePlot)

    def _binary_op(self, other: Any, f: Any, reflexive: bool = False) -> Any:
        # A phase times something is another quantity: its colours are xarray's to choose.
        return xr.DataArray(self)._binary_op(other, f, reflexive)
