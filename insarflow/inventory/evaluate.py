"""An inventory against one that is taken for true."""

from __future__ import annotations

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from insarflow.errors import SchemaError
from insarflow.inventory.activity import moving, rejected
from insarflow.inventory.outlines import SLIVER, check_outlines, check_table, common_crs, identities, shapes_in
from insarflow.inventory.scores import RATE, Evaluation, Side, score
from insarflow.ops.checks import check_number, check_whole

_INSIDE: Final = 0.5
_STEPS: Final = 200


def evaluate(
    found: gpd.GeoDataFrame,
    reference: gpd.GeoDataFrame,
    *,
    min_iou: float = 0.3,
    min_cover: float = 0.1,
    region: gpd.GeoDataFrame | None = None,
    rate_field: str | None = None,
    seed: int = 0,
    draws: int = 1000,
) -> Evaluation:
    """Compare an inventory with a reference.

    Parameters
    ----------
    found
        Polygons in any CRS; may be none. The columns ``id``, ``status``, ``los_rate_mm_yr``, ``los_rate_std_mm_yr``
        and ``aliased`` of `insarflow.inventory.columns` are looked at if they are there.
    reference
        Polygons in any CRS, at least one; ``id`` and ``status`` as of `found`.
    min_iou
        Intersection over union from which an outline may be matched to a slope, above 0 and at most 1.
    min_cover
        Share of a slope that an outline must cover to locate it, likewise.
    region
        Polygons; nothing outside them is judged. By default everything is.
    rate_field
        Column of `reference` with the speed along the same line of sight, mm/yr, positive toward the radar; it is
        taken as exact. By default ``los_rate_mm_yr``, if both have it.
    seed, draws
        Of the intervals.

    Returns
    -------
    Evaluation
        By these rules.

        - Rows with the ``status`` rejected are left out on both sides, and those of `found` that are gone.
        - Outlines are matched to slopes one to one: as many pairs as possible, and of all ways to do so the one with
          the largest sum of intersections over unions, as models are scored. So of several outlines of one slope one
          is right; the others are false, and counted as duplicates if they are alike.
        - Of what reaches out of `region` the part inside is compared. What lies outside by more than half is not
          judged: it is neither missed nor false, and what is matched to it counts neither way.
        - Locations are more lenient: one outline may locate several slopes, and several outlines one.
        - Areas are those of the plane of the first projected CRS of `found` and `reference`; if both are in degrees,
          of an equal-area projection around the reference.
        - Intervals are of 95 %. Polygons that hang together by overlaps, of either side, are drawn as one.
        - Rates are compared for matched pairs, those marked ``aliased`` left out.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If a number is out of range.
    SchemaError
        If a table has no CRS, or its polygons are none, empty, or cross themselves (named by id); or a column of
        rates is missing or no number.

    Examples
    --------
    >>> boxes = [shapely.box(x, 0, x + 100, 100) for x in (0, 1000, 2000)]
    >>> true = gpd.GeoDataFrame({"id": [1, 2, 3]}, geometry=boxes, crs="EPSG:32632")
    >>> seen = [shapely.box(0, 0, 100, 50), shapely.box(1090, 0, 1190, 100), boxes[2]]
    >>> scored = evaluate(gpd.GeoDataFrame({"id": [7, 8, 9]}, geometry=seen, crs="EPSG:32632"), true)
    >>> scored.found, scored.missed, scored.false, scored.located
    (2, 1, 1, 3)
    >>> scored.matches[["found", "reference", "iou"]].values.tolist()
    [[7.0, 1.0, 0.5], [9.0, 3.0, 1.0]]
    """
    for name, value in (("min_iou", min_iou), ("min_cover", min_cover)):
        if not 0.0 < check_number(name, value) <= 1.0:
            raise ValueError(f"{name} must be a share above 0 and at most 1, instead got {name}={value}")
    seed, draws = check_whole("seed", seed, low=0), check_whole("draws", draws, low=1)
    for name, frame in (("found", found), ("reference", reference), ("region", region)):
        if frame is not None:
            check_table(frame, name)
    for name, frame in (("reference", reference), ("region", region)):
        if frame is not None and not len(frame):
            raise SchemaError(f"{name} must hold polygons, instead got none")
    field = _rate_field(found, reference, rate_field)
    kept = [_kept(found, "found", moving(found)), _kept(reference, "reference", ~rejected(reference))]
    crs = common_crs(*kept)
    inside = None if region is None else _region(region, crs)
    one, other = (
        _side(frame, name, crs, inside, left_out=int(rejected(whole).sum()))
        for frame, whole, name in zip(kept, (found, reference), ("found", "reference"), strict=True)
    )
    rules = {"min_iou": min_iou, "min_cover": min_cover, "rate_field": field, "seed": seed, "draws": draws}
    return score(one, other, rules | {"crs": crs.to_string()}, crs.axis_info[0].unit_conversion_factor)


def _rate_field(found: gpd.GeoDataFrame, reference: gpd.GeoDataFrame, field: str | None) -> str | None:
    """Column of the reference's rates, checked; None if there is nothing to compare."""
    if field is None and not (RATE in found and RATE in reference):
        return None
    field = RATE if field is None else field
    for name, frame, column in (("found", found, RATE), ("reference", reference, field)):
        if column not in frame:
            there = ", ".join(str(c) for c in frame.columns if c != frame.geometry.name) or "none"
            raise SchemaError(f"{name} has no column {column!r} of rates, it has {there}")
        try:
            pd.to_numeric(frame[column])
        except (TypeError, ValueError) as error:
            raise SchemaError(f"{name}: column {column!r} must hold rates in mm/yr: {error}") from error
    return field


def _kept(frame: gpd.GeoDataFrame, name: str, there: pd.Series[bool]) -> gpd.GeoDataFrame:
    """The rows that count, checked."""
    frame = frame.assign(id=identities(frame))[there]
    check_outlines(frame, name)
    return frame


def _region(region: gpd.GeoDataFrame, crs: pyproj.CRS) -> shapely.Geometry:
    """The polygons of a region as one, in a CRS."""
    check_outlines(region, "region")
    if region.crs != crs:
        # An edge is straight in the file's CRS, and in another only if it is short.
        west, south, east, north = region.total_bounds
        region = region.set_geometry(region.geometry.segmentize(max(east - west, north - south) / _STEPS))
    whole = shapely.union_all(shapes_in(region, crs, "region"))
    shapely.prepare(whole)
    return whole


def _side(
    frame: gpd.GeoDataFrame, name: str, crs: pyproj.CRS, region: shapely.Geometry | None, *, left_out: int
) -> Side:
    """An inventory in a CRS, cut to a region."""
    shapes = shapes_in(frame, crs, name)
    before = shapely.area(shapes)
    if region is not None:
        cut = np.flatnonzero(~shapely.contains(region, shapes))
        parts, owner = shapely.get_parts(shapely.intersection(shapes[cut], region), return_index=True)
        parts, owner = (array[shapely.get_dimensions(parts) == 2] for array in (parts, owner))
        shapes[cut] = [shapely.union_all(parts[owner == k]) for k in range(len(cut))]
    after = shapely.area(shapes)
    there, judged = after > SLIVER * before, after >= _INSIDE * before
    at = np.flatnonzero(there)
    return Side(frame.iloc[at], frame["id"].to_numpy()[at], shapes[at], judged[at], left_out, int((~judged).sum()))
