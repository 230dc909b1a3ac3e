import numpy as np
import pytest
import rasterio
import xarray as xr

import insarflow
from insarflow.errors import OutputExistsError, StoreError
from insarflow.stack.export.layers import stack_of
from insarflow.stack.export.netcdf import write_netcdf

pytest.importorskip("h5netcdf")


@pytest.fixture(scope="module")
def path(wide, tmp_path_factory):
    return write_netcdf(stack_of(wide), tmp_path_factory.mktemp("netcdf") / "stack.nc")


@pytest.fixture
def read(path):
    with xr.open_dataset(path, engine="h5netcdf", decode_coords="all") as ds:
        yield ds


def test_values_read_back_equal(wide, read):
    pairs = insarflow.to_pairs(wide)
    np.testing.assert_array_equal(read["phase"].values, np.angle(pairs["igram"].values))
    for name in (
        "coherence",
        "unwrapped",
        "perpendicular_baseline",
        "dem",
        "incidence",
        "los_up",
        "shadow",
        "water",
        "layover_shadow",
        "x",
        "y",
    ):
        assert read[name].dtype == pairs[name].dtype
        np.testing.assert_array_equal(read[name].values, pairs[name].values)
    assert read["pair_name"].values.tolist() == pairs["pair"].values.tolist()
    for name in ("date", "secondary", "delay"):
        np.testing.assert_array_equal(read[name].values, pairs[name].values)


def test_a_stack_is_made_of_it(wide, read):
    stack = insarflow.from_pairs(read.drop_vars("pair_name"))
    names = ("unwrapped", "coherence", "date", "delay", "valid", "water", "layover_shadow", "perpendicular_baseline")
    for name in names:
        assert stack[name].dtype == wide[name].dtype
        np.testing.assert_array_equal(stack[name].values, wide[name].values)


def test_it_keeps_to_the_conventions(wide, read):
    assert read.attrs["Conventions"] == "CF-1.8"
    assert read.attrs["wavelength"] == 0.0555
    assert "made up" in read.attrs["recipe"]
    assert read.rio.crs == wide.rio.crs
    assert read["phase"].dims == ("pair", "y", "x")
    for name, units in {"phase": "rad", "coherence": "1", "dem": "m", "perpendicular_baseline": "m"}.items():
        assert read[name].attrs["units"] == units
        assert read[name].attrs["long_name"]
    for name in ("phase", "water"):
        assert read[name].encoding["grid_mapping"] == "spatial_ref"
    assert np.isnan(read["phase"].encoding["_FillValue"])
    assert read["water"].attrs["flag_values"].tolist() == [0, 1]
    assert read["water"].attrs["flag_meanings"] == "no_water water"
    bits = read["layover_shadow"].attrs
    assert (bits["flag_masks"].tolist(), bits["flag_masks"].dtype) == ([1, 2, 4, 8], np.uint8)
    assert bits["flag_meanings"] == "active_layover passive_layover active_shadow passive_shadow"
    assert read["x"].attrs["standard_name"] == "projection_x_coordinate"
    assert read["spatial_ref"].attrs["grid_mapping_name"] == "transverse_mercator"
    with xr.open_dataset(read.encoding["source"], engine="h5netcdf", decode_cf=False) as raw:
        assert raw["date"].attrs["units"] == "days since 1970-01-01"
        assert raw["phase"].attrs["coordinates"] == "pair_name date delay secondary"


def test_gdal_knows_its_place(wide, path):
    with rasterio.open(f"netcdf:{path}:phase") as file:
        assert (file.count, file.shape) == (3, (530, 610))
        assert file.crs.to_epsg() == 32632
        assert file.transform.to_gdal() == (330_000.0, 20.0, 0.0, 4_990_000.0, 0.0, -20.0)
        np.testing.assert_array_equal(file.read(1), np.angle(wide["igram"].values[0, 0]))


def test_window_by_window(wide, tmp_path, monkeypatch):
    monkeypatch.setattr("insarflow.stack.export.layers.SHARD", 512)
    told = []
    stack = stack_of(wide.chunk(y=200, x=150), ["coherence"])
    path = write_netcdf(stack, tmp_path / "a.nc", tell=lambda done, count: told.append((done, count)))
    assert told[-1] == (3 * 4, 3 * 4)
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        np.testing.assert_array_equal(ds["coherence"].values, stack.pairs["coherence"].values)


def test_it_is_there_or_it_is_not(wide, path, tmp_path, monkeypatch):
    stack = stack_of(wide, ["dem"])
    with pytest.raises(OutputExistsError, match="the output must not exist"):
        write_netcdf(stack, path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("insarflow.stack.export.netcdf.write_window", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_netcdf(stack, tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []
