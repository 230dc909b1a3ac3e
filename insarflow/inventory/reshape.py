"""Outlines with fewer corners, or rounder ones, in columns and rows of the grid."""

from __future__ import annotations

import numpy as np
import shapely


def reshape(polygons: np.ndarray, simplify: float, smooth: int) -> np.ndarray:
    """Simplify, then smooth.

    Parameters
    ----------
    polygons
        In pixels.
    simplify
        Most that an outline may move, pixels (Douglas and Peucker; a polygon stays a polygon). 0 keeps every corner.
    smooth
        How often corners are cut: each edge keeps its middle half (Chaikin 1974, Computer Graphics and Image Processing
        3, 346-349), a long one all but a pixel on either side. Areas change little, since what is cut off outer corners
        is added at inner ones.

    Returns
    -------
    ndarray
        As many polygons. One that would collapse, or cross itself, is left as it is.
    """
    for step in [lambda p: shapely.simplify(p, simplify, preserve_topology=True)] * (simplify > 0.0) + [_cut] * smooth:
        made = step(polygons)
        good = shapely.is_valid(made) & (shapely.area(made) > 0.0)
        polygons = np.where(good, made, polygons)
    return polygons


def _cut(polygons: np.ndarray) -> np.ndarray:
    """Cut every corner once."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    # The last vertex of a ring is its first one again.
    edges = ring[1:] == ring[:-1]
    a, b, of = xy[:-1][edges], xy[1:][edges], ring[1:][edges]
    part = np.minimum(0.25, 1.0 / np.hypot(*(b - a).T))[:, None]
    cut = np.stack([a + part * (b - a), b - part * (b - a)], axis=1).reshape(-1, 2)
    return np.asarray(shapely.polygons(shapely.linearrings(cut, indices=np.repeat(of, 2)), indices=owner))
