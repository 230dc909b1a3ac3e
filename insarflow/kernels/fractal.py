"""Random fields of any spectrum and size, of which any window can be drawn alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.elementary import RUN, gaussians, workspace
from insarflow.kernels.noise import mix, stream_key
from insarflow.types import Window


def fractal(window: Window, *, gains: Sequence[float], seed: int, stream: int) -> np.ndarray:
    """Sum over octaves of smooth Gaussian noise.

    Parameters
    ----------
    window
        Cells to draw, of an endless plane: rows and columns may be negative. A cell is a function of its place and of
        what follows, so any window has the same bits.
    gains
        Octave k is a cubic B-spline on a lattice of ``2 ** k`` cells, whose coefficients have standard deviation
        ``gains[k]``.
    seed, stream
        Which field; two streams of one seed are independent.

    Returns
    -------
    ndarray
        float32, shape ``window.shape``, of zero mean over many fields.

    Notes
    -----
    A spline on a lattice is one on the lattice of half the spacing with other coefficients (the two-scale relation,
    weights 1 4 6 4 1 over 8). So octaves are added from the coarsest to the finest, each on its own lattice, and the
    sum costs little more than the finest octave.
    """
    out = np.zeros(window.shape, np.float32)
    if len(gains):
        scales = np.array(gains, np.float32)
        _fractal(window.y0, window.x0, scales, stream_key(seed, stream), *workspace(), out)
    return out


@jit
def _fractal(y0, x0, gains, key, words, floats, out):  # type: ignore[no-untyped-def]
    # Coefficients that the cells of the window, and those of each coarser lattice, depend on.
    needs = np.empty((gains.size, 4), np.int64)
    needs[0] = y0 - 1, x0 - 1, y0 + out.shape[0] + 1, x0 + out.shape[1] + 1
    for level in range(1, gains.size):
        for k in range(2):
            needs[level, k] = (needs[level - 1, k] >> 1) - 1
            needs[level, k + 2] = ((needs[level - 1, k + 2] - 1) >> 1) + 3
    field = np.empty((0, 0), np.float32)
    for level in range(gains.size - 1, -1, -1):
        top, left, bottom, right = needs[level]
        noise = np.zeros((bottom - top, right - left), np.float32)
        if gains[level] > 0:
            _noise(mix(key, np.uint64(level)), top, left, gains[level], words, floats, noise)
        if field.size:
            _subdivide(field, top - 2 * needs[level + 1, 0], left - 2 * needs[level + 1, 1], noise)
        field = noise
    _value(field, out)


@part
def _noise(key, y0, x0, scale, words, floats, out):  # type: ignore[no-untyped-def]
    # Two neighbours of a row share a counter, the even one takes the first of its two numbers.
    pairs = np.empty((2, RUN), np.float32)
    row_step = np.uint64(1) << np.uint64(32)
    first = x0 >> 1
    count = ((x0 + out.shape[1] - 1) >> 1) + 1 - first
    for r in range(out.shape[0]):
        for left in range(0, count, RUN):
            n = min(RUN, count - left)
            counter = np.uint64(y0 + r) * row_step + np.uint64(first + left)
            gaussians(key, counter, np.uint64(1), scale, words, floats, pairs[0, :n], pairs[1, :n])
            start = 2 * (first + left) - x0
            for k in range(n):
                c = start + 2 * k
                if c >= 0:
                    out[r, c] = pairs[0, k]
                if c + 1 < out.shape[1]:
                    out[r, c + 1] = pairs[1, k]


@part
def _subdivide(coarse, top, left, out):  # type: ignore[no-untyped-def]
    """Add a spline's coefficients on the lattice of half the spacing; `out` begins at (top, left) of that lattice."""
    half, eighth, six = np.float32(0.5), np.float32(0.125), np.float32(6.0)
    line = np.empty(coarse.shape[1], np.float32)
    for r in range(out.shape[0]):
        i = (r + top) >> 1
        a, b, c = coarse[i - 1], coarse[i], coarse[i + 1]
        if (r + top) & 1:
            for k in range(line.size):
                line[k] = half * (b[k] + c[k])
        else:
            for k in range(line.size):
                line[k] = eighth * (a[k] + six * b[k] + c[k])
        values = out[r]
        odd, even = 1 - (left & 1), left & 1
        for k in range(even, values.size, 2):
            j = (k + left) >> 1
            values[k] += eighth * (line[j - 1] + six * line[j] + line[j + 1])
        for k in range(odd, values.size, 2):
            j = (k + left) >> 1
            values[k] += half * (line[j] + line[j + 1])


@part
def _value(field, out):  # type: ignore[no-untyped-def]
    """The spline at its lattice points; `field` has one coefficient more on each side."""
    sixth, four = np.float32(1.0 / 6.0), np.float32(4.0)
    line = np.empty(field.shape[1], np.float32)
    for r in range(out.shape[0]):
        a, b, c = field[r], field[r + 1], field[r + 2]
        for k in range(line.size):
            line[k] = sixth * (a[k] + four * b[k] + c[k])
        for k in range(out.shape[1]):
            out[r, k] = sixth * (line[k] + four * line[k + 1] + line[k + 2])
