"""The outline of a grid in degrees of longitude and latitude, as GeoJSON has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyproj

from insarflow.errors import SchemaError
from insarflow.types import Grid

if TYPE_CHECKING:
    import shapely

_STEPS: Final = 20
"""Pieces of a side, which on a map is no straight line in degrees."""


def footprint(grid: Grid) -> tuple[dict[str, Any], list[float]]:
    """Polygon around a grid, and its box west, south, east, north.

    Returns
    -------
    geometry
        GeoJSON: a Polygon, counter-clockwise; a MultiPolygon, cut there, if the grid crosses the antimeridian.
    bbox
        Degrees; west is the larger if it crosses.

    Raises
    ------
    SchemaError
        If the grid has no place in degrees.
    """
    import shapely
    import shapely.affinity

    x, x_step, _, y, _, y_step = grid.transform
    height, width = grid.shape
    columns, rows = (np.linspace(0.0, size, _STEPS + 1)[:-1] for size in (width, height))
    across = np.concatenate([columns, np.full(_STEPS, width), width - columns, np.zeros(_STEPS)])
    down = np.concatenate([np.zeros(_STEPS), rows, np.full(_STEPS, height), height - rows])
    to_degrees = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x + x_step * across, y + y_step * down)
    if not np.isfinite([longitude, latitude]).all():
        raise SchemaError("the stack's grid has no place in degrees of longitude and latitude: check its CRS")
    longitude = np.unwrap(longitude, period=360.0)
    longitude -= 360.0 * np.floor((longitude.min() + 180.0) / 360.0)
    # What lies on a straight line is left out again.
    ring = shapely.Polygon(np.column_stack([longitude, latitude])).simplify(1e-9)
    west, south, east, north = (round(float(v), 9) for v in ring.bounds)
    if east <= 180.0:
        return _geojson(ring), [west, south, east, north]
    parts = [
        shapely.affinity.translate(ring.intersection(shapely.box(low, -90.0, low + 360.0, 90.0)), xoff=-low - 180.0)
        for low in (-180.0, 180.0)
    ]
    return _geojson(shapely.MultiPolygon(parts)), [west, south, round(east - 360.0, 9), north]


def _geojson(shape: shapely.Polygon | shapely.MultiPolygon) -> dict[str, Any]:
    import shapely

    ordered = shapely.orient_polygons(shapely.set_precision(shape, 1e-9), exterior_cw=False)
    geometry: dict[str, Any] = json.loads(shapely.to_geojson(ordered))
    return geometry
