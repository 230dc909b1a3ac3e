"""Incidence and line of sight of a grid, from an orbit and terrain heights."""

from __future__ import annotations

import dask.array as da
import numpy as np
from pyproj import Transformer

from insarflow.kernels import geometry
from insarflow.types import Grid, Window

LINE_OF_SIGHT = ("incidence", "los_east", "los_north", "los_up")
"""What `line_of_sight` gives, in order."""


def line_of_sight(dem: da.Array, grid: Grid, orbit: np.ndarray) -> dict[str, da.Array]:
    """Incidence and line of sight per pixel, lazily.

    Parameters
    ----------
    dem
        Terrain height, m, shape ``(y, x)``; NaN is missing. A height above the geoid instead of the ellipsoid turns
        the incidence by less than 0.01 degrees.
    grid
        Its pixels.
    orbit
        State vectors, shape ``(n, 7)``, as in `insarflow.kernels.geometry`.

    Returns
    -------
    dict
        float32 dask arrays ``incidence`` (rad), ``los_east``, ``los_north``, ``los_up`` of the dem's shape and chunks.
    """
    los = da.blockwise(
        _block,
        "kyx",
        dem,
        "yx",
        da.from_array(grid.y, chunks=(dem.chunks[0],)),
        "y",
        da.from_array(grid.x, chunks=(dem.chunks[1],)),
        "x",
        crs=grid.crs,
        orbit=orbit,
        new_axes={"k": len(LINE_OF_SIGHT)},
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
    return {name: los[k] for k, name in enumerate(LINE_OF_SIGHT)}


def ground_point(grid: Grid, height: float) -> np.ndarray:
    """Earth-fixed coordinates (m, shape ``(3,)``) of the middle of a grid at a height (m)."""
    middle = grid.shape[0] // 2, grid.shape[1] // 2
    latitude, longitude = _geodetic(grid.y[middle[0]], grid.x[middle[1]], grid.crs)
    return geometry.geodetic_to_ecef(latitude, longitude, np.array(height))


def slant_ranges(
    height: np.ndarray, north: np.ndarray, up: np.ndarray, grid: Grid, window: Window, radius: float
) -> np.ndarray:
    """Slant range in a window of a grid: `insarflow.kernels.geometry.slant_range` where its pixels lie."""
    y, x = grid.y[window.y0 : window.y1], grid.x[window.x0 : window.x1]
    rows, cols = np.broadcast_arrays(y[:, None], x[None, :])
    latitude, _ = _geodetic(rows, cols, grid.crs)
    return geometry.slant_range(latitude, height, north, up, radius)


def _block(dem: np.ndarray, y: np.ndarray, x: np.ndarray, *, crs: str, orbit: np.ndarray) -> np.ndarray:
    rows, cols = np.broadcast_arrays(y[:, None], x[None, :])
    latitude, longitude = _geodetic(rows, cols, crs)
    return geometry.line_of_sight(latitude, longitude, dem, orbit)


def _geodetic(y: np.ndarray, x: np.ndarray, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude on WGS 84, rad, of map coordinates."""
    # Made anew in each block: a Transformer must not be shared between threads.
    longitude, latitude = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.radians(latitude), np.radians(longitude)
