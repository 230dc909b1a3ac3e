"""Parts of lazy arrays that are blocks of what they are parts of: no cell that is left out is in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Alias, GraphNode, Task, TaskRef
from dask.base import tokenize

from insarflow.ops.cells import nan_of
from insarflow.ops.layer import Part, Reading, Rule, array_by_rule, pieces, read, reading_of, rule_of
from insarflow.ops.overlap import map_overlap
from insarflow.types import Tile, Window

Cell = tuple[int, int]
"""Position along ``date`` and ``delay``."""


def pick(array: np.ndarray | da.Array, cells: Sequence[Cell]) -> Any:
    """Pairs of a ``(date, delay, ...)`` array: ``(pair, ...)``, one a block if lazy; other cells are not touched."""
    rows, cols = np.array(cells, np.int64).reshape(-1, 2).T
    if not isinstance(array, da.Array):
        return array[rows, cols]
    ones = (1,) * len(cells)
    reading = reading_of(array)
    name = f"pairs-{tokenize(array, list(cells))}"
    if reading is not None and _one_deep(array, 2):
        # The pairs are read from where they lie: operations on them read their own windows.
        lead = tuple((*reading.lead[0][i], *map(_first, reading.lead[1][j])) for i, j in cells)
        absent = frozenset((k,) for k, cell in enumerate(cells) if cell in reading.absent)
        reading = replace(reading, lead=(lead,), absent=absent)
        return array_by_rule(name, reading, (ones, *array.chunks[2:]), array.dtype)
    blocks = [[(k, n) for k, size in enumerate(chunks) for n in range(size)] for chunks in array.chunks[:2]]
    inner = rule_of(array) if _one_deep(array, 2) else None
    rule = _Pick(array.name, [(blocks[0][i], blocks[1][j]) for i, j in cells], inner)
    return array_by_rule(name, rule, (ones, *array.chunks[2:]), array.dtype, [array])


def part_of(array: da.Array, orders: Sequence[np.ndarray], window: Window | None = None) -> da.Array:
    """Positions along the leading axes, in any order, and a window of the last two.

    What is read is read from where it lies. Else, where leading axes are one deep, a block is a block of `array`, or
    a cut of one.
    """
    cut = Window(0, 0, *array.shape[-2:]) if window is None else window
    lead = len(orders)
    if lead != array.ndim - 2 or not _one_deep(array, lead):
        for axis, order in enumerate(orders):
            array = da.take(array, order, axis=axis)
        cropped: da.Array = array[(..., *cut.within(Window(0, 0, *array.shape[-2:])))]
        return cropped
    cuts = [pieces(array.chunks[-2], cut.y0, cut.y1), pieces(array.chunks[-1], cut.x0, cut.x1)]
    inner = (tuple(part.stop - part.start for _, part in axis) for axis in cuts)
    chunks = (*((1,) * len(order) for order in orders), *inner)
    name = f"part-{tokenize(array, [order.tolist() for order in orders], cut)}"
    reading = reading_of(array)
    if reading is not None:
        return array_by_rule(name, _part_of_reading(reading, orders, cuts), chunks, array.dtype)
    rule = _Part(array.name, [order.tolist() for order in orders], cuts, array.chunks[-2:], rule_of(array))
    return array_by_rule(name, rule, chunks, array.dtype, [array])


def _part_of_reading(
    reading: Reading, orders: Sequence[np.ndarray], cuts: Sequence[Sequence[tuple[int, slice]]]
) -> Reading:
    lead = tuple(tuple(axis[k] for k in order) for axis, order in zip(reading.lead, orders, strict=True))
    rows, cols = (
        tuple(slice(blocks[k].start + part.start, blocks[k].start + part.stop) for k, part in axis)
        for blocks, axis in zip((reading.rows, reading.cols), cuts, strict=True)
    )
    absent = reading.absent
    if absent:
        flags = np.zeros([len(axis) for axis in reading.lead], bool)
        flags[tuple(np.transpose(list(absent)))] = True
        absent = frozenset(map(tuple, np.argwhere(flags[np.ix_(*orders)]).tolist()))
    return Reading(reading.source, lead, rows, cols, absent)


def without(array: np.ndarray | da.Array, keep: np.ndarray) -> Any:
    """`array` with the cells missing that are not to keep; `keep` is bool, of the shape of the leading dimensions."""
    if not isinstance(array, da.Array):
        return np.where(keep[..., None, None], array, array.dtype.type(nan_of(array.dtype)))
    reading = reading_of(array)
    if reading is None or not _one_deep(array, keep.ndim):
        return map_overlap(_same, array, depth=0, dtype=array.dtype, present=keep)
    absent = reading.absent | frozenset(map(tuple, np.argwhere(~keep).tolist()))
    return array_by_rule(f"kept-{tokenize(array, keep)}", replace(reading, absent=absent), array.chunks, array.dtype)


@dataclass(frozen=True)
class _Pick:
    """The rule of the tasks of `pick`: for each pair (block, position inside it) along date and delay."""

    source: str
    cells: list[tuple[tuple[int, int], tuple[int, int]]]
    inner: Rule | None
    """What makes the source's tasks, if each of its blocks is one cell."""

    def reads(self, block: Sequence[int]) -> tuple[Any, tuple[Part, ...]] | None:
        """Source, and index in it, of a block that is nothing but read; else None."""
        pair, *rest = block
        (row, _), (col, _) = self.cells[pair]
        reads = getattr(self.inner, "reads", None)
        return None if reads is None else reads((row, col, *rest))

    def task(self, key: tuple[Any, ...]) -> Task:
        """Read a pair, or cut it out of a block of cells."""
        found = self.reads(key[1:])
        if found is not None:
            return Task(key, read_lifted, *found, len(key) - 1)
        _, pair, *rest = key
        (row, i), (col, j) = self.cells[pair]
        return Task(key, _cell, TaskRef((self.source, row, col, *rest)), i, j)


@dataclass(frozen=True)
class _Part:
    """The rule of the tasks of `part_of`: for each block along the last axes (block of the source, slice inside it)."""

    source: str
    orders: list[list[int]]
    cuts: list[list[tuple[int, slice]]]
    sizes: tuple[tuple[int, ...], ...]
    inner: Rule | None
    """What makes the source's tasks."""

    def reads(self, block: Sequence[int]) -> tuple[Any, tuple[Part, ...]] | None:
        """Source, and index in it, of a block that is nothing but read, and whole; else None."""
        source, cut = self._source(block)
        reads = getattr(self.inner, "reads", None)
        return None if reads is None or cut is not None else reads(source)

    def task(self, key: tuple[Any, ...]) -> GraphNode:
        """Pass a block on, or cut it."""
        source, cut = self._source(key[1:])
        if cut is None:
            return Alias(key, (self.source, *source))
        return Task(key, _cut, TaskRef((self.source, *source)), *cut)

    def _source(self, block: Sequence[int]) -> tuple[tuple[int, ...], tuple[slice, slice] | None]:
        """Block of the source that one lies in, and where in it if it is not the whole."""
        lead = [order[k] for order, k in zip(self.orders, block[:-2], strict=True)]
        (row, y), (col, x) = (axis[k] for axis, k in zip(self.cuts, block[-2:], strict=True))
        whole = (y, x) == (slice(0, self.sizes[0][row]), slice(0, self.sizes[1][col]))
        return (*lead, row, col), None if whole else (y, x)


def read_lifted(source: Any, index: tuple[Part, ...], ndim: int) -> np.ndarray:
    """A window of something that can be sliced, with new first axes up to `ndim`."""
    block = read(source, index)
    return block[(None,) * (ndim - block.ndim)]


def _same(block: np.ndarray, *, tile: Tile) -> np.ndarray:
    return block


def _cell(block: np.ndarray, i: int, j: int) -> np.ndarray:
    return block[i : i + 1, j]


def _cut(block: np.ndarray, y: slice, x: slice) -> np.ndarray:
    return block[..., y, x]


def _first(part: Part) -> int:
    return part.start if isinstance(part, slice) else part


def _one_deep(array: da.Array, lead: int) -> bool:
    return all(len(chunks) == size for chunks, size in zip(array.chunks[:lead], array.shape[:lead], strict=True))
