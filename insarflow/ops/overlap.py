"""The one halo helper: block functions that see their neighbours.

Differences from `dask.array.map_overlap`, and why:

- One task per output block. It takes its neighbours' blocks as dependencies and slices them itself; dask builds
  about ten tasks a block (share, concatenate, trim) and rechunks its input when a last chunk is smaller than the halo.
- The block function is told where its window truly lies (`insarflow.types.Tile`), so a grid can be anchored at the
  array's origin. dask's ``block_info["array-location"]`` counts the halos (dask#11349).
- At the array's border the window is cut, never filled: what lies beyond is the block function's business.
- Arrays in memory go through the same block function, part by part, on all cores: kernels release the GIL.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise, product
from typing import Any, Final

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.system import CPU_COUNT

from insarflow.ops.checks import check_whole
from insarflow.types import Tile, Window

Reads = Callable[[int, int, int], tuple[int, int]]
"""``(start, stop, size)`` of an output block along an axis -> ``(start, stop)`` of the input it reads."""

PART: Final = 1024
"""Side of the parts in which arrays in memory are worked on, pixels of the input."""


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
        Same shape ``(..., y, x)``; NumPy or dask, any chunks. NumPy arrays are worked on at once, large ones in parts
        of `PART` pixels a side by as many threads as dask would use.
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
    parts: bool = True,
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
    parts
        Whether a NumPy array may be worked on in parts; not if the function uses all cores by itself.

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
        shape = first.shape[-2:] if out_chunks is None else (sum(out_chunks[0]), sum(out_chunks[1]))
        part = PART if parts else max(1, *first.shape)
        return _eager(function, [np.asarray(a) for a in arrays], reads, shape, np.dtype(dtype), part, kwargs)
    return _lazy(function, [da.asarray(a) for a in arrays], reads, out_chunks, np.dtype(dtype), kwargs)


def _eager(
    function: Callable[..., np.ndarray],
    arrays: list[np.ndarray],
    reads: tuple[Reads, Reads],
    out_shape: tuple[int, int],
    dtype: np.dtype,
    part: int,
    kwargs: dict[str, Any],
) -> np.ndarray:
    first = arrays[0]
    lead, shape = first.shape[:-2], first.shape[-2:]
    out = np.empty((*lead, *out_shape), dtype)

    def work(task: tuple[tuple[slice, ...], tuple[int, ...], Window]) -> None:
        cells, starts, core = task
        (y0, y1), (x0, x1) = reads[0](core.y0, core.y1, shape[0]), reads[1](core.x0, core.x1, shape[1])
        tile = Tile(Window(y0, x0, y1 - y0, x1 - x0), core, shape, starts, lead)
        windows = [a[cells][..., y0:y1, x0:x1] for a in arrays]
        out[cells][..., core.y0 : core.y1, core.x0 : core.x1] = function(*windows, tile=tile, **kwargs)

    tasks = list(_parts(lead, shape, out_shape, part))
    threads = min(_threads(), len(tasks))
    if threads < 2:
        for task in tasks:
            work(task)
        return out
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tasks):
            pass  # an error in a part is raised here
    return out


def _parts(
    lead: tuple[int, ...], shape: tuple[int, int], out_shape: tuple[int, int], part: int
) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...], Window]]:
    """Parts of the output of about `part` squared pixels of the input: leading cells, where they start, and window."""
    rows, cols = (_even(n, -(-size // part)) for n, size in zip(out_shape, shape, strict=True))
    pixels = max(1, int(np.prod((*lead[1:], *shape))))
    group = max(1, part**2 // pixels)
    for start in range(0, lead[0], group) if lead else [0]:
        cells = (slice(start, start + group),) if lead else ()
        starts = (start, *(0 for _ in lead[1:])) if lead else ()
        for (y0, y1), (x0, x1) in product(rows, cols):
            yield cells, starts, Window(y0, x0, y1 - y0, x1 - x0)


def _even(size: int, count: int) -> list[tuple[int, int]]:
    """``0:size`` in at most `count` ranges of about one length, at least one range."""
    edges = sorted({round(size * k / max(1, count)) for k in range(max(1, count))} | {size})
    return list(pairwise(edges)) or [(0, size)]


def _threads() -> int:
    """Threads that dask would use here."""
    if dask.config.get("scheduler", None) in ("sync", "synchronous", "single-threaded"):
        return 1
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


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
