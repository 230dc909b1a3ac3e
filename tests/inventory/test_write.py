"""The file of an inventory."""

import dask.array as da
import geopandas as gpd
import geopandas.testing
import numpy as np
import pyogrio
import pytest
import xarray as xr

from insarflow.errors import OutputExistsError, StoreError
from insarflow.inventory import inventory, write_inventory
from insarflow.stack.georeference import georeference
from insarflow.types import Grid


@pytest.fixture
def ds():
    """Three dates, two delays; a fast slope seen in every 6-day pair, a slow one in two of the 12-day pairs."""
    data = np.full((3, 2, 30, 40), 0.05, np.float32)
    data[:, 0, 3:9, 4:10] = 0.9
    data[0, 1, 15:22, 20:31] = 0.7
    data[1, 1, 15:22, 20:31] = 0.8
    data[2, 1] = np.nan
    stack = xr.Dataset(
        {"probability": (("date", "delay", "y", "x"), da.from_array(data, chunks=(1, 1, 8, 13)), {"threshold": 0.6})},
        coords={
            "date": np.array(["2020-01-01", "2020-01-07", "2020-01-13"], "datetime64[ns]"),
            "delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]"),
        },
    )
    return georeference(stack, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (30, 40), "EPSG:32632"))


def test_a_file_holds_what_the_frame_held(ds, tmp_path):
    frame = inventory(ds)
    path = write_inventory(frame, tmp_path / "inventory.gpkg")
    assert [p.name for p in tmp_path.iterdir()] == ["inventory.gpkg"]
    assert pyogrio.list_layers(path).tolist() == [["inventory", "Polygon"]]
    read = gpd.read_file(path)
    geopandas.testing.assert_geodataframe_equal(read, frame, check_dtype=False)
    assert read.geometry.to_wkb().tolist() == frame.geometry.to_wkb().tolist()
    metadata = pyogrio.read_info(path)["layer_metadata"]
    assert {key: metadata[key] for key in frame.attrs} == {key: str(value) for key, value in frame.attrs.items()}


def test_an_empty_inventory_is_written_too(ds, tmp_path):
    path = write_inventory(inventory(ds, threshold=0.95), str(tmp_path / "none.gpkg"))
    read = gpd.read_file(path)
    assert len(read) == 0
    assert read.crs == "EPSG:32632"
    assert list(read.columns) == ["id", "area_m2", "probability_mean", "probability_max", "pairs", "geometry"]


def test_a_file_is_replaced_only_when_asked(ds, tmp_path):
    path = write_inventory(inventory(ds), tmp_path / "inventory.gpkg")
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match=r"inventory.gpkg is already there: .* set overwrite=True"):
        write_inventory(inventory(ds), path)
    assert path.read_bytes() == before
    write_inventory(inventory(ds, threshold=0.8), path, overwrite=True)
    assert len(gpd.read_file(path)) == 1


def test_nothing_half_written_is_left(ds, tmp_path, monkeypatch):
    frame = inventory(ds)
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


def test_wrong_outputs_are_named(ds, tmp_path):
    frame = inventory(ds)
    (tmp_path / "folder.gpkg").mkdir()
    with pytest.raises(TypeError, match=r"^frame must be a geopandas.GeoDataFrame, instead got DataFrame"):
        write_inventory(frame.drop(columns="geometry"), tmp_path / "a.gpkg")
    with pytest.raises(ValueError, match=r"^path must end in .gpkg \(GeoPackage\), instead got .*a.shp"):
        write_inventory(frame, tmp_path / "a.shp")
    with pytest.raises(ValueError, match=r"^path must be in an existing folder, instead got .* make .*absent first"):
        write_inventory(frame, tmp_path / "absent" / "a.gpkg")
    with pytest.raises(OutputExistsError, match=r"^path must not be a folder, instead got .*folder.gpkg"):
        write_inventory(frame, tmp_path / "folder.gpkg", overwrite=True)
