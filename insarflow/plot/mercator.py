"""Images on web mercator, the grid of maps in browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyproj

from insarflow.errors import SchemaError
from insarflow.types import Grid, Looks

MERCATOR: Final = "EPSG:3857"

WORLD: Final = 20_100_000.0
"""Web mercator ends at 180 degrees of longitude and 85.1 of latitude, m."""


@dataclass(frozen=True)
class Mercator:
    """Nearest pixels of an image, on web mercator.

    Attributes
    ----------
    index
        Position in the flattened image of each pixel, north up, int64 ``(y, x)``; -1 outside the image.
    corners
        ``[[south, west], [north, east]]``, degrees.
    """

    index: np.ndarray
    corners: list[list[float]]

    def lay(self, values: np.ndarray) -> np.ndarray:
        """`values` (real, ``(y, x)``) laid on web mercator, NaN outside."""
        laid: np.ndarray = np.where(self.index < 0, np.float32(np.nan), values.ravel()[self.index])
        return laid


def coarse(grid: Grid, looks: Looks, shape: tuple[int, ...]) -> Grid:
    """The grid of an image of `shape` pixels that was averaged by `looks`."""
    x, dx, _, y, _, dy = grid.transform
    return Grid((x, dx * looks.x, 0.0, y, 0.0, dy * looks.y), (shape[0], shape[1]), grid.crs)


def to_mercator(grid: Grid, longest: int) -> Mercator:
    """Lay the pixels of `grid` on web mercator by nearest neighbour, at most `longest` pixels a side.

    Raises
    ------
    SchemaError
        If the region lies where web mercator is not defined.
    """
    left, dx, _, top, _, dy = grid.transform
    right, bottom = left + dx * grid.shape[1], top + dy * grid.shape[0]
    turn = pyproj.Transformer.from_crs(grid.crs, MERCATOR, always_xy=True)
    bounds = turn.transform_bounds(min(left, right), min(bottom, top), max(left, right), max(bottom, top))
    if not np.abs(bounds).max() < WORLD:  # also if NaN
        raise SchemaError(
            f"an interactive map needs a region between 85° S and 85° N, instead got x from {left} to {right}, "
            f"y from {bottom} to {top}: draw it with ds.insar.plot"
        )
    west, south, east, north = bounds
    # Up to twice as fine: so every pixel is met on the turned grid.
    step = max(east - west, north - south) / min(longest, 2 * max(grid.shape))
    x = west + step * (np.arange(max(1, round((east - west) / step))) + 0.5)
    y = north - step * (np.arange(max(1, round((north - south) / step))) + 0.5)
    x_there, y_there = np.meshgrid(x, y)
    x_there, y_there = turn.transform(x_there, y_there, direction="INVERSE")
    with np.errstate(invalid="ignore"):  # infinite where the CRS is not defined
        column, row = np.floor((x_there - left) / dx), np.floor((y_there - top) / dy)
        inside = (row >= 0) & (row < grid.shape[0]) & (column >= 0) & (column < grid.shape[1])
    index = np.where(inside, row * grid.shape[1] + column, -1).astype(np.int64)
    degrees = pyproj.Transformer.from_crs(MERCATOR, "EPSG:4326", always_xy=True)
    # Rounding to whole pixels moved the far edges.
    west, north = degrees.transform(west, north)
    east, south = degrees.transform(x[-1] + step / 2, y[-1] - step / 2)
    return Mercator(index, [[south, west], [north, east]])
