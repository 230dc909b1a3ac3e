"""How a stack lies on disk: one Zarr v3 group, one array per variable, attributes by the CF conventions.

Dates and delays stand in their order of arrival, and what has no ``y`` and ``x`` lies in chunks far larger than it is,
so that a new acquisition lengthens arrays and rewrites no byte of what was there.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from zarr.abc.buffer import Buffer
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore, StoreLike

from insarflow.errors import SchemaError
from insarflow.ops.cells import nan_of
from insarflow.ops.layer import Chunks, Rule, array_by_rule, rule_of
from insarflow.schema import CELLS, COORDINATE_ATTRS, SCHEMA_VERSION, SPACE, VARIABLES
from insarflow.stack.assemble import SHARD, Array
from insarflow.stack.codes import Code
from insarflow.stack.faults import fault_point
from insarflow.stack.georeference import georeference
from insarflow.stack.location import Location, WritableLocation
from insarflow.stack.shards import by_whole_shards
from insarflow.types import Grid

INNER: int = 512
"""Side of a chunk inside a shard, pixels: what a small window reads at least. By ``python -m benchmarks store``: half
of it reads small windows no faster, and large ones at half the rate."""

CELL_CHUNK: Final = {"date": 1024, "delay": 64}
"""Chunks of what has no ``y`` and ``x``."""

SKIPPED: Final = -1
"""Number of pixels of a shard that could not be computed."""

DAY_ATTRS: Final = {
    "date": {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"},
    "delay": {"units": "days", "dtype": "timedelta64[ns]"},
}
"""How days are kept."""


def compressor(dtype: np.dtype) -> BloscCodec:
    """What chunks are compressed by, chosen by ``python -m benchmarks store``."""
    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle" if dtype.kind in "fc" else "shuffle")


def lay_out(
    dates: np.ndarray,
    delays: np.ndarray,
    grid: Grid,
    variables: Mapping[str, Mapping[str, Any]],
    attrs: Mapping[str, Any],
    codes: Mapping[str, Code],
) -> dict[str, bytes]:
    """Make an empty store: metadata and coordinates, no pixel.

    Parameters
    ----------
    dates, delays
        ``datetime64[ns]`` and ``timedelta64[ns]``.
    grid
        Pixels of all images.
    variables
        Attributes of each variable's own, by contract name. ``valid`` (False everywhere) and
        ``perpendicular_baseline`` (NaN) are always made.
    attrs
        Attributes of the group; JSON values.
    codes
        Variables that are kept as codes.

    Returns
    -------
    dict
        Its objects by key.

    Raises
    ------
    TypeError
        If an attribute is no JSON value.
    """
    # In memory first: Zarr takes several times as long to make a small file as the disk does.
    made: dict[str, Buffer] = {}
    store = MemoryStore(made)
    group = zarr.create_group(
        store,
        zarr_format=3,
        # xarray makes a coordinate of what this names, without being asked for decode_coords="all".
        attributes={**_plain(attrs), "schema_version": SCHEMA_VERSION, "coordinates": "spatial_ref"},
    )
    sizes = {"date": dates.size, "delay": delays.size, "y": grid.shape[0], "x": grid.shape[1]}
    for name in (n for n in VARIABLES if n in {*variables, "valid", "perpendicular_baseline"}):
        _array(group, name, sizes, variables.get(name, {}), codes.get(name))
    for name, values in (("date", dates), ("delay", delays)):
        array = group.create_array(
            name, shape=values.shape, dtype=np.int64, chunks=(CELL_CHUNK[name],), dimension_names=(name,),
            attributes={**COORDINATE_ATTRS[name], **DAY_ATTRS[name]},
        )  # fmt: skip
        array[:] = as_days(values)
    frame = georeference(xr.Dataset(coords={"y": grid.y, "x": grid.x}), grid)
    for name in SPACE:
        group.create_array(name, data=frame[name].values, dimension_names=(name,), attributes=frame[name].attrs)
    group.create_array(
        "spatial_ref",
        data=np.array(0, np.int64),
        dimension_names=(),
        attributes=_plain(frame["spatial_ref"].attrs),
    )
    consolidate(store)
    return {key: data.to_bytes() for key, data in made.items()}


def consolidate(store: StoreLike) -> None:
    """Write the metadata of all arrays into the group's, by one object that takes the place of the old one."""
    with warnings.catch_warnings():
        # Without it xr.open_zarr warns every user; zarr only warns that other programs may ignore it.
        warnings.simplefilter("ignore", ZarrUserWarning)
        fault_point()
        zarr.consolidate_metadata(store)


def as_days(times: np.ndarray) -> np.ndarray:
    """Dates or delays as the whole days that a store keeps."""
    return times.astype(f"{times.dtype.kind}8[D]").astype(np.int64)


def shard_size(size: int) -> tuple[int, int]:
    """Shard and inner chunk along an axis of `size` pixels.

    Examples
    --------
    >>> shard_size(10_000), shard_size(700), shard_size(60)
    ((2048, 512), (1024, 512), (60, 60))
    """
    inner = min(INNER, size)
    return min(SHARD, -(-size // inner) * inner), inner


@dataclass(frozen=True)
class Place:
    """Where an image goes.

    Attributes
    ----------
    where
        A store made by `lay_out`.
    name
        Variable of the contract.
    cell
        Index along ``date`` and ``delay``; empty for a static variable.
    cells
        Lengths of ``date`` and ``delay``, where the store is to become longer than its metadata say yet.
    code
        How the variable is kept, if not as it is.
    """

    where: WritableLocation
    name: str
    cell: tuple[int, ...] = ()
    cells: tuple[int, ...] = ()
    code: Code | None = None

    @property
    def array(self) -> str:
        """Name of the array on disk."""
        return self.name if self.code is None else self.code.stored

    def shard(self, row: int, col: int) -> str:
        """Key of a shard."""
        return "/".join((self.array, "c", *map(str, (*self.cell, row, col))))

    def open(self, mode: str = "r+") -> zarr.Array[Any]:
        """The array on disk."""
        return open_longer(self.where, self.array, self.cells, mode)


def open_longer(where: Location, name: str, cells: tuple[int, ...], mode: str = "r+") -> zarr.Array[Any]:
    """An array as if it were longer along its first dimensions than its metadata say: these are changed at the end."""
    array = where.array(name, mode, config={"write_empty_chunks": True})
    if not cells:
        return array
    inner = array._async_array
    metadata = inner.metadata.update_shape((*cells, *array.shape[len(cells) :]))
    return zarr.Array(zarr.AsyncArray(metadata, inner.store_path, config=inner.config))


def write_image(image: Array, place: Place) -> da.Array:
    """Write one image of shape ``(y, x)`` lazily; as `write_images`."""
    return write_images(da.asarray(image)[None], [place])


def write_images(images: da.Array, places: Sequence[Place]) -> da.Array:
    """Write images lazily, a task per shard; shards that are there already are not written or computed again.

    Parameters
    ----------
    images
        Dims ``(image, y, x)``, one image a block.
    places
        Where each goes; all of one variable.

    Returns
    -------
    dask.array.Array
        int64: for each image and shard, ``(image, row, column)``, the number of pixels that are not NaN; `SKIPPED` for
        one that is passed over, and not written.
    """
    shards = tuple(shard_size(size)[0] for size in images.shape[1:])
    source: da.Array = images.rechunk((1, *shards))
    name = f"write-{places[0].name}-{tokenize(source, places)}"
    there = places[0].where.present(f"{places[0].array}/c")
    rule = _Writes(source.name, rule_of(source), source.chunks[1:], shards, places, there)
    ones = tuple((1,) * n for n in source.numblocks)
    return array_by_rule(name, rule, ones, np.dtype(np.int64), [source])


@dataclass(frozen=True)
class _Writes:
    """The rule of the tasks of `write_images`."""

    source: str
    rule: Rule | None
    chunks: Chunks
    shards: tuple[int, ...]
    places: Sequence[Place]
    there: Container[str]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Write a shard, or count what one holds that is there."""
        _, image, row, col = key
        place = self.places[image]
        starts = [n * shard for n, shard in zip((row, col), self.shards, strict=True)]
        sizes = (self.chunks[0][row], self.chunks[1][col])
        window = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        if place.shard(row, col) in self.there:
            return Task(key, _count_shard, place, window)
        reads = getattr(self.rule, "reads", None)
        found = None if reads is None else reads(key[1:])
        # What is only read, and kept as it is, is read by a task of its own.
        computes = found is not None and hasattr(found[0], "computes")
        if found is not None and hasattr(found[0], "encoded") and (place.code or computes):
            return Task(key, _write_shard, Unread(*found), place, window, place.shard(row, col) if computes else None)
        return Task(key, _write_shard, TaskRef((self.source, *key[1:])), place, window)


@dataclass(frozen=True)
class Unread:
    """A block of one image that its source reads or computes, and encodes, so that no value waits in memory."""

    source: Any
    index: tuple[Any, ...]

    def encoded(self, code: Code | None) -> np.ndarray | None:
        """Codes, ``(image, y, x)``; None if the source cannot be read and that is to be passed over."""
        encode, dtype = (np.asarray, None) if code is None else (code.encode, code.dtype)
        codes: np.ndarray | None = self.source.encoded(self.index, encode, dtype)
        return None if codes is None else codes[None]


def _write_shard(
    block: np.ndarray | Unread, place: Place, window: tuple[slice, ...], shard: str | None = None
) -> np.ndarray:
    # A worker that ended may have written it; only what it told of it is lost.
    if shard is not None and place.where.holds(shard):
        return _count_shard(place, window)
    try:
        values = _encoded(block, place.code)
    except ValueError as error:
        raise SchemaError(f"{place.name}: {error}; keep the stack's numbers as they are with exact=True") from error
    if values is None:
        return np.full((1, 1, 1), SKIPPED, np.int64)
    # With all dimensions, so that Zarr sees a whole shard and makes no copy.
    index = (*(slice(k, k + 1) for k in place.cell), *window)
    fault_point()
    by_whole_shards(place.open())[index] = values.reshape((1,) * len(place.cell) + values.shape[1:])
    return _count(values, place)


def _encoded(block: Any, code: Code | None) -> np.ndarray | None:
    if isinstance(block, Unread):
        return block.encoded(code)
    return np.asarray(block) if code is None else code.encode(block)


def _count_shard(place: Place, window: tuple[slice, ...]) -> np.ndarray:
    """Pixels that are not missing of a shard that is there."""
    index: tuple[int | slice, ...] = (*place.cell, *window)
    return _count(np.asarray(place.open("r")[index]), place)


def _count(values: np.ndarray, place: Place) -> np.ndarray:
    """Pixels that are not missing."""
    missing = np.nan if place.code is None else place.code.missing
    absent = np.isnan(values) if np.isnan(missing) else values == missing
    return np.array([[[values.size - int(np.count_nonzero(absent))]]], np.int64)


def put_cells(where: WritableLocation, name: str, values: np.ndarray) -> None:
    """Write a variable without ``y`` and ``x``, now; it may be longer than its metadata say."""
    fault_point()
    open_longer(where, name, values.shape)[...] = values


def put_length(where: WritableLocation, name: str, cells: Sequence[int]) -> None:
    """Let the metadata of an array say its new length; `consolidate` makes it count."""
    array = where.array(name, "r+")
    if array.shape[: len(cells)] != tuple(cells):
        fault_point()
        array.resize((*cells, *array.shape[len(cells) :]))


def _array(group: zarr.Group, name: str, sizes: Mapping[str, int], attrs: Mapping[str, Any], code: Code | None) -> None:
    variable = VARIABLES[name]
    shape = tuple(sizes[dim] for dim in variable.dims)
    attributes: dict[str, Any] = {**_plain(attrs), **variable.attrs}
    dtype = np.dtype(variable.dtype)
    fill = _fill(dtype)
    if code is not None:
        attributes |= code.attributes()
        dtype, fill = np.dtype(code.dtype), code.missing
    shards: tuple[int, ...] | None = None
    if variable.dims == CELLS:
        chunks = tuple(CELL_CHUNK[dim] for dim in CELLS)
    else:
        attributes["grid_mapping"] = "spatial_ref"
        deep = (1,) * (len(variable.dims) - 2)
        (shard_y, inner_y), (shard_x, inner_x) = (shard_size(sizes[dim]) for dim in SPACE)
        shards, chunks = (*deep, shard_y, shard_x), (*deep, inner_y, inner_x)
    group.create_array(
        name if code is None else code.stored,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=compressor(dtype),
        fill_value=fill,
        dimension_names=variable.dims,
        attributes=attributes,
    )


def _fill(dtype: np.dtype) -> Any:
    """Say what an absent chunk reads as: Zarr's own default, 0, would be a measurement, but of counts and labels."""
    return dtype.type(nan_of(dtype))


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
