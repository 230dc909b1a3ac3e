"""Medians of whole images, in passes that hold a table of counts for each block and never the image."""

from __future__ import annotations

from functools import partial
from typing import Any

import dask.array as da
import numpy as np

from insarflow.kernels import median as kernel
from insarflow.ops.block_sums import whole
from insarflow.ops.checks import Present
from insarflow.ops.overlap import map_windows, spatial_parts
from insarflow.types import Tile

Array = np.ndarray | da.Array


def circular_medians(igram: Array, mask: Array | None, present: Present) -> Any:
    """Circular median of every image, rad; float64, shape ``(..., 1, 1)``, NaN without a pixel."""
    counts = _counts(_count_angles, igram, mask, kernel.ANGLES, present)
    return map_windows(
        _circular_median, counts, reads=(whole, whole), out_chunks=((1,), (1,)), dtype="float64", parts=False,
        present=present,
    )  # fmt: skip


def medians(values: Array, mask: Array | None, present: Present) -> Any:
    """Median of every image, exact; float64, shape ``(..., 1, 1)``, NaN without a pixel."""
    known: Any = np.zeros((*values.shape[:-2], 1, 4), np.int64)
    for digit in range(kernel.DIGITS):
        counts = _counts(
            _count_digits, values, mask, 2 << kernel.DIGIT, present, per_cell={"known": known}, digit=digit
        )
        known = map_windows(
            _next_digit, counts, reads=(whole, whole), out_chunks=((1,), (4,)), dtype="int64", parts=False,
            present=present, per_cell={"known": known}, digit=digit,
        )  # fmt: skip
    return map_windows(
        _median, known, reads=(whole, whole), out_chunks=((1,), (1,)), dtype="float64", parts=False, present=present
    )


def _counts(function: Any, image: Array, mask: Array | None, count: int, present: Present, **kwargs: Any) -> Any:
    """`count` whole numbers for every image, ``(..., 1, count)``: added up along x and then along y."""
    rows, cols = _edges(image)
    arrays = [image] if mask is None else [image, mask]
    reads = partial(_block, edges=rows, count=1), partial(_block, edges=cols, count=count)
    across, down = len(cols) - 1, len(rows) - 1
    counts = map_windows(
        function, *arrays, reads=reads, out_chunks=((1,) * down, (count,) * across), dtype="int64", present=present,
        **kwargs,
    )  # fmt: skip
    for out, axes in (((1,) * down, (_same, whole)), ((1,), (whole, whole))):
        counts = map_windows(
            _add_up, counts, reads=axes, out_chunks=(out, (count,)), dtype="int64", parts=False, present=present,
            count=count,
        )  # fmt: skip
    return counts


def _edges(image: Array) -> tuple[list[int], list[int]]:
    """Where blocks begin and the last one ends, along y and x."""
    if isinstance(image, da.Array):
        rows, cols = ([0, *np.cumsum([n for n in chunks if n]).tolist()] for chunks in image.chunks[-2:])
        return rows, cols
    shape = image.shape[-2], image.shape[-1]
    parts = spatial_parts(shape)
    return sorted({p.y0 for p in parts} | {shape[0]}), sorted({p.x0 for p in parts} | {shape[1]})


def _block(start: int, stop: int, size: int, *, edges: list[int], count: int) -> tuple[int, int]:
    return edges[start // count], edges[-(-stop // count)]


def _same(start: int, stop: int, size: int) -> tuple[int, int]:
    return start, stop


def _add_up(counts: np.ndarray, *, count: int, tile: Tile) -> np.ndarray:
    total: np.ndarray = counts.reshape(*counts.shape[:-2], -1, count).sum(axis=-2, keepdims=True)
    return total


def _count_angles(igram: np.ndarray, *mask: np.ndarray, tile: Tile) -> np.ndarray:
    where = mask[0] if mask else None
    counts = [kernel.count_angles(igram[index], where) for index in np.ndindex(igram.shape[:-2])]
    return np.array(counts).reshape(*igram.shape[:-2], 1, -1)


def _circular_median(counts: np.ndarray, *, tile: Tile) -> np.ndarray:
    found = [kernel.circular_median(counts[index][0]) for index in np.ndindex(counts.shape[:-2])]
    return np.array(found).reshape(*counts.shape[:-2], 1, 1)


def _count_digits(values: np.ndarray, *mask: np.ndarray, known: np.ndarray, digit: int, tile: Tile) -> np.ndarray:
    where = mask[0] if mask else None
    counts = [
        kernel.count_digits(values[index], where, known[index][0], digit) for index in np.ndindex(values.shape[:-2])
    ]
    return np.array(counts).reshape(*values.shape[:-2], 1, -1)


def _next_digit(counts: np.ndarray, *, known: np.ndarray, digit: int, tile: Tile) -> np.ndarray:
    found = [kernel.next_digit(counts[index][0], known[index][0], digit) for index in np.ndindex(counts.shape[:-2])]
    return np.array(found).reshape(*counts.shape[:-2], 1, 4)


def _median(known: np.ndarray, *, tile: Tile) -> np.ndarray:
    found = [kernel.median_of(known[index][0]) for index in np.ndindex(known.shape[:-2])]
    return np.array(found).reshape(*known.shape[:-2], 1, 1)
