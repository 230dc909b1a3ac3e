"""New interferograms into a store that is there, without touching what it holds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize

from insarflow.errors import GridMismatchError, ProductWarning, SchemaError, StoreError
from insarflow.schema import CELLS, DIMS, VARIABLES, recipe_of, validate
from insarflow.stack.assemble import valid_cells
from insarflow.stack.codes import Code, stored_codes
from insarflow.stack.georeference import grid_of
from insarflow.stack.journal import Journal, journal_of, only_writer, refuse_another, remove_temporaries
from insarflow.stack.layout import as_days, consolidate, put_cells, put_length
from insarflow.stack.location import Folder, WritableLocation
from insarflow.stack.remote import Remote
from insarflow.stack.replace import flush
from insarflow.stack.sources import as_location
from insarflow.stack.stored import open_store
from insarflow.stack.write import is_cut, run, write_cells
from insarflow.types import Pair, Recipe

Cell = tuple[int, int]

SAME = ("wavelength", "relative_orbit", "pass", "heading")
"""Attributes that all interferograms of a stack share."""


def append_pairs(ds: xr.Dataset, path: str | Path, *, fsync: bool = False) -> list[Pair]:
    """Add the interferograms of a stack that a store does not hold.

    What the store holds is neither read nor written again: new dates and delays come after the old ones. The new ones
    count all at once, by one last write of the store's metadata. Stopped before that, even killed, the store is what it
    was, and the same call goes on where it was.

    Parameters
    ----------
    ds
        A stack on the store's grid, of the same image variables. Interferograms that the store holds are passed over,
        with a `ProductWarning` if their files (``fingerprint``) are not those that it was built from.
    path
        The store: a folder, or a URL as of `insarflow.write_stack`.
    fsync
        As `insarflow.write_stack`.

    Returns
    -------
    list of Pair
        Those added, sorted.

    Raises
    ------
    TypeError
        If `ds` is no Dataset, or `path` no path.
    SchemaError
        If `ds` is no stack, lacks a variable of the store or has another one, or was processed differently.
    GridMismatchError
        If its grid is not the store's.
    ProductError
        If an interferogram has no pixel that is not NaN, or a source file is damaged.
    StoreError
        If `path` is no stack store, cannot be written, or another process is writing it.
    """
    validate(ds)
    target = _existing(path)
    with only_writer(target):
        held = open_store(target)
        _check(ds, held, path)
        _warn_of_changes(ds, held, path)
        plan = _Plan.of(ds, held, target)
        file = journal_of(target)
        journal = Journal(tokenize(ds, plan.places, plan.lengths), tuple(plan.places.values()))
        begun = Journal.read(*file)
        if begun is not None and isinstance(target, Folder):
            remove_temporaries(target.path)
        if begun != journal:
            lost = _uncounted(target, held, begun.cells if begun else ())
            if lost and not plan.places and isinstance(target, Remote):
                return []  # what was begun may be another's work, which goes on
            if lost:
                refuse_another(target, begun)
            # Shards of an append that was given up, or whose journal is lost, may be another pair's.
            _remove_shards(target, [*lost, *plan.places.values()])
            if not plan.places:
                if begun is not None:
                    Journal.remove(*file)
                return []
            journal.write(*file)
        codes = stored_codes(target.arrays())
        cells, writes = write_cells(
            ds, target, codes, may_be_empty=is_cut(ds), places=plan.places, lengths=plan.lengths
        )
        counts = run([writes], target)[0]
        # A network may know nothing of any pixel: its interferogram counts all the same, or it would be asked for ever.
        added = [cell for cell, count in zip(cells, counts, strict=True) if count > 0 or "probability" in ds]
        if not added:  # a bbox or aoi has left no pixel
            _remove_shards(target, plan.places.values())
            Journal.remove(*file)
            return []
        if fsync and isinstance(target, Folder):
            flush(target.path)
        journal.check(*file)
        _commit(ds, target, plan, added, codes)
        Journal.remove(*file)
        if fsync and isinstance(target, Folder):
            flush(target.path)
    return sorted(_pair(ds, cell) for cell in added)


def not_held(ds: xr.Dataset, path: str | Path) -> xr.Dataset:
    """A stack of which only those interferograms are ``valid`` that `append_pairs` would add; errors as there."""
    validate(ds)
    held = open_store(_existing(path))
    _check(ds, held, path)
    there = {_pair(held, (i, j)) for i, j in np.argwhere(valid_cells(held)).tolist()}
    valid = valid_cells(ds).copy()
    for i, j in np.argwhere(valid).tolist():
        valid[i, j] = _pair(ds, (i, j)) not in there
    return ds.assign(valid=(CELLS, valid))


def _existing(path: str | Path) -> WritableLocation:
    target = as_location(path, "path")
    if not isinstance(target, Folder):
        return target
    if not target.path.is_dir():
        raise StoreError(f"path={str(path)!r} must be a store to append to, instead there is none: build it first")
    return Folder(target.path.resolve())


class _Plan:
    """Where the new interferograms go."""

    def __init__(self, dates: np.ndarray, delays: np.ndarray, places: dict[Cell, Cell]) -> None:
        self.dates, self.delays, self.places = dates, delays, places
        self.lengths = (dates.size, delays.size)

    @classmethod
    def of(cls, ds: xr.Dataset, held: xr.Dataset, target: WritableLocation) -> _Plan:
        """New dates and delays after those on disk; the places, by cell of `ds`, of the pairs that are not held."""
        there = {
            (date, delay)
            for i, j in np.argwhere(valid_cells(held)).tolist()
            for date, delay in [(_day(held, "date", i), _day(held, "delay", j))]
        }
        new = [
            (i, j)
            for i, j in np.argwhere(valid_cells(ds)).tolist()
            if (_day(ds, "date", i), _day(ds, "delay", j)) not in there
        ]
        axes = []
        for k, name in enumerate(CELLS):
            old = _on_disk(target, name)
            if sorted(old.tolist()) != as_days(held[name].values).tolist():
                raise StoreError(f"path={str(target)!r} keeps {name} in other units than days: build it anew")
            more = {_day(ds, name, cell[k]) for cell in new} - set(old.tolist())
            axes.append(np.concatenate([old, np.array(sorted(more), np.int64)]))
        at = [{day: index for index, day in enumerate(axis.tolist())} for axis in axes]
        places = {(i, j): (at[0][_day(ds, "date", i)], at[1][_day(ds, "delay", j)]) for i, j in new}
        return cls(axes[0], axes[1], places)


def _commit(ds: xr.Dataset, target: WritableLocation, plan: _Plan, added: list[Cell], codes: dict[str, Code]) -> None:
    """Coordinates, then lengths, then the group's metadata, from which on the new interferograms count."""
    for name, values in (("date", plan.dates), ("delay", plan.delays)):
        put_cells(target, name, values)
    there = target.arrays()
    for name, empty in (("valid", False), ("perpendicular_baseline", np.nan), ("fingerprint", 0)):
        if name not in there:
            continue
        values = np.full(plan.lengths, empty, VARIABLES[name].dtype)
        old = _on_disk(target, name)
        values[: old.shape[0], : old.shape[1]] = old
        for cell in added:
            if name == "valid":
                values[plan.places[cell]] = True
            elif name in ds:
                values[plan.places[cell]] = ds[name].values[cell]
        put_cells(target, name, values)
    for name, length in zip(CELLS, plan.lengths, strict=True):
        put_length(target, name, (length,))
    stored = {n: n if n not in codes else codes[n].stored for n in VARIABLES if VARIABLES[n].dims[:2] == CELLS}
    for array in stored.values():
        if array in there:
            put_length(target, array, plan.lengths)
    consolidate(target.at()["store"])


def _check(ds: xr.Dataset, held: xr.Dataset, path: str | Path) -> None:
    """Refuse what does not belong into one stack."""
    where = f"the store path={str(path)!r}"
    if not grid_of(ds).same_as(grid_of(held)):
        mine, other = grid_of(ds), grid_of(held)
        raise GridMismatchError(
            f"what is appended must lie on the grid of {where} ({other.shape} pixels, {other.transform}), instead got "
            f"{mine.shape} pixels, {mine.transform}: bring it there with grid={str(path)!r} (--grid)"
        )
    names = [{n for n in VARIABLES if n in data and VARIABLES[n].dims == DIMS} for data in (ds, held)]
    if names[0] != names[1]:
        raise SchemaError(
            f"what is appended must have the images of {where}, {sorted(names[1])}, instead got {sorted(names[0])}"
        )
    for name in SAME:
        a, b = ds.attrs.get(name), held.attrs.get(name)
        if a is not None and b is not None and _differ(a, b):
            raise SchemaError(f"what is appended must have the {name} of {where}, {b!r}, instead got {a!r}")
    steps = [_processing(recipe_of(data)) for data in (ds, held)]
    if steps[0] != steps[1]:
        raise SchemaError(
            f"what is appended must be processed as {where}, by {steps[1] or 'nothing'}, instead got by "
            f"{steps[0] or 'nothing'}"
        )


def _warn_of_changes(ds: xr.Dataset, held: xr.Dataset, path: str | Path) -> None:
    """Say which interferograms would be others if the store were built now."""
    name = "fingerprint"
    if not all(name in data and ds[name].attrs.get("of") == data[name].attrs.get("of") for data in (ds, held)):
        return
    known = {pair: value for pair, value in _fingerprints(held) if value}
    changed = sorted(pair for pair, value in _fingerprints(ds) if known.get(pair, value) != value != 0)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        warnings.warn(
            f"path={str(path)!r} holds {changed[0]}{more} as read from other files, or an earlier version of them, and "
            "keeps what it has: build the store anew to take the new ones",
            ProductWarning,
            stacklevel=3,
        )


def _fingerprints(ds: xr.Dataset) -> list[tuple[Pair, int]]:
    values = ds["fingerprint"].values
    return [(_pair(ds, (i, j)), int(values[i, j])) for i, j in np.argwhere(valid_cells(ds)).tolist()]


def _differ(a: Any, b: Any) -> bool:
    if all(isinstance(value, int | float) for value in (a, b)):
        return not math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-6)
    return bool(a != b)


def _processing(recipe: Recipe) -> list[dict[str, Any]]:
    """Steps that change what the numbers are; on one grid, resampled images and others are of a kind."""
    whence = {
        "read",
        "subset",
        "align",
        "resample",
        "resample_dem",
        "merge_swaths",
        "line_of_sight",
        "append",
        "simulate",
    }
    return [step for step in recipe.steps if step.get("operation") not in whence]


def _day(ds: xr.Dataset, name: str, index: int) -> int:
    return int(as_days(ds[name].values[index : index + 1])[0])


def _on_disk(target: WritableLocation, name: str) -> np.ndarray:
    """What counts of a variable without ``y`` and ``x``, in order of arrival; more than that may be written already."""
    return np.asarray(target.arrays()[name][...])


def _uncounted(target: WritableLocation, held: xr.Dataset, cells: Iterable[Cell]) -> list[Cell]:
    """Those of some cells on disk that hold no interferogram that counts."""
    axes = [_on_disk(target, name).tolist() for name in CELLS]
    known = [as_days(held[name].values).tolist() for name in CELLS]
    valid = valid_cells(held)

    def counts(i: int, j: int) -> bool:
        there = i < len(axes[0]) and j < len(axes[1])
        return there and bool(valid[known[0].index(axes[0][i]), known[1].index(axes[1][j])])

    return [cell for cell in cells if not counts(*cell)]


def _remove_shards(target: WritableLocation, cells: Iterable[Cell]) -> None:
    """Remove images that do not count."""
    images = [name for name, array in target.arrays().items() if array.ndim == len(DIMS)]
    target.clear([f"{name}/c/{i}/{j}" for i, j in cells for name in images])


def _pair(ds: xr.Dataset, cell: Cell) -> Pair:
    reference = ds["date"].values[cell[0]]
    return Pair(reference, reference + ds["delay"].values[cell[1]])
