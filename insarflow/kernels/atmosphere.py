"""Delay in the air as an augmentation: turbulence with a power-law spectrum, and delay that follows the terrain."""

from __future__ import annotations

import math

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.elementary import cosine, sine
from insarflow.kernels.noise import mix, stream_key
from insarflow.types import Tile

WAVES_PER_OCTAVE = 16
_STRIP = 256
"""Columns worked on at once, so that the waves stay in the fast memory."""

_GOLDEN = (math.sqrt(5) - 1) / 2


def add_turbulence(
    igram: np.ndarray,
    *,
    std: float,
    exponent: float,
    longest: float,
    pixel_size: tuple[float, float],
    seed: int,
    tile: Tile | None = None,
) -> np.ndarray:
    """`igram` (complex64, shape ``(..., y, x)``) with turbulence of its own added to each image's phase.

    Parameters as for `turbulence`.
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    out = np.empty(igram.shape, np.complex64)
    for index in np.ndindex(igram.shape[:-2]):
        field = turbulence(
            place, cell=place.cell(index), std=std, exponent=exponent, longest=longest, pixel_size=pixel_size, seed=seed
        )
        _turn_by(np.ascontiguousarray(igram[index]).view(np.float32), field, out[index].view(np.float32))
    return out


def add_stratified(igram: np.ndarray, height: np.ndarray, *, rad_per_km: float, tile: Tile | None = None) -> np.ndarray:
    """`igram` (complex64) with phase in proportion to `height` (float32, m, same shape); NaN where that is NaN."""
    out = np.empty(igram.shape, np.complex64)
    for index in np.ndindex(igram.shape[:-2]):
        phase = (height[index].astype(np.float64) * (rad_per_km / 1000.0)).astype(np.float32)
        _turn_by(np.ascontiguousarray(igram[index]).view(np.float32), phase, out[index].view(np.float32))
    return out


def subtract_stratified(images: np.ndarray, height: np.ndarray, *, rates: np.ndarray, tile: Tile) -> np.ndarray:
    """Images without phase in proportion to `height` (float32, m, shape ``(y, x)``); NaN where that is NaN.

    `images` are complex64 interferograms or float32 unwrapped phase, shape ``(..., y, x)``; `rates` are rad per km,
    float64, shape ``(..., 1, n)``, of which the first is taken.
    """
    out = np.empty(images.shape, images.dtype)
    for index in np.ndindex(images.shape[:-2]):
        phase = height.astype(np.float64) * (-rates[index][0, 0] / 1000.0)
        image = np.ascontiguousarray(images[index])
        if image.dtype.kind == "c":
            _turn_by(image.view(np.float32), phase.astype(np.float32), out[index].view(np.float32))
        else:
            out[index] = image + phase
    return out


def turbulence(
    tile: Tile,
    *,
    cell: int,
    std: float,
    exponent: float,
    longest: float,
    pixel_size: tuple[float, float],
    seed: int,
) -> np.ndarray:
    """Isotropic random phase with the two-dimensional power spectrum ``k ** exponent``.

    Parameters
    ----------
    tile
        The part to draw. A pixel is a function of its place, `cell` and `seed`, so any part has the same bits.
    cell
        Number of the image: each has a field of its own.
    std
        Standard deviation, rad: over many fields, and within one over an area much larger than `longest`.
    exponent
        Negative: -11/3 for turbulence below 2 km, -8/3 above.
    longest
        Longest wave, in the unit of `pixel_size`. The shortest has two pixels.
    pixel_size
        ``(y, x)``.

    Returns
    -------
    ndarray
        float32, rad, shape ``tile.core.shape``.

    Notes
    -----
    A sum of plane waves of random phase, `WAVES_PER_OCTAVE` in each octave, their wave numbers in equal steps of the
    logarithm, jittered, their directions in steps of the golden angle from a random first. The expected spectrum is
    the power law without error. A Fourier transform of the whole array would not do for an array in chunks.

    References
    ----------
    Hanssen (2001), doi:10.1007/0-306-47633-9, for the exponents. Shinozuka and Jan (1972),
    doi:10.1016/0022-460X(72)90600-1, for the sum of waves.
    """
    heights, ky, kx, start = _waves(std, exponent, longest, pixel_size, stream_key(seed, cell))
    core = tile.core
    y, x = np.arange(core.y0, core.y1) * pixel_size[0], np.arange(core.x0, core.x1) * pixel_size[1]
    along_y, along_x = np.outer(y, ky) + start, np.outer(kx, x)
    rows = np.stack((heights * np.cos(along_y), -heights * np.sin(along_y)), axis=-1).astype(np.float32)
    cols = np.stack((np.cos(along_x), np.sin(along_x)), axis=1).astype(np.float32)
    out = np.zeros(core.shape, np.float32)
    rows, cols = rows.reshape(y.size, -1), cols.reshape(-1, x.size)
    for left in range(0, x.size, _STRIP):
        _sum_waves(rows, np.ascontiguousarray(cols[:, left : left + _STRIP]), left, out)
    return out


def _waves(
    std: float, exponent: float, longest: float, pixel_size: tuple[float, float], key: np.uint64
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Height, wave number along y and x (rad per unit) and phase at the first pixel of each wave."""
    low, high = 2 * math.pi / longest, math.pi / min(pixel_size)
    count = 4 * max(1, math.ceil(WAVES_PER_OCTAVE / 4 * math.log2(high / low)))
    # `mix` gives 64 bits; a double holds 53.
    draw = np.array([mix(key, np.uint64(k)) >> np.uint64(11) for k in range(2 * count + 1)]) / 2.0**53
    k = low * (high / low) ** ((np.arange(count) + draw[:count]) / count)
    # Equal steps of log k: a ring's power is k^exponent times its area, k^2 dlog k.
    power = k ** (exponent + 2)
    direction = 2 * math.pi * (draw[-1] + _GOLDEN * np.arange(count))
    heights = std * np.sqrt(2 * power / power.sum())
    return heights, k * np.sin(direction), k * np.cos(direction), 2 * math.pi * draw[count:-1]


@jit
def _sum_waves(rows, cols, left, out):  # type: ignore[no-untyped-def]
    right = left + cols.shape[1]
    for r in range(out.shape[0]):
        line, p = out[r, left:right], rows[r]
        for w in range(0, rows.shape[1], 8):
            a, b, c, d = cols[w], cols[w + 1], cols[w + 2], cols[w + 3]
            e, f, g, h = cols[w + 4], cols[w + 5], cols[w + 6], cols[w + 7]
            p0, p1, p2, p3 = p[w], p[w + 1], p[w + 2], p[w + 3]
            p4, p5, p6, p7 = p[w + 4], p[w + 5], p[w + 6], p[w + 7]
            for k in range(line.size):
                one, two = p0 * a[k] + p1 * b[k], p2 * c[k] + p3 * d[k]
                three, four = p4 * e[k] + p5 * f[k], p6 * g[k] + p7 * h[k]
                line[k] += (one + two) + (three + four)


@jit
def _turn_by(z, phase, out):  # type: ignore[no-untyped-def]
    half_turn = np.float32(np.pi)
    for r in range(phase.shape[0]):
        angles, line, turned = phase[r], z[r], out[r]
        for k in range(angles.size):
            # Within half a turn, of which sine and cosine are those of half the angle.
            turns = np.float64(angles[k]) * (0.5 / np.pi)
            half = np.float32(turns - np.floor(turns + 0.5)) * half_turn
            s, c = sine(half), cosine(half)
            re, im = c * c - s * s, (s + s) * c
            a, b = line[2 * k], line[2 * k + 1]
            turned[2 * k] = a * re - b * im
            turned[2 * k + 1] = a * im + b * re
