"""The one halo helper: block functions that see their neighbours.

Differences from `dask.array.map_overlap`, and why:

- One task per output block. It takes its neighbours' blocks as dependencies and slices them itself; dask builds
  about ten tasks a block (share, concatenate, trim) and rechunks its input when a last chunk is smaller than the halo.
- The block function is told where its window truly lies (`insarflow.types.Tile`), so a grid can be anchored at the
  array's origin. dask's ``block_info["array-location"]`` counts the halos (dask#11349).
- At the array's border the window is cut, never filled: what lies beyond is the block function's business.
- Arrays in memory go through the same block function, part by part, on all cores: kernels release the GIL.
- What a store holds is read by the tasks that need it, window by window, so that no block waits in memory for its
  neighbours; what else is lazy is a dependency, block by block.
- Cells without an interferogram have no work: the block function does not see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from typing import Any, Final, TypeVar

import dask
import dask.array as da
import numpy as np
from dask.system import CPU_COUNT

from insarflow.ops.cells import nan_of
from insarflow.ops.checks import check_whole
from insarflow.ops.lazy_windows import Reads as Reads
from insarflow.ops.lazy_windows import Work, each_cell, lazy_windows
from insarflow.types import Tile, Window

T = TypeVar("T")

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
    present: np.ndarray | None = None,
    per_cell: Mapping[str, np.ndarray | da.Array] | None = None,
    **kwargs: Any,
) -> Any:
    """Apply a block function with a halo of `depth` pixels along the last two axes.

    Parameters
    ----------
    function
        ``function(*windows, tile=Tile, **kwargs) -> ndarray`` of shape ``(..., *tile.core.shape)``. Each window is
        an array's ``tile.read``. Must be picklable.
    *arrays
        Same shape ``(..., y, x)``, or ``(y, x)`` for what is the same for all cells (not the first); NumPy or dask, any
        chunks. NumPy arrays are worked on at once, large ones in parts of `PART` pixels a side by as many threads as
        dask would use.
    depth
        Halo in pixels, one number or ``(y, x)``.
    align
        Window starts are floored to multiples of this.
    dtype
        Of the result.
    present
        bool, shape of the leading dimensions: cells to work on, by default all. The others are missing in the result.
    per_cell
        Arrays that begin with the leading dimensions: the function gets its cells' part as an argument of that name.

    Returns
    -------
    ndarray or dask.array.Array
        Shape and (for dask) chunks of the first array; empty chunks are dropped.
    """
    depth_y, depth_x = (check_whole("depth", d, low=0) for d in (depth if isinstance(depth, tuple) else (depth, depth)))
    check_whole("align", align, low=1)
    return map_windows(
        function, *arrays, reads=(halo_reads(depth_y, align), halo_reads(depth_x, align)), dtype=dtype,
        present=present, per_cell=per_cell, **kwargs,
    )  # fmt: skip


def map_windows(
    function: Callable[..., np.ndarray],
    *arrays: np.ndarray | da.Array,
    reads: tuple[Reads, Reads],
    out_chunks: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    dtype: np.dtype | type | str,
    parts: bool = True,
    present: np.ndarray | None = None,
    per_cell: Mapping[str, np.ndarray | da.Array] | None = None,
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
        Whether a NumPy array may be worked on in parts; not if the function uses all cores by itself. It then sees
        absent cells that lie in one block with others.
    present, per_cell
        As `map_overlap`.

    Raises
    ------
    ValueError
        If the arrays' shapes differ, or `present` is not of their leading dimensions.
    """
    first = arrays[0]
    for array in arrays[1:]:
        if array.shape not in (first.shape, first.shape[-2:]):
            raise ValueError(f"arrays must have one shape, instead got {[tuple(a.shape) for a in arrays]}")
    if present is not None:
        if present.shape != first.shape[:-2]:
            raise ValueError(f"present must have the shape {first.shape[:-2]}, instead got shape={present.shape}")
        present = None if present.all() else present
    values: dict[str, Any] = dict(per_cell or {})
    if not any(isinstance(a, da.Array) for a in (*arrays, *values.values())):
        shape = first.shape[-2:] if out_chunks is None else (sum(out_chunks[0]), sum(out_chunks[1]))
        part = PART if parts else max(1, *first.shape)
        cells = present if parts else None
        images = [np.asarray(a) for a in arrays]
        return _eager(function, images, reads, shape, np.dtype(dtype), part, cells, values, kwargs)
    work = Work(function, parts, kwargs)
    return lazy_windows(work, [da.asarray(a) for a in arrays], reads, out_chunks, np.dtype(dtype), present, values)


def _eager(
    function: Callable[..., np.ndarray],
    arrays: list[np.ndarray],
    reads: tuple[Reads, Reads],
    out_shape: tuple[int, int],
    dtype: np.dtype,
    part: int,
    present: np.ndarray | None,
    per_cell: dict[str, Any],
    kwargs: dict[str, Any],
) -> np.ndarray:
    first = arrays[0]
    lead, shape = first.shape[:-2], first.shape[-2:]
    size = (*lead, *out_shape)
    out = np.empty(size, dtype) if present is None else np.full(size, nan_of(dtype), dtype)

    def work(task: tuple[tuple[slice, ...], tuple[int, ...], Window]) -> None:
        cells, starts, core = task
        (y0, y1), (x0, x1) = reads[0](core.y0, core.y1, shape[0]), reads[1](core.x0, core.x1, shape[1])
        tile = Tile(Window(y0, x0, y1 - y0, x1 - x0), core, shape, starts, lead)
        windows = [(a[cells] if a.ndim == first.ndim else a)[..., y0:y1, x0:x1] for a in arrays]
        its = {name: value[(*cells, ...)] for name, value in per_cell.items()}
        out[cells][..., core.y0 : core.y1, core.x0 : core.x1] = function(*windows, tile=tile, **kwargs, **its)

    in_threads(work, list(_parts(lead, shape, out_shape, part, present)))
    return out


def in_threads(work: Callable[[T], None], tasks: list[T]) -> None:
    """Do all tasks, by as many threads as dask would use; an error in one is raised."""
    threads = min(thread_count(), len(tasks))
    if threads < 2:
        for task in tasks:
            work(task)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tasks):
            pass  # an error in a part is raised here


def spatial_parts(shape: tuple[int, int], part: int = PART) -> list[Window]:
    """An image of `shape` in windows of about `part` squared pixels."""
    rows, cols = (_even(n, -(-n // part)) for n in shape)
    return [Window(y0, x0, y1 - y0, x1 - x0) for (y0, y1), (x0, x1) in product(rows, cols)]


def _parts(
    lead: tuple[int, ...], shape: tuple[int, int], out_shape: tuple[int, int], part: int, present: np.ndarray | None
) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...], Window]]:
    """Parts of the output of about `part` squared pixels of the input: leading cells, where they start, and window."""
    rows, cols = (_even(n, -(-size // part)) for n, size in zip(out_shape, shape, strict=True))
    for cells in _groups(lead, shape, part) if present is None else each_cell(present):
        starts = (*(cell.start for cell in cells), *(0 for _ in lead[len(cells) :]))
        for (y0, y1), (x0, x1) in product(rows, cols):
            yield cells, starts, Window(y0, x0, y1 - y0, x1 - x0)


def _groups(lead: tuple[int, ...], shape: tuple[int, int], part: int) -> Iterator[tuple[slice, ...]]:
    """Cells, as many at once as hold about `part` squared pixels."""
    pixels = max(1, int(np.prod((*lead[1:], *shape))))
    group = max(1, part**2 // pixels)
    for start in range(0, lead[0], group) if lead else [0]:
        yield (slice(start, start + group),) if lead else ()


def _even(size: int, count: int) -> list[tuple[int, int]]:
    """``0:size`` in at most `count` ranges of about one length, at least one range."""
    edges = sorted({round(size * k / max(1, count)) for k in range(max(1, count))} | {size})
    return list(pairwise(edges)) or [(0, size)]


def thread_count() -> int:
    """Threads that dask would use here."""
    if dask.config.get("scheduler", None) in ("sync", "synchronous", "single-threaded"):
        return 1
    return int(dask.config.get("num_workers", None) or CPU_COUNT)
