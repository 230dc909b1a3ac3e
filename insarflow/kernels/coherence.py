"""Sliding-window coherence of two images, or of an interferogram's phase alone."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Looks, Tile


def coherence(reference: np.ndarray, secondary: np.ndarray, *, window: Looks, tile: Tile | None = None) -> np.ndarray:
    """Magnitude of the complex correlation of two coregistered images.

    Parameters
    ----------
    reference, secondary
        complex64, shape ``(..., y, x)``; the part ``tile.read`` of the whole. A pixel missing (NaN) in either image
        is left out of all sums.
    window
        Rows and columns averaged. An even window extends one further down and right than up and left.
    tile
        Place in the whole array.

    Returns
    -------
    ndarray
        float32, 0..1, shape ``(..., *tile.core.shape)``; NaN where the centre pixel is missing or an image is
        dark all over the window. The window is cut at the array's border.

    Notes
    -----
    ``|sum(a conj(b))| / sqrt(sum|a|^2 sum|b|^2)``, in double precision. Every sum runs over its own window in a fixed
    order, so nothing depends on the tiling and a bright target does not leak along a running sum.

    References
    ----------
    Touzi et al. (1999), doi:10.1109/36.739146.
    """
    place = Tile.whole(reference.shape) if tile is None else tile
    out = np.empty((*reference.shape[:-2], *place.core.shape), np.float32)
    for index in np.ndindex(reference.shape[:-2]):
        images = np.ascontiguousarray(reference[index]), np.ascontiguousarray(secondary[index])
        _coherence(*images, *_geometry(place, window), out[index])
    return out


def phase_coherence(igram: np.ndarray, *, window: Looks, tile: Tile | None = None) -> np.ndarray:
    """Length of the mean unit phasor in a sliding window: coherence from phase alone.

    Parameters, shapes, missing pixels and borders as in `coherence`. A pixel of value 0 has no phase and counts as
    missing in the sums.
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    out = np.empty((*igram.shape[:-2], *place.core.shape), np.float32)
    for index in np.ndindex(igram.shape[:-2]):
        _phase_coherence(np.ascontiguousarray(igram[index]), *_geometry(place, window), out[index])
    return out


def window_reads(start: int, stop: int, size: int, *, window: int) -> tuple[int, int]:
    """Input range that the windows centred on ``start:stop`` cover."""
    return max(0, start - (window - 1) // 2), min(size, stop + window // 2)


def _geometry(place: Tile, window: Looks) -> tuple[int, int, int, int]:
    return window.y, window.x, place.core.y0 - place.read.y0, place.core.x0 - place.read.x0


@jit
def _coherence(a, b, window_y, window_x, top, left, out):  # type: ignore[no-untyped-def]
    height, width = a.shape
    up, back = (window_y - 1) // 2, (window_x - 1) // 2
    sums = np.zeros((4, width))
    for i in range(out.shape[0]):
        sums[:] = 0.0
        for r in range(max(0, top + i - up), min(height, top + i - up + window_y)):
            for c in range(width):
                p, q = a[r, c], b[r, c]
                pr, pi, qr, qi = np.float64(p.real), np.float64(p.imag), np.float64(q.real), np.float64(q.imag)
                if np.isfinite(pr + pi + qr + qi):
                    sums[0, c] += pr * qr + pi * qi
                    sums[1, c] += pi * qr - pr * qi
                    sums[2, c] += pr * pr + pi * pi
                    sums[3, c] += qr * qr + qi * qi
        for j in range(out.shape[1]):
            p, q = a[top + i, left + j], b[top + i, left + j]
            re, im, first, second = 0.0, 0.0, 0.0, 0.0
            for c in range(max(0, left + j - back), min(width, left + j - back + window_x)):
                re += sums[0, c]
                im += sums[1, c]
                first += sums[2, c]
                second += sums[3, c]
            missing = not np.isfinite(p.real + p.imag + q.real + q.imag) or first * second <= 0.0
            out[i, j] = np.nan if missing else min(1.0, np.sqrt((re * re + im * im) / (first * second)))


@jit
def _phase_coherence(z, window_y, window_x, top, left, out):  # type: ignore[no-untyped-def]
    height, width = z.shape
    up, back = (window_y - 1) // 2, (window_x - 1) // 2
    sums = np.zeros((3, width))
    for i in range(out.shape[0]):
        sums[:] = 0.0
        for r in range(max(0, top + i - up), min(height, top + i - up + window_y)):
            for c in range(width):
                zr, zi = np.float64(z[r, c].real), np.float64(z[r, c].imag)
                length = np.sqrt(zr * zr + zi * zi)
                if length > 0.0 and np.isfinite(length):
                    sums[0, c] += zr / length
                    sums[1, c] += zi / length
                    sums[2, c] += 1.0
        for j in range(out.shape[1]):
            centre = z[top + i, left + j]
            re, im, count = 0.0, 0.0, 0.0
            for c in range(max(0, left + j - back), min(width, left + j - back + window_x)):
                re += sums[0, c]
                im += sums[1, c]
                count += sums[2, c]
            missing = not np.isfinite(centre.real + centre.imag) or count == 0.0
            out[i, j] = np.nan if missing else min(1.0, np.sqrt(re * re + im * im) / count)
