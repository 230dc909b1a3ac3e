"""The file of an inventory."""

import builtins
import json

import geopandas as gpd
import geopandas.testing
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from reviewed import SOME, inventory_of

from insarflow.errors import InsarError, OutputExistsError, StoreError
from insarflow.inventory import write_inventory
from insarflow.inventory.columns import COLUMNS, OUTLINE

GPKG = {"layer": "inventory"}


@pytest.fixture
def frame():
    return inventory_of()


@pytest.mark.parametrize("columns", [OUTLINE, COLUMNS], ids=["outlines", "everything"])
def test_a_file_holds_what_the_frame_held(columns, tmp_path):
    frame = inventory_of(columns=columns)
    path = write_inventory(frame, tmp_path / "inventory.gpkg")
    assert [p.name for p in tmp_path.iterdir()] == ["inventory.gpkg"]
    assert pyogrio.list_layers(path).tolist()[0] == ["inventory", "Polygon"]
    read = gpd.read_file(path, **GPKG)
    geopandas.testing.assert_geodataframe_equal(read, frame, check_dtype=False)
    assert read.geometry.to_wkb().tolist() == frame.geometry.to_wkb().tolist()
    metadata = pyogrio.read_info(path, **GPKG)["layer_metadata"]
    assert {key: metadata[key] for key in frame.attrs} == {key: str(value) for key, value in frame.attrs.items()}


def test_what_nobody_reviews_is_the_only_layer(tmp_path):
    path = write_inventory(inventory_of(columns=OUTLINE), tmp_path / "truth.gpkg", layer="movers")
    assert pyogrio.list_layers(path).tolist() == [["movers", "Polygon"]]
    assert len(gpd.read_file(path)) == 4


def test_an_empty_inventory_is_written_too(frame, tmp_path):
    for name in ("none.gpkg", "none.csv", "none.geojson"):
        path = write_inventory(frame[:0], str(tmp_path / name))
        assert path.exists()
    read = gpd.read_file(tmp_path / "none.gpkg", **GPKG)
    assert len(read) == 0
    assert read.crs == "EPSG:32632"
    assert list(read.columns) == [*COLUMNS, "geometry"]


@pytest.mark.parametrize("ending", ["gpkg", "csv", "geojson"])
def test_the_same_table_gives_the_same_bytes(frame, tmp_path, ending):
    one, two = (write_inventory(frame, tmp_path / f"{name}.{ending}") for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    frame.loc[1, "comment"] = "another"
    assert write_inventory(frame, two, overwrite=True).read_bytes() != one.read_bytes()


def test_a_file_is_replaced_only_when_asked(frame, tmp_path):
    path = write_inventory(frame, tmp_path / "inventory.gpkg")
    before = path.read_bytes()
    with pytest.raises(
        OutputExistsError, match=r"^the output must not exist, instead got .*inventory.gpkg': pass overwrite"
    ):
        write_inventory(frame, path)
    assert path.read_bytes() == before
    write_inventory(frame[:1], path, overwrite=True)
    assert len(gpd.read_file(path, **GPKG)) == 1


def test_nothing_half_written_is_left(frame, tmp_path, monkeypatch):
    path = tmp_path / "inventory.gpkg"
    path.write_text("kept")

    def full_disk(self, draft, **kwargs):
        draft.write_text("half")
        raise OSError("No space left on device")

    monkeypatch.setattr(gpd.GeoDataFrame, "to_file", full_disk)
    with pytest.raises(StoreError, match=r"inventory.gpkg' cannot be written: No space left on device"):
        write_inventory(frame, path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["inventory.gpkg"]
    assert path.read_text() == "kept"


def test_csv_holds_all_columns_and_the_place(frame, tmp_path):
    path = write_inventory(frame, tmp_path / "a.csv")
    assert b"\r" not in path.read_bytes()
    read = pd.read_csv(path, keep_default_na=False)
    assert list(read.columns) == [*COLUMNS, "lon", "lat", "wkt"]
    assert read["comment"].tolist() == frame["comment"].tolist()
    assert read["first_seen"].tolist() == ["2018-07-02", "", "2018-07-26", "2018-08-07"]
    assert read["near_edge"].tolist() == [True, False, True, False]
    assert b",true," in path.read_bytes()
    assert read["probability_mean"].tolist() == pytest.approx(frame["probability_mean"], abs=1e-7)
    shapes = gpd.GeoSeries.from_wkt(read["wkt"], crs="EPSG:4326")
    assert (shapes.to_crs(frame.crs).hausdorff_distance(frame.geometry) < 0.02).all()
    assert shapely.contains(shapes.to_numpy(), shapely.points(read["lon"], read["lat"])).all()


def test_geojson_is_in_degrees(frame, tmp_path):
    path = write_inventory(frame.to_crs(25832), tmp_path / "a.geojson")
    found = json.loads(path.read_text())
    assert "crs" not in found  # RFC 7946 knows only one
    ring = np.array(found["features"][0]["geometry"]["coordinates"][0])
    assert np.abs(ring - [10.3, 46.04]).max() < 0.1
    assert shapely.LinearRing(ring).is_ccw
    assert found["features"][2]["properties"]["comment"] == frame["comment"][2]
    assert found["features"][1]["properties"]["first_seen"] is None


def test_parquet_holds_metadata_too(frame, tmp_path):
    pytest.importorskip("pyarrow")
    one, two = (write_inventory(frame, tmp_path / name) for name in ("a.parquet", "b.geoparquet"))
    assert one.read_bytes() == two.read_bytes()
    read = gpd.read_parquet(one)
    geopandas.testing.assert_geodataframe_equal(read, frame, check_dtype=False)
    assert read.attrs == frame.attrs


def test_parquet_without_its_package(frame, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "pyarrow":
            raise ImportError("No module named 'pyarrow'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InsarError, match=r"^.parquet needs the package pyarrow: pip install 'insarflow\[export\]', or"):
        write_inventory(frame, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_wrong_outputs_are_named(tmp_path):
    frame = inventory_of(columns=SOME)
    (tmp_path / "folder.gpkg").mkdir()
    with pytest.raises(TypeError, match=r"^frame must be a geopandas.GeoDataFrame, instead got DataFrame"):
        write_inventory(frame.drop(columns="geometry"), tmp_path / "a.gpkg")
    with pytest.raises(ValueError, match=r"^path must end in .gpkg \(GeoPackage\), .*, instead got .*a.shp"):
        write_inventory(frame, tmp_path / "a.shp")
    with pytest.raises(ValueError, match=r"^path must be in an existing folder, instead got .* make .*absent first"):
        write_inventory(frame, tmp_path / "absent" / "a.gpkg")
    with pytest.raises(OutputExistsError, match=r"^the output must be a file, instead got the folder .*folder.gpkg"):
        write_inventory(frame, tmp_path / "folder.gpkg", overwrite=True)
    with pytest.raises(ValueError, match=r"^frame must have a CRS to be written in degrees, as .csv: set it"):
        write_inventory(frame.set_crs(None, allow_override=True), tmp_path / "a.csv")
