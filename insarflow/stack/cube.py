"""Arrays over all cells ``(date, delay)`` and arrays over the pairs that exist, lazily one into the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import tokenize

from insarflow.ops.cells import missing_block, nan_of
from insarflow.ops.layer import Chunks, Reading, array_by_rule, read, reading_of, rule_of

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
    if reading is not None and all(
        len(chunks) == size for chunks, size in zip(array.chunks[:2], array.shape[:2], strict=True)
    ):
        # The pairs are read from where they lie: operations on them read their own windows.
        lead = tuple((*reading.lead[0][i], *map(_first, reading.lead[1][j])) for i, j in cells)
        reading = Reading(reading.source, (lead,), reading.rows, reading.cols)
        return array_by_rule(name, reading, (ones, *array.chunks[2:]), array.dtype)
    blocks = [[(k, n) for k, size in enumerate(chunks) for n in range(size)] for chunks in array.chunks[:2]]
    rule = _Pick(array.name, [(blocks[0][i], blocks[1][j]) for i, j in cells], _cube_of(array))
    return array_by_rule(name, rule, (ones, *array.chunks[2:]), array.dtype, [array])


def place(array: np.ndarray | da.Array, cells: Sequence[Cell], shape: Cell) -> Any:
    """The ``(date, delay, ...)`` array of a ``(pair, ...)`` one; "missing" where there is no pair."""
    if not isinstance(array, da.Array):
        rows, cols = np.array(cells, np.int64).reshape(-1, 2).T
        out = np.full((*shape, *array.shape[1:]), nan_of(array.dtype), array.dtype)
        out[rows, cols] = array
        return out
    pairs: da.Array = array.rechunk({0: 1})
    name = f"cube-{tokenize(pairs, list(cells), shape)}"
    blocks = {cell: (pairs.name, k) for k, cell in enumerate(cells)}
    return cube(name, blocks, shape, pairs.chunks[1:], pairs.dtype, [pairs])


def cube(
    name: str,
    cells: Mapping[Cell, tuple[Any, ...] | Reading],
    shape: Cell,
    chunks: Chunks,
    dtype: np.dtype,
    sources: Sequence[da.Array],
) -> da.Array:
    """Lazy ``(date, delay, ...)`` array, a cell a block, "missing" where there is no image.

    Parameters
    ----------
    name
        Of the array; one for one content.
    cells
        For each cell with an image the keys of its blocks, but for the numbers of the blocks along `chunks`; or how
        they are read.
    shape
        Sizes of ``date`` and ``delay``.
    chunks
        Of an image.
    sources
        Arrays whose keys these are.
    """
    ones = ((1,) * shape[0], (1,) * shape[1])
    return array_by_rule(name, _Cube(cells, chunks, dtype), (*ones, *chunks), dtype, sources)


@dataclass(frozen=True)
class _Pick:
    """The rule of the tasks of `pick`: for each pair (block, position inside it) along date and delay."""

    source: str
    cells: list[tuple[tuple[int, int], tuple[int, int]]]
    cube: _Cube | None
    """What the source's tasks are made by, if its blocks are one cell each."""

    def reads(self, block: Sequence[int]) -> tuple[Any, Any] | None:
        """As `_Cube.reads`."""
        pair, *rest = block
        (row, _), (col, _) = self.cells[pair]
        return None if self.cube is None else self.cube.reads((row, col, *rest))

    def task(self, key: tuple[Any, ...]) -> Task:
        """Read a pair, or cut it out of a block of cells."""
        found = self.reads(key[1:])
        if found is not None:
            return Task(key, _read, *found, len(key) - 1)
        _, pair, *rest = key
        (row, i), (col, j) = self.cells[pair]
        return Task(key, _cell, TaskRef((self.source, row, col, *rest)), i, j)


@dataclass(frozen=True)
class _Cube:
    """The rule of the tasks of `cube`."""

    cells: Mapping[Cell, tuple[Any, ...] | Reading]
    chunks: Chunks
    dtype: np.dtype

    def reads(self, block: Sequence[int]) -> tuple[Any, Any] | None:
        """Source, and index in it, of a block that is nothing but read."""
        date, delay, *rest = block
        image = self.cells.get((date, delay))
        return image.reads(rest) if isinstance(image, Reading) else None

    def task(self, key: tuple[Any, ...]) -> Task:
        """Read or lift a block of an image, or make one that is missing."""
        _, date, delay, *rest = key
        image = self.cells.get((date, delay))
        if image is None:
            shape = (1, 1, *(sizes[k] for sizes, k in zip(self.chunks, rest, strict=True)))
            return Task(key, missing_block, shape, self.dtype)
        if isinstance(image, Reading):
            return Task(key, _read, *image.reads(rest), 2 + len(rest))
        return Task(key, _lift, TaskRef((*image, *rest)), 2 + len(rest))


def _cube_of(array: da.Array) -> _Cube | None:
    rule = rule_of(array)
    return rule if isinstance(rule, _Cube) else None


def _read(source: Any, index: Any, ndim: int) -> np.ndarray:
    return _lift(read(source, index), ndim)


def _cell(block: np.ndarray, i: int, j: int) -> np.ndarray:
    return block[i : i + 1, j]


def _lift(block: np.ndarray, ndim: int) -> np.ndarray:
    return block[(None,) * (ndim - block.ndim)]


def _first(part: slice | int) -> int:
    return part.start if isinstance(part, slice) else part
