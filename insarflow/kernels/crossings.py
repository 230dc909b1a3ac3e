"""Where the lines and samples of a radar image meet the ground: layover folds, shadow, brightness of slopes."""

from __future__ import annotations

from typing import Final

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.profiles import Profiles, checked_height, highest, march, nodes_of
from insarflow.types import Window

BRANCHES: Final = 3
"""Places of the ground that are kept for one radar sample."""

BRIGHTEST: Final = 4.0
"""Largest weight: where range stands still along the ground it would grow without bound."""

_PARTS: Final = 2048.0
"""Positions are whole parts of a cell, so that float32 holds them exactly in every window."""


def crossings(
    height: np.ndarray, *, ground: Window, radar: Window, profiles: Profiles
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All places of the ground that have the slant range of a radar sample, along the sample's line.

    Parameters
    ----------
    height
        m, float32, shape ``ground.shape``, within ``profiles.low`` and ``profiles.high``; bilinear between cells.
    ground
        Ground cells that `height` covers, at least `ground_of` the radar window. At most 8192 cells along a side.
    radar
        Lines and samples wanted.
    profiles
        How the two lie to each other.

    Returns
    -------
    row, col : ndarray
        float32, shape ``(3, radar.height, radar.width)``: indices into `height`, whole numbers at the centres of cells,
        in whole 2048ths of a cell. Places of one sample stand in the order of their ground distance from the satellite,
        those that are not needed are last.
    weight : ndarray
        float32, same shape, 0 to 4: amplitude of the echo relative to that of flat ground. 0 where there is no such
        place, or it is in shadow; `row` and `col` are 0 there.

    Raises
    ------
    ValueError
        If `height` has another shape than `ground`, leaves its bounds or is NaN, or `ground` is too small or too large.

    Notes
    -----
    Nodes of a profile lie at multiples of ``profiles.step``, and slant range is linear between two of them. So a sample
    has the same places with the same bits in whatever window, but for the whole cells between windows.

    Of ground distance `g`, depth `y` below the track and slope, all at the middle of a step, the projection of the
    ground onto the wave front changes by ``(y dg + g dh) / r`` and range by ``(g dg - y dh) / r``. The weight is the
    root of their ratio, relative to that of flat ground, ``y / g``: with ``a`` the slope towards the satellite and
    ``i`` the incidence, ``tan(i) / tan(i - a)``, gamma nought of even ground. The sum of its squares over samples is
    the projected area, if none reaches 4.

    A place is in shadow if a node nearer to the satellite, by up to ``profiles.reach`` of ground, is seen under a
    larger look angle. Of more than three places that are lit the three of the largest weight are kept.

    References
    ----------
    Small (2011), doi:10.1109/TGRS.2011.2120616.
    """
    heights = checked_height(height, ground, radar, profiles)
    # What ground there is bounds the profiles more narrowly than what there might be, and no place is lost.
    bounds = profiles._replace(low=float(heights.min()), high=float(heights.max()))
    first, nodes = nodes_of(radar, bounds)
    row, col, weight = (np.zeros((BRANCHES, *radar.shape), np.float32) for _ in range(3))
    _crossings(heights, (ground.y0, ground.x0), (radar.y0, radar.x0), first, nodes, profiles, row, col, weight)
    return row, col, weight


def folded(
    height: np.ndarray, *, ground: Window, radar: Window, cells: Window, profiles: Profiles
) -> tuple[np.ndarray, np.ndarray]:
    """Which ground cells share their slant range with others (layover), and which the radar does not see (shadow).

    Parameters
    ----------
    height, ground, radar, profiles
        As of `crossings`; `radar` must hold the lines and samples of all `cells`, at whatever height within bounds.
    cells
        Ground cells wanted.

    Returns
    -------
    layover, shadow : ndarray
        bool, shape ``cells.shape``: of the node nearest to the cell, on the line nearest to it. Ground in shadow still
        makes layover.

    Raises
    ------
    ValueError
        As `crossings`.
    """
    heights = checked_height(height, ground, radar, profiles)
    first, nodes = nodes_of(radar, profiles)
    layover, shadow = (np.zeros((radar.height, nodes), np.bool_) for _ in range(2))
    _folded(heights, (ground.y0, ground.x0), radar.y0, first, profiles, layover, shadow)
    p = profiles
    rows = cells.y0 + np.arange(cells.height)[:, None] - p.row
    cols = cells.x0 + np.arange(cells.width)[None, :] - p.col
    turn = p.row_per_line * p.col_per_metre - p.row_per_metre * p.col_per_line
    line = (rows * p.col_per_metre - cols * p.row_per_metre) / turn
    metres = (cols * p.row_per_line - rows * p.col_per_line) / turn
    place = np.rint(line).astype(np.int64) - radar.y0, np.rint(metres / p.step).astype(np.int64) - first
    if any(k.min() < 0 or k.max() >= n for k, n in zip(place, layover.shape, strict=True)):
        raise ValueError(
            f"radar must hold the lines and samples of all cells, instead got radar={radar}, cells={cells}"
        )
    return layover[place], shadow[place]


@jit
def _crossings(height, origin, start, first, nodes, p, row, col, weight):  # type: ignore[no-untyped-def]
    depth, sample = np.empty(nodes), np.empty(nodes)
    found = np.empty(row.shape[2], np.int64)
    reach = int(np.ceil(p.reach / p.step))
    for i in range(row.shape[1]):
        line = start[0] + i
        march(height, origin, line, first, p, depth, sample)
        row0 = p.row + line * p.row_per_line
        col0 = p.col + line * p.col_per_line
        found[:] = 0
        at, top = 0, -np.inf
        tangent, after = first * p.step / depth[0], int(np.ceil(sample[0]))
        for k in range(nodes - 1):
            g, before, here = (first + k) * p.step, after, tangent
            tangent = (first + k + 1) * p.step / depth[k + 1]
            after = int(np.ceil(sample[k + 1]))
            if here >= top:
                at, top = k, here
            elif at < k - reach:
                at, top = highest(depth, first, p.step, k - reach, k + 1)
            low = max(min(before, after), start[1])
            high = min(max(before, after), start[1] + row.shape[2])
            rise = depth[k] - depth[k + 1]
            middle, y = g + 0.5 * p.step, 0.5 * (depth[k] + depth[k + 1])
            facing = y * p.step + middle * rise
            if low >= high or facing <= 0.0:
                continue
            power = abs(facing * middle / (y * (middle * p.step - y * rise)))
            w = np.float32(min(np.sqrt(power), BRIGHTEST))
            slope = 1.0 / (sample[k + 1] - sample[k])
            for s in range(low, high):
                f = (s - sample[k]) * slope
                if at == k or here + f * (tangent - here) >= top:
                    metres = g + f * p.step
                    # Rounded before the window's place is taken off, which then changes no bit.
                    r = np.rint((row0 + metres * p.row_per_metre) * _PARTS) / _PARTS - origin[0]
                    c = np.rint((col0 + metres * p.col_per_metre) * _PARTS) / _PARTS - origin[1]
                    j = s - start[1]
                    n = _branch(row, col, weight, found[j], i, j, w) if found[j] > 0 else 0
                    if n < BRANCHES:
                        row[n, i, j], col[n, i, j], weight[n, i, j] = r, c, w
                        found[j] = n + 1


@jit
def _branch(row, col, weight, n, i, j, w):  # type: ignore[no-untyped-def]
    """Free branch of a sample that has some places already; a weaker one makes room if there is none."""
    if n < BRANCHES:
        return n
    weakest = 0
    for b in range(1, BRANCHES):
        if weight[b, i, j] < weight[weakest, i, j]:
            weakest = b
    if w <= weight[weakest, i, j]:
        return n
    for b in range(weakest, BRANCHES - 1):
        row[b, i, j], col[b, i, j], weight[b, i, j] = row[b + 1, i, j], col[b + 1, i, j], weight[b + 1, i, j]
    return BRANCHES - 1


@jit
def _folded(height, origin, line0, first, p, layover, shadow):  # type: ignore[no-untyped-def]
    nodes = layover.shape[1]
    depth, sample = np.empty(nodes), np.empty(nodes)
    reach = int(np.ceil(p.reach / p.step))
    for i in range(layover.shape[0]):
        march(height, origin, line0 + i, first, p, depth, sample)
        at, top, farthest, nearest = 0, -np.inf, -np.inf, np.inf
        for k in range(nodes):
            tangent = (first + k) * p.step / depth[k]
            if tangent >= top:
                at, top = k, tangent
            elif at < k - reach:
                at, top = highest(depth, first, p.step, k - reach, k + 1)
            shadow[i, k] = tangent < top
            layover[i, k] = sample[k] < farthest
            farthest = max(farthest, sample[k])
        for k in range(nodes - 1, -1, -1):
            layover[i, k] |= sample[k] > nearest
            nearest = min(nearest, sample[k])
