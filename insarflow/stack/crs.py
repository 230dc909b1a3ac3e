"""Coordinate reference systems: what a caller may name one by, and whether two are one."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import pyproj
import rasterio.crs
import rasterio.errors
from pyproj.exceptions import CRSError

from insarflow.errors import GridMismatchError
from insarflow.stack.georeference import degrees_of
from insarflow.types import Grid

CrsLike = str | int | pyproj.CRS
"""What a caller may write for a CRS: ``"EPSG:32632"``, ``32632``, WKT, a PROJ string, a CRS object, or ``"utm"``."""


def parse_crs(crs: CrsLike) -> str:
    """WKT of a CRS, as `insarflow.types.Grid` takes it; ``"utm"`` stays.

    Raises
    ------
    TypeError
        If it is of another kind.
    ValueError
        If PROJ does not know it, or it is neither a map projection nor degrees.

    Examples
    --------
    >>> parse_crs("EPSG:32632") == parse_crs(32632)
    True
    """
    wanted = "crs must be a map projection or degrees, such as EPSG:32632, EPSG:4326 or utm"
    given: Any = crs.to_wkt() if hasattr(crs, "to_wkt") else crs
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise TypeError(f"{wanted}, instead got crs={crs!r:.80} ({type(crs).__name__})")
    if isinstance(given, str) and given.strip().lower() == "utm":
        return "utm"
    try:
        known = pyproj.CRS.from_user_input(given)
    except CRSError as error:
        raise ValueError(f"{wanted}, instead got crs={crs!r:.80}, which PROJ does not know") from error
    if not (known.is_projected or known.is_geographic):
        raise ValueError(f"{wanted}, instead got crs={crs!r:.80} ({known.type_name})")
    code = known.to_epsg()
    try:
        # Of a code GDAL's own words, as they stand in files.
        found = rasterio.crs.CRS.from_user_input(known.to_wkt() if code is None else code)
        return str(found.to_wkt())
    except rasterio.errors.CRSError as error:
        raise ValueError(f"{wanted}, instead got crs={crs!r:.80}, which GDAL does not know") from error


def utm_of(grid: Grid) -> str:
    """WKT of the UTM zone (WGS 84) of a grid's middle.

    Raises
    ------
    GridMismatchError
        If the grid has no place in degrees, or lies beyond UTM.
    """
    bounds = degrees_of(grid)
    west, south, east, north = bounds or (math.nan,) * 4
    middle = 0.5 * (west + east + (360.0 if west > east else 0.0))
    latitude = 0.5 * (south + north)
    if not -80.0 <= latitude <= 84.0:
        raise GridMismatchError(
            f"crs='utm' must be for images between 80 degrees south and 84 north, instead got {latitude:.1f}: "
            "name a polar projection such as EPSG:3413 or EPSG:3031"
        )
    zone = int((middle + 180.0) // 6.0) % 60 + 1
    return parse_crs((32600 if latitude >= 0.0 else 32700) + zone)


@lru_cache(maxsize=256)
def same_crs(one: str, other: str) -> bool:
    """Whether two WKT are of one CRS, however written."""
    return one == other or rasterio.crs.CRS.from_wkt(one) == rasterio.crs.CRS.from_wkt(other)


@lru_cache(maxsize=256)
def full_turn(crs: str) -> float:
    """Once round the Earth in units of x: 360 for degrees; 0 if x is not an angle."""
    known = pyproj.CRS.from_wkt(crs)
    if not known.is_geographic:
        return 0.0
    return 2.0 * math.pi / float(known.axis_info[0].unit_conversion_factor)
