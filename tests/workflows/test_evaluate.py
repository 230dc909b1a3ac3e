import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
from shapely.geometry import Point, box

from insarflow.errors import ProductError, SchemaError
from insarflow.inventory.evaluate import evaluate
from insarflow.workflows.evaluate import evaluate_files

BOXES = [box(x, 5e6, x + 100, 5e6 + 100) for x in (500_000, 501_000, 502_000)]


def write(path, shapes, *, crs="EPSG:32632", layer="inventory", mode="w", **columns):
    frame = gpd.GeoDataFrame({"id": range(1, len(shapes) + 1)} | columns, geometry=list(shapes), crs=crs)
    frame.to_file(path, layer=layer, mode=mode, engine="pyogrio", geometry_type=None if len(frame) else "Polygon")
    return path


@pytest.fixture
def found(tmp_path):
    return write(tmp_path / "found.gpkg", [*BOXES[:2], box(9e5, 5e6, 9.1e5, 5e6 + 1)], los_rate_mm_yr=[1.0, 2.0, 3.0])


@pytest.fixture
def reference(tmp_path):
    frame = gpd.GeoDataFrame({"id": [1, 2, 3], "v": [1.0, -2.0, 0.0]}, geometry=BOXES, crs="EPSG:32632")
    frame.to_crs("EPSG:4326").to_file(tmp_path / "reference.geojson", engine="pyogrio")
    return tmp_path / "reference.geojson"


def test_files_are_compared_as_tables_are(found, reference, tmp_path):
    e = evaluate_files(found, str(reference), rate_field="v", draws=100)
    tables = [gpd.read_file(path) for path in (found, reference)]
    assert e.to_dict() == evaluate(*tables, rate_field="v", draws=100).to_dict()
    assert (e.found, e.missed, e.false, e.compared) == (2, 1, 1, 2)
    region = write(tmp_path / "region.gpkg", [box(499_000, 4.9e6, 501_500, 5.1e6)])
    inside = evaluate_files(found, reference, region=region, min_iou=0.9, min_cover=0.9, draws=10)
    assert (inside.found, inside.missed, inside.false) == (2, 0, 0)


def test_an_empty_inventory_finds_nothing(reference, tmp_path):
    e = evaluate_files(write(tmp_path / "none.gpkg", []), reference, draws=10)
    assert (e.found, e.missed, e.scores["f1"].value) == (0, 3, 0.0)
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert evaluate_files(tmp_path / "none.geojson", reference, draws=10).missed == 3
    with pytest.raises(SchemaError, match="reference must hold polygons, instead got none"):
        evaluate_files(reference, tmp_path / "none.gpkg")


def test_bad_files_are_named(found, reference, tmp_path):
    with pytest.raises(ProductError, match=r"^reference='.*nowhere.gpkg' cannot be read: No such file"):
        evaluate_files(found, tmp_path / "nowhere.gpkg")
    (tmp_path / "empty.gpkg").write_bytes(b"")
    with pytest.raises(ProductError, match=r"^found='.*empty.gpkg' is not what its name says, or damaged"):
        evaluate_files(tmp_path / "empty.gpkg", reference)
    with pytest.raises(ProductError, match=r"^region='region.kml' must be one of the kinds"):
        evaluate_files(found, reference, region="region.kml")
    with pytest.raises(SchemaError, match="reference must hold polygons, instead got a Point in id 1"):
        evaluate_files(found, write(tmp_path / "points.gpkg", [Point(5e5, 5e6)]))


def test_a_file_has_one_layer_of_outlines(found, reference, tmp_path):
    with_styles = write(tmp_path / "styled.gpkg", BOXES)
    pyogrio.write_dataframe(pd.DataFrame({"name": ["a"]}), with_styles, layer="layer_styles", append=True)
    assert evaluate_files(with_styles, reference, draws=10).found == 3
    write(with_styles, BOXES[:1], layer="older", mode="a")
    with pytest.raises(ProductError, match=r"must have one layer of outlines, instead got inventory, older: write one"):
        evaluate_files(with_styles, reference)
    pyogrio.write_dataframe(pd.DataFrame({"name": ["a"]}), tmp_path / "table.gpkg", layer="notes")
    with pytest.raises(ProductError, match=r"found='.*table.gpkg' must hold a layer of polygons, instead got none"):
        evaluate_files(tmp_path / "table.gpkg", reference)
