"""A stack as a list of pairs, and back: ``(date, delay, y, x)`` to ``(pair, y, x)``."""

from __future__ import annotations

from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.errors import SchemaError
from insarflow.schema import CELLS, COORDINATE_ATTRS, PAIR, SPACE, describe, normalise_time, validate
from insarflow.stack.cube import Cell, pick, place
from insarflow.stack.part import take
from insarflow.types import Pair, parse_delay

ALONG: Final = ("date", "delay", "reference", "secondary")
"""Coordinates that `to_pairs` gives to each pair."""

_ALONE: Final = "without_pair"
"""Attribute of ``date`` and ``delay``: those of the stack that no pair has."""

_TEXT: Final = np.dtype(object)
"""How names are stored: as text of any length, since Zarr 3 has no word for text of a fixed length."""

_KEPT: Final = ("grid_mapping", "coordinates")
"""What of a variable's encoding does not depend on its shape."""


def to_pairs(ds: xr.Dataset) -> xr.Dataset:
    """Lay the interferograms of a stack one behind the other; cells without one are left out.

    Parameters
    ----------
    ds
        A stack. Without ``valid``, or if that is lazy, every cell counts as an interferogram.

    Returns
    -------
    Dataset
        Dims ``(pair, y, x)``, one pair a block, lazy if `ds` is. ``pair`` holds names such as ``20180702_20180714``
        (text of a fixed length, sorted), and along it lie the coordinates ``date`` and ``reference`` (earlier day),
        ``secondary`` (later day) and ``delay``. What has neither date nor delay stays as it is. Dates and delays
        without a pair are kept in the attribute ``without_pair`` of ``date`` and ``delay``.

    Raises
    ------
    SchemaError
        If `ds` is no stack, holds no interferogram, or a variable lies along only one of date and delay.

    Notes
    -----
    For what knows three dimensions, not four: ``ds.insar.to_pairs()["igram"].rio.reproject(...)``, facets, rasters,
    ``to_zarr``, whose plain store of pairs is a stack again with
    ``from_pairs(xr.open_zarr(path, decode_coords="all", decode_timedelta=True))``. `from_pairs` gives the identical
    stack.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6, 12], movers=1)
    >>> pairs = to_pairs(ds)
    >>> dict(pairs.sizes)["pair"], from_pairs(pairs).identical(ds)
    (3, True)
    """
    validate(ds)
    dates, delays = ds["date"].values, ds["delay"].values
    exists = np.ones((dates.size, delays.size), bool)
    if "valid" in ds and not isinstance(ds["valid"].data, da.Array):
        exists = ds["valid"].values
    cells: list[Cell] = [(int(i), int(j)) for i, j in np.argwhere(exists)]
    cells.sort(key=lambda cell: (dates[cell[0]], delays[cell[1]]))
    if not cells:
        raise SchemaError("to_pairs needs at least one interferogram, instead got valid=False everywhere")
    rows, cols = np.transpose(cells)
    alone = [np.setdiff1d(np.arange(n), at) for n, at in zip(exists.shape, (rows, cols), strict=True)]
    pairs = lay_out(ds, cells)
    for dim, rest in zip(CELLS, alone, strict=True):
        pairs[dim].attrs = _noting(ds[dim], rest)
    return pairs


def lay_out(ds: xr.Dataset, cells: list[Cell]) -> xr.Dataset:
    """Cells of a stack one behind the other, in their order, along ``pair``; parameters and errors as of `to_pairs`."""
    dates, delays = ds["date"].values, ds["delay"].values
    rows, cols = np.transpose(cells)
    variables: dict[Any, Any] = {}
    for name, variable in ds.variables.items():
        along = set(CELLS) & set(variable.dims)
        if name in CELLS or not along:
            variables.update({} if name in CELLS else {name: variable})
            continue
        if len(along) == 1 or name in ALONG:
            raise SchemaError(
                f"a variable must lie along both date and delay or neither to be laid out by pairs, instead got "
                f"{name!r} with dims={tuple(map(str, variable.dims))}: drop it first with .drop_vars({name!r})"
            )
        whole = variable.transpose(*CELLS, ...)
        kept = {key: whole.encoding[key] for key in _KEPT if key in whole.encoding}
        variables[name] = xr.Variable((PAIR, *whole.dims[2:]), pick(whole.data, cells), whole.attrs, kept)
    coords = {name: variables.pop(name) for name in ds.coords if name in variables}
    names = np.array([Pair(dates[i], dates[i] + delays[j]).name for i, j in cells])
    coords |= {
        PAIR: xr.Variable(PAIR, names, {"long_name": "earlier and later acquisition day"}, {"dtype": _TEXT}),
        "date": (PAIR, dates[rows], ds["date"].attrs),
        "delay": (PAIR, delays[cols], ds["delay"].attrs),
        "reference": (PAIR, dates[rows], {"long_name": "acquisition day of the earlier image"}),
        "secondary": (PAIR, dates[rows] + delays[cols], {"long_name": "acquisition day of the later image"}),
    }
    return xr.Dataset(variables, coords, ds.attrs)


def from_pairs(ds: xr.Dataset) -> xr.Dataset:
    """Make a stack of a list of pairs.

    Parameters
    ----------
    ds
        Dims ``(pair, y, x)`` with coordinate values. Earlier day and temporal baseline are the coordinates ``date`` and
        ``delay`` along ``pair``, or are read from the pairs' names. Any order.

    Returns
    -------
    Dataset
        A stack, sorted by date and delay, lazy if `ds` is, one pair a block. Cells without a pair are missing (NaN, and
        0 or False where there is none) and not ``valid``.

    Raises
    ------
    TypeError
        If `ds` is no Dataset.
    SchemaError
        If it has no pairs, one twice, or what results is no stack.

    Examples
    --------
    >>> names = ["20180702_20180714", "20180708_20180714"]
    >>> igram = (("pair", "y", "x"), np.ones((2, 1, 1), "complex64"))
    >>> pairs = xr.Dataset({"igram": igram}, {"pair": names, "y": [0.0], "x": [0.0]})
    >>> from_pairs(pairs)["valid"].values
    array([[False,  True],
           [ True, False]])
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"from_pairs needs an xarray.Dataset, instead got {type(ds).__name__}")
    if not {PAIR, *SPACE} <= set(ds.dims) or not ds.sizes[PAIR]:
        raise SchemaError(f"from_pairs needs the dims ('pair', 'y', 'x'), instead got sizes={dict(ds.sizes)}")
    reference, delay = _times(ds)
    axes = {"date": _axis(ds, "date", reference), "delay": _axis(ds, "delay", delay)}
    cells: list[Cell] = [
        (int(i), int(j))
        for i, j in zip(np.searchsorted(axes["date"], reference), np.searchsorted(axes["delay"], delay), strict=True)
    ]
    if len(set(cells)) < len(cells):
        twice = next(k for k, cell in enumerate(cells) if cell in cells[:k])
        raise SchemaError(
            f"a pair must be there once, instead got {Pair(reference[twice], reference[twice] + delay[twice])} twice"
        )
    shape = (axes["date"].size, axes["delay"].size)
    variables: dict[Any, Any] = {}
    for name, variable in ds.variables.items():
        if name in (PAIR, *ALONG):
            continue
        if PAIR not in variable.dims:
            variables[name] = variable
            continue
        if variable.dtype.kind not in "biufcmM":
            raise SchemaError(f"{name} must hold numbers to have cells that are missing, instead got {variable.dtype}")
        whole = variable.transpose(PAIR, ...)
        kept = {key: whole.encoding[key] for key in _KEPT if key in whole.encoding}
        variables[name] = xr.Variable((*CELLS, *whole.dims[1:]), place(whole.data, cells, shape), whole.attrs, kept)
    coords = {name: variables.pop(name) for name in ds.coords if name in variables}
    for dim in CELLS:
        attrs = dict(ds[dim].attrs) if dim in ds.coords else COORDINATE_ATTRS[dim]
        coords[dim] = (dim, axes[dim], {key: value for key, value in attrs.items() if key != _ALONE})
    stack = xr.Dataset(variables, coords, ds.attrs)
    if "valid" not in stack and len(cells) < shape[0] * shape[1]:
        there = place(np.ones(len(cells), bool), cells, shape)
        stack = stack.assign(valid=describe(xr.DataArray(there, dims=CELLS), "valid"))
    return validate(stack)


def sorted_cells(ds: xr.Dataset) -> xr.Dataset:
    """The stack `ds` in order of date and delay; what is read from a store is then read in that order."""
    orders = {dim: np.argsort(ds[dim].values, kind="stable") for dim in CELLS}
    if all(np.array_equal(order, np.arange(ds.sizes[dim])) for dim, order in orders.items()):
        return ds
    return take(ds, dict(orders))


def _noting(coordinate: xr.DataArray, alone: np.ndarray) -> dict[str, Any]:
    """Attributes that name, too, what of a coordinate no pair has: days as text, delays as numbers of days."""
    if not alone.size:
        return dict(coordinate.attrs)
    values = coordinate.values[alone]
    if values.dtype.kind == "M":
        return {**coordinate.attrs, _ALONE: [str(v) for v in values.astype("datetime64[ns]")]}
    return {**coordinate.attrs, _ALONE: [int(v) for v in values / np.timedelta64(1, "D")]}


def _axis(ds: xr.Dataset, dim: str, values: np.ndarray) -> np.ndarray:
    """Sorted values of a dimension of the stack: of the pairs, and those without one that are noted."""
    noted = ds[dim].attrs.get(_ALONE, []) if dim in ds.coords else []
    noted = noted if isinstance(noted, list | tuple | np.ndarray) else [noted]
    try:
        more = [np.datetime64(v, "ns") if dim == "date" else parse_delay(int(v)) for v in noted]
    except (TypeError, ValueError) as error:
        raise SchemaError(f"the attribute {_ALONE!r} of {dim} must hold days, instead got {noted!r:.80}") from error
    return np.unique(np.concatenate([values, np.array(more, dtype=values.dtype)]))


def _times(ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Earlier day and temporal baseline of every pair."""
    if all(dim in ds.coords and ds[dim].dims == (PAIR,) for dim in CELLS):
        known = normalise_time(ds[list(CELLS)])
        return known["date"].values, known["delay"].values
    if PAIR not in ds.coords:
        raise SchemaError("from_pairs needs names along pair such as 20180702_20180714, but there are none")
    try:
        pairs = [Pair.parse(str(name)) for name in ds[PAIR].values]
    except ValueError as error:
        raise SchemaError(f"pair must hold names such as 20180702_20180714: {error}") from error
    return np.array([p.reference for p in pairs]), np.array([p.delay for p in pairs])
