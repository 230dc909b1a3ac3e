"""Images looked at through the windows of slopes, some slopes at a time: no image is ever in memory as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dask.array as da
import numpy as np
from dask.base import compute, tokenize
from dask.delayed import delayed

from insarflow.inventory.zones import Place, Zone
from insarflow.ops.layer import window_of
from insarflow.ops.overlap import in_threads
from insarflow.types import Window

LARGEST: Final = 4096**2
"""Pixels of the window of the largest slope that is looked at: what is larger is no slope, and memory is bounded."""

_BLOCK: Final = 512
"""Slopes whose windows begin in one block of so many pixels a side are looked at together."""

_AT_ONCE: Final = 4096
"""Tasks in one graph, about."""

Cell = tuple[int, ...]
Look = Callable[..., Sequence[float]]
"""``look(zone, images, **parameters)`` -> numbers of a slope; images are flat, in the pixels of the zone's window."""


@dataclass(frozen=True)
class Group:
    """Slopes that are looked at together, by their numbers, and the window that holds all of theirs."""

    numbers: tuple[int, ...]
    places: tuple[Place, ...]
    window: Window

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        return slice(self.window.y0, self.window.y1), slice(self.window.x0, self.window.x1)

    def zones(self) -> list[Zone]:
        """Pixels of each slope."""
        return [place.zone() for place in self.places]


@dataclass(frozen=True)
class _Work:
    """What is done with each slope of a group."""

    group: Group
    look: Look
    width: int
    parameters: dict[str, Any]

    def one(self, zones: list[Zone], images: Mapping[str, np.ndarray]) -> np.ndarray:
        """Numbers of every slope from one set of images of the group's window: ``(slope, number)``."""
        seen = np.full((len(zones), self.width), np.nan)
        for row, zone in zip(seen, zones, strict=True):
            if len(zone.inside):
                part = zone.window.within(self.group.window)
                row[:] = self.look(zone, {name: i[part].ravel() for name, i in images.items()}, **self.parameters)
        return seen

    def all(self, cells: list[dict[str, _Stored | np.ndarray]]) -> np.ndarray:
        """The same of images that are read one set after the other: ``(slope, cell, number)``."""
        zones = self.group.zones()
        seen = []
        for windows in cells:
            images = {name: (w.read() if isinstance(w, _Stored) else w) for name, w in windows.items()}
            seen.append(self.one(zones, {n: i.reshape(self.group.window.shape) for n, i in images.items()}))
        return np.stack(seen, axis=1)


@dataclass(frozen=True)
class _Stored:
    """A window of an image that the task reads itself."""

    source: Any
    index: tuple[Any, ...]

    def read(self) -> np.ndarray:
        return np.asarray(self.source[self.index])


def look_at(
    places: Sequence[Place | None],
    arrays: Mapping[str, np.ndarray | da.Array],
    cells: Sequence[Cell],
    look: Look,
    *,
    width: int,
    **parameters: Any,
) -> np.ndarray:
    """Apply a function to every slope in every set of images.

    Parameters
    ----------
    places
        Of the slopes; None for one that is not to be looked at.
    arrays
        ``(..., y, x)`` of one shape, NumPy or dask. Of what is just read from a store, tasks read the windows of the
        slopes, one set of images at a time; of what else is lazy, blocks are computed.
    cells
        Indices along the leading axes, one for each set of images: ``[()]`` for a single one.
    look
        What is done; must be picklable.
    width
        How many numbers it gives.
    **parameters
        Handed to it.

    Returns
    -------
    ndarray
        float64, ``(slope, cell, number)``; NaN for slopes without a place or larger than `LARGEST`. This computes.
    """
    seen = np.full((len(places), len(cells), width), np.nan)
    works = [_Work(group, look, width, parameters) for group in _groups(places)]
    if not works or not len(cells):
        return seen
    if any(isinstance(array, da.Array) for array in arrays.values()):
        _lazily(works, {name: da.asarray(array) for name, array in arrays.items()}, cells, seen)
        return seen

    def at_once(work: _Work) -> None:
        zones = work.group.zones()
        for k, cell in enumerate(cells):
            images = {name: np.asarray(array[cell][work.group.slices]) for name, array in arrays.items()}
            seen[list(work.group.numbers), k] = work.one(zones, images)

    in_threads(at_once, works)
    return seen


def mean_of(values: np.ndarray) -> float:
    """Mean of what is known of some values; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size else np.nan


def _groups(places: Sequence[Place | None]) -> list[Group]:
    """Slopes by the block that their windows begin in; a large one, whose window all others would read, by itself."""
    blocks: dict[tuple[int, ...], list[tuple[int, Place]]] = defaultdict(list)
    for number, place in enumerate(places):
        if place is None or place.window.height * place.window.width > LARGEST:
            continue
        large = max(place.window.shape) > _BLOCK
        blocks[place.window.y0 // _BLOCK, place.window.x0 // _BLOCK, number if large else -1].append((number, place))
    groups = []
    for key in sorted(blocks):
        numbers, its = zip(*blocks[key], strict=True)
        y0, x0 = min(p.window.y0 for p in its), min(p.window.x0 for p in its)
        y1, x1 = max(p.window.y1 for p in its), max(p.window.x1 for p in its)
        groups.append(Group(numbers, its, Window(y0, x0, y1 - y0, x1 - x0)))
    return groups


def _lazily(works: list[_Work], arrays: Mapping[str, da.Array], cells: Sequence[Cell], seen: np.ndarray) -> None:
    """A task for each group where images are just read; else one for each set of images of a group."""
    token = tokenize(list(arrays.values()), list(cells))
    stored = all(_is_read(array) for array in arrays.values())
    tasks: list[tuple[_Work, slice, Any]] = []
    for work in works:
        key = f"{token}-{tokenize(work)}"
        if stored:
            windows = [{name: _stored(a, cell, work.group.window) for name, a in arrays.items()} for cell in cells]
            look = delayed(work.all, pure=False)(windows, dask_key_name=f"slopes-{key}")
            tasks.append((work, slice(None), look))
            continue
        zones = delayed(work.group.zones, pure=False)(dask_key_name=f"zones-{key}")
        for k, cell in enumerate(cells):
            parts = {name: array[(*cell, *work.group.slices)] for name, array in arrays.items()}
            look = delayed(work.one, pure=False)(zones, parts, dask_key_name=f"slopes-{key}-{k}")
            tasks.append((work, slice(k, k + 1), look))
    for start in range(0, len(tasks), _AT_ONCE):
        some = tasks[start : start + _AT_ONCE]
        for (work, where, _), found in zip(some, compute(*(look for *_, look in some)), strict=True):
            seen[list(work.group.numbers), where] = found.reshape(len(found), -1, seen.shape[-1])


def _is_read(array: da.Array) -> bool:
    """Whether each image of an array is nothing but read, from blocks of one."""
    if any(max(sizes, default=0) > 1 for sizes in array.chunks[:-2]):
        return False
    return window_of(array, (0,) * (array.ndim - 2), (0, 1), (0, 1)) is not None


def _stored(array: da.Array, cell: Cell, window: Window) -> _Stored | np.ndarray:
    found = window_of(array, cell, (window.y0, window.y1), (window.x0, window.x1))
    return np.full(window.shape, np.nan, array.dtype) if found is None else _Stored(*found)
