"""Changes of an interferogram that another acquisition could have brought: offset, date swap, ramp."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Tile


def offset(
    igram: np.ndarray, *, angle: float | np.ndarray, out: np.ndarray | None = None, tile: Tile | None = None
) -> np.ndarray:
    """Interferograms with a constant added to their phase.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``.
    angle
        rad: one number, or one for each image, of shape ``igram.shape[:-2]``.
    out
        Where the result goes, C-contiguous; `igram` itself for a change in place, which no memory has to be found for.

    Raises
    ------
    ValueError
        If `angle` or `out` has another shape, or `out` another dtype or layout.
    """
    result = _room(igram, out)
    turns = np.exp(1j * np.asarray(angle, np.float64)).astype(np.complex64)
    if turns.shape not in ((), igram.shape[:-2]):
        raise ValueError(f"angle must be one number or of shape {igram.shape[:-2]}, instead got shape {turns.shape}")
    turns = np.broadcast_to(turns, igram.shape[:-2]).ravel()
    images, turned = (np.ascontiguousarray(z).reshape(turns.size, -1) for z in (igram, result))
    if out is igram:
        _turn_here(turned, turns)
    else:
        _turn(images, turns, turned)
    return result


def conjugate(igram: np.ndarray, *, out: np.ndarray | None = None, tile: Tile | None = None) -> np.ndarray:
    """`igram` (complex64) as if the two acquisitions were exchanged; `out` as for `offset`."""
    result = _room(igram, out)
    np.conjugate(igram, out=result)
    return result


def ramp(
    igram: np.ndarray, *, slope_y: float, slope_x: float, out: np.ndarray | None = None, tile: Tile | None = None
) -> np.ndarray:
    """`igram` (complex64) with a plane added to its phase, zero at the whole array's first pixel.

    Parameters
    ----------
    slope_y, slope_x
        rad per pixel.
    out
        As for `offset`.
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    rows = np.exp(1j * slope_y * np.arange(place.core.y0, place.core.y1)).astype(np.complex64)
    cols = np.exp(1j * slope_x * np.arange(place.core.x0, place.core.x1)).astype(np.complex64)
    result = _room(igram, out)
    lines, tilted = (np.ascontiguousarray(z).reshape(-1, igram.shape[-1]) for z in (igram, result))
    if out is igram:
        _tilt_here(tilted, rows, cols)
    else:
        _tilt(lines, rows, cols, tilted)
    return result


def _room(igram: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    if out is None:
        return np.empty(igram.shape, np.complex64)
    if out.shape != igram.shape or out.dtype != np.complex64 or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be complex64, C-contiguous and of shape {igram.shape}, instead got {out.dtype} of shape "
            f"{out.shape}" + ("" if out.flags.c_contiguous else ", not contiguous")
        )
    return out


def magnitude(values: np.ndarray, *, tile: Tile | None = None) -> np.ndarray:
    """Magnitude, float32, of `values` (complex64), at most 1: a coherence."""
    out = np.empty(values.shape, np.float32)
    for index in np.ndindex(values.shape[:-2]):
        _magnitude(np.ascontiguousarray(values[index]), out[index])
    return out


def with_magnitude(values: np.ndarray, other: np.ndarray, *, tile: Tile | None = None) -> np.ndarray:
    """Phase of `values` with the magnitude of `other` (both complex64)."""
    out = np.empty(values.shape, np.complex64)
    for index in np.ndindex(values.shape[:-2]):
        _with_magnitude(np.ascontiguousarray(values[index]), np.ascontiguousarray(other[index]), out[index])
    return out


# Loops and not NumPy's own operators: those round differently for another memory layout, that is, another chunking. In
# place has loops of its own: they are vectorised only where the compiler sees one array, or two that do not overlap.
@jit
def _turn(images, turns, out):  # type: ignore[no-untyped-def]
    for image in range(images.shape[0]):
        z, turned, turn = images[image], out[image], turns[image]
        for k in range(z.size):
            turned[k] = z[k] * turn


@jit
def _turn_here(images, turns):  # type: ignore[no-untyped-def]
    for image in range(images.shape[0]):
        z, turn = images[image], turns[image]
        for k in range(z.size):
            z[k] = z[k] * turn


@jit
def _tilt(lines, rows, cols, out):  # type: ignore[no-untyped-def]
    for r in range(lines.shape[0]):
        z, tilted, turn = lines[r], out[r], rows[r % rows.size]
        for k in range(z.size):
            tilted[k] = z[k] * (turn * cols[k])


@jit
def _tilt_here(lines, rows, cols):  # type: ignore[no-untyped-def]
    for r in range(lines.shape[0]):
        z, turn = lines[r], rows[r % rows.size]
        for k in range(z.size):
            z[k] = z[k] * (turn * cols[k])


@jit
def _magnitude(z, out):  # type: ignore[no-untyped-def]
    for r in range(z.shape[0]):
        for c in range(z.shape[1]):
            length = np.sqrt(np.float64(z[r, c].real) ** 2 + np.float64(z[r, c].imag) ** 2)
            out[r, c] = 1.0 if length > 1.0 else length


@jit
def _with_magnitude(z, other, out):  # type: ignore[no-untyped-def]
    for r in range(z.shape[0]):
        for c in range(z.shape[1]):
            re, im, p, q = z[r, c].real, z[r, c].imag, other[r, c].real, other[r, c].imag
            length = np.sqrt(np.float64(re) * np.float64(re) + np.float64(im) * np.float64(im))
            wanted = np.sqrt(np.float64(p) * np.float64(p) + np.float64(q) * np.float64(q))
            gain = wanted / length
            out[r, c] = complex(np.float32(re * gain), np.float32(im * gain))
