"""Sums over fixed blocks of an image: a table of bounded size in which a slow phase, such as a ramp, is looked for.

Blocks are squares that begin at the array's first pixel, so any cut of the image gives the same bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Tile

SUMS: Final = np.dtype([("sum", "c16"), ("weight", "f8"), ("y", "f8"), ("x", "f8"), ("height", "f8")])
"""A block: weighted sum of unit phasors, or of values; sum of weights; weighted mean row, column and height."""

_PLANES = 6


def block_reads(start: int, stop: int, size: int, *, side: int) -> tuple[int, int]:
    """Pixels of the blocks ``start:stop``; the last one may be cut."""
    return start * side, min(stop * side, size)


def phase_sums(igram: np.ndarray, *others: np.ndarray, given: tuple[str, ...], side: int, tile: Tile) -> np.ndarray:
    """Table of sums of unit phasors.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``; NaN and 0 have no direction.
    *others
        What `given` names, of the same shape or ``(y, x)``: ``"coherence"`` (float32, weight), ``"mask"`` (bool, pixels
        that count), ``"dem"`` (float32, height; pixels without one do not count).
    side
        Of a block, pixels.

    Returns
    -------
    ndarray
        `SUMS`, shape ``(..., *tile.core.shape)``. A block without a pixel has weight 0 and its place NaN.
    """
    return _table(igram, others, given, side, tile)


def value_sums(values: np.ndarray, *others: np.ndarray, given: tuple[str, ...], side: int, tile: Tile) -> np.ndarray:
    """As `phase_sums`, of float32 values such as unwrapped phase; the sum's imaginary part is 0."""
    return _table(values, others, given, side, tile)


def _table(
    images: np.ndarray, others: tuple[np.ndarray, ...], given: tuple[str, ...], side: int, tile: Tile
) -> np.ndarray:
    shape = images.shape[:-2]
    out = np.empty((*shape, *tile.core.shape, _PLANES))
    top, left = tile.core.y0 * side, tile.core.x0 * side
    for index in np.ndindex(shape):
        its = {name: a[index] if a.ndim == images.ndim else a for name, a in zip(given, others, strict=True)}
        image = np.ascontiguousarray(images[index])
        weight = _weights(image.shape, its)
        height = np.ascontiguousarray(its["dem"]) if "dem" in its else np.zeros((1, image.shape[1]), np.float32)
        if image.dtype.kind == "c":
            _sum_phasors(image.view(np.float32), weight, height, side, top, left, out[index])
        else:
            _sum_values(image, weight, height, side, top, left, out[index])
    return out.view(SUMS)[..., 0]


def _weights(shape: tuple[int, ...], given: dict[str, np.ndarray]) -> np.ndarray:
    """Weight of each pixel, float32; one row where all rows are alike."""
    coherence, mask = given.get("coherence"), given.get("mask")
    if mask is None:
        return np.ones((1, shape[1]), np.float32) if coherence is None else np.ascontiguousarray(coherence)
    return np.where(mask, np.float32(1) if coherence is None else coherence, np.float32(0)).astype(np.float32)


@jit
def _sum_phasors(z, weight, height, side, top, left, out):  # type: ignore[no-untyped-def]
    """Sums down the columns of a row of blocks, of many columns at once; then along each block."""
    rows, cols = z.shape[0], z.shape[1] // 2
    zero, one, most = np.float32(0.0), np.float32(1.0), np.float32(np.inf)
    column = np.empty((5, cols), np.float32)
    for first in range(0, rows, side):
        column[:] = zero
        re_of, im_of, weight_of, row_of, height_of = column[0], column[1], column[2], column[3], column[4]
        for r in range(first, min(first + side, rows)):
            line, its = z[r], weight[r if weight.shape[0] > 1 else 0]
            high, place = height[r if height.shape[0] > 1 else 0], np.float32(r - first)
            for k in range(cols):
                re, im, w, h = line[2 * k], line[2 * k + 1], its[k], high[k]
                power = re * re + im * im
                there = (power > zero) & (power < most) & (w > zero) & (w < most) & (np.abs(h) < most)
                w = w if there else zero
                scale = w / np.sqrt(power if there else one)
                re_of[k] += (re if there else zero) * scale
                im_of[k] += (im if there else zero) * scale
                weight_of[k] += w
                row_of[k] += w * place
                height_of[k] += w * (h if there else zero)
        _along_blocks(column, side, top + first, left, out[first // side])


@jit
def _sum_values(values, weight, height, side, top, left, out):  # type: ignore[no-untyped-def]
    """As `_sum_phasors`; values have no bound, so they are summed in double precision."""
    rows, cols = values.shape
    zero, most = np.float32(0.0), np.float32(np.inf)
    column = np.empty((5, cols))
    for first in range(0, rows, side):
        column[:] = 0.0
        value_of, weight_of, row_of, height_of = column[0], column[2], column[3], column[4]
        for r in range(first, min(first + side, rows)):
            line, its = values[r], weight[r if weight.shape[0] > 1 else 0]
            high, place = height[r if height.shape[0] > 1 else 0], float(r - first)
            for k in range(cols):
                value, w, h = line[k], its[k], high[k]
                there = (np.abs(value) < most) & (w > zero) & (w < most) & (np.abs(h) < most)
                w = np.float64(w) if there else 0.0
                value_of[k] += w * np.float64(value if there else zero)
                weight_of[k] += w
                row_of[k] += w * place
                height_of[k] += w * np.float64(h if there else zero)
        _along_blocks(column, side, top + first, left, out[first // side])


@jit
def _along_blocks(column, side, top, left, out):  # type: ignore[no-untyped-def]
    for b in range(out.shape[0]):
        re, im, weight, row, place, height = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(b * side, min((b + 1) * side, column.shape[1])):
            w = np.float64(column[2, k])
            re += column[0, k]
            im += column[1, k]
            weight += w
            row += column[3, k]
            place += w * (k - b * side)
            height += column[4, k]
        there = weight > 0.0
        out[b, 0], out[b, 1], out[b, 2] = re, im, weight
        out[b, 3] = top + row / weight if there else np.nan
        out[b, 4] = left + b * side + place / weight if there else np.nan
        out[b, 5] = height / weight if there else np.nan
