"""Random numbers that are a function of (seed, stream, pixel): the same whatever the tiling or the order of work."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Window


def complex_noise(window: Window, *, width: int, seed: int, stream: int) -> np.ndarray:
    """Circular complex Gaussian noise of unit power.

    Parameters
    ----------
    window
        Part of the whole array to draw.
    width
        Number of columns of the whole array.
    seed, stream
        Which field; two streams of one seed are independent.

    Returns
    -------
    ndarray
        complex64, shape ``window.shape``, E|n|^2 = 1.
    """
    out = np.empty(window.shape, np.complex64)
    _gaussian(window.y0, window.x0, width, stream_key(seed, stream), out)
    return out


def stream_key(seed: int, stream: int) -> np.uint64:
    """Key of one field of random numbers, for the loops that take one."""
    return np.uint64(mix(np.uint64(seed % 2**64), np.uint64(stream % 2**64)))


@jit
def mix(a, b):  # type: ignore[no-untyped-def]
    """Avalanche two 64-bit words into one (SplitMix64's finaliser).

    Both must be uint64: a signed one turns to float.
    """
    z = a + np.uint64(0x9E3779B97F4A7C15) * (b + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def _gaussian(y0, x0, width, key, out):  # type: ignore[no-untyped-def]
    unit = 1.0 / 4294967296.0
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            bits = mix(key, np.uint64((y0 + r) * width + x0 + c))
            radius = np.sqrt(-np.log((np.float64(bits >> np.uint64(32)) + 0.5) * unit))
            angle = 2.0 * np.pi * (np.float64(bits & np.uint64(0xFFFFFFFF)) + 0.5) * unit
            out[r, c] = complex(radius * np.cos(angle), radius * np.sin(angle))
