"""The CRS of the polygons in a file; areas are measured before and do not depend on it."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pyproj
from pyproj.exceptions import CRSError

from insarflow.errors import SchemaError


def check_crs(crs: str) -> pyproj.CRS:
    """The coordinate reference system that a text names.

    Parameters
    ----------
    crs
        What PROJ understands: ``"EPSG:4326"``, WKT, a PROJ string.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If PROJ does not know it, or it has no horizontal coordinates.
    """
    wanted = "crs must be a map projection or degrees, such as EPSG:32632 or EPSG:4326"
    if not isinstance(crs, str):
        raise TypeError(f"{wanted}, instead got crs={crs!r:.80} ({type(crs).__name__})")
    try:
        known = pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise ValueError(f"{wanted}, instead got crs={crs!r:.80}, which PROJ does not know") from error
    if not (known.is_projected or known.is_geographic):
        raise ValueError(f"{wanted}, instead got crs={crs!r:.80} ({known.type_name})")
    return known


def reproject(frame: gpd.GeoDataFrame, crs: str) -> gpd.GeoDataFrame:
    """`frame` with its outlines in another CRS; all columns, areas among them, stay.

    Raises
    ------
    TypeError, ValueError
        As `check_crs`.
    SchemaError
        If a polygon lies where the CRS is not defined.
    """
    known = check_crs(crs)
    moved = frame.to_crs(known)
    if not np.isfinite(moved.total_bounds).all() and len(moved):
        raise SchemaError(f"crs={crs!r:.80} is not defined where the polygons lie: choose one of their region")
    moved.attrs = dict(frame.attrs)
    return moved
