"""Take a ramp out of the phase."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.elementary import cosine, sine
from insarflow.types import Tile

_TERMS = 6


def subtract_ramp(images: np.ndarray, *, ramp: np.ndarray, count: int, tile: Tile) -> np.ndarray:
    """Images without their ramps, the constant left in.

    Parameters
    ----------
    images
        complex64 interferograms, which keep their magnitude, or float32 unwrapped phase; shape ``(..., y, x)``.
    ramp
        float64, shape ``(..., 1, n)``: for each image `count` coefficients of `insarflow.kernels.phase_fit.TERMS`,
        then what is not used.
    """
    out = np.empty(images.shape, images.dtype)
    centre = (tile.shape[0] - 1) / 2, (tile.shape[1] - 1) / 2
    y, x = tile.core.y0 - centre[0], np.arange(tile.core.x0, tile.core.x1) - centre[1]
    for index in np.ndindex(images.shape[:-2]):
        terms = np.zeros(_TERMS)
        terms[1:count] = ramp[index][0, 1:count]
        image = np.ascontiguousarray(images[index])
        if image.dtype.kind == "c":
            _turn_back(image.view(np.float32), terms / (2 * np.pi), y, x, out[index].view(np.float32))
        else:
            _subtract(image, terms, y, x, out[index])
    return out


@jit
def _turn_back(z, terms, top, places, out):  # type: ignore[no-untyped-def]
    half_turn = np.float32(np.pi)
    bend = terms[5]
    for r in range(z.shape[0]):
        line, turned, y = z[r], out[r], top + r
        first, slope = terms[1] * y + terms[3] * y * y, terms[2] + terms[4] * y
        for k in range(places.size):
            x = places[k]
            # Within half a turn, of which sine and cosine are those of half the angle.
            turns = first + (slope + bend * x) * x
            half = np.float32(turns - np.floor(turns + 0.5)) * half_turn
            s, c = sine(half), cosine(half)
            re, im = c * c - s * s, (s + s) * c
            a, b = line[2 * k], line[2 * k + 1]
            turned[2 * k] = a * re + b * im
            turned[2 * k + 1] = b * re - a * im


@jit
def _subtract(values, terms, top, places, out):  # type: ignore[no-untyped-def]
    for r in range(values.shape[0]):
        line, lower, y = values[r], out[r], top + r
        first, slope = terms[1] * y + terms[3] * y * y, terms[2] + terms[4] * y
        for k in range(line.size):
            x = places[k]
            lower[k] = np.float64(line[k]) - (first + (slope + terms[5] * x) * x)
