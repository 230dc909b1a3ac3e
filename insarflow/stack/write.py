"""The stack to disk: an empty store, or all of a stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.base import compute, tokenize

from insarflow.errors import ProductError, SchemaError, SelectionError, StoreError, WorkerError
from insarflow.ops.checks import check_choice, check_kind
from insarflow.ops.layer import array_by_rule, sources_of
from insarflow.schema import DIMS, SPACE, VARIABLES, recipe_of, validate
from insarflow.stack.assemble import Array, as_blocks
from insarflow.stack.cluster import Naming, explain_lost, lost_errors
from insarflow.stack.codes import (
    Code,
    Encoding,
    Kind,
    check_kind_of_coherence,
    codes_for,
    codes_for_probability,
    phase_only,
)
from insarflow.stack.cube import Cell, pick
from insarflow.stack.draft import draft
from insarflow.stack.georeference import grid_of
from insarflow.stack.journal import Journal
from insarflow.stack.layout import Place, lay_out, put_cells, write_image, write_images
from insarflow.stack.location import WritableLocation
from insarflow.stack.remote import Remote, io_errors
from insarflow.stack.sources import as_location
from insarflow.types import DateLike, DelayLike, Grid, Pair, parse_date, parse_delay


def create_stack(
    path: str | Path,
    dates: Sequence[DateLike],
    delays: Sequence[DelayLike],
    grid: Grid,
    *,
    variables: Sequence[str] = ("igram", "coherence"),
    static: Mapping[str, Array] | None = None,
    attrs: Mapping[str, Any] | None = None,
    phase_only: bool = False,
    coherence: Kind = "uint8",
    overwrite: bool = False,
) -> Path | str:
    """Make an empty stack store: every cell is absent, takes no space and reads as NaN.

    Parameters
    ----------
    path
        Folder to make, or a URL of an object store.
    dates, delays
        Earlier acquisition days and temporal baselines, in any order, without repetition.
    grid
        Pixels of all images.
    variables
        Image variables by contract name.
    static
        Images of shape ``(y, x)`` by contract name, written now.
    attrs
        Attributes; JSON values.
    phase_only
        Whether interferograms have magnitude 1, and are kept with coherence as codes: see `write_stack`.
    coherence
        As `write_stack`, if `phase_only`.
    overwrite
        Whether to replace a Zarr store that is there.

    Returns
    -------
    Path or str
        `path`: a path, or a URL as it was given.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If a date or delay repeats, or a variable or a kind of `coherence` is unknown.
    OutputExistsError
        If `path` exists and `overwrite` is False, or is no Zarr store.
    StoreError
        If `path` cannot be written.

    Notes
    -----
    Zarr v3; a shard is one interferogram deep and at most 2048 x 2048 pixels, in chunks of 512 x 512. Whoever fills
    a cell also sets its ``valid``.
    """
    target = as_location(path, "path")
    for name, value in (("dates", dates), ("delays", delays), ("variables", variables)):
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise TypeError(f"{name} must be a sequence, instead got {name}={value!r:.80} ({type(value).__name__})")
    check_kind("grid", grid, Grid, "a Grid")
    for name, mapping in (("static", static or {}), ("attrs", attrs or {})):
        check_kind(name, mapping, Mapping, "a mapping by name")
    days = np.array([parse_date(d) for d in dates], dtype="datetime64[ns]")
    spans = np.array([parse_delay(d) for d in delays], dtype="timedelta64[ns]")
    for name, values in (("dates", days), ("delays", spans)):
        if values.size == 0 or np.unique(values).size != values.size:
            raise ValueError(f"{name} must be at least one, without repetition, instead got {values.tolist()}")
    static = static or {}
    for names, dims in ((variables, DIMS), (static, SPACE)):
        allowed = [n for n, v in VARIABLES.items() if v.dims == dims]
        for name in names:
            if name not in allowed:
                raise ValueError(f"a variable with dims {dims} must be one of {allowed}, instead got {name!r}")
    for name, image in static.items():
        check_kind(f"static[{name!r}]", image, np.ndarray | da.Array, "a NumPy or dask array")
        if tuple(image.shape) != grid.shape:
            raise ValueError(f"static[{name!r}] must have the grid's shape {grid.shape}, instead got {image.shape}")
    check_kind_of_coherence(coherence)
    codes = codes_for(variables, coherence) if phase_only else {}
    empty = lay_out(days, spans, grid, {n: {} for n in (*variables, *static)}, attrs or {}, codes)
    journal = Journal(tokenize(sorted(empty.items()), static))
    with draft(target, journal, empty, overwrite=overwrite) as work:
        run([write_image(da.asarray(image), Place(work, name)) for name, image in static.items()], target)
    return target.plain


def write_stack(
    ds: xr.Dataset,
    path: str | Path,
    *,
    exact: bool = False,
    coherence: Kind = "uint8",
    probability: Encoding = "float32",
    overwrite: bool = False,
    fsync: bool = False,
) -> Path | str:
    """Write a stack to a Zarr store, computing what is lazy, one interferogram's shard at a time.

    Stopped at any time, even killed, the same call goes on where it was: what is written is not computed again.

    Parameters
    ----------
    ds
        A stack. Only cells that exist are computed and written.
    path
        Folder to make, or a URL of an object store that fsspec knows (``"s3://bucket/stack.zarr"``; extra ``cloud``).
        A folder appears at the end, whole, or not at all; until then ``<path>.partial`` holds what is done.
    exact
        Whether all numbers are kept as they are. By default interferograms that are known to be phase alone (read from
        a product of phase, and by no operation given another magnitude) are kept as int16 phase, off by at most
        4.8e-5 rad, and coherence beside them as `coherence` says.
    coherence
        ``"uint8"``: in steps of 1/254, off by at most 0.002. ``"uint16"``: in steps of 1/65534, off by at most 7.7e-6,
        in twice the space. What a store's numbers are off by at most is its attribute
        ``quantisation_error``.
    probability
        As `insarflow.segment_to_zarr`'s ``encoding``, but by default all numbers are kept as they are.
    overwrite
        Whether to replace a Zarr store that is there, once the new one is complete; at a URL, where nothing can be
        renamed, before.
    fsync
        Whether to wait until the disk has everything, so that a loss of power loses nothing either. An object store
        has what it has taken.

    Returns
    -------
    Path or str
        `path`: a path, or a URL as it was given.

    Raises
    ------
    SchemaError
        If `ds` is no stack, has no CRS, or holds a variable that the contract does not know.
    TypeError
        If `ds` is no Dataset, or `path` no path.
    ValueError
        If `coherence` or `probability` is another word, or `coherence` is given with `exact`.
    ProductError
        If an interferogram that should exist has no pixel that is not NaN, or a source file is damaged.
    SelectionError
        If no interferogram has a pixel in the bbox or aoi that the stack was cut to; one without is left out.
    OutputExistsError
        If `path` exists and `overwrite` is False, or is no Zarr store.
    StoreError
        If `path` cannot be written, or another process is writing it; or `ds` is read from the URL that it would
        replace.

    Notes
    -----
    At a URL, objects are put in their final place and the root metadata last: until then there is no store for any
    reader, and ``unfinished.json`` tells what it is to be. Nothing can lock an object store. Work that finds that of
    others is refused for ten minutes after the last change there, and at its end if others began meanwhile; two that
    begin within the same moment are not told apart.

    The whole is one dask computation: run it under ``dask.diagnostics.ProgressBar()`` or a distributed client to see
    it advance.
    """
    validate(ds)
    target = as_location(path, "path")
    check_kind_of_coherence(coherence, exact=exact)
    check_choice("probability", probability, get_args(Encoding))
    extra = unknown_variables(ds)
    if extra:
        raise SchemaError(f"a store holds the contract's variables only, instead got {extra}: drop them first")
    names = [n for n in VARIABLES if n in ds]
    codes = {} if exact or not phase_only(recipe_of(ds)) else codes_for(names, coherence)
    codes |= {name: code for name, code in codes_for_probability(probability).items() if name in names}
    if overwrite:
        _refuse_own_source(ds, target)
    attrs = {n: ds[n].attrs for n in names}
    empty = lay_out(ds["date"].values, ds["delay"].values, grid_of(ds), attrs, ds.attrs, codes)
    journal = Journal(tokenize(ds, sorted((name, code.dtype) for name, code in codes.items())))
    with draft(target, journal, empty, overwrite=overwrite, fsync=fsync) as work:
        cut = is_cut(ds)
        static, cells, lazy_counts = lazy_writes(ds, work, codes)
        counts = run([*static, lazy_counts], target)[-1]
        if "valid" in ds and not cut:
            valid = ds["valid"].values
        else:
            valid = np.zeros((ds.sizes["date"], ds.sizes["delay"]), bool)
            for cell, count in zip(cells, counts, strict=True):
                valid[cell] = count > 0
        if cut and cells and not valid.any():
            raise SelectionError("no interferogram has a pixel in the bbox or aoi: choose a larger or another one")
        put_cells(work, "valid", valid)
        for name in ("perpendicular_baseline", "fingerprint"):
            if name in ds:
                put_cells(work, name, ds[name].values)
    return target.plain


def _refuse_own_source(ds: xr.Dataset, target: WritableLocation) -> None:
    """Refuse to replace, where that is done in place, what a stack is read from."""
    if isinstance(target, Remote) and is_read_from(ds, target):
        raise StoreError(
            f"path={str(target)!r} cannot be replaced by what is read from it: at a URL the old store is removed "
            "first; write to another place"
        )


def is_read_from(ds: xr.Dataset, where: WritableLocation) -> bool:
    """Whether anything of a stack is read from the store at a place."""
    lazy = [variable.data for variable in ds.data_vars.values() if variable.chunks]
    return any(getattr(source, "where", None) == where for array in lazy for source in sources_of(array))


def unknown_variables(ds: xr.Dataset) -> list[str]:
    """What of a dataset a store does not hold."""
    return sorted(str(n) for n in (set(ds.variables) - set(VARIABLES) - {*DIMS, "spatial_ref"}))


def lazy_writes(
    ds: xr.Dataset, where: WritableLocation, codes: Mapping[str, Code]
) -> tuple[list[da.Array], list[Cell], da.Array]:
    """What `write_stack` computes: the writes of the static images; cells, and the writes of their interferograms."""
    static = [write_image(ds[n].data, Place(where, n)) for n in VARIABLES if n in ds and VARIABLES[n].dims == SPACE]
    return static, *write_cells(ds, where, codes, may_be_empty=is_cut(ds))


def is_cut(ds: xr.Dataset) -> bool:
    """Whether the stack was cut to a bbox or aoi, in which some interferograms may have no pixel."""
    return any({"bbox", "aoi"} & step.keys() for step in recipe_of(ds).of("subset"))


def write_cells(
    ds: xr.Dataset,
    where: WritableLocation,
    codes: Mapping[str, Code],
    *,
    may_be_empty: bool,
    places: Mapping[Cell, Cell] | None = None,
    lengths: tuple[int, ...] = (),
) -> tuple[list[Cell], da.Array]:
    """Lazy writes of all images of the cells that exist, or may: cells of `ds`, and pixels of each that are not NaN.

    `places` are the cells that are written, and where each is on disk, if that is not the same; `lengths` those of
    ``date`` and ``delay`` there.
    """
    known = np.asarray(ds["valid"].values) if "valid" in ds else None
    may_exist = np.ones((ds.sizes["date"], ds.sizes["delay"]), bool) if known is None else known
    names = [n for n in VARIABLES if n in ds and VARIABLES[n].dims == DIMS]
    cells: list[Cell] = [(int(i), int(j)) for i, j in np.argwhere(may_exist) if places is None or (i, j) in places]
    if not cells or not names:
        return [], da.zeros(0, dtype=np.int64)
    at = cells if places is None else [places[cell] for cell in cells]
    writes = []
    for name in names:
        images = pick(as_blocks(ds[name]), cells)
        writes.append(write_images(images, [Place(where, name, place, lengths, codes.get(name)) for place in at]))
    strict = "igram" in names and known is not None and not may_be_empty
    dates, delays = ds["date"].values, ds["delay"].values
    pairs = [Pair(dates[i], dates[i] + delays[j]).name for i, j in cells] if strict else []
    rule = _Totals([w.name for w in writes], writes[0].numblocks[1:], names.index("igram") if strict else None, pairs)
    name = f"written-{tokenize(writes, strict)}"
    return cells, array_by_rule(name, rule, ((1,) * len(cells),), np.dtype(np.int64), writes)


@dataclass(frozen=True)
class _Totals:
    """The rule of the tasks that add up what was written of a cell: arrays of counts; which must not be 0; names."""

    sources: list[str]
    numblocks: tuple[int, ...]
    filled: int | None
    pairs: list[str]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Add up the counts of a cell."""
        shards = list(np.ndindex(*self.numblocks))
        counts = [TaskRef((source, key[1], *shard)) for source in self.sources for shard in shards]
        filled = None if self.filled is None else slice(self.filled * len(shards), (self.filled + 1) * len(shards))
        return Task(key, _total, filled, self.pairs[key[1]] if self.pairs else "", *counts)


def _total(filled: slice | None, pair: str, *counts: np.ndarray) -> np.ndarray:
    numbers = [int(count.sum()) for count in counts]
    if filled is not None and not sum(numbers[filled]):
        raise ProductError(
            f"interferogram {pair} must hold pixels that are not NaN, instead all are missing: leave this pair out"
        )
    return np.array([sum(numbers)], np.int64)


def run(writes: Sequence[da.Array], where: WritableLocation, naming: Naming = lambda key: None) -> list[np.ndarray]:
    """Compute what writes; `naming` tells what a task writes, for errors.

    Raises
    ------
    StoreError
        If it cannot be written, for instance because the disk is full.
    WorkerError
        If workers of a dask cluster, or its scheduler, are lost.
    """
    try:
        return list(compute(*writes))
    except lost_errors() as error:
        raise WorkerError(f"path={str(where)!r}: {explain_lost(error, naming)}") from error
    except io_errors() as error:
        raise StoreError(
            f"path={str(where)!r} could not be written: {error}; the same command goes on from there"
        ) from error
