"""How many pixels of a grid one goes by a metre to the true east or north."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import pyproj
from pyproj.exceptions import CRSError, ProjError

from insarflow.constants import WGS84_FLATTENING, WGS84_SEMI_MAJOR
from insarflow.errors import SchemaError
from insarflow.types import Grid

_STEP: Final = 64
"""Least pixels between nodes."""

_MOST: Final = 64
"""Most cells of the mesh along an axis: at that, the nodes of a region of 400 km are 6 km apart."""


class Ground(NamedTuple):
    """The measure of a grid, at the nodes of a mesh.

    Attributes
    ----------
    nodes
        Rows and columns per metre, float64, shape ``(m + 1, n + 1, 4)``: rows to the east, columns to the east, rows
        to the north, columns to the north. Bilinear between.
    spacing
        Pixels between nodes along y and x.
    """

    nodes: np.ndarray
    spacing: tuple[float, float]

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Distance of neighbouring pixels along y and x in the middle of the grid, m."""
        rows, cols = (n // 2 for n in self.nodes.shape[:2])
        to_pixels = self.nodes[rows, cols].reshape(2, 2).T
        to_metres = np.linalg.inv(to_pixels)
        y, x = np.hypot(to_metres[0], to_metres[1])
        return float(y), float(x)

    def pixels(self, distance: float) -> tuple[int, int]:
        """Most rows and columns that one goes by a distance (m) in any direction, anywhere on the grid."""
        rows, cols = (np.hypot(self.nodes[..., k], self.nodes[..., k + 2]).max() for k in (0, 1))
        return int(np.ceil(distance * rows)), int(np.ceil(distance * cols))


@lru_cache(maxsize=32)
def ground_of(grid: Grid) -> Ground:
    """Measure a grid on the WGS 84 ellipsoid.

    Raises
    ------
    SchemaError
        If its CRS has no relation to the Earth, or is not defined where the grid lies.

    Notes
    -----
    Of the whole grid at once, whichever part is asked for, so that a pixel's numbers do not depend on how an image is
    cut. Degrees shrink with the latitude, and a map projection has a scale and a north of its own; both are in the
    numbers. At a height h a metre is short by h / 6,371 km, which is left out.

    Between nodes 6 km apart the numbers are right within one part in a million up to 60 degrees of latitude.

    Examples
    --------
    >>> ground = ground_of(Grid((500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -10.0), (50, 50), "EPSG:32632"))
    >>> [round(size, 2) for size in ground.pixel_size]
    [10.0, 20.01]
    """
    rows, y_spacing = _places(grid.shape[0])
    cols, x_spacing = _places(grid.shape[1])
    row, col = np.meshgrid(rows, cols, indexing="ij")
    with np.errstate(invalid="ignore"):
        metres = _metres(grid, row, col)
    if not np.isfinite(metres).all() or (np.linalg.det(metres) == 0.0).any():
        raise SchemaError(
            f"the grid's crs must be defined where the grid lies, instead it is not: crs={grid.crs!r:.60}, "
            f"transform={grid.transform}"
        )
    pixels = np.linalg.inv(metres).swapaxes(-1, -2)
    return Ground(np.ascontiguousarray(pixels.reshape(*row.shape, 4)), (y_spacing, x_spacing))


def _metres(grid: Grid, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Metres to the east and north by a row and by a column, shape ``(..., 2, 2)``; not finite where there is none."""
    latitude = np.radians(_degrees(grid, row, col)[0])
    eccentricity = WGS84_FLATTENING * (2.0 - WGS84_FLATTENING)
    rest = 1.0 - eccentricity * np.sin(latitude) ** 2
    normal = WGS84_SEMI_MAJOR / np.sqrt(rest)
    meridian = normal * (1.0 - eccentricity) / rest
    metres = np.empty((*row.shape, 2, 2))
    for k, (down, right) in enumerate(((0.5, 0.0), (0.0, 0.5))):
        (lat0, lon0), (lat1, lon1) = _degrees(grid, row - down, col - right), _degrees(grid, row + down, col + right)
        turn = np.radians((lon1 - lon0 + 180.0) % 360.0 - 180.0)
        metres[..., 0, k] = normal * np.cos(latitude) * turn
        metres[..., 1, k] = meridian * np.radians(lat1 - lat0)
    return metres


def _places(size: int) -> tuple[np.ndarray, float]:
    """Pixels at which the nodes lie along an axis, the first and the last among them, and their distance."""
    cells = min(max(1, -(-(size - 1) // _STEP)), _MOST)
    spacing = max(size - 1, 1) / cells
    return spacing * np.arange(cells + 1), spacing


def _degrees(grid: Grid, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude, degrees, of points given in pixels of a grid."""
    x0, dx, _, y0, _, dy = grid.transform
    try:
        transformer = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        longitude, latitude = transformer.transform(x0 + dx * (cols + 0.5), y0 + dy * (rows + 0.5))
    except (CRSError, ProjError) as error:
        raise SchemaError(
            f"the grid's crs must tell where on the Earth it lies, instead got crs={grid.crs!r:.60}: set it with "
            "ds.rio.write_crs"
        ) from error
    return latitude, longitude
