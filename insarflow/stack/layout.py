"""How a stack lies on disk: one Zarr v3 group, one array per variable, attributes by the CF conventions."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from zarr.errors import ZarrUserWarning

from insarflow.schema import CELLS, COORDINATE_ATTRS, SCHEMA_VERSION, SPACE, VARIABLES
from insarflow.stack.assemble import SHARD, Array
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

INNER: int = 512
"""Side of a chunk inside a shard, pixels: what a small window reads at least."""


def lay_out(
    folder: Path,
    dates: np.ndarray,
    delays: np.ndarray,
    grid: Grid,
    variables: Mapping[str, Mapping[str, Any]],
    attrs: Mapping[str, Any],
) -> None:
    """Make an empty store in an empty folder: metadata and coordinates, no pixel.

    Parameters
    ----------
    folder
        Existing and empty.
    dates, delays
        ``datetime64[ns]`` and ``timedelta64[ns]``.
    grid
        Pixels of all images.
    variables
        Attributes of each variable's own, by contract name. ``valid`` (False everywhere) and
        ``perpendicular_baseline`` (NaN) are always made.
    attrs
        Attributes of the group; JSON values.

    Raises
    ------
    TypeError
        If an attribute is no JSON value.
    """
    group = zarr.create_group(
        folder,
        zarr_format=3,
        # xarray makes a coordinate of what this names, without being asked for decode_coords="all".
        attributes={**_plain(attrs), "schema_version": SCHEMA_VERSION, "coordinates": "spatial_ref"},
    )
    sizes = {"date": dates.size, "delay": delays.size, "y": grid.shape[0], "x": grid.shape[1]}
    for name in (n for n in VARIABLES if n in {*variables, "valid", "perpendicular_baseline"}):
        _array(group, name, sizes, variables.get(name, {}))
    days: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "date": (dates.astype("datetime64[D]"), {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"}),
        "delay": (delays.astype("timedelta64[D]"), {"units": "days", "dtype": "timedelta64[ns]"}),
    }
    for name, (values, encoding) in days.items():
        attributes: dict[str, Any] = {**COORDINATE_ATTRS[name], **encoding}
        group.create_array(name, data=values.astype(np.int64), dimension_names=(name,), attributes=attributes)
    frame = georeference(xr.Dataset(coords={"y": grid.y, "x": grid.x}), grid)
    for name in SPACE:
        group.create_array(name, data=frame[name].values, dimension_names=(name,), attributes=frame[name].attrs)
    group.create_array(
        "spatial_ref",
        data=np.array(0, np.int64),
        dimension_names=(),
        attributes=_plain(frame["spatial_ref"].attrs),
    )
    with warnings.catch_warnings():
        # Without it xr.open_zarr warns every user; zarr only warns that other programs may ignore it.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(folder)


def shard_size(size: int) -> tuple[int, int]:
    """Shard and inner chunk along an axis of `size` pixels.

    Examples
    --------
    >>> shard_size(10_000), shard_size(700), shard_size(60)
    ((2048, 512), (1024, 512), (60, 60))
    """
    inner = min(INNER, size)
    return min(SHARD, -(-size // inner) * inner), inner


def write_image(image: Array, folder: Path, name: str, cell: tuple[int, ...]) -> da.Array:
    """Write one image lazily, a task per shard.

    Parameters
    ----------
    image
        Shape ``(y, x)``.
    folder
        A store made by `lay_out`.
    name
        Its variable.
    cell
        Index along ``date`` and ``delay``; empty for a static variable.

    Returns
    -------
    dask.array.Array
        Scalar: the number of pixels that are not NaN. Nothing is written of a block without any.
    """
    shards = tuple(shard_size(size)[0] for size in image.shape)
    source = image.rechunk(shards) if isinstance(image, da.Array) else da.from_array(image, chunks=shards, name=False)
    ones = tuple((1,) * len(c) for c in source.chunks)
    counts = source.map_blocks(
        _write_block, folder, name, cell, chunks=ones, dtype=np.int64, meta=np.empty((0, 0), np.int64)
    )
    total: da.Array = counts.sum()
    return total


def _write_block(
    block: np.ndarray, folder: Path, name: str, cell: tuple[int, ...], block_info: dict[Any, Any]
) -> np.ndarray:
    (y0, y1), (x0, x1) = block_info[0]["array-location"]
    count = block.size - int(np.count_nonzero(np.isnan(block)))
    if count:
        array = zarr.open_array(folder / name, mode="r+", zarr_format=3)
        index: tuple[int | slice, ...] = (*cell, slice(y0, y1), slice(x0, x1))
        array[index] = block
    return np.array([[count]], np.int64)


def put_cells(folder: Path, name: str, values: np.ndarray) -> None:
    """Write a variable of shape ``(date, delay)``, now."""
    zarr.open_array(folder / name, mode="r+", zarr_format=3)[...] = values


def _array(group: zarr.Group, name: str, sizes: Mapping[str, int], attrs: Mapping[str, Any]) -> None:
    variable = VARIABLES[name]
    shape = tuple(sizes[dim] for dim in variable.dims)
    attributes: dict[str, Any] = {**_plain(attrs), "units": variable.units, "long_name": variable.long_name}
    shards: tuple[int, ...] | None = None
    chunks = shape
    if variable.dims != CELLS:
        attributes["grid_mapping"] = "spatial_ref"
        deep = (1,) * (len(variable.dims) - 2)
        (shard_y, inner_y), (shard_x, inner_x) = (shard_size(sizes[dim]) for dim in SPACE)
        shards, chunks = (*deep, shard_y, shard_x), (*deep, inner_y, inner_x)
    group.create_array(
        name,
        shape=shape,
        dtype=variable.dtype,
        chunks=chunks,
        shards=shards,
        fill_value=_fill(np.dtype(variable.dtype)),
        dimension_names=variable.dims,
        attributes=attributes,
        config={"write_empty_chunks": False},
    )


def _fill(dtype: np.dtype) -> Any:
    """Say what an absent chunk reads as: Zarr's own default, 0, would be a measurement."""
    if dtype.kind == "b":
        return False
    return dtype.type(complex(np.nan, np.nan) if dtype.kind == "c" else np.nan)


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON values."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(attrs), default=_number))
    except (TypeError, ValueError) as error:
        raise TypeError(f"attributes must be JSON values, instead got {dict(attrs)!r:.200}: {error}") from error
    return plain


def _number(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} ({type(value).__name__}) is none")
