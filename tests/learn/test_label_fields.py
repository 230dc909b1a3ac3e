import json

import geopandas as gpd
import pytest
import shapely

from insarflow.errors import ProductError
from insarflow.learn.label_fields import describe_fields, suggested_fields
from insarflow.learn.labels import read_labels
from insarflow.types import Grid


def outlines(**columns):
    count = len(next(iter(columns.values()))) if columns else 3
    boxes = [shapely.box(20 * k, 0, 20 * k + 10, 10) for k in range(count)]
    return gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:32632")


SURVEY = {
    "id": [1, 2, 3],
    "Conf_idx": [1, 3, 3],
    "nb_rep": [5, 0, 17],
    "TYPE": ["Landslides", "Rock Glaciers", None],
    "name": ["a", "b", "c"],
    "start_day": ["20180702", "20180708", None],
}


@pytest.mark.parametrize("ending", ["shp", "gpkg", "geojson"])
def test_fields_their_values_and_what_they_could_mean(tmp_path, ending):
    path = tmp_path / f"mine.{ending}"
    outlines(**SURVEY).to_file(path)
    facts = describe_fields(path)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["polygons"], facts["shapes"]) == (3, {"Polygon": 3})
    assert facts["crs"] == "EPSG:32632"
    assert facts["fields_map"] == {
        "confidence": "Conf_idx",
        "repetition": "nb_rep",
        "class": "TYPE",
        "first": "start_day",
        "id": "id",
    }
    assert facts["levels"] == ["1", "3"]
    by_name = {field["name"]: field for field in facts["fields"]}
    assert list(by_name) == list(SURVEY)
    assert by_name["TYPE"] == {
        "name": "TYPE",
        "type": "text",
        "empty": 1,
        "different": 2,
        "values": ["Landslides", "Rock Glaciers"],
        "could_be": "class",
    }
    assert by_name["name"]["could_be"] is None


def test_the_suggested_map_is_one_that_is_read():
    frame = outlines(**{**SURVEY, "Conf_idx": [0.5, 1.0, 0.2]})
    facts = describe_fields(frame)
    assert facts["levels"] == []
    grid = Grid((0.0, 1.0, 0.0, 20.0, 0.0, -1.0), (20, 80), "EPSG:32632")
    fields = {m: c for m, c in facts["fields_map"].items() if m in ("confidence", "class", "first")}
    assert len(read_labels(frame, grid, fields=fields)) == 3


@pytest.mark.parametrize(
    ("columns", "meanings"),
    [
        ({"confidence": list("abc") * 10}, {"confidence": "confidence"}),
        ({"confidence": [f"text {k}" for k in range(30)]}, {}),
        ({"start": ["yesterday", "today"]}, {}),
        ({"date": ["20180702"], "delay": [6]}, {"date": "date", "delay": "delay"}),
        ({"date": ["20180702"]}, {}),
        ({"id": [0, 1]}, {}),
        ({"ID_MOVE": [4, 9]}, {"id": "ID_MOVE"}),
        ({"repetitions": [1.5]}, {}),
        ({"class": [None, None]}, {}),
    ],
)
def test_a_name_alone_means_nothing(columns, meanings):
    assert suggested_fields(outlines(**columns)) == meanings


def test_long_values_and_many_are_cut():
    facts = describe_fields(outlines(note=[f"{k} {'x' * 100}" for k in range(30)]))
    field = facts["fields"][0]
    assert (len(field["values"]), field["different"]) == (5, 30)
    assert max(map(len, field["values"])) == 40


def test_a_file_that_is_none_is_told(tmp_path):
    with pytest.raises(ProductError, match="cannot be read"):
        describe_fields(tmp_path / "none.shp")
    (tmp_path / "a.shp").write_bytes(b"<VRT>")
    with pytest.raises(ProductError, match="is not what its name says"):
        describe_fields(tmp_path / "a.shp")
