"""Block functions on lazy arrays: a task per output block, which names what it reads.

See `insarflow.ops.overlap`, which is the way in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import tokenize

from insarflow.ops.cells import missing_block, nan_of
from insarflow.ops.layer import Chunks, Reading, array_by_rule, pieces, reading_of
from insarflow.types import Tile, Window

Reads = Callable[[int, int, int], tuple[int, int]]
"""``(start, stop, size)`` of an output block along an axis -> ``(start, stop)`` of the input it reads."""

Bounds = list[tuple[int, int]]


@dataclass(frozen=True)
class Work:
    """What is done in every block."""

    function: Callable[..., np.ndarray]
    parts: bool
    kwargs: dict[str, Any]


def lazy_windows(
    work: Work,
    arrays: list[da.Array],
    reads: tuple[Reads, Reads],
    out_chunks: tuple[tuple[int, ...], tuple[int, ...]] | None,
    dtype: np.dtype,
    present: np.ndarray | None,
    per_cell: Mapping[str, np.ndarray | da.Array],
) -> da.Array:
    """Lazy part of `insarflow.ops.overlap.map_windows`; parameters as there."""
    lead = arrays[0].chunks[:-2]
    arrays = [a.rechunk((*lead[: a.ndim - 2], *map(_filled, a.chunks[-2:]))) for a in arrays]
    values = {name: _whole(v, lead) if isinstance(v, da.Array) else v for name, v in per_cell.items()}
    first = arrays[0]
    out_chunks = first.chunks[-2:] if out_chunks is None else out_chunks
    cores = [bounds(c) for c in out_chunks]
    windows = [[axis(a, b, n) for a, b in core] for axis, core, n in zip(reads, cores, first.shape[-2:], strict=True)]
    readings = [reading_of(a) for a in arrays]
    inputs = tuple(
        r or _Pieces(a.name, *([pieces(a.chunks[axis], lo, hi) for lo, hi in windows[axis]] for axis in (-2, -1)))
        for a, r in zip(arrays, readings, strict=True)
    )
    token = tokenize(work.function, arrays, windows, out_chunks, dtype, present, work.parts, work.kwargs, values)
    name = f"{getattr(work.function, '__name__', 'windows')}-{token}"
    cells = [bounds(c) for c in lead]
    absent = None if present is None else _absent(present, cells)
    flat = tuple(a.ndim < first.ndim for a in arrays)
    named = {name: (v.name, v.ndim) if isinstance(v, da.Array) else v for name, v in values.items()}
    rule = _Windows(
        work, inputs, flat, named, cores, windows, cells, first.shape[-2:], first.shape[:-2], dtype, present, absent
    )
    sources = [a for a, r in zip(arrays, readings, strict=True) if r is None]
    sources += [v for v in values.values() if isinstance(v, da.Array)]
    return array_by_rule(name, rule, (*lead, *out_chunks), dtype, sources)


def each_cell(present: np.ndarray) -> Iterator[tuple[slice, ...]]:
    """Cells that are present, one by one."""
    for index in np.argwhere(present).tolist():
        yield tuple(slice(k, k + 1) for k in index)


@dataclass(frozen=True)
class _Pieces:
    """Windows as pieces of an array's blocks: for every window along y and x, (block, slice inside it)."""

    name: str
    rows: list[list[tuple[int, slice]]]
    cols: list[list[tuple[int, slice]]]


def block_sums(array: da.Array, present: np.ndarray | None) -> da.Array:
    """Sum over the last two axes of an array of few numbers a block: a task for each block of the leading axes.

    Cells that are not `present` are 0; where a whole block has none, its numbers are not asked for.
    """
    lead = array.chunks[:-2]
    cells = [bounds(sizes) for sizes in lead]
    absent = frozenset() if present is None or present.all() else _absent(present, cells)
    rule = _Sums(array.name, lead, array.numblocks[-2:], array.dtype, absent)
    return array_by_rule(f"sums-{tokenize(array, present)}", rule, lead, array.dtype, [array])


@dataclass(frozen=True)
class _Sums:
    """The rule of the tasks of `block_sums`."""

    source: str
    lead: tuple[tuple[int, ...], ...]
    blocks: tuple[int, int]
    dtype: np.dtype
    absent: frozenset[tuple[int, ...]]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Add the numbers of a block of cells, or make zeros."""
        index = key[1:]
        if index in self.absent:
            return Task(key, np.zeros, tuple(n[k] for n, k in zip(self.lead, index, strict=True)), self.dtype)
        return Task(key, _sum, *(TaskRef((self.source, *index, *block)) for block in np.ndindex(self.blocks)))


def _sum(*blocks: np.ndarray) -> np.ndarray:
    total: np.ndarray = sum(block.sum(axis=(-2, -1)) for block in blocks)
    return np.asarray(total)


@dataclass(frozen=True)
class _Windows:
    """The rule of the tasks of `map_windows`."""

    work: Work
    inputs: tuple[Reading | _Pieces, ...]
    flat: tuple[bool, ...]
    """Which of the inputs are one image for all cells."""
    per_cell: Mapping[str, Any]
    """Values of cells; of lazy ones the name and number of dimensions."""
    cores: list[Bounds]
    windows: list[Bounds]
    lead: list[Bounds]
    shape: tuple[int, int]
    cells_shape: tuple[int, ...]
    dtype: np.dtype
    present: np.ndarray | None
    absent: frozenset[tuple[int, ...]] | None
    """Blocks along the leading axes that hold no interferogram."""

    def task(self, key: tuple[Any, ...]) -> Task:
        """Work on a block, or make one that is missing."""
        _, *index, i, j = key
        cells = [bounds[k] for bounds, k in zip(self.lead, index, strict=True)]
        (y0, y1), (x0, x1) = self.cores[0][i], self.cores[1][j]
        if self.absent is not None and tuple(index) in self.absent:
            return Task(key, missing_block, (*(b - a for a, b in cells), y1 - y0, x1 - x0), self.dtype)
        present = None if self.present is None else self.present[tuple(slice(*c) for c in cells)]
        (ry0, ry1), (rx0, rx1) = self.windows[0][i], self.windows[1][j]
        read, core = Window(ry0, rx0, ry1 - ry0, rx1 - rx0), Window(y0, x0, y1 - y0, x1 - x0)
        tile = Tile(read, core, self.shape, tuple(start for start, _ in cells), self.cells_shape)
        some = None if present is None or present.all() or not self.work.parts else present
        cuts: list[_Read | _Cut] = []
        blocks: list[TaskRef] = []
        for source, flat in zip(self.inputs, self.flat, strict=True):
            at = [] if flat else index
            if isinstance(source, Reading):
                cuts.append(_Read(source.call(at, (ry0, ry1), (rx0, rx1))))
                continue
            rows, cols = source.rows[i], source.cols[j]
            cuts.append(_Cut([s for _, s in rows], [s for _, s in cols]))
            blocks += [TaskRef((source.name, *at, r, c)) for r, _ in rows for c, _ in cols]
        values: dict[str, Any] = {}
        for name, value in self.per_cell.items():
            if isinstance(value, tuple):
                values[name] = None
                blocks.append(TaskRef((value[0], *index, *(0,) * (value[1] - len(index)))))
            else:
                values[name] = value[(*(slice(*c) for c in cells), ...)]
        return Task(key, _run, _Block(self.work, cuts, self.flat, values, tile, self.dtype, some), *blocks)


def _absent(present: np.ndarray, lead: list[Bounds]) -> frozenset[tuple[int, ...]]:
    blocks = present
    for axis, bounds in enumerate(lead):
        blocks = np.logical_or.reduceat(blocks, [start for start, _ in bounds], axis=axis)
    return frozenset(map(tuple, np.argwhere(~blocks).tolist()))


@dataclass(frozen=True)
class _Read:
    """A window that the task makes itself: a function and its arguments."""

    call: tuple[Any, ...]


@dataclass(frozen=True)
class _Cut:
    """A window cut out of blocks: slices inside them, by rows and columns of blocks."""

    rows: list[slice]
    cols: list[slice]


@dataclass(frozen=True)
class _Block:
    """What the task of one block does."""

    work: Work
    cuts: list[_Read | _Cut]
    flat: tuple[bool, ...]
    values: dict[str, Any]
    """Values of the block's cells; None for those that come as blocks, after those of the cuts."""
    tile: Tile
    dtype: np.dtype
    present: np.ndarray | None


def _run(block: _Block, *blocks: np.ndarray) -> np.ndarray:
    left = iter(blocks)
    windows = [
        cut.call[0](*cut.call[1:])
        if isinstance(cut, _Read)
        else assemble([[next(left) for _ in cut.cols] for _ in cut.rows], cut.rows, cut.cols)
        for cut in block.cuts
    ]
    work, tile = block.work, block.tile
    values: dict[str, Any] = {name: next(left) if value is None else value for name, value in block.values.items()}
    if block.present is None:
        return work.function(*windows, tile=tile, **work.kwargs, **values)
    out = np.full((*block.present.shape, *tile.core.shape), nan_of(block.dtype), block.dtype)
    for cells in each_cell(block.present):
        starts = tuple(start + cell.start for start, cell in zip(tile.cells, cells, strict=True))
        one = [window if flat else window[cells] for window, flat in zip(windows, block.flat, strict=True)]
        its = {name: value[(*cells, ...)] for name, value in values.items()}
        out[cells] = work.function(*one, tile=replace(tile, cells=starts), **work.kwargs, **its)
    return out


def assemble(blocks: list[list[np.ndarray]], rows: list[slice], cols: list[slice]) -> np.ndarray:
    """A window out of rows of blocks, of each of which it takes the slices."""
    if len(rows) == len(cols) == 1:
        return blocks[0][0][..., rows[0], cols[0]]
    cut = [[b[..., r, c] for b, c in zip(line, cols, strict=True)] for line, r in zip(blocks, rows, strict=True)]
    return np.concatenate([np.concatenate(line, axis=-1) for line in cut], axis=-2)


def _whole(values: da.Array, lead: Chunks) -> da.Array:
    """Values of cells in the images' blocks of cells, whole along all other axes."""
    chunks = (*lead, *((n,) for n in values.shape[len(lead) :]))
    return values if values.chunks == chunks else values.rechunk(chunks)


def _filled(chunks: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in chunks if n)


def bounds(chunks: tuple[int, ...]) -> list[tuple[int, int]]:
    """Start and stop of each chunk."""
    stops = list(accumulate(chunks))
    return list(zip([0, *stops[:-1]], stops, strict=True))
