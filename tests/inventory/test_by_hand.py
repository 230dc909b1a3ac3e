"""Outlines that people drew are told from those that were written, and rows that lost their ids have them again."""

import geopandas as gpd
import numpy as np
import shapely

from insarflow.inventory.by_hand import marks_of, redrawn, restored

UTM = "EPSG:32632"


def slopes(*ids):
    """Slopes of 200 m, a kilometre apart."""
    shapes = [shapely.box(5e5 + 1000 * k, 5.1e6, 5e5 + 1000 * k + 200, 5.1e6 + 200) for k in range(len(ids))]
    return gpd.GeoDataFrame({"id": ids, "probability_max": np.float32(0.9)}, geometry=shapes, crs=UTM)


def test_what_was_drawn_anew_is_told_whatever_the_crs_it_has_been_through():
    before = slopes(1, 2, 3, 4)
    marks = marks_of(before)
    assert redrawn(before.to_crs("EPSG:3035").to_crs("EPSG:4326").to_crs(UTM)[::-1], marks) == []
    changed = before.copy()
    corners = shapely.get_coordinates(before.geometry[1])
    corners[2] += 5.0
    changed.loc[1, "geometry"] = shapely.Polygon(corners)
    changed.loc[2, "geometry"] = shapely.transform(before.geometry[2], lambda xy: xy + 1.0)
    changed.loc[3, "geometry"] = shapely.segmentize(before.geometry[3], 100.0)
    assert redrawn(changed, marks) == [2, 3, 4]
    # Of what was written otherwise nobody knows.
    assert redrawn(changed, {}) == []
    assert redrawn(changed.iloc[:0], marks) == []


def test_lost_ids_are_found_by_the_outlines():
    before = slopes(7, 9, 4, 5)
    marks = marks_of(before)
    lost = before.assign(id=0)
    frame, given, left = restored(lost[::-1], marks)
    assert (frame.sort_index()["id"].tolist(), given, left) == ([7, 9, 4, 5], [4, 5, 7, 9], 0)
    # A copy of a row that is there is another; what was drawn by hand has never had one; an outline is given once.
    copied = gpd.GeoDataFrame(before.iloc[[0, 0, 1, 1, 2]].reset_index(drop=True), crs=UTM)
    copied["id"], copied.loc[4, "probability_max"] = [7, 0, 0, 0, 0], np.nan
    frame, given, left = restored(copied, marks)
    assert (frame["id"].tolist(), given, left) == ([7, 0, 9, 0, 0], [9], 2)
    assert restored(before, marks)[1:] == ([], 0)
    assert restored(lost, {})[1:] == ([], 4)
