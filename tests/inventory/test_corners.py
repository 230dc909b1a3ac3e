"""Outlines in whole units, decoded again."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from reviewed import inventory_of

from insarflow.errors import SchemaError
from insarflow.inventory.corners import encoded


def test_outlines_are_where_they_were():
    frame = inventory_of(6)
    hole = shapely.box(600_050, 5_100_020, 600_080, 5_100_040)
    two = shapely.MultiPolygon([frame.geometry[1], shapely.box(600_900, 5_100_500, 600_950, 5_100_600)])
    frame = frame.set_geometry([frame.geometry[0].difference(hole), two, *frame.geometry[2:5], None])
    data = encoded(frame)
    degrees = frame.geometry.to_crs(4326)
    for number, parts in enumerate(data["shapes"]):
        if number == 5:
            assert parts == []
            continue
        rings = [
            [(np.cumsum(np.reshape(ring, (-1, 2)), axis=0) + data["origin"]) / data["units"] for ring in part]
            for part in parts
        ]
        found = shapely.MultiPolygon([shapely.Polygon(part[0], part[1:]) for part in rings])
        assert found.hausdorff_distance(degrees[number]) < 1.5e-5
        assert found.area == pytest.approx(degrees[number].area, rel=0.05)
    assert len(data["shapes"][0][0]) == 2
    assert len(data["shapes"][1]) == 2


def test_what_has_no_place():
    far = gpd.GeoDataFrame(geometry=[shapely.box(1e9, 1e9, 1e9 + 100, 1e9 + 100)], crs="EPSG:32632")
    with pytest.raises(SchemaError, match=r"^frame must lie where degrees are defined, instead outlines have no place"):
        encoded(far)
    assert encoded(far[:0]) == {"units": 100_000, "origin": [0, 0], "shapes": []}
