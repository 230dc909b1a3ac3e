"""Multilooking: block means that leave missing pixels out."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Looks, Tile


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
    Sums are in double precision, in row-major order inside a block, so the result does not depend on the tiling.
    """
    if tile is None:
        rows, cols, top, left = values.shape[-2] // looks.y, values.shape[-1] // looks.x, 0, 0
    else:
        (rows, cols), top = tile.core.shape, tile.core.y0 * looks.y - tile.read.y0
        left = tile.core.x0 * looks.x - tile.read.x0
    out = np.empty((*values.shape[:-2], rows, cols), values.dtype)
    enough = _enough(min_valid, looks.y * looks.x)
    for index in np.ndindex(values.shape[:-2]):
        block = values[index][top : top + rows * looks.y, left : left + cols * looks.x]
        block = np.ascontiguousarray(block)
        if values.dtype == bool:
            out[index] = block.reshape(rows, looks.y, cols, looks.x).any(axis=(1, 3))
        elif np.iscomplexobj(values):
            _mean_complex(block, looks.y, looks.x, enough, out[index])
        else:
            _mean_real(block, looks.y, looks.x, enough, out[index])
    return out


def _enough(min_valid: float, size: int) -> int:
    """Smallest number of valid pixels whose fraction of `size` is not below `min_valid`."""
    count = int(np.ceil(min_valid * size))  # rounding of the product may put it one too high
    return max(1, count - 1 if count and (count - 1) / size >= min_valid else count)


@jit
def _mean_complex(z, looks_y, looks_x, enough, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            re, im, count = 0.0, 0.0, 0
            for r in range(i * looks_y, (i + 1) * looks_y):
                for c in range(j * looks_x, (j + 1) * looks_x):
                    value = z[r, c]
                    if np.isfinite(value.real) and np.isfinite(value.imag):
                        re += value.real
                        im += value.imag
                        count += 1
            out[i, j] = complex(re / count, im / count) if count >= enough else complex(np.nan, np.nan)


@jit
def _mean_real(values, looks_y, looks_x, enough, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, count = 0.0, 0
            for r in range(i * looks_y, (i + 1) * looks_y):
                for c in range(j * looks_x, (j + 1) * looks_x):
                    value = values[r, c]
                    if np.isfinite(value):
                        total += value
                        count += 1
            out[i, j] = total / count if count >= enough else np.nan
