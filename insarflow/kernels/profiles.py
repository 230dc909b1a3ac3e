"""Profiles of the ground along the lines of a radar image: their nodes, depths below the track and slant ranges."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Window

_LARGEST: Final = 8192
"""Cells along a side up to which float32 does so."""

_AROUND: Final = 2
"""Cells around the ground that is met, for interpolation there."""


class Profiles(NamedTuple):
    """Where the lines of a radar image run over a flat Earth, and how far from the radar.

    Attributes
    ----------
    altitude
        Of the straight horizontal track, m above height 0.
    first_range, sample_spacing
        Slant range of sample 0, and from one to the next, m. Whole numbers are centres of samples and lines.
    row, row_per_line, row_per_metre
        A point of a line, `g` metres on the ground from below the track, lies in row ``row + line * row_per_line + g *
        row_per_metre``. Whole numbers are centres of ground cells.
    col, col_per_line, col_per_metre
        Likewise.
    step
        Ground distance between nodes of a profile, m; nodes lie at its multiples, wherever a window begins.
    reach
        How far nearer ground is looked at for shadow, m.
    low, high
        Bounds of height, m.
    """

    altitude: float
    first_range: float
    sample_spacing: float
    row: float
    row_per_line: float
    row_per_metre: float
    col: float
    col_per_line: float
    col_per_metre: float
    step: float
    reach: float
    low: float
    high: float


def nodes_of(radar: Window, profiles: Profiles) -> tuple[int, int]:
    """Nodes of profiles that a radar window needs: number of the first, in steps from below the track, and how many.

    Raises
    ------
    ValueError
        If the window reaches below the track.
    """
    p = profiles
    near = p.first_range + radar.x0 * p.sample_spacing
    far = near + (radar.width - 1) * p.sample_spacing
    if near <= p.altitude - p.low:
        raise ValueError(
            f"radar must lie beside the track, at ranges above {p.altitude - p.low:.0f} m, instead got radar={radar}, "
            f"which begins at {near:.0f} m: choose samples from a larger number on"
        )
    # One of two nodes with a sample between them lies beyond the nearest place, one before the farthest.
    first = math.floor(math.sqrt(near**2 - (p.altitude - p.low) ** 2) / p.step) - 1
    last = math.floor(math.sqrt(far**2 - (p.altitude - p.high) ** 2) / p.step) + 2
    first -= math.ceil(p.reach / p.step)
    return first, last - first + 1


def ground_of(radar: Window, profiles: Profiles) -> Window:
    """Ground cells that a radar window needs, whatever the heights within bounds, with two cells around.

    Raises
    ------
    ValueError
        If the window reaches below the track.
    """
    p = profiles
    first, nodes = nodes_of(radar, p)
    line = np.array([radar.y0, radar.y1 - 1], np.float64)[:, None]
    metres = np.array([first, first + nodes - 1], np.float64)[None, :] * p.step
    row = p.row + line * p.row_per_line + metres * p.row_per_metre
    col = p.col + line * p.col_per_line + metres * p.col_per_metre
    y0, x0 = (math.floor(k.min()) - _AROUND for k in (row, col))
    y1, x1 = (math.floor(k.max()) + 2 + _AROUND for k in (row, col))
    return Window(y0, x0, y1 - y0, x1 - x0)


def checked_height(height: np.ndarray, ground: Window, radar: Window, profiles: Profiles) -> np.ndarray:
    """Heights over a ground window that is enough for a radar window.

    Raises
    ------
    ValueError
        If `height` has another shape than `ground`, leaves its bounds or is NaN, or `ground` is too small or too large.
    """
    if height.shape != ground.shape:
        raise ValueError(f"height must have the shape of {ground}, instead got shape={height.shape}")
    if max(ground.shape) > _LARGEST:
        raise ValueError(
            f"ground must have at most {_LARGEST} cells a side, instead got {ground}: take smaller windows"
        )
    needed = ground_of(radar, profiles)
    if ground.shared(needed) != needed:
        raise ValueError(f"ground must cover {needed}, which the radar window needs, instead got ground={ground}")
    low, high = float(height.min()), float(height.max())
    if not (profiles.low <= low and high <= profiles.high):
        raise ValueError(
            f"height must lie within {profiles.low:g} and {profiles.high:g} m, instead got heights from {low:g} to "
            f"{high:g}: give the bounds of all terrain as low and high"
        )
    return np.ascontiguousarray(height, np.float32)


@jit
def march(height, origin, line, first, p, depth, sample):  # type: ignore[no-untyped-def]
    """Depth below the track, and slant range in samples, of the nodes of a line."""
    row0, col0 = p.row + line * p.row_per_line, p.col + line * p.col_per_line
    for k in range(depth.size):
        g = (first + k) * p.step
        r, c = row0 + g * p.row_per_metre, col0 + g * p.col_per_metre
        above, left = np.floor(r), np.floor(c)
        i, j = int(above) - origin[0], int(left) - origin[1]
        fr, fc = r - above, c - left
        upper = (1.0 - fc) * height[i, j] + fc * height[i, j + 1]
        lower = (1.0 - fc) * height[i + 1, j] + fc * height[i + 1, j + 1]
        y = p.altitude - ((1.0 - fr) * upper + fr * lower)
        depth[k] = y
        sample[k] = (np.sqrt(y * y + g * g) - p.first_range) / p.sample_spacing


@jit
def highest(depth, first, step, start, stop):  # type: ignore[no-untyped-def]
    """Node of the largest look angle, the last of them, from `start` to before `stop`."""
    at, top = start, -np.inf
    for k in range(start, stop):
        tangent = (first + k) * step / depth[k]
        if tangent >= top:
            at, top = k, tangent
    return at, top
