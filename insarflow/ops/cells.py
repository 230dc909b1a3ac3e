"""Which cells of a stack hold an interferogram, and what stands for those that do not."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.schema import CELLS, DIMS, PAIR, SPACE, VARIABLES


def present_cells(obj: xr.DataArray | xr.Dataset, name: str) -> np.ndarray | None:
    """Cells of the variable `name` that hold an interferogram, as far as ``valid`` says so in memory.

    Parameters
    ----------
    obj
        A Dataset, of which ``valid`` is looked at; of a DataArray nothing is known.
    name
        One of the contract's variables: others may have values where there is no interferogram.

    Returns
    -------
    ndarray or None
        bool, along the variable's dimensions but ``y`` and ``x``, in their order. None where nothing is known, or
        nothing is absent.
    """
    if not isinstance(obj, xr.Dataset) or "valid" not in obj or name not in obj:
        return None
    if name not in VARIABLES or VARIABLES[name].dims != DIMS:
        return None
    valid, lead = obj["valid"], [dim for dim in obj[name].dims if dim not in SPACE]
    if isinstance(valid.data, da.Array) or valid.dtype.kind != "b" or not set(valid.dims) <= set(lead):
        return None
    others = {dim: obj.sizes[dim] for dim in lead if dim not in valid.dims}
    present: np.ndarray = valid.expand_dims(others).transpose(*lead).values
    return None if present.all() else present


def cell_names(image: xr.DataArray) -> np.ndarray:
    """What errors call the cells of an image variable: pairs such as ``20180702_20180714``, or else their place.

    Returns
    -------
    ndarray
        Text, along the dimensions but ``y`` and ``x``.
    """
    lead = [dim for dim in image.dims if dim not in SPACE]
    shape = tuple(image.sizes[dim] for dim in lead)
    if lead == [PAIR] and PAIR in image.indexes:
        return np.array(image.indexes[PAIR], str)
    if not all(dim in image.coords and isinstance(image[dim].data, np.ndarray) for dim in CELLS):
        return np.array([str(index) for index in np.ndindex(shape)]).reshape(shape)
    sizes: Any = {dim: image.sizes[dim] for dim in lead}
    first: Any = image["date"].variable
    days = [day.set_dims(sizes).transpose(*lead).values for day in (first, first + image["delay"].variable)]
    earlier, later = (np.char.replace(day.astype("datetime64[D]").astype(str), "-", "") for day in days)
    return np.asarray(np.char.add(np.char.add(earlier, "_"), later)).reshape(shape)


def nan_of(dtype: np.dtype) -> Any:
    """What "missing" is in a dtype: NaN, NaN + NaN i, NaT; 0 where there is none."""
    if dtype.kind in "biu":
        return dtype.type(0)
    if dtype.kind in "mM":
        return dtype.type("NaT")
    return complex(np.nan, np.nan) if dtype.kind == "c" else np.nan


def missing_block(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Make a block of "missing" that takes the memory of one value."""
    return np.broadcast_to(np.array(nan_of(dtype), dtype), shape)
