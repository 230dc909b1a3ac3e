"""The shape of the ground: slope, aspect, curvature, and the angle at which the radar meets it.

Where pixels lie is told by a mesh of nodes, as `insarflow.ops.ground` makes it: at each node, how many rows and columns
one goes by a metre to the east and by a metre to the north. Between nodes the four numbers are bilinear.
"""

from __future__ import annotations

import math

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.phase import angle_of
from insarflow.types import Looks, Tile

LEAST = 0.25
"""Least part of a window that must be valid: a corner of the array has a little more."""

_TURN = np.float32(2.0 * math.pi)


def surface(
    dem: np.ndarray,
    nodes: np.ndarray,
    spacing: tuple[float, float],
    *,
    window: Looks = Looks(3, 3),  # noqa: B008  (a frozen value)
    tile: Tile | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slope, aspect and curvature of the quadratic surface that fits a window around each pixel best.

    Parameters
    ----------
    dem
        Height, m, float32, shape ``(y, x)``; the part ``tile.read`` of the whole. NaN is missing.
    nodes
        Rows and columns per metre, float64, shape ``(m + 1, n + 1, 4)``: rows to the east, columns to the east, rows
        to the north, columns to the north.
    spacing
        Pixels between nodes along y and x; the first node is at the whole array's first pixel.
    window
        Odd numbers of rows and columns.
    tile
        Place in the whole array.

    Returns
    -------
    slope
        float32, rad, 0 to pi/2, shape of ``tile.core``.
    aspect
        Azimuth of steepest descent, rad clockwise from true north, 0 to 2 pi; NaN where the ground is level.
    profile_curvature, plan_curvature
        1/m, positive where the ground is convex, along the slope and along the contour line; NaN where it is level.
        All are NaN where the pixel itself, or too much of its window, is missing.

    Notes
    -----
    The least-squares fit of ``z = a x^2 + b y^2 + c x y + p x + q y + z0`` in a window of 3 x 3 is Evans' method; in
    larger ones it is Wood's. The sums are double, in an order that depends on the window alone. Where part of a window
    is missing, as at the border, the gradient is that of the plane that fits the rest, if a quarter of it is there,
    and curvature is NaN.

    With the gradient ``(p, q)`` and the second derivatives ``r, s, t`` the curvatures are
    ``-(p^2 r + 2 p q s + q^2 t) / ((p^2 + q^2) (1 + p^2 + q^2)^(3/2))`` and
    ``-(q^2 r - 2 p q s + p^2 t) / (p^2 + q^2)^(3/2)``.

    References
    ----------
    Evans (1980), Zeitschrift fuer Geomorphologie, Supplement 36, 274-295. Wood (1996), The geomorphological
    characterisation of digital elevation models, University of Leicester. Florinsky (1998),
    doi:10.1080/136588198242003, for the formulas and the method's precision.
    """
    tile = Tile.whole(dem.shape) if tile is None else tile
    out = tuple(np.empty(tile.core.shape, np.float32) for _ in range(4))
    _surface(np.ascontiguousarray(dem), nodes, spacing, *_place(window, tile), *out)
    return out[0], out[1], out[2], out[3]


def local_incidence(
    dem: np.ndarray,
    los: tuple[np.ndarray, np.ndarray, np.ndarray],
    nodes: np.ndarray,
    spacing: tuple[float, float],
    *,
    tile: Tile | None = None,
) -> np.ndarray:
    """Angle between the line of sight and the normal of the ground, from windows of 3 x 3 pixels.

    Parameters
    ----------
    dem, nodes, spacing, tile
        As `surface`.
    los
        East, north and up component of the direction to the satellite, float32, of the dem's shape.

    Returns
    -------
    ndarray
        float32, rad, shape of ``tile.core``; more than pi/2 where the ground faces away from the satellite, NaN where
        height or line of sight are missing.
    """
    tile = Tile.whole(dem.shape) if tile is None else tile
    out = np.empty(tile.core.shape, np.float32)
    inner = tile.core.within(tile.read)
    east, north, up = (np.ascontiguousarray(component[inner]) for component in los)
    _local_incidence(np.ascontiguousarray(dem), nodes, spacing, *_place(Looks(3, 3), tile), east, north, up, out)
    return out


def _place(window: Looks, tile: Tile) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Half the window, the whole array's pixel at which the output starts, and that of the input."""
    core, read = tile.core, tile.read
    return (window.y // 2, window.x // 2), (core.y0, core.x0), (core.y0 - read.y0, core.x0 - read.x0)


@jit
def _surface(dem, nodes, spacing, half, origin, first, slope, aspect, profile, plan):  # type: ignore[no-untyped-def]
    rows, cols = slope.shape
    work, line, fit = _room(dem.shape[1], cols, nodes.shape[1])
    for i in range(rows):
        _fit_row(dem, nodes, spacing, half, (origin[0] + i, origin[1]), (first[0] + i, first[1]), work, line, fit)
        for j in range(cols):
            p, q, r, s, t = fit[0, j], fit[1, j], fit[2, j], fit[3, j], fit[4, j]
            pp, qq, pq = p * p, q * q, p * q
            g = pp + qq
            steep = np.sqrt(g)
            slope[i, j] = angle_of(steep, 1.0)
            azimuth = angle_of(-p, -q)
            turned = np.float32(azimuth if azimuth >= 0.0 else azimuth + 2.0 * np.pi)
            turned = turned if turned < _TURN else np.float32(0.0)
            # Level ground, and what is missing, has no direction.
            aspect[i, j] = turned if g > 0.0 else np.float32(np.nan)
            profile[i, j] = -(pp * r + 2.0 * pq * s + qq * t) / (g * (1.0 + g) * np.sqrt(1.0 + g))
            plan[i, j] = -(qq * r - 2.0 * pq * s + pp * t) / (g * steep)


@jit
def _local_incidence(dem, nodes, spacing, half, origin, first, east, north, up, out):  # type: ignore[no-untyped-def]
    rows, cols = out.shape
    work, line, fit = _room(dem.shape[1], cols, nodes.shape[1])
    for i in range(rows):
        _fit_row(dem, nodes, spacing, half, (origin[0] + i, origin[1]), (first[0] + i, first[1]), work, line, fit)
        for j in range(cols):
            p, q = fit[0, j], fit[1, j]
            e, n, u = np.float64(east[i, j]), np.float64(north[i, j]), np.float64(up[i, j])
            # The normal is (-p, -q, 1); the tangent's form is exact near 0, where the cosine is flat.
            x, y, z = -q * u - n, e + p * u, q * e - p * n
            out[i, j] = angle_of(np.sqrt(x * x + y * y + z * z), u - p * e - q * n)


@jit
def _room(width, cols, count):  # type: ignore[no-untyped-def]
    """Of a row: its sums and what is summed, the numbers of its nodes, and what fits it."""
    return np.empty((6, width)), np.empty((count, 4)), np.empty((7, cols))


@jit
def _fit_row(dem, nodes, spacing, half, place, at, work, line, fit):  # type: ignore[no-untyped-def]
    """Derivatives of a row of pixels: to the east and north, then twice east, east and north, twice north.

    `place` and `at` are the first pixel's row and column in the whole array and in `dem`.
    """
    half_y, half_x = half
    (r, c), cols = at, fit.shape[1]
    whole = r >= half_y and r + half_y < dem.shape[0]
    if whole:
        _sum_columns(dem[r - half_y : r + half_y + 1], work[:4], work[4:])
        _sum_across(work[:4], half_x, c, fit)
        _quadratic(half_y, half_x, fit)
    for j in range(cols):
        if not (whole and half_x <= c + j < dem.shape[1] - half_x and fit[6, j] == 0.0):
            fit[0, j], fit[1, j] = _plane(dem, r, c + j, half_y, half_x)
            fit[2:5, j] = np.nan
    nodes_of_row(nodes, place[0] / spacing[0], line)
    j = 0
    while j < cols:
        k = min(int((place[1] + j) / spacing[1]), nodes.shape[1] - 2)
        end = cols
        if k < nodes.shape[1] - 2:
            end = min(cols, max(j + 1, int(np.ceil((k + 1) * spacing[1])) - place[1]))
        _to_metres(fit[:, j:end], line[k], line[k + 1], k, place[1] + j, spacing[1])
        j = end


@jit
def _sum_columns(rows, sums, filled):  # type: ignore[no-untyped-def]
    """Sums of height, and of height times row and row squared, down each column of a window; and the gaps in it."""
    sums[:] = 0.0
    height, by_row, by_square, gaps = sums
    values, absent = filled
    for k in range(rows.shape[0]):
        row, away = rows[k], np.float64(k - rows.shape[0] // 2)
        for c in range(row.size):
            z = np.float64(row[c])
            values[c] = z if z == z else 0.0
            absent[c] = 0.0 if z == z else 1.0
        _add(height, values, 1.0)
        _add(by_row, values, away)
        _add(by_square, values, away * away)
        _add(gaps, absent, 1.0)


@jit
def _sum_across(sums, half_x, c, fit):  # type: ignore[no-untyped-def]
    """Sums over windows into `fit`: row z, col z, row^2 z, row col z, col^2 z, z, gaps."""
    fit[:] = 0.0
    width, cols = sums.shape[1], fit.shape[1]
    for k in range(-half_x, half_x + 1):
        start, stop = max(0, -c - k), min(cols, width - c - k)
        if stop <= start:
            continue
        height, by_row, by_square, gaps = sums[:, c + start + k : c + stop + k]
        y, x, yy, yx, xx, total, missing = fit[:, start:stop]
        away = np.float64(k)
        _add(y, by_row, 1.0)
        _add(x, height, away)
        _add(yy, by_square, 1.0)
        _add(yx, by_row, away)
        _add(xx, height, away * away)
        _add(total, height, 1.0)
        _add(missing, gaps, 1.0)


@jit
def _add(total, values, weight):  # type: ignore[no-untyped-def]
    for k in range(values.size):
        total[k] += weight * values[k]


@jit
def _quadratic(half_y, half_x, fit):  # type: ignore[no-untyped-def]
    """From the sums over whole windows to the derivatives along row and column of the surface that fits them."""
    size = (2.0 * half_y + 1.0) * (2.0 * half_x + 1.0)
    mean_y, mean_x = half_y * (half_y + 1.0) / 3.0, half_x * (half_x + 1.0) / 3.0
    # The variance of the squares of -h..h is m (4 m - 1) / 5, where m is their mean.
    spread_y, spread_x = mean_y * (4.0 * mean_y - 1.0) / 5.0, mean_x * (4.0 * mean_x - 1.0) / 5.0
    for j in range(fit.shape[1]):
        total = fit[5, j]
        fit[0, j] /= size * mean_y
        fit[1, j] /= size * mean_x
        fit[2, j] = 2.0 * (fit[2, j] - mean_y * total) / (size * spread_y)
        fit[3, j] /= size * mean_y * mean_x
        fit[4, j] = 2.0 * (fit[4, j] - mean_x * total) / (size * spread_x)


@jit
def _to_metres(fit, left, right, k, col, spacing):  # type: ignore[no-untyped-def]
    """Turn derivatives along row and column into those to the east and north, between two nodes of a row."""
    for j in range(fit.shape[1]):
        f = (col + j) / spacing - k
        g = 1.0 - f
        east_y, east_x = g * left[0] + f * right[0], g * left[1] + f * right[1]
        north_y, north_x = g * left[2] + f * right[2], g * left[3] + f * right[3]
        y, x, yy, yx, xx = fit[0, j], fit[1, j], fit[2, j], fit[3, j], fit[4, j]
        fit[0, j] = y * east_y + x * east_x
        fit[1, j] = y * north_y + x * north_x
        fit[2, j] = yy * east_y * east_y + 2.0 * yx * east_y * east_x + xx * east_x * east_x
        fit[3, j] = yy * east_y * north_y + yx * (east_y * north_x + east_x * north_y) + xx * east_x * north_x
        fit[4, j] = yy * north_y * north_y + 2.0 * yx * north_y * north_x + xx * north_x * north_x


@jit
def _plane(dem, r, c, half_y, half_x):  # type: ignore[no-untyped-def]
    """Gradient along row and column of the plane that fits what is there of a window; NaN if that is too little."""
    middle = np.float64(dem[r, c])
    if np.isnan(middle):
        return np.nan, np.nan
    n = sy = sx = syy = syx = sxx = 0.0
    sz = syz = sxz = 0.0
    for k in range(max(0, r - half_y), min(dem.shape[0], r + half_y + 1)):
        for m in range(max(0, c - half_x), min(dem.shape[1], c + half_x + 1)):
            z = np.float64(dem[k, m]) - middle
            if np.isnan(z):
                continue
            y, x = np.float64(k - r), np.float64(m - c)
            n += 1.0
            sy += y
            sx += x
            syy += y * y
            syx += y * x
            sxx += x * x
            sz += z
            syz += y * z
            sxz += x * z
    yy, yx, xx = n * syy - sy * sy, n * syx - sy * sx, n * sxx - sx * sx
    # Whole numbers: 0 exactly where all pixels lie on one line.
    determinant = yy * xx - yx * yx
    if n < LEAST * (2 * half_y + 1) * (2 * half_x + 1) or determinant < 0.5:
        return np.nan, np.nan
    yz, xz = n * syz - sy * sz, n * sxz - sx * sz
    return (yz * xx - xz * yx) / determinant, (xz * yy - yz * yx) / determinant


@jit
def nodes_of_row(nodes, place, line):  # type: ignore[no-untyped-def]
    """The numbers of the nodes at a row, which lies `place` nodes from the first."""
    k = min(int(place), nodes.shape[0] - 2)
    f = place - k
    for n in range(nodes.shape[1]):
        for m in range(4):
            line[n, m] = (1.0 - f) * nodes[k, n, m] + f * nodes[k + 1, n, m]
