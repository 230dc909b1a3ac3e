"""Single-look complex images whose correlation in time is known: the noise of simulated interferograms."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.noise import complex_noise
from insarflow.types import Looks, Window

_TAPS_Y = np.float32(0.40)
_TAPS_X = np.float32(0.33)


def speckle(
    first: np.ndarray,
    floor: np.ndarray,
    decay_days: np.ndarray,
    quality: np.ndarray,
    days: np.ndarray,
    *,
    looks: Looks,
    window: Window,
    width: int,
    seed: int,
) -> np.ndarray:
    """Draw one single-look complex image per acquisition, correlated in time and, as a real sensor's, in space.

    Parameters
    ----------
    first, floor, decay_days
        float32, shape ``(y, x)`` in cells of `looks`: coherence between acquisitions t days apart is
        ``floor + (first - floor) exp(-t / decay_days)``.
    quality
        float32, shape ``(acquisition, y, x)``, 0..1: share of an acquisition's signal that correlates with others.
    days
        float64, shape ``(acquisition,)``, ascending: acquisition times in days.
    looks
        Single-look samples per cell.
    window
        The cells drawn; noise is a function of `seed` and the sample's place in the whole scene.
    width
        Columns of the whole scene, in cells.

    Returns
    -------
    ndarray
        complex64, shape ``(acquisition, window.height * looks.y, window.width * looks.x)``, unit mean power.

    Notes
    -----
    ``s_i = sqrt(floor) c + sqrt(first - floor) u_i + sqrt(1 - first) n_i`` with c constant in time, u_i an
    Ornstein-Uhlenbeck sequence and n_i new at each acquisition; then smoothed by three samples along each axis, so
    that a 3 x 10 window holds about 13 independent looks instead of 30 (Sentinel-1: 12.6). An acquisition of quality
    q has weight sqrt(q) on its signal and sqrt(1 - q) on noise of its own.
    """
    rows, cols = window.height * looks.y, window.width * looks.x
    margin = Window(window.y0 * looks.y - 1, window.x0 * looks.x - 1, rows + 2, cols + 2)
    columns = width * looks.x + 2
    draw = _drawer(margin, columns, seed)
    constant, wander = draw(0), draw(1)
    out = np.empty((days.size, rows, cols), np.complex64)
    work = np.empty(margin.shape, np.complex64)
    for i, day in enumerate(days):
        step = float(day - days[i - 1]) if i else 0.0
        fresh, own = (draw(2 * i + 2) if i else wander), draw(2 * i + 3)
        _combine(constant, wander, fresh, own, first, floor, decay_days, quality[i], step, looks.y, looks.x, work)
        _smooth(work, _TAPS_Y, _TAPS_X, out[i])
    return out


def _drawer(margin: Window, columns: int, seed: int):  # type: ignore[no-untyped-def]
    shifted = Window(margin.y0 + 1, margin.x0 + 1, margin.height, margin.width)
    return lambda stream: complex_noise(shifted, width=columns, seed=seed, stream=stream)


@jit
def _combine(constant, wander, fresh, own, first, floor, decay, quality, step, looks_y, looks_x, out):  # type: ignore[no-untyped-def]
    rows, cols = first.shape
    for r in range(out.shape[0]):
        i = min(max((r - 1) // looks_y, 0), rows - 1)
        for c in range(out.shape[1]):
            j = min(max((c - 1) // looks_x, 0), cols - 1)
            rho = np.exp(-step / decay[i, j])
            wander[r, c] = rho * wander[r, c] + np.sqrt(1.0 - rho * rho) * fresh[r, c]
            q = quality[i, j]
            steady, moving = np.sqrt(q * floor[i, j]), np.sqrt(q * max(first[i, j] - floor[i, j], np.float32(0.0)))
            rest = np.sqrt(1.0 - q * max(first[i, j], floor[i, j]))
            out[r, c] = steady * constant[r, c] + moving * wander[r, c] + rest * own[r, c]


@jit
def _smooth(z, side_y, side_x, out):  # type: ignore[no-untyped-def]
    scale = np.float32(1.0) / np.sqrt((1 + 2 * side_y * side_y) * (1 + 2 * side_x * side_x))
    row = np.empty(z.shape[1], np.complex64)
    for r in range(out.shape[0]):
        for c in range(z.shape[1]):
            row[c] = z[r + 1, c] + side_y * (z[r, c] + z[r + 2, c])
        for c in range(out.shape[1]):
            out[r, c] = scale * (row[c + 1] + side_x * (row[c] + row[c + 2]))
