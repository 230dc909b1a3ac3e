"""Which terrain the radar sees twice, and which it does not see: layover and shadow, by rays over the terrain."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.terrain import nodes_of_row
from insarflow.types import Tile

ACTIVE_LAYOVER, PASSIVE_LAYOVER, ACTIVE_SHADOW, PASSIVE_SHADOW = 1, 2, 4, 8
"""Bits of the result."""

LAYOVER, SHADOW = ACTIVE_LAYOVER | PASSIVE_LAYOVER, ACTIVE_SHADOW | PASSIVE_SHADOW
"""Masks of bits: layover and shadow of any kind."""

_SIDES = (8, 64)
"""Sides of the blocks whose highest and lowest pixels are known, so that a ray need not look at each."""

_STEEPEST = 1e-6
"""Least sine and cosine of an angle of incidence that a ray is followed for."""


def layover_shadow(
    dem: np.ndarray,
    los: tuple[np.ndarray, np.ndarray, np.ndarray],
    nodes: np.ndarray,
    spacing: tuple[float, float],
    *,
    reach: float,
    tile: Tile | None = None,
) -> np.ndarray:
    """Layover and shadow of each pixel, by its own slope (active) or other terrain in its range plane only (passive).

    Parameters
    ----------
    dem
        Height, m, float32, shape ``(y, x)``; the part ``tile.read`` of the whole. NaN is missing: unknown terrain
        neither hides nor overlays.
    los
        East, north and up component of the direction to the satellite, float32, of the dem's shape.
    nodes, spacing
        As `insarflow.kernels.terrain.surface`.
    reach
        How far along the ground other terrain is looked at, m.
    tile
        Place in the whole array.

    Returns
    -------
    ndarray
        uint8, shape of ``tile.core``: the sum of 1 (active layover) or 2 (passive layover), and 4 (active shadow) or 8
        (passive shadow). 0 where neither, or height or line of sight are missing.

    Notes
    -----
    Let a point lie ``t`` metres along the ground from the pixel, toward the satellite, ``h`` metres above it, and let
    the line of sight make the angle ``theta`` with the vertical. The point hides the pixel if ``h >= t cot(theta)``. It
    is nearer to the satellite by ``t sin(theta) + h cos(theta)``, so it has the pixel's range if ``h = -t tan(theta)``:
    the pixel is in layover if some point toward the satellite has ``h <= -t tan(theta)``, or one away from it
    (``t < 0``), since range grows without bound far away and is continuous between.

    A pixel is active if the first step of a ray decides: the ground beside it faces the satellite and is steeper than
    theta (layover; both ends of such a step share a range), or the ground before it faces away and is steeper than 90
    degrees - theta (shadow). It is passive if only terrain farther off does, so no pixel is both, and whether it is
    active does not depend on `reach`, if that is at least a pixel's diagonal.

    Rays are straight in the grid and sampled at every column (every row, if they run along the columns), bilinear
    between the two pixels there; if one is missing the other counts if it is nearer. Over `reach` the line of sight is
    that of the pixel, and the ground's curvature is left out, 2 m over 5 km. Terrain in shadow still overlays: what it
    does depends on heights alone.

    References
    ----------
    Kropatsch and Strobl (1990), doi:10.1109/36.45752.
    """
    tile = Tile.whole(dem.shape) if tile is None else tile
    out = np.empty(tile.core.shape, np.uint8)
    heights = np.ascontiguousarray(dem)
    inner = tile.core.within(tile.read)
    east, north, up = (np.ascontiguousarray(component[inner]) for component in los)
    origin, first = (tile.core.y0, tile.core.x0), (tile.core.y0 - tile.read.y0, tile.core.x0 - tile.read.x0)
    small, large = _extremes(heights)
    _layover_shadow(heights, small, large, east, north, up, nodes, spacing, origin, first, float(reach), out)
    return out


def _extremes(dem: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest pixel of each block and the eight around it, and that of the dem turned over; -inf if all are missing.

    Twice: for small blocks and, in the second array, for large ones. Both have a margin of one block.
    """
    small, large = (np.full((2, *(-(-n // side) + 2 for n in dem.shape)), -np.inf, np.float32) for side in _SIDES)
    _highest(dem, _SIDES[0], small)
    _highest(dem, _SIDES[1], large)
    return _spread(small), _spread(large)


@jit
def _highest(dem, side, own):  # type: ignore[no-untyped-def]
    for r in range(dem.shape[0]):
        high, low = own[0, r // side + 1], own[1, r // side + 1]
        for c in range(dem.shape[1]):
            z, b = dem[r, c], c // side + 1
            if z > high[b]:
                high[b] = z
            if -z > low[b]:
                low[b] = -z


@jit
def _spread(own):  # type: ignore[no-untyped-def]
    around = np.full_like(own, -np.inf)
    for k in range(own.shape[0]):
        for i in range(1, own.shape[1] - 1):
            for j in range(1, own.shape[2] - 1):
                around[k, i, j] = own[k, i - 1 : i + 2, j - 1 : j + 2].max()
    return around


@jit
def _layover_shadow(  # type: ignore[no-untyped-def]
    dem, small, large, east, north, up, nodes, spacing, origin, first, reach, out
):
    line = np.empty((nodes.shape[1], 4))
    top, bottom = np.float64(large[0].max()), np.float64(large[1].max())
    for i in range(out.shape[0]):
        nodes_of_row(nodes, (origin[0] + i) / spacing[0], line)
        for j in range(out.shape[1]):
            out[i, j] = 0
            r, c = first[0] + i, first[1] + j
            e, n, u = np.float64(east[i, j]), np.float64(north[i, j]), np.float64(up[i, j])
            level = np.sqrt(e * e + n * n)
            if np.isnan(dem[r, c]) or not (level > _STEEPEST and u > _STEEPEST):
                continue
            place = (origin[1] + j) / spacing[1]
            k = min(int(place), line.shape[0] - 2)
            f = place - k
            g = 1.0 - f
            # Pixels a metre of ground toward the satellite.
            rows = ((g * line[k, 0] + f * line[k + 1, 0]) * e + (g * line[k, 2] + f * line[k + 1, 2]) * n) / level
            cols = ((g * line[k, 1] + f * line[k + 1, 1]) * e + (g * line[k, 3] + f * line[k + 1, 3]) * n) / level
            most = max(abs(rows), abs(cols))
            # The larger step is exactly one pixel.
            dy = rows / most if abs(rows) < abs(cols) else np.sign(rows)
            dx = cols / most if abs(cols) < abs(rows) else np.sign(cols)
            steps, rise, fall = int(reach * most), u / level / most, level / u / most
            hidden = _meets(dem, small[0], large[0], top, r, c, dy, dx, 1.0, rise, steps)
            overlaid = _meets(dem, small[1], large[1], bottom, r, c, dy, dx, -1.0, fall, steps)
            if overlaid != 1:
                # Of a pixel that is in layover already, only the first step can say more.
                left = steps if overlaid == 0 else min(1, steps)
                other = _meets(dem, small[0], large[0], top, r, c, -dy, -dx, 1.0, fall, left)
                overlaid = other if other > 0 else overlaid
            if overlaid > 0:
                out[i, j] += ACTIVE_LAYOVER if overlaid == 1 else PASSIVE_LAYOVER
            if hidden > 0:
                out[i, j] += ACTIVE_SHADOW if hidden == 1 else PASSIVE_SHADOW


@jit
def _meets(dem, small, large, top, r, c, dy, dx, sign, climb, steps):  # type: ignore[no-untyped-def]
    """First step at which terrain reaches a line that leaves a pixel and climbs by `climb` a step; 0 if none does.

    With sign -1 all is turned over.

    A line that is above the highest pixel around passes over all steps that end there. `top` is the highest of all.
    """
    start, along_x = sign * np.float64(dem[r, c]), abs(dx) == 1.0
    # Ranges with a step would cost a division each.
    far = 1
    while far <= steps and start + far * climb <= top:
        y, x = r + int(np.rint(far * dy)), c + int(np.rint(far * dx))
        if not (0 <= y < dem.shape[0] and 0 <= x < dem.shape[1]):
            return 0
        highest = np.float64(large[y // _SIDES[1] + 1, x // _SIDES[1] + 1])
        near, far = far, far + _SIDES[1]
        while near < far and near <= steps and start + near * climb <= highest:
            y, x = r + int(np.rint(near * dy)), c + int(np.rint(near * dx))
            if not (0 <= y < dem.shape[0] and 0 <= x < dem.shape[1]):
                return 0
            high = np.float64(small[y // _SIDES[0] + 1, x // _SIDES[0] + 1])
            k, near = near, near + _SIDES[0]
            while k < near and k <= steps and start + k * climb <= high:
                if sign * _sample(dem, r, c, k * dy, k * dx, along_x) >= start + k * climb:
                    return k
                k += 1
    return 0


@jit
def _sample(dem, r, c, dy, dx, along_x):  # type: ignore[no-untyped-def]
    """Height at a distance from a pixel, in pixels, between the two of a column or row; of one, if that is nearer."""
    low_y, low_x = np.floor(dy), np.floor(dx)
    y, x = r + int(low_y), c + int(low_x)
    f = dy - low_y if along_x else dx - low_x
    next_y, next_x = (y + 1, x) if along_x else (y, x + 1)
    z = _pixel(dem, y, x)
    if f == 0.0:
        return z
    other = _pixel(dem, next_y, next_x)
    if np.isnan(z):
        return other if f > 0.5 else z
    if np.isnan(other):
        return z if f < 0.5 else other
    return (1.0 - f) * z + f * other


@jit
def _pixel(dem, y, x):  # type: ignore[no-untyped-def]
    return np.float64(dem[y, x]) if 0 <= y < dem.shape[0] and 0 <= x < dem.shape[1] else np.nan
