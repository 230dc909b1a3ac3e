"""Residues: points around which wrapped phase does not close."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Tile


def residues(igram: np.ndarray, *, tile: Tile | None = None) -> np.ndarray:
    """Turns of the phase around each loop of four pixels.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``; the part ``tile.read`` of the whole. NaN is missing.
    tile
        Place in the whole array.

    Returns
    -------
    ndarray
        int8, shape ``(..., *tile.core.shape)``: -1, 0 or 1 for the loop of a pixel, its right, lower right and lower
        neighbour (in this order); 0 where one of them is missing or the loop leaves the array.

    References
    ----------
    Goldstein, Zebker and Werner (1988), doi:10.1029/RS023i004p00713.
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    out = np.empty((*igram.shape[:-2], *place.core.shape), np.int8)
    top, left = place.core.y0 - place.read.y0, place.core.x0 - place.read.x0
    for index in np.ndindex(igram.shape[:-2]):
        _residues(np.ascontiguousarray(igram[index]), top, left, out[index])
    return out


def loop_reads(start: int, stop: int, size: int) -> tuple[int, int]:
    """Input range of the loops that begin in ``start:stop``."""
    return start, min(size, stop + 1)


@jit
def _residues(z, top, left, out):  # type: ignore[no-untyped-def]
    """A step across the negative real axis is a jump by one turn: signs tell, no angle is computed."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            r, c = top + i, left + j
            if r + 1 >= z.shape[0] or c + 1 >= z.shape[1]:
                out[i, j] = 0
                continue
            a, b, d, e = z[r, c], z[r, c + 1], z[r + 1, c + 1], z[r + 1, c]
            out[i, j] = _turns(a, b) + _turns(b, d) + _turns(d, e) + _turns(e, a) if _whole(a, b, d, e) else 0


@jit
def _whole(a, b, d, e):  # type: ignore[no-untyped-def]
    total = a.real + a.imag + b.real + b.imag + d.real + d.imag + e.real + e.imag
    return total == total


@jit
def _turns(a, b):  # type: ignore[no-untyped-def]
    """Whole turns that the wrapped step from `a` to `b` adds to the difference of their angles."""
    re = np.float64(a.real) * np.float64(b.real) + np.float64(a.imag) * np.float64(b.imag)
    im = np.float64(a.real) * np.float64(b.imag) - np.float64(a.imag) * np.float64(b.real)
    if a.imag >= 0.0 > b.imag and (im > 0.0 or (im == 0.0 and re < 0.0)):
        return np.int8(1)
    if a.imag < 0.0 <= b.imag and im < 0.0:
        return np.int8(-1)
    return np.int8(0)
