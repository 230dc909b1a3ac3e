"""Block functions that see all interferograms of a pixel at once: ``(pair, y, x)``, a window of the plane at a time.

Operations along a stack need every pair of a pixel and no neighbour. A window is so small that all its pairs stay below
a number of bytes, however long the stack is. What a store holds is read by the task itself, pair by pair, so that
nothing else is held. What else is lazy is taken from its blocks: then the blocks of all pairs at one place are in
memory at once, and the way to less is smaller blocks along y and x of what they are computed from.

A window lies inside one block. Its sides are halves of halves of the block's, so that it does not straddle the chunks
that a store compresses; of those it is smaller than, each is decompressed by every window in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from operator import getitem
from typing import Any, Final

import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import tokenize

from insarflow.ops.cells import missing_block
from insarflow.ops.layer import Part, Reading, array_by_rule, pieces, reading_of
from insarflow.ops.lazy_windows import assemble, bounds
from insarflow.ops.overlap import PART, thread_count

LIMIT: Final = 128 * 2**20
"""Bytes that a window's input and output may take together."""

Columns = Callable[..., tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class Field:
    """One result of a block function: sizes of its leading dimensions, and dtype."""

    lead: tuple[int, ...]
    dtype: str


def map_columns(
    function: Columns,
    *arrays: np.ndarray | da.Array,
    fields: Sequence[Field],
    cells: np.ndarray,
    limit: int = LIMIT,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Apply a block function to all interferograms of a window, window by window.

    Parameters
    ----------
    function
        ``function(*columns, **kwargs)`` -> a tuple of arrays ``(*field.lead, y, x)``, one for each of `fields`. What it
        makes of a pixel must depend on that pixel alone. Must be picklable.
    *arrays
        Of one ``(y, x)``; NumPy or dask, any chunks. ``(date, delay, y, x)``: the function gets ``(pair, y, x)``, the
        pairs as in `cells`. With fewer leading dimensions: it gets all of them. With a single pixel: it gets that
        with every window. The first has all pixels.
    fields
        The results.
    cells
        int, shape ``(pair, 2)``: place of each pair along date and delay. Others are not touched.
    limit
        Bytes that the input and output of a window may take (if one pixel does not take more).

    Returns
    -------
    tuple of ndarray or dask.array.Array
        One for each field; lazy if one of the arrays is. A block then is a window, and all fields of a window come
        from one task. NumPy arrays are worked on at once, by as many threads as dask would use.

    Raises
    ------
    ValueError
        If the arrays differ in ``(y, x)``.
    """
    shape = arrays[0].shape[-2:]
    for array in arrays:
        if array.shape[-2:] not in (shape, (1, 1)):
            raise ValueError(f"arrays must have one (y, x), instead got {[tuple(a.shape[-2:]) for a in arrays]}")
    depths = [len(cells) if a.ndim == 4 else prod(a.shape[:-2]) for a in arrays]
    pixel = sum(n * a.dtype.itemsize for n, a in zip(depths, arrays, strict=True) if a.shape[-2:] == shape)
    pixel += sum(prod(f.lead) * np.dtype(f.dtype).itemsize for f in fields)
    if not any(isinstance(a, da.Array) for a in arrays):
        side = _sides(((shape[0],), (shape[1],)), limit // (pixel * thread_count()))
        rows, cols = (cut((n,), min(s, PART)) for n, s in zip(shape, side, strict=True))
        return _eager(function, [np.asarray(a) for a in arrays], fields, cells, (rows, cols), kwargs)
    lazy = [da.asarray(a) for a in arrays]
    blocks = next(a for a in lazy if isinstance(a, da.Array) and a.shape[-2:] == shape).chunks[-2:]
    side = _sides(blocks, limit // pixel)
    rows, cols = (cut(sizes, s) for sizes, s in zip(blocks, side, strict=True))
    return _lazy(function, lazy, fields, cells, (rows, cols), kwargs)


def pixel(array: np.ndarray | da.Array, row: int, col: int) -> Any:
    """One pixel of all images, ``(..., 1, 1)``; of a stored array no more than that is read."""
    place = (slice(row, row + 1), slice(col, col + 1))
    reading = reading_of(array) if isinstance(array, da.Array) else None
    if reading is None:
        return array[(..., *place)]
    name = f"pixel-{tokenize(array, row, col)}"
    chunks = (*array.chunks[:-2], (1,), (1,))  # type: ignore[union-attr]
    at = [slice(o + p.start, o + p.stop) for o, p in zip(reading.origin, place, strict=True)]
    return array_by_rule(name, replace(reading, rows=(at[0],), cols=(at[1],)), chunks, array.dtype)


def cut(chunks: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Chunks cut into pieces of `side`, the last of each what is left."""
    return tuple(min(side, size - start) for size in chunks for start in range(0, size, side))


def _sides(blocks: tuple[tuple[int, ...], tuple[int, ...]], pixels: int) -> tuple[int, int]:
    """Rows and columns of a window of at most so many pixels: powers of two, or the blocks' own."""
    height, width = (1 << (max(chunks) - 1).bit_length() for chunks in blocks)
    while height * width > max(1, pixels):
        height, width = (height // 2, width) if height >= width else (height, width // 2)
    return height, width


def _eager(
    function: Columns,
    arrays: list[np.ndarray],
    fields: Sequence[Field],
    cells: np.ndarray,
    chunks: tuple[tuple[int, ...], tuple[int, ...]],
    kwargs: dict[str, Any],
) -> tuple[np.ndarray, ...]:
    shape = arrays[0].shape[-2:]
    out = tuple(np.empty((*f.lead, *shape), f.dtype) for f in fields)

    def work(window: tuple[slice, slice]) -> None:
        columns = []
        for array in arrays:
            place = window if array.shape[-2:] == shape else (slice(None), slice(None))
            columns.append(array[(*cells.T, *place)] if array.ndim == 4 else array[(..., *place)])
        for whole, part in zip(out, function(*columns, **kwargs), strict=True):
            whole[(..., *window)] = part

    windows = [(slice(*rows), slice(*cols)) for rows, cols in product(*map(bounds, chunks))]
    with ThreadPoolExecutor(min(thread_count(), len(windows))) as pool:
        for _ in pool.map(work, windows):
            pass  # an error in a window is raised here
    return out


def _lazy(
    function: Columns,
    arrays: list[da.Array],
    fields: Sequence[Field],
    cells: np.ndarray,
    chunks: tuple[tuple[int, ...], tuple[int, ...]],
    kwargs: dict[str, Any],
) -> tuple[da.Array, ...]:
    token = tokenize(function, arrays, cells, chunks, list(fields), kwargs)
    name = f"{getattr(function, '__name__', 'columns').strip('_')}-{token}"
    sources = [_source(a, cells, arrays[0].shape[-2:]) for a in arrays]
    rule = _Windows(_Work(function, kwargs), sources, bounds(chunks[0]), bounds(chunks[1]))
    needed = [a for a, source in zip(arrays, sources, strict=True) if isinstance(source, _Blocks)]
    # A block of this array is the tuple of all results; only the arrays made of it are handed out.
    results = array_by_rule(name, rule, chunks, np.dtype(object), needed)
    return tuple(
        array_by_rule(
            f"{name}-{k}", _Result(name, k), (*((n,) for n in field.lead), *chunks), np.dtype(field.dtype), [results]
        )
        for k, field in enumerate(fields)
    )


@dataclass(frozen=True)
class _Work:
    """What is done in every window."""

    function: Columns
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class _Stored:
    """Images that the task reads itself: for each its index along the source's leading axes, None if it is missing."""

    source: Any
    index: list[tuple[Part, ...] | None]
    lead: tuple[int, ...]
    origin: tuple[int, int]
    """Row and column of the source at which the images begin."""

    def column(self, rows: tuple[int, int], cols: tuple[int, int], blocks: Iterator[np.ndarray]) -> np.ndarray:
        """The window of all images."""
        shape = rows[1] - rows[0], cols[1] - cols[0]
        window = [slice(o + a, o + b) for o, (a, b) in zip(self.origin, (rows, cols), strict=True)]
        images = [
            missing_block(shape, np.dtype(self.source.dtype))
            if at is None
            else np.asarray(self.source[(*at, *window)]).reshape(shape)
            for at in self.index
        ]
        return np.stack(images).reshape(*self.lead, *shape) if self.lead else images[0]


@dataclass(frozen=True)
class _Blocks:
    """Images that are blocks of a lazy array: for each of them its block, and the place inside that."""

    name: str
    blocks: list[tuple[int, ...]]
    places: list[tuple[int, ...]]
    lead: tuple[int, ...]
    chunks: tuple[tuple[int, ...], tuple[int, ...]]
    pixel: bool
    """Whether it is a single pixel, which every window gets."""

    def pieces(self, rows: tuple[int, int], cols: tuple[int, int]) -> list[list[tuple[int, slice]]]:
        """Blocks along y and x that hold a window, and the slice inside each."""
        spans = ((0, 1), (0, 1)) if self.pixel else (rows, cols)
        return [pieces(chunks, *span) for chunks, span in zip(self.chunks, spans, strict=True)]

    def needed(self, rows: tuple[int, int], cols: tuple[int, int]) -> list[TaskRef]:
        """Keys of the blocks that hold a window, each once."""
        along_y, along_x = self.pieces(rows, cols)
        images = dict.fromkeys(self.blocks)
        return [TaskRef((self.name, *block, r, c)) for block in images for r, _ in along_y for c, _ in along_x]

    def column(self, rows: tuple[int, int], cols: tuple[int, int], blocks: Iterator[np.ndarray]) -> np.ndarray:
        """The window of all images, out of the blocks that `needed` names."""
        along_y, along_x = self.pieces(rows, cols)
        parts = {block: [[next(blocks) for _ in along_x] for _ in along_y] for block in dict.fromkeys(self.blocks)}
        where = [s for _, s in along_y], [s for _, s in along_x]
        images = [
            assemble([[part[place] for part in line] for line in parts[block]], *where)
            for block, place in zip(self.blocks, self.places, strict=True)
        ]
        return np.stack(images).reshape(*self.lead, *images[0].shape) if self.lead else images[0]


def _source(array: da.Array, cells: np.ndarray, shape: tuple[int, int]) -> _Stored | _Blocks:
    """Where the images of an array come from."""
    lead = (len(cells),) if array.ndim == 4 else array.shape[:-2]
    wanted = cells.tolist() if array.ndim == 4 else list(np.ndindex(lead))
    places = [[(k, p) for k, size in enumerate(sizes) for p in range(size)] for sizes in array.chunks[:-2]]
    found = [tuple(axis[n] for axis, n in zip(places, cell, strict=True)) for cell in wanted]
    reading = reading_of(array)
    pixel = array.shape[-2:] != shape
    if reading is not None and not pixel:
        index = [None if tuple(k for k, _ in at) in reading.absent else _index(reading, at) for at in found]
        return _Stored(reading.source, index, lead, reading.origin)
    blocks = [tuple(k for k, _ in at) for at in found]
    inside = [tuple(p for _, p in at) for at in found]
    return _Blocks(array.name, blocks, inside, lead, array.chunks[-2:], pixel)


def _index(reading: Reading, at: tuple[tuple[int, int], ...]) -> tuple[Part, ...]:
    """Index along the source's leading axes of one image, given by (block, place inside it) along each axis."""
    index: list[Part] = []
    for axis, (block, place) in zip(reading.lead, at, strict=True):
        # Of a block of one image, all parts say where it lies; a deeper one is a single slice.
        for part in axis[block]:
            if isinstance(part, slice) and part.stop - part.start > 1:
                part = slice(part.start + place, part.start + place + 1)
            index.append(part)
    return tuple(index)


@dataclass(frozen=True)
class _Windows:
    """The rule of the tasks that work on a window."""

    work: _Work
    sources: list[_Stored | _Blocks]
    rows: list[tuple[int, int]]
    cols: list[tuple[int, int]]

    def task(self, key: tuple[Any, ...]) -> Task:
        """Work on a window."""
        rows, cols = self.rows[key[1]], self.cols[key[2]]
        refs = [ref for source in self.sources if isinstance(source, _Blocks) for ref in source.needed(rows, cols)]
        return Task(key, _run, self.work, self.sources, (rows, cols), *refs)


@dataclass(frozen=True)
class _Result:
    """The rule of the tasks that take one result of a window."""

    name: str
    field: int

    def task(self, key: tuple[Any, ...]) -> Task:
        """Take it."""
        return Task(key, getitem, TaskRef((self.name, *key[-2:])), self.field)


def _run(
    work: _Work,
    sources: list[_Stored | _Blocks],
    window: tuple[tuple[int, int], tuple[int, int]],
    *blocks: np.ndarray,
) -> tuple[np.ndarray, ...]:
    left = iter(blocks)
    return work.function(*(source.column(*window, left) for source in sources), **work.kwargs)
