import geopandas as gpd
import numpy as np
import pytest
from shapely import Point, box

from insarflow.errors import SchemaError
from insarflow.inventory.projection import check_crs, reproject


@pytest.fixture
def frame():
    frame = gpd.GeoDataFrame({"area_m2": [10_000.0]}, geometry=[box(5e5, 5e6, 500_100, 5_000_100)], crs="EPSG:32632")
    frame.attrs = {"threshold": 0.4}
    return frame


def test_outlines_move_and_columns_stay(frame):
    moved = reproject(frame, "EPSG:4326")
    assert moved.crs.to_epsg() == 4326
    assert moved.geometry[0].distance(Point(9.0, 45.153)) < 0.01
    assert moved["area_m2"].tolist() == [10_000.0]
    assert moved.attrs == frame.attrs
    assert frame.crs.to_epsg() == 32632
    back = reproject(moved, "EPSG:32632")
    np.testing.assert_allclose(back.total_bounds, frame.total_bounds, atol=1e-4)


def test_an_empty_inventory(frame):
    assert reproject(frame.iloc[:0], "EPSG:3857").crs.to_epsg() == 3857


@pytest.mark.parametrize("crs", ["EPSG:1", "somewhere", "", "EPSG:5773", "EPSG:4978"])
def test_what_is_no_map(crs):
    with pytest.raises(ValueError, match=r"^crs must be a map projection or degrees, such as .*instead got crs="):
        check_crs(crs)


def test_what_is_no_text():
    with pytest.raises(TypeError, match=r"^crs must be .*instead got crs=4326 \(int\)"):
        check_crs(4326)


def test_where_the_projection_ends():
    frame = gpd.GeoDataFrame(geometry=[box(170, 10, 171, 11)], crs="EPSG:4326")
    with pytest.raises(SchemaError, match="is not defined where the polygons lie"):
        reproject(frame, "+proj=ortho +lat_0=0 +lon_0=0")
