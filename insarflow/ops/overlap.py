"""The one halo helper: block functions that see their neighbours.

Differences from `dask.array.map_overlap`, and why:

- One task per output block. It takes its neighbours' blocks as dependencies and slices them itself; dask builds
  about ten tasks a block (share, concatenate, trim) and rechunks its input when a last chunk is smaller than the halo.
- The block function is told where its window truly lies (`insarflow.types.Tile`), so a grid can be anchored at the
  array's origin. dask's ``block_info["array-location"]`` counts the halos (dask#11349).
- At the array's border the window is cut, never filled: what lies beyond is the block function's business.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate, product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarflow.ops.checks import check_whole
from insarflow.types import Tile, Window

Reads = Callable[[int, int, int], tuple[int, int]]
"""``(start, stop, size)`` of an output block along an axis -> ``(start, stop)`` of the input it reads."""


def halo_reads(depth: int, align: int = 1) -> Reads:
    """The block itself and `depth` neighbours on either side, the start floored to a multiple of `align`."""

    def reads(start: int, stop: int, size: int) -> tuple[int, int]:
        return max(0, start - depth) // align * align, min(size, stop + depth)

    return reads


def map_overlap(
    function: Callable[..., np.ndarray],
    *arrays: np.ndarray | da.Array,
    depth: int | tuple[int, int],
    align: int = 1,
    dtype: np.dtype | type | str,
    **kwargs: Any,
) -> Any:
    """Apply a block function with a halo of `depth` pixels along the last two axes.

    Parameters
    ----------
    function
        ``function(*windows, tile=Tile, **kwargs) -> ndarray`` of shape ``(..., *tile.core.shape)``. Each window is
        an array's ``tile.read``. Must be picklable.
    *arrays
        Same shape ``(..., y, x)``; NumPy or dask, any chunks. With NumPy input the function is called once, eagerly.
    depth
        Halo in pixels, one number or ``(y, x)``.
    align
        Window starts are floored to multiples of this.
    dtype
        Of the result.

    Returns
    -------
    ndarray or dask.array.Array
        Shape and (for dask) chunks of the first array; empty chunks are dropped.
    """
    depth_y, depth_x = (check_whole("depth", d, low=0) for d in (depth if isinstance(depth, tuple) else (depth, depth)))
    check_whole("align", align, low=1)
    return map_windows(
        function, *arrays, reads=(halo_reads(depth_y, align), halo_reads(depth_x, align)), dtype=dtype, **kwargs
    )


def map_windows(
    function: Callable[..., np.ndarray],
    *arrays: np.ndarray | da.Array,
    reads: tuple[Reads, Reads],
    out_chunks: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    dtype: np.dtype | type | str,
    **kwargs: Any,
) -> Any:
    """Apply a block function where each output block reads a window of the input that `reads` names.

    As `map_overlap`, but for any relation of output to input pixels.

    Parameters
    ----------
    reads
        Along y and x: which input rows (columns) an output block needs.
    out_chunks
        Chunks of the output along y and x; those of the first array by default.

    Raises
    ------
    ValueError
        If the arrays' shapes differ.
    """
    first = arrays[0]
    for array in arrays[1:]:
        if array.shape != first.shape:
            raise ValueError(f"arrays must have one shape, instead got {[tuple(a.shape) for a in arrays]}")
    if not any(isinstance(a, da.Array) for a in arrays):
        shape: tuple[int, int] = first.shape[-2:]
        out_shape = shape if out_chunks is None else (sum(out_chunks[0]), sum(out_chunks[1]))
        lead_shape = first.shape[:-2]
        tile = Tile(Window(0, 0, *shape), Window(0, 0, *out_shape), shape, (0,) * len(lead_shape), lead_shape)
        return np.asarray(function(*arrays, tile=tile, **kwargs), dtype=dtype)
    return _lazy(function, [da.asarray(a) for a in arrays], reads, out_chunks, np.dtype(dtype), kwargs)


def _lazy(
    function: Callable[..., np.ndarray],
    arrays: list[da.Array],
    reads: tuple[Reads, Reads],
    out_chunks: tuple[tuple[int, ...], tuple[int, ...]] | None,
    dtype: np.dtype,
    kwargs: dict[str, Any],
) -> da.Array:
    lead = arrays[0].chunks[:-2]
    arrays = [a.rechunk((*lead, *map(_filled, a.chunks[-2:]))) for a in arrays]
    first = arrays[0]
    shape = first.shape[-2:]
    out_chunks = first.chunks[-2:] if out_chunks is None else out_chunks

    cores = [_bounds(c) for c in out_chunks]
    windows = [[axis(a, b, n) for a, b in core] for axis, core, n in zip(reads, cores, shape, strict=True)]
    sources = [[[_pieces(a.chunks[axis - 2], lo, hi) for lo, hi in windows[axis]] for axis in (0, 1)] for a in arrays]
    token = tokenize(function, arrays, windows, out_chunks, dtype, kwargs)
    name = f"{getattr(function, '__name__', 'windows')}-{token}"
    graph: dict[Any, Any] = {}
    lead_starts = [[start for start, _ in _bounds(c)] for c in lead]
    for index in product(*(range(len(c)) for c in lead)):
        cells = tuple(starts[k] for starts, k in zip(lead_starts, index, strict=True))
        for i, (y0, y1) in enumerate(cores[0]):
            for j, (x0, x1) in enumerate(cores[1]):
                (ry0, ry1), (rx0, rx1) = windows[0][i], windows[1][j]
                read, core = Window(ry0, rx0, ry1 - ry0, rx1 - rx0), Window(y0, x0, y1 - y0, x1 - x0)
                tile = Tile(read, core, shape, cells, first.shape[:-2])
                parts = [
                    [[(a.name, *index, r, c) for c, _ in pieces[1][j]] for r, _ in pieces[0][i]]
                    for a, pieces in zip(arrays, sources, strict=True)
                ]
                cuts = [([s for _, s in pieces[0][i]], [s for _, s in pieces[1][j]]) for pieces in sources]
                graph[(name, *index, i, j)] = (_run, function, parts, _Cuts(cuts), tile, kwargs)
    dependencies: list[Any] = list(arrays)
    layer = HighLevelGraph.from_collections(name, graph, dependencies=dependencies)
    return da.Array(layer, name, chunks=(*lead, *out_chunks), meta=np.empty((0,) * first.ndim, dtype))


class _Cuts:
    """Slices kept out of dask's sight, so that it does not search them for keys."""

    __slots__ = ("per_array",)

    def __init__(self, per_array: list[tuple[list[slice], list[slice]]]) -> None:
        self.per_array = per_array


def _run(
    function: Callable[..., np.ndarray],
    parts: list[list[list[np.ndarray]]],
    cuts: _Cuts,
    tile: Tile,
    kwargs: dict[str, Any],
) -> np.ndarray:
    windows = [_assemble(blocks, rows, cols) for blocks, (rows, cols) in zip(parts, cuts.per_array, strict=True)]
    return function(*windows, tile=tile, **kwargs)


def _assemble(blocks: list[list[np.ndarray]], rows: list[slice], cols: list[slice]) -> np.ndarray:
    if len(rows) == len(cols) == 1:
        return blocks[0][0][..., rows[0], cols[0]]
    cut = [[b[..., r, c] for b, c in zip(line, cols, strict=True)] for line, r in zip(blocks, rows, strict=True)]
    return np.concatenate([np.concatenate(line, axis=-1) for line in cut], axis=-2)


def _filled(chunks: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in chunks if n)


def _bounds(chunks: tuple[int, ...]) -> list[tuple[int, int]]:
    stops = list(accumulate(chunks))
    return list(zip([0, *stops[:-1]], stops, strict=True))


def _pieces(chunks: tuple[int, ...], lo: int, hi: int) -> list[tuple[int, slice]]:
    """The chunks that hold ``lo:hi``: (index, slice inside the chunk)."""
    stops = list(accumulate(chunks))
    starts = [0, *stops[:-1]]
    first, last = bisect_right(stops, lo), bisect_left(stops, hi)
    return [(k, slice(max(lo - starts[k], 0), min(hi, stops[k]) - starts[k])) for k in range(first, last + 1)]
