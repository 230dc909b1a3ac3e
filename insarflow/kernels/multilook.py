"""Multilooking: block means that leave missing pixels out."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Looks, Tile

CHUNK = 2048
"""Numbers of a row that are summed before the next ones, so that the sums stay in the first-level cache."""


def multilook(values: np.ndarray, *, looks: Looks, min_valid: float = 0.5, tile: Tile | None = None) -> np.ndarray:
    """Mean of the valid pixels of each block of ``looks.y`` rows and ``looks.x`` columns.

    Parameters
    ----------
    values
        complex64, float32 or float64, shape ``(..., y, x)``; NaN is missing. bool: a block is True where any of
        its pixels is.
    looks
        Size of a block.
    min_valid
        A block with a smaller valid fraction becomes NaN; one without a valid pixel always does.
    tile
        Place in the whole array: ``tile.core`` in blocks, ``tile.read`` in pixels. By default `values` is the whole.

    Returns
    -------
    ndarray
        The input's dtype, shape ``(..., y // looks.y, x // looks.x)``; rows and columns beyond the last full block
        are dropped.

    Notes
    -----
    Sums are in double precision, in an order that depends on the looks alone, so the result does not depend on the
    tiling.
    """
    if tile is None:
        rows, cols, top, left = values.shape[-2] // looks.y, values.shape[-1] // looks.x, 0, 0
    else:
        (rows, cols), top = tile.core.shape, tile.core.y0 * looks.y - tile.read.y0
        left = tile.core.x0 * looks.x - tile.read.x0
    out = np.empty((*values.shape[:-2], rows, cols), values.dtype)
    needed = enough(min_valid, looks.y * looks.x)
    for index in np.ndindex(values.shape[:-2]):
        image = np.ascontiguousarray(values[index])
        if values.dtype == bool:
            _any(image, (top, left), (looks.y, looks.x), out[index])
        elif np.iscomplexobj(values):
            kind = image.real.dtype
            _blocks(image.view(kind), (top, 2 * left), looks, 2, needed, out[index].view(kind))
        else:
            _blocks(image, (top, left), looks, 1, needed, out[index])
    return out


def enough(min_valid: float, size: int) -> int:
    """Smallest number of valid pixels whose fraction of `size` is not below `min_valid`."""
    count = int(np.ceil(min_valid * size))  # rounding of the product may put it one too high
    return max(1, count - 1 if count and (count - 1) / size >= min_valid else count)


def _blocks(
    values: np.ndarray, origin: tuple[int, int], looks: Looks, parts: int, enough: int, out: np.ndarray
) -> None:
    """Means of blocks from `origin` on; a pixel is `parts` neighbouring numbers."""
    blocks = max(1, CHUNK // (looks.x * parts))
    sums, spare = np.empty((2, blocks * looks.x * parts))
    _mean(values, origin, (looks.y, looks.x), blocks, (0,) * parts, enough, sums, spare, out)


@jit
def _mean(values, origin, looks, blocks, pixel, enough, sums, spare, out):  # type: ignore[no-untyped-def]
    """Means of blocks, a number of them at a time."""
    (looks_y, looks_x), parts = looks, len(pixel)
    scale = looks_y * looks_x
    for i in range(out.shape[0]):
        for first in range(0, out.shape[1] // parts, blocks):
            left_over = out.shape[1] // parts - first
            count = blocks if blocks < left_over else left_over
            n = count * looks_x * parts
            top, left = origin[0] + i * looks_y, origin[1] + first * looks_x * parts
            add_rows(values[top : top + looks_y], left, sums[:n])
            row = out[i, first * parts : (first + count) * parts]
            total = fold(sums, spare, n, looks_x, pixel)
            whole = 0
            for j in range(row.size):
                mean = total[j] / scale
                row[j] = mean
                whole += mean - mean == 0.0
            if whole < row.size:
                # Of a length known when it is compiled, it would be compiled twice.
                _repair(values[top : top + looks_y], left, looks_x, row.size // count, enough, row)


@jit
def _repair(values, left, looks_x, parts, enough, row):  # type: ignore[no-untyped-def]
    """Means without the missing pixels, of the blocks that hold some."""
    for j in range(0, row.size, parts):
        good = True
        for p in range(parts):
            good &= np.isfinite(row[j + p])
        if good:
            continue
        first, second, count = 0.0, 0.0, 0
        for r in range(values.shape[0]):
            for c in range(left + j * looks_x, left + (j + parts) * looks_x, parts):
                a, b = values[r, c], values[r, c + parts - 1]
                if np.isfinite(a) and np.isfinite(b):
                    first += a
                    second += b
                    count += 1
        row[j] = first / count if count >= enough else np.nan
        row[j + parts - 1] = second / count if count >= enough else np.nan


@jit
def add_rows(values, left, sums):  # type: ignore[no-untyped-def]
    """Sum of all rows from column `left` on; four at a time, which saves three of four passes over the sums."""
    rows, n = values.shape[0], sums.size
    first = values[0, left:]
    if rows == 1:
        for j in range(n):
            sums[j] = first[j]
        return
    second = values[1, left:]
    for j in range(n):
        sums[j] = np.float64(first[j]) + np.float64(second[j])
    r = 2
    while r + 4 <= rows:
        a, b, c, d = values[r, left:], values[r + 1, left:], values[r + 2, left:], values[r + 3, left:]
        for j in range(n):
            sums[j] += (np.float64(a[j]) + np.float64(b[j])) + (np.float64(c[j]) + np.float64(d[j]))
        r += 4
    while r < rows:
        a = values[r, left:]
        for j in range(n):
            sums[j] += np.float64(a[j])
        r += 1


@jit
def fold(x, spare, n, looks, pixel):  # type: ignore[no-untyped-def]
    """Sums of each `looks` pixels of the first `n` numbers, in one of the two arrays given; the other is overwritten.

    `pixel` is a tuple as long as a pixel has numbers, so that the loops are compiled for it.
    """
    parts = len(pixel)
    while looks % 2 == 0:
        n //= 2
        for j in range(0, n, parts):
            for p in range(parts):
                spare[j + p] = x[2 * j + p] + x[2 * j + p + parts]
        x, spare = spare, x
        looks //= 2
    if looks == 1:
        return x
    for j in range(n // (looks * parts)):
        for p in range(parts):
            total = 0.0
            for k in range(j * looks, (j + 1) * looks):
                total += x[parts * k + p]
            spare[parts * j + p] = total
    return spare


@jit
def _any(values, origin, looks, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            top, left = origin[0] + i * looks[0], origin[1] + j * looks[1]
            found = False
            for r in range(top, top + looks[0]):
                for c in range(left, left + looks[1]):
                    found |= values[r, c]
            out[i, j] = found
