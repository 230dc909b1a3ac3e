"""Outlines as whole steps from corner to corner: small enough for a page of thousands."""

from __future__ import annotations

from typing import Final

import geopandas as gpd
import numpy as np
import shapely

from insarflow.errors import SchemaError
from insarflow.types import JsonValue

UNITS: Final = 100_000
"""Steps of a coordinate in a degree: 1e-5 degrees, about a metre."""

_STRAIGHT: Final = 0.5 / UNITS


def encoded(frame: gpd.GeoDataFrame) -> dict[str, JsonValue]:
    """Outlines of a table in whole units of degrees (EPSG:4326).

    Returns
    -------
    dict
        ``units`` in a degree; ``origin``, ``[x, y]`` in units; ``shapes``: for each row its parts, for each part its
        rings, for each ring ``[x, y, dx, dy, ...]``: the first corner from the origin, then each from the one before;
        the last, which is the first, is left out. Rows without an outline have no parts.

    Raises
    ------
    SchemaError
        If an outline has no place on the Earth.

    Examples
    --------
    >>> square = gpd.GeoDataFrame(geometry=[shapely.box(7.0, 46.0, 7.001, 46.002)], crs="EPSG:4326")
    >>> encoded(square)
    {'units': 100000, 'origin': [700000, 4600000], 'shapes': [[[[100, 0, 0, 200, -100, 0, 0, -200]]]]}
    """
    degrees = frame.geometry.to_crs("EPSG:4326").to_numpy()
    there = ~(shapely.is_missing(degrees) | shapely.is_empty(degrees))
    origin = [0, 0]
    if there.any():
        bounds = shapely.total_bounds(degrees[there])
        if not np.isfinite(shapely.bounds(degrees[there])).all():
            raise SchemaError("frame must lie where degrees are defined, instead outlines have no place on the Earth")
        origin = [round(float(side) * UNITS) for side in bounds[:2]]
    # Steps of pixels have corners along straight lines, which nobody sees.
    thin = shapely.simplify(degrees, _STRAIGHT)
    shapes: list[JsonValue] = [_parts(shape, origin) if one else [] for shape, one in zip(thin, there, strict=True)]
    return {"units": UNITS, "origin": [*origin], "shapes": shapes}


def _parts(shape: shapely.Geometry, origin: list[int]) -> list[JsonValue]:
    polygons = [part for part in shapely.get_parts(shape) if isinstance(part, shapely.Polygon)]
    return [[_steps(ring, origin) for ring in (part.exterior, *part.interiors)] for part in polygons]


def _steps(ring: shapely.LinearRing, origin: list[int]) -> list[JsonValue]:
    corners = np.rint(shapely.get_coordinates(ring)[:-1] * UNITS).astype(np.int64)
    steps = np.diff(corners, axis=0, prepend=[origin])
    moved = steps.any(axis=1)
    moved[:1] = True
    return [int(step) for step in steps[moved].ravel()]
