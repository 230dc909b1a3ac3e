"""What MintPy wants to know of a stack besides its images: attributes named as ROI_PAC names them, all text."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import numpy as np
import pyproj

from insarflow.constants import WGS84_FLATTENING, WGS84_SEMI_MAJOR
from insarflow.stack.export.layers import Stack
from insarflow.stack.georeference import degrees_of
from insarflow.types import Grid

SENTINEL1_ORBIT: Final = 7_074_000.0
"""Mean distance of Sentinel-1 from the Earth's centre, m; it goes from 7065 km to 7082 km around an orbit."""


def orbit_radius(platform: object) -> float | None:
    """Distance of a satellite from the Earth's centre, m; None unless it is a Sentinel-1.

    Examples
    --------
    >>> orbit_radius("S1A, S1B"), orbit_radius("ENVISAT")
    (7074000.0, None)
    """
    known = re.search(r"\bS1[A-D]?\b|Sentinel-?1", str(platform or ""), re.IGNORECASE)
    return SENTINEL1_ORBIT if known else None


def epsg_of(grid: Grid) -> int | None:
    """EPSG code of a grid's CRS; None if it has none."""
    return pyproj.CRS.from_wkt(grid.crs).to_epsg()


def attributes_of(stack: Stack) -> dict[str, str]:
    """Attributes of both files; what the stack does not tell is left out.

    Notes
    -----
    ``X_FIRST`` and ``Y_FIRST`` are the outer corner of the first pixel, ``HEADING`` degrees clockwise from north.
    """
    attrs, pairs = stack.pairs.attrs, stack.names
    looks = attrs.get("looks", (1, 1))
    found: dict[str, Any] = {
        "PROCESSOR": "insarflow",
        "WAVELENGTH": float(attrs["wavelength"]),
        "ALOOKS": int(looks[0]),
        "RLOOKS": int(looks[1]),
        "START_DATE": str(min(p.reference for p in pairs))[:10].replace("-", ""),
        "END_DATE": str(max(p.secondary for p in pairs))[:10].replace("-", ""),
        **_place(stack.grid),
        **_orbit(stack),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _place(grid: Grid) -> dict[str, Any]:
    """Where the pixels lie."""
    x, x_step, _, y, _, y_step = grid.transform
    crs = pyproj.CRS.from_wkt(grid.crs)
    unit = "degrees" if crs.is_geographic else "meters"
    return {
        "LENGTH": grid.shape[0],
        "WIDTH": grid.shape[1],
        "X_FIRST": x,
        "Y_FIRST": y,
        "X_STEP": x_step,
        "Y_STEP": y_step,
        "X_UNIT": unit,
        "Y_UNIT": unit,
        "EPSG": epsg_of(grid),
        "UTM_ZONE": crs.utm_zone,
    }


def _orbit(stack: Stack) -> dict[str, Any]:
    """Pass, heading, height and time of the satellite, and the corners in the order in which it saw them."""
    attrs, found = stack.pairs.attrs, dict[str, Any]()
    heading = attrs.get("heading")
    if heading is not None:
        found["HEADING"] = (math.degrees(heading) + 180.0) % 360.0 - 180.0
    direction = attrs.get("pass") or (
        None if heading is None else "ascending" if math.cos(heading) > 0 else "descending"
    )
    if direction:
        found["ORBIT_DIRECTION"] = str(direction).upper()
    found["PLATFORM"] = attrs.get("platform")
    bounds, radius = degrees_of(stack.grid), orbit_radius(attrs.get("platform"))
    if bounds is not None:
        found |= _corners(bounds, ascending=str(direction).lower() != "descending")
    if radius is not None and bounds is not None:
        found["ANTENNA_SIDE"] = -1  # a Sentinel-1 looks to the right
        ground = _earth_radius(0.5 * (bounds[1] + bounds[3]))
        found |= {"EARTH_RADIUS": round(ground), "HEIGHT": round(radius - ground)}
    times = json.loads(attrs.get("acquisition_times") or "{}")
    if times:
        found["CENTER_LINE_UTC"] = round(float(np.mean(list(times.values()))), 3)
    return found


def _corners(bounds: tuple[float, float, float, float], *, ascending: bool) -> dict[str, float]:
    """First line near and far range, last line near and far range, of a radar that looks to the right."""
    west, south, east, north = bounds
    first, last = (south, north) if ascending else (north, south)
    near, far = (west, east) if ascending else (east, west)
    latitudes, longitudes = (first, first, last, last), (near, far, near, far)
    return {f"LAT_REF{k}": v for k, v in enumerate(latitudes, 1)} | {
        f"LON_REF{k}": v for k, v in enumerate(longitudes, 1)
    }


def _earth_radius(latitude: float) -> float:
    """Distance of the ellipsoid from the Earth's centre at a geodetic latitude (degrees), m."""
    sin, e2 = math.sin(math.radians(latitude)), WGS84_FLATTENING * (2.0 - WGS84_FLATTENING)
    normal = WGS84_SEMI_MAJOR / math.sqrt(1.0 - e2 * sin * sin)
    return normal * math.sqrt(1.0 - e2 * (2.0 - e2) * sin * sin)
