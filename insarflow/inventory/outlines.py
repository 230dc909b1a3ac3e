"""Tables of outlines from any hand: what is asked of them, one CRS for two, and which outlines overlap."""

from __future__ import annotations

from typing import Final, NamedTuple

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from pyproj.exceptions import ProjError

from insarflow.errors import SchemaError

SLIVER: Final = 1e-9
"""Part of the smaller outline that two may share by rounding alone."""

_SHOWN: Final = 5


def check_table(frame: gpd.GeoDataFrame, name: str) -> None:
    """Check that `frame` is a table with outlines and a CRS; one without rows needs no CRS.

    Raises
    ------
    TypeError
        If it is no GeoDataFrame.
    SchemaError
        If it has no geometry, or no CRS.
    """
    if not isinstance(frame, gpd.GeoDataFrame):
        raise TypeError(f"{name} must be a geopandas.GeoDataFrame, instead got {type(frame).__name__}")
    if frame.active_geometry_name is None:
        raise SchemaError(f"{name} must have outlines, instead got a table without geometry: see set_geometry")
    if frame.crs is None and len(frame):
        raise SchemaError(f"{name} must have a CRS, instead got none: set it with set_crs, or with ogr2ogr -a_srs")


def check_outlines(frame: gpd.GeoDataFrame, name: str) -> None:
    """Check that every row of a table is a valid polygon or multipolygon.

    Raises
    ------
    SchemaError
        Naming ids, or rows from 0 if there are none, that are empty, something else, or cross themselves.
    """
    shapes = frame.geometry
    empty = np.flatnonzero(shapes.isna() | shapes.is_empty)
    if len(empty):
        raise SchemaError(f"{name}: a slope must have an outline, instead got none of {who(frame, empty)}: remove it")
    kinds = shapes.geom_type.to_numpy()
    others = np.flatnonzero(~np.isin(kinds, ["Polygon", "MultiPolygon"]))
    if len(others):
        raise SchemaError(f"{name} must hold polygons, instead got a {kinds[others[0]]} in {who(frame, others)}")
    crossed = np.flatnonzero(~shapes.is_valid)
    if len(crossed):
        reason = shapely.is_valid_reason(shapes.iloc[crossed[0]])
        raise SchemaError(
            f"{name}: a polygon must not cross itself, instead got {reason} in {who(frame, crossed)}: mend it with "
            "make_valid, or Fix geometries in QGIS"
        )


def identities(frame: gpd.GeoDataFrame) -> np.ndarray:
    """The column ``id`` if it tells the rows apart, else their numbers from 0."""
    if "id" in frame and frame["id"].notna().all() and frame["id"].is_unique:
        return np.asarray(frame["id"].to_numpy())
    return np.arange(len(frame))


def who(frame: gpd.GeoDataFrame, rows: np.ndarray) -> str:
    """What errors call some rows: ``id 3, 7``."""
    known = "id" in frame and frame["id"].notna().all() and frame["id"].is_unique
    ids = identities(frame)[rows].tolist()
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{'id' if known else 'row'} {', '.join(map(str, ids[:_SHOWN]))}{more}"


def shapes_in(frame: gpd.GeoDataFrame, crs: pyproj.CRS, name: str) -> np.ndarray:
    """The outlines in a CRS, without heights, object (n,).

    Raises
    ------
    SchemaError
        If one has no place in that CRS.
    """
    shapes = frame.geometry
    if len(frame) and shapes.crs != crs:
        try:
            shapes = shapes.to_crs(crs)
        except (ProjError, RuntimeError, ValueError) as error:
            raise SchemaError(f"{name} cannot be brought to the CRS {crs.name!r}: {error}") from error
        lost = np.flatnonzero(~np.isfinite(shapes.bounds.to_numpy()).all(axis=1))
        if len(lost):
            raise SchemaError(f"{name} holds coordinates that have no place in {crs.name!r}, in {who(frame, lost)}")
    return np.asarray(shapely.force_2d(shapes.to_numpy()), object)


class Meetings(NamedTuple):
    """Pairs of polygons that share an area, in the order of their numbers."""

    first: np.ndarray
    """Number of the one, int64."""
    second: np.ndarray
    """Number of the other, int64."""
    area: np.ndarray
    """That they share, float64, in units of their CRS."""


def overlaps(first: np.ndarray, second: np.ndarray) -> Meetings:
    """Which polygons of two arrays share an area; of one array given twice, each pair once, the lower number first.

    Touching at a point or along an edge is none, nor is what rounding makes of it: `SLIVER` of the smaller one.
    """
    rows, columns = shapely.STRtree(second).query(first, predicate="intersects")
    if second is first:
        rows, columns = rows[rows < columns], columns[rows < columns]
    area = shapely.area(shapely.intersection(first[rows], second[columns]))
    keep = area > SLIVER * np.minimum(shapely.area(first)[rows], shapely.area(second)[columns])
    rows, columns, area = rows[keep], columns[keep], area[keep]
    order = np.lexsort((columns, rows))
    return Meetings(rows[order], columns[order], area[order])


def common_crs(*frames: gpd.GeoDataFrame) -> pyproj.CRS:
    """The first projected CRS among those of the tables that have rows, or else equal areas around the last of them."""
    known = [frame for frame in frames if len(frame)]
    for frame in known:
        if pyproj.CRS(frame.crs).is_projected:
            return pyproj.CRS(frame.crs)
    west, south, east, north = known[-1].geometry.to_crs("EPSG:4326").total_bounds
    at = f"+lat_0={(south + north) / 2:.4f} +lon_0={(west + east) / 2:.4f}"
    return pyproj.CRS.from_proj4(f"+proj=laea {at} +datum=WGS84 +units=m")
