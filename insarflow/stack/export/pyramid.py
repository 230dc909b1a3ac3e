"""Overviews: means of blocks of pixels, of interferograms as complex numbers; of bits and labels, pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

_CANCELLED: Final = 1e-5
"""A sum of phasors that is shorter, as a part of the sum of their lengths, is rounding and has no phase."""


def level_count(shape: tuple[int, int], tile: int) -> int:
    """How often an image is halved until it fits into one tile.

    Examples
    --------
    >>> level_count((512, 300), 512), level_count((513, 300), 512), level_count((10_000, 8_000), 512)
    (0, 1, 5)
    """
    return max(0, (-(-max(shape) // tile) - 1).bit_length())


def overviews(values: np.ndarray, levels: int) -> Iterator[np.ndarray]:
    """Halve an image again and again: each pixel stands for a block of 2, 4, 8, ... pixels a side, by its mean.

    Parameters
    ----------
    values
        Shape ``(y, x)``. Complex, whose mean's phase is given; real; whole numbers and flags, whose mean is rounded;
        unsigned numbers, which are bits or labels that have no mean: of a block the first pixel is taken.
    levels
        How many.

    Yields
    ------
    ndarray
        float32 (phase in rad, or mean), or the dtype that `values` have in a file, shape ``ceil(shape / 2**k)``. NaN
        where all pixels are missing, or where phasors cancel. A pixel that is missing counts for nothing.

    Notes
    -----
    Level k is angle(sum z) or sum v / count over 2**k x 2**k pixels, from the sums of level k - 1: no mean of means,
    and no mean of radians, which invents fringes where the phase wraps.
    """
    if values.dtype.kind == "u":
        yield from (values[:: 1 << level, :: 1 << level] for level in range(1, levels + 1))
        return
    total, weight = _start(values)
    for _ in range(levels):
        total, weight = _halve(total), _halve(weight)
        yield _finish(total, weight, values.dtype)


def _start(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is added up, 0 where missing, and its weight: lengths of phasors, or numbers of pixels."""
    if values.dtype.kind == "c":
        total = np.where(np.isfinite(values), values, 0)
        return total, np.abs(total)
    if values.dtype.kind == "f":
        there = np.isfinite(values)
        return np.where(there, values, 0).astype(np.float64), there.astype(np.float32)
    return values.astype(np.float64), np.ones(values.shape, np.float32)


def _halve(image: np.ndarray) -> np.ndarray:
    """Sums over 2 x 2 pixels; of what there is at the far sides."""
    height, width = image.shape
    out = image[::2, ::2].copy()
    out[:, : width // 2] += image[::2, 1::2]
    out[: height // 2] += image[1::2, ::2]
    out[: height // 2, : width // 2] += image[1::2, 1::2]
    return out


def _finish(total: np.ndarray, weight: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "c":
        phase: np.ndarray = np.angle(total).astype(np.float32, copy=False)
        phase[~(np.abs(total) > _CANCELLED * weight)] = np.nan
        return phase
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = total / weight
    if dtype.kind != "f":
        mean, dtype = np.rint(mean), np.dtype(np.uint8) if dtype.kind == "b" else dtype
    values: np.ndarray = mean.astype(dtype)
    return values
