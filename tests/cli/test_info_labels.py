import geopandas as gpd
import shapely

from insarflow.cli.info import POLYGONS
from insarflow.learn.label_files import KINDS


def survey(path, confidence):
    columns = {"id": [1, 2], "conf": confidence, "type": ["Landslides", "Rock Glaciers"]}
    boxes = [shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]
    gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:32632").to_file(path)
    return path


def test_info_of_polygons_lists_fields_and_what_they_could_be(run, tmp_path):
    path = survey(tmp_path / "mine.shp", [0.5, 1.0])
    said = run("info", path)
    assert said.status == 0, said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert ["polygons", "2"] in lines
    assert ["crs", "EPSG:32632"] in lines
    assert ["conf", "float64", "-", "0.5,", "1.0", "confidence"] in lines
    assert ["type", "text", "-", "Landslides,", "Rock", "Glaciers", "class"] in lines
    assert said.err == (
        f"next: insarflow train STACK --labels {path} --field confidence=conf --field class=type "
        "--holdout ZONE.gpkg -o my-model\n"
    )
    assert run("info", path, "--json").facts["fields_map"] == {"confidence": "conf", "class": "type", "id": "id"}


def test_confidence_that_needs_levels_is_told(run, tmp_path):
    path = survey(tmp_path / "mine.gpkg", [1, 3])
    said = run("info", path)
    assert said.out.splitlines()[-1] == "confidence 1, 3: read_labels needs levels= that say how sure each is, 0 to 1"
    assert "confidence=" not in said.err


def test_polygons_that_are_none_and_parts_of_them_are_refused(run, tmp_path):
    path = survey(tmp_path / "mine.gpkg", [1, 3])
    said = run("info", path, "--delays", "6")
    assert (said.status, said.out) == (2, "")
    assert "no part of the polygons" in said.err
    path.write_bytes(b"nothing")
    said = run("info", path)
    assert (said.status, said.out) == (1, "")
    assert "is not what its name says, or damaged" in said.err


def test_every_kind_of_file_that_is_read_is_told_of():
    assert {*POLYGONS} == {*KINDS}
