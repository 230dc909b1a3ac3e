"""Outlines of polygons: ready for matplotlib, without more points than can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Patch

from insarflow.plot.frame import Place

if TYPE_CHECKING:
    import geopandas as gpd

MOST_POINTS: Final = 200_000
"""Points up to which polygons are drawn as they are; more are simplified by half a drawn pixel."""

OUTLINE: Final = "#0040ff"


def thin(polygons: gpd.GeoDataFrame, tolerance: float) -> gpd.GeoDataFrame:
    """`polygons`, simplified by `tolerance` (their CRS's units) only if they are huge."""
    if polygons.geometry.count_coordinates().sum() <= MOST_POINTS:
        return polygons
    # Keeping the topology takes hours for polygons with thousands of holes; the smallest are kept as they are instead.
    simple = polygons.geometry.simplify(tolerance, preserve_topology=False)
    return polygons.set_geometry(simple.where(~simple.is_empty, polygons.geometry))


def on_place(polygons: gpd.GeoDataFrame, place: Place) -> gpd.GeoDataFrame:
    """`polygons` in the CRS of `place`, those without a geometry left out.

    Raises
    ------
    TypeError
        If they are no GeoDataFrame.
    ValueError
        If they have no CRS.
    """
    check_polygons(polygons)
    polygons = polygons[~(polygons.geometry.isna() | polygons.geometry.is_empty)]
    return polygons if place.crs is None or polygons.crs == place.crs else polygons.to_crs(place.crs)


def check_polygons(polygons: gpd.GeoDataFrame) -> None:
    """Check that `polygons` is a table of polygons that knows its place.

    Raises
    ------
    TypeError
        If it is no GeoDataFrame.
    ValueError
        If it has no CRS.
    """
    if not hasattr(polygons, "geometry") or not hasattr(polygons, "to_crs"):
        raise TypeError(
            f"polygons must be a geopandas.GeoDataFrame, as insarflow.inventory.inventory gives it, instead got "
            f"{type(polygons).__name__}"
        )
    if polygons.crs is None:
        raise ValueError("polygons must have a CRS, instead got none: set it with polygons.set_crs(...)")


def draw_outlines(axis: Axes, polygons: gpd.GeoDataFrame, place: Place, colour: str = OUTLINE) -> None:
    """Draw the outlines of `polygons` (on `place` already), with a legend."""
    if len(polygons):
        pixel = max(abs(s) * n for s, n in zip(place.step, place.shape, strict=True)) / 1200
        rings = thin(polygons, pixel / 2).geometry.boundary.explode(index_parts=False)
        lines = [np.asarray(ring.coords)[:, :2] for ring in rings]
        axis.add_collection(LineCollection(lines, colors=colour, linewidths=1.0), autolim=False)
    axis.legend(
        handles=[Patch(facecolor="none", edgecolor=colour, label="moving slope")], loc="upper right", fontsize=8
    )
