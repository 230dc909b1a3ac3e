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
from insarflow.ops.layer import Chunks, array_by_rule
from insarflow.ops.pick import Cell as Cell
from insarflow.ops.pick import pick as pick


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
    cells: Mapping[Cell, tuple[Any, ...]],
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
        For each cell with an image the keys of its blocks, but for the numbers of the blocks along `chunks`.
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
class _Cube:
    """The rule of the tasks of `cube`."""

    cells: Mapping[Cell, tuple[Any, ...]]
    chunks: Chunks
    dtype: np.dtype

    def task(self, key: tuple[Any, ...]) -> Task:
        """Lift a block of an image, or make one that is missing."""
        _, date, delay, *rest = key
        source = self.cells.get((date, delay))
        if source is None:
            shape = (1, 1, *(sizes[k] for sizes, k in zip(self.chunks, rest, strict=True)))
            return Task(key, missing_block, shape, self.dtype)
        return Task(key, _lift, TaskRef((*source, *rest)), 2 + len(rest))


def _lift(block: np.ndarray, ndim: int) -> np.ndarray:
    return block[(None,) * (ndim - block.ndim)]
