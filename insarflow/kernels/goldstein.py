"""Goldstein's adaptive phase filter on a patch grid anchored at the array's origin."""

from __future__ import annotations

from typing import Literal

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.fft import fft_columns, transpose_square, twiddles
from insarflow.types import Tile

Amplitude = Literal["input", "filter", "unit"]


def patch_starts(size: int, patch_size: int, step: int) -> np.ndarray:
    """First index of every patch along an axis of `size` pixels: multiples of `step`, and one flush with the end.

    Every patch lies inside the axis, unless the axis is shorter than a patch.
    """
    last = max(0, size - patch_size)
    starts = np.arange(0, last + 1, step)
    return starts if starts[-1] == last else np.append(starts, last)


def patch_reads(start: int, stop: int, size: int, *, patch_size: int, step: int) -> tuple[int, int]:
    """Input range that the patches touching ``start:stop`` cover."""
    starts = _touching(start, stop, size, patch_size, step)
    return int(starts[0]), min(size, int(starts[-1]) + patch_size)


def goldstein(
    igram: np.ndarray,
    *,
    patch_size: int,
    step: int,
    alpha: float,
    min_valid: float = 0.5,
    amplitude: Amplitude = "input",
    tile: Tile | None = None,
) -> np.ndarray:
    """Filter interferograms by raising each patch's spectrum to a power.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``; the part ``tile.read`` of the whole array. NaN is missing.
    patch_size
        Side of the square patches, a power of two.
    step
        Distance of patch starts, divides `patch_size`.
    alpha
        Exponent on the spectrum's amplitude, 0 (no filter) to 1.
    min_valid
        Patches with a smaller valid fraction are not filtered; a pixel that no filtered patch covers keeps its value.
    amplitude
        Magnitude of the result: the input's, the filter's own, or one.
    tile
        Place in the whole array; by default `igram` is the whole array.

    Returns
    -------
    ndarray
        complex64, shape ``(..., *tile.core.shape)``, NaN exactly where the input is.

    Notes
    -----
    Each patch becomes ``IFFT(Z |Z|^alpha)`` with ``Z`` its transform; patches are added with triangular weights that
    are normalised by their sum. Missing pixels enter the transform as 0. Each pixel accumulates its patches in the
    same global order whatever the tile, so the result has the same bits for any tiling.

    References
    ----------
    Goldstein and Werner (1998), doi:10.1029/1998GL900033.
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    core, read = place.core, place.read
    starts_y = _touching(core.y0, core.y1, place.shape[0], patch_size, step)
    starts_x = _touching(core.x0, core.x1, place.shape[1], patch_size, step)
    ramp = 1.0 - np.abs(2.0 * np.arange(patch_size) - (patch_size - 1)) / (patch_size + 1)
    mode = ("input", "filter", "unit").index(amplitude)
    out = np.empty((*igram.shape[:-2], *core.shape), np.complex64)
    for index in np.ndindex(igram.shape[:-2]):
        _filter(
            np.ascontiguousarray(igram[index]), (read.y0, read.x0), (core.y0, core.x0), starts_y, starts_x,
            np.float32(alpha), float(min_valid), mode, ramp.astype(np.float32), twiddles(patch_size), out[index],
        )  # fmt: skip
    return out


def _touching(start: int, stop: int, size: int, patch_size: int, step: int) -> np.ndarray:
    starts = patch_starts(size, patch_size, step)
    return starts[(starts < stop) & (starts + patch_size > start)]


@jit
def _filter(z, read, core, starts_y, starts_x, alpha, min_valid, mode, ramp, table, out):  # type: ignore[no-untyped-def]
    """Filter one window `z` whose first pixel is `read` into `out` whose first pixel is `core`."""
    size = ramp.size
    height, width = out.shape
    sum_re, sum_im = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    weights = np.zeros((height, width), np.float32)
    re, im = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    work_re, work_im = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    scale = np.float32(1.0 / (size * size))
    for start_y in starts_y:
        for start_x in starts_x:
            inside, valid = _load(z, start_y - read[0], start_x - read[1], re, im)
            if valid == 0 or valid / inside < min_valid:
                continue
            _sharpen(re, im, work_re, work_im, alpha, table)
            top, left = start_y - core[0], start_x - core[1]
            for r in range(max(0, -top), min(size, height - top)):
                for c in range(max(0, -left), min(size, width - left)):
                    w = ramp[r] * ramp[c]
                    sum_re[top + r, left + c] += w * re[r, c] * scale
                    sum_im[top + r, left + c] += w * im[r, c] * scale
                    weights[top + r, left + c] += w
    for r in range(height):
        for c in range(width):
            value = z[r + core[0] - read[0], c + core[1] - read[1]]
            out[r, c] = _finish(value, sum_re[r, c], sum_im[r, c], weights[r, c], mode)


@jit
def _load(z, top, left, re, im):  # type: ignore[no-untyped-def]
    """Copy one patch into planes, missing as 0; returns the pixels inside the array and the valid ones."""
    size = re.shape[0]
    rows, cols = min(size, z.shape[0] - top), min(size, z.shape[1] - left)
    valid = 0
    for r in range(rows):
        for c in range(cols):
            value = z[top + r, left + c]
            missing = not (np.isfinite(value.real) and np.isfinite(value.imag))
            re[r, c] = np.float32(0.0) if missing else value.real
            im[r, c] = np.float32(0.0) if missing else value.imag
            valid += not missing
        for c in range(cols, size):
            re[r, c] = np.float32(0.0)
            im[r, c] = np.float32(0.0)
    for r in range(rows, size):
        for c in range(size):
            re[r, c] = np.float32(0.0)
            im[r, c] = np.float32(0.0)
    return rows * cols, valid


@jit
def _sharpen(re, im, work_re, work_im, alpha, table):  # type: ignore[no-untyped-def]
    """``IFFT(Z |Z|^alpha)`` in place, unscaled."""
    fft_columns(re, im, work_re, work_im, table)
    transpose_square(re, im)
    fft_columns(re, im, work_re, work_im, table)
    half = alpha * np.float32(0.5)
    for r in range(re.shape[0]):
        for c in range(re.shape[1]):
            power = re[r, c] * re[r, c] + im[r, c] * im[r, c]
            if alpha == np.float32(0.5):
                gain = np.sqrt(np.sqrt(power))
            elif alpha == np.float32(1.0):
                gain = np.sqrt(power)
            else:
                gain = power**half
            re[r, c] *= gain
            im[r, c] *= gain
    fft_columns(im, re, work_im, work_re, table)
    transpose_square(re, im)
    fft_columns(im, re, work_im, work_re, table)


@jit
def _finish(value, sum_re, sum_im, weight, mode):  # type: ignore[no-untyped-def]
    if not (np.isfinite(value.real) and np.isfinite(value.imag)):
        return np.complex64(complex(np.nan, np.nan))
    length = np.sqrt(np.float64(sum_re) ** 2 + np.float64(sum_im) ** 2)
    if weight == 0.0 or length == 0.0:
        sum_re, sum_im, weight = value.real, value.imag, np.float32(1.0)
        length = np.sqrt(np.float64(sum_re) ** 2 + np.float64(sum_im) ** 2)
    if mode == 1 or length == 0.0:
        return np.complex64(complex(sum_re / weight, sum_im / weight))
    gain = 1.0 / length
    if mode == 0:
        gain *= np.sqrt(np.float64(value.real) ** 2 + np.float64(value.imag) ** 2)
    return np.complex64(complex(sum_re * gain, sum_im * gain))
