"""A store on disk as a lazy stack. What the files say is checked before it is believed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr
import zarr
from dask.base import tokenize
from zarr.errors import ZarrUserWarning
from zarr.storage import StorePath

from insarflow.errors import SchemaError, StoreError
from insarflow.ops.layer import read_blocks
from insarflow.schema import CELLS, DIMS, SCHEMA_VERSION, VARIABLES, normalise_time, validate
from insarflow.stack.codes import Code, stored_codes
from insarflow.stack.location import Location
from insarflow.stack.pairs import sorted_cells

MAX_LENGTH = 2**22
"""Longest axis of a store that is opened: coordinates are read into memory."""

MAX_CHUNK = 2**26
"""Most elements of a chunk in a store that is opened: one is the least that can be read."""


def open_store(where: Location) -> xr.Dataset:
    """Open a store, lazily, a block per shard, sorted by date and delay; what has no ``y`` and ``x`` is in memory.

    Raises
    ------
    StoreError
        If it is of another tool or a newer version, damaged, of absurd size, unfinished, or cannot be reached.
    """
    version, place, arrays = _arrays(where)
    codes = stored_codes(arrays)
    images = [n for n, v in VARIABLES.items() if v.dims != CELLS and (n in codes or n in arrays)]
    small = {*DIMS, "spatial_ref", *VARIABLES} - set(images)
    try:
        with warnings.catch_warnings():
            # A folder inside that is no array: if it ought to be one, that is an error below.
            warnings.simplefilter("ignore", ZarrUserWarning)
            frame = xr.open_zarr(
                place, consolidated=None, zarr_format=3, chunks=None, drop_variables=sorted(set(arrays) - small)
            ).load()
        # A store in a zip is shared by all tasks of this process: whoever closes the stack does not close it.
        frame.set_close(None)
        lazy = {name: _lazy(where, version, name, arrays, codes.get(name)) for name in images}
        ds = normalise_time(frame.assign(lazy))
        ds = ds[[name for name in VARIABLES if name in ds]]
        return validate(sorted_cells(ds))
    except where.errors() as error:
        told = where.problem(error) or f"source={str(where)!r} is damaged or no stack store: {error}"
        raise StoreError(told) from error


def _arrays(where: Location) -> tuple[Hashable, StorePath, dict[str, zarr.Array[Any]]]:
    """Version of a store, its place for zarr, and all its arrays, whose metadata is sane."""
    try:
        state = where.version()
        group = zarr.open_group(**where.at(), mode="r", zarr_format=3, use_consolidated=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZarrUserWarning)
            arrays = dict(group.arrays())
    except where.errors() as error:
        told = where.problem(error) or f"source={str(where)!r} is no Zarr v3 group that can be read: {error}"
        raise StoreError(told) from error
    version = group.attrs.get("schema_version")
    if not isinstance(version, int):
        raise StoreError(
            f"source={str(where)!r} is a Zarr store of another tool: it has no schema_version; "
            "assemble its arrays with insarflow.stack_pairs"
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"source={str(where)!r} has schema_version={version}, this insarflow reads up to {SCHEMA_VERSION}: upgrade"
        )
    for name, array in arrays.items():
        block = array.shards or array.chunks
        if max(array.shape, default=0) > MAX_LENGTH or math.prod(block) > MAX_CHUNK:
            raise StoreError(
                f"source={str(where)!r} has the array {name!r} of shape {array.shape} in chunks of {block}: "
                "too large to be a stack's"
            )
    return state, group.store_path, arrays


def _lazy(
    where: Location, version: Hashable, name: str, arrays: Mapping[str, zarr.Array[Any]], code: Code | None
) -> xr.DataArray:
    """An image variable, read, and decoded, by the tasks that need it."""
    stored = name if code is None else code.stored
    array = arrays[stored]
    dims = getattr(array.metadata, "dimension_names", None)
    if dims != VARIABLES[name].dims:
        raise SchemaError(f"{stored} must have dims {VARIABLES[name].dims}, instead got {dims}")
    dtype = array.dtype if code is None else np.dtype(VARIABLES[name].dtype)
    pixels = _Pixels(where, stored, array.shape, dtype, code)
    token = tokenize(version, name, array.shape, str(array.dtype))
    blocks = array.shards or array.chunks
    data = read_blocks(pixels, blocks, f"stored-{token}")
    attrs = dict(array.attrs)
    if code is not None:
        attrs = {k: v for k, v in attrs.items() if k not in code.attributes() or k == "quantisation_error"}
        attrs |= {"units": VARIABLES[name].units, "long_name": VARIABLES[name].long_name}
    return xr.DataArray(data, dims=dims, attrs=attrs)


class _Pixels:
    """What dask slices: opens the store in the task itself, so that any worker that sees it can run it."""

    def __init__(self, where: Location, name: str, shape: tuple[int, ...], dtype: np.dtype, code: Code | None) -> None:
        self.where, self.name, self.code = where, name, code
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)

    def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray:
        values = self.numbers(index)
        return values if self.code is None else self.code.decode(values)

    def numbers(self, index: tuple[slice | int, ...]) -> np.ndarray:
        """A window as it lies on disk: codes, if `code` says so."""
        try:
            return np.asarray(self.where.array(self.name)[index])
        except self.where.errors() as error:
            told = self.where.problem(error) or (
                f"source={str(self.where)!r} is damaged: {self.name} cannot be read at {index}: {error}"
            )
            raise StoreError(told) from error
