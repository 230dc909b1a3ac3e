"""From pairs to the cube: the lazy ``(date, delay, y, x)`` stack and the table of its pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from dask.base import compute, tokenize

from insarflow.ops.cells import nan_of as nan_of
from insarflow.ops.checks import check_kind
from insarflow.ops.layer import reading_of
from insarflow.schema import (
    CELLS,
    COORDINATE_ATTRS,
    DIMS,
    SCHEMA_VERSION,
    SPACE,
    VARIABLES,
    describe,
    validate,
)
from insarflow.stack.cube import cube, pick
from insarflow.stack.georeference import georeference
from insarflow.types import Grid, Pair, Recipe

Array = np.ndarray | da.Array
"""What holds an image."""

SHARD: int = 2048
"""Largest side of a chunk, and of a shard on disk, in pixels."""


def stack_pairs(
    cells: Mapping[Pair, Mapping[str, Array]],
    grid: Grid,
    *,
    static: Mapping[str, Array] | None = None,
    baselines: Mapping[Pair, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008  (a frozen value)
) -> xr.Dataset:
    """Assemble interferograms into the stack of `insarflow.schema`, lazily.

    Parameters
    ----------
    cells
        For each pair its images by contract name (``igram``, ``coherence``, ...), each of the grid's shape. A pair
        may lack a variable that another one has.
    grid
        The pixels all images share.
    static
        Images of shape ``(y, x)`` by contract name (``dem``, ``incidence``, ...).
    baselines
        Perpendicular baseline in metres; unknown for pairs left out.
    attrs
        Attributes of the dataset.
    recipe
        How the data came to be.

    Returns
    -------
    Dataset
        Dask arrays in the contract's dtypes, one pair deep and at most 2048 pixels a side. Dates and delays are
        sorted. Cells without an interferogram are NaN and take no memory; ``valid`` is False there.

    Raises
    ------
    TypeError
        If an argument is of another kind, or an image cannot be cast to its variable's dtype without loss of kind.
    ValueError
        If there is no pair, a name is not the contract's, or a shape is not the grid's.
    """
    check_kind("cells", cells, Mapping, "a mapping of Pair to images")
    check_kind("grid", grid, Grid, "a Grid")
    check_kind("recipe", recipe, Recipe, "a Recipe")
    for name, mapping in (("static", static), ("baselines", baselines), ("attrs", attrs)):
        check_kind(name, mapping or {}, Mapping, "a mapping")
    _check(cells, grid, static or {}, baselines or {})
    pairs = sorted(cells)
    dates = np.array(sorted({p.reference for p in pairs}), dtype="datetime64[ns]")
    delays = np.array(sorted({p.delay for p in pairs}), dtype="timedelta64[ns]")
    at = {p: (int(np.searchsorted(dates, p.reference)), int(np.searchsorted(delays, p.delay))) for p in pairs}
    shape = (dates.size, delays.size)
    chunks = _spatial_chunks(
        [*(a for images in cells.values() for a in images.values()), *(static or {}).values()], grid.shape
    )

    data: dict[str, tuple[tuple[str, ...], Array]] = {}
    for name in (n for n in VARIABLES if any(n in images for images in cells.values())):
        images = {at[p]: _lazy(cells[p][name], name, chunks) for p in pairs if name in cells[p]}
        data[name] = (DIMS, _cube(images, shape, chunks, np.dtype(VARIABLES[name].dtype)))
    valid = np.zeros(shape, bool)
    valid[tuple(np.transpose(list(at.values())))] = True
    data["valid"] = (CELLS, valid)
    if baselines is not None:
        data["perpendicular_baseline"] = (CELLS, _per_cell(baselines, at, shape))
    data |= {name: (SPACE, _lazy(image, name, chunks)) for name, image in (static or {}).items()}

    ds = xr.Dataset(
        {n: describe(xr.DataArray(data[n][1], dims=data[n][0]), n) for n in VARIABLES if n in data},
        coords={
            "date": ("date", dates, COORDINATE_ATTRS["date"]),
            "delay": ("delay", delays, COORDINATE_ATTRS["delay"]),
        },
        attrs={**(attrs or {}), "recipe": recipe.to_json(), "schema_version": SCHEMA_VERSION},
    )
    return validate(georeference(ds, grid))


def pairs_table(ds: xr.Dataset) -> pd.DataFrame:
    """List the interferograms of a stack.

    The statistics take one pass over the data, block by block; this computes.

    Parameters
    ----------
    ds
        A stack.

    Returns
    -------
    DataFrame
        One row per existing interferogram, sorted by its name (the index, ``pair``): ``reference`` and ``secondary``
        (dates), ``temporal_baseline`` (days), ``perpendicular_baseline`` (m, NaN if unknown), ``mean_coherence``
        (over pixels that have one; NaN without coherence) and ``valid_fraction`` (pixels that are not NaN in
        ``igram``, or in the first image variable there is).

    Raises
    ------
    SchemaError
        If `ds` is no stack.
    """
    validate(ds)
    images = [name for name in VARIABLES if name in ds and VARIABLES[name].dims == DIMS]
    known = ds["valid"].values if "valid" in ds and not isinstance(ds["valid"].data, da.Array) else None
    rows, cols = np.nonzero(np.ones((ds.sizes["date"], ds.sizes["delay"]), bool) if known is None else known)
    cells = list(zip(rows.tolist(), cols.tolist(), strict=True))
    lazy: dict[str, Any] = {}
    if images and cells:
        lazy["count"] = _per_pair(~da.isnan(pick(as_blocks(ds[images[0]]), cells)))
    if "coherence" in ds and cells:
        coherence = pick(as_blocks(ds["coherence"]), cells)
        lazy["coherence_sum"] = _per_pair(da.where(da.isnan(coherence), 0.0, coherence))
        lazy["coherence_count"] = _per_pair(~da.isnan(coherence))
    for name in ("valid", "perpendicular_baseline"):
        if name in ds:
            lazy[name] = ds[name].data
    found = dict(zip(lazy, compute(*lazy.values()), strict=True))

    nothing = np.full(rows.size, np.nan)
    count = found.get("count", nothing)
    with np.errstate(invalid="ignore"):
        mean = found["coherence_sum"] / found["coherence_count"] if "coherence_sum" in found else nothing
    baseline = found["perpendicular_baseline"][rows, cols] if "perpendicular_baseline" in found else nothing
    reference = ds["date"].values[rows]
    delay = ds["delay"].values[cols]
    pairs = [Pair(a, a + b) for a, b in zip(reference, delay, strict=True)]
    table = pd.DataFrame(
        {
            "reference": reference,
            "secondary": reference + delay,
            "temporal_baseline": np.array([p.delay_days for p in pairs], dtype=np.int64),
            "perpendicular_baseline": np.asarray(baseline, dtype=np.float64),
            "mean_coherence": mean,
            "valid_fraction": count / (ds.sizes["y"] * ds.sizes["x"]),
        },
        index=pd.Index([p.name for p in pairs], name="pair", dtype="str"),
    )
    exists = found["valid"][rows, cols] if "valid" in found else count > 0
    existing: pd.DataFrame = table[exists]
    return existing.sort_index()


def valid_cells(ds: xr.Dataset) -> np.ndarray:
    """Which cells hold an interferogram: bool, shape ``(date, delay)``.

    Read from ``valid`` if the dataset has it; otherwise a cell exists where one pixel of the first image variable is
    not NaN, which computes.
    """
    if "valid" in ds:
        return np.asarray(ds["valid"].transpose(*CELLS).values, dtype=bool)
    images = [name for name in VARIABLES if name in ds and VARIABLES[name].dims == DIMS]
    if not images:
        return np.zeros((ds.sizes["date"], ds.sizes["delay"]), bool)
    return np.asarray((~da.isnan(as_blocks(ds[images[0]]))).any(axis=(2, 3)).compute(), dtype=bool)


def as_blocks(array: xr.DataArray) -> da.Array:
    """Return a 4-D variable as dask blocks, one pair deep."""
    data = array.data
    blocks: da.Array = (
        data.rechunk({0: 1, 1: 1})
        if isinstance(data, da.Array)
        else da.from_array(data, chunks=(1, 1, SHARD, SHARD), name=False)
    )
    return blocks


def _per_pair(image: da.Array) -> da.Array:
    """Sum over ``y`` and ``x``, in double precision."""
    sums: da.Array = image.sum(axis=(1, 2), dtype=np.float64)
    return sums


def _check(
    cells: Mapping[Pair, Mapping[str, Array]],
    grid: Grid,
    static: Mapping[str, Array],
    baselines: Mapping[Pair, float],
) -> None:
    if not cells:
        raise ValueError("cells must hold at least one pair, instead got none")
    for pair, images in cells.items():
        if not isinstance(pair, Pair):
            raise TypeError(f"cells must have Pair keys, instead got {pair!r} ({type(pair).__name__})")
        check_kind(f"cells[{pair.name}]", images, Mapping, "a mapping of names to images")
        for name, image in images.items():
            _check_image(name, image, DIMS, grid, f"cells[{pair.name}][{name!r}]")
    for name, image in static.items():
        _check_image(name, image, SPACE, grid, f"static[{name!r}]")
    for pair in baselines:
        if pair not in cells:
            raise ValueError(f"baselines must name pairs of cells, instead got {pair}")


def _check_image(name: str, image: Array, dims: tuple[str, ...], grid: Grid, where: str) -> None:
    allowed = [n for n, v in VARIABLES.items() if v.dims == dims]
    if name not in allowed:
        raise ValueError(f"{where} must be one of {allowed}, instead got {name!r}")
    if not isinstance(image, np.ndarray | da.Array):
        raise TypeError(f"{where} must be a NumPy or dask array, instead got {type(image).__name__}")
    dtype = VARIABLES[name].dtype
    if not np.can_cast(image.dtype, dtype, casting="same_kind"):
        raise TypeError(f"{where} must be {dtype}, instead got {image.dtype}")
    if tuple(image.shape) != grid.shape:
        raise ValueError(f"{where} must have the grid's shape {grid.shape}, instead got {tuple(image.shape)}")


def _spatial_chunks(images: list[Array], shape: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks of the first dask image if they are small enough, else one regular division for all."""
    first = next((a for a in images if isinstance(a, da.Array)), None)
    if first is not None and max(map(max, first.chunks)) <= SHARD:
        return first.chunks[0], first.chunks[1]
    y, x = da.core.normalize_chunks((SHARD, SHARD), shape=shape)
    return y, x


def _lazy(image: Array, name: str, chunks: tuple[tuple[int, ...], tuple[int, ...]]) -> da.Array:
    """Cut an image into dask blocks of its contract dtype."""
    blocks = image.rechunk(chunks) if isinstance(image, da.Array) else da.from_array(image, chunks=chunks)
    lazy: da.Array = blocks.astype(VARIABLES[name].dtype)
    return lazy


def _cube(
    images: dict[tuple[int, int], da.Array],
    shape: tuple[int, int],
    chunks: tuple[tuple[int, ...], tuple[int, ...]],
    dtype: np.dtype,
) -> da.Array:
    """Make the ``(date, delay, y, x)`` array of images by cell; the cells without one are NaN."""
    blocks = {cell: reading_of(image) or (image.name,) for cell, image in images.items()}
    name = f"cube-{tokenize(images, shape, chunks, dtype.str)}"
    return cube(name, blocks, shape, chunks, dtype, [i for i in images.values() if reading_of(i) is None])


def _per_cell(values: Mapping[Pair, float], at: Mapping[Pair, tuple[int, int]], shape: tuple[int, int]) -> np.ndarray:
    out = np.full(shape, np.nan, np.float32)
    for pair, value in values.items():
        out[at[pair]] = value
    return out
