"""What is exported reads back equal."""

import zipfile

import dask
import numpy as np
import pytest
import xarray as xr

import insarflow
from insarflow.schema import CELLS, DIMS, VARIABLES, describe, recipe_of
from insarflow.stack.georeference import grid_of
from insarflow.types import Grid
from insarflow.workflows.export import export_stack

SHAPE = (70, 90)

SET_ANEW = {"fingerprint", "igram"}
"""Of the contract, what a reader makes itself, and what has another magnitude."""


def image(rng, name, shape):
    """Values that a variable may have, the awkward ones among them."""
    dtype = np.dtype(VARIABLES[name].dtype)
    if dtype.kind != "f":
        return rng.integers(0, {"b": 2, "u": 65_536, "i": 2**24}[dtype.kind], shape).astype(dtype)
    values = rng.random(shape, np.float32)
    if name not in ("coherence", "probability"):
        values = (1e4 * (values - 0.5)).astype(np.float32)
    values[..., 3, :4] = 0
    values[..., 5:20, 7:30] = np.nan
    return values


@pytest.fixture(scope="module")
def full():
    """A simulated stack with every variable of the contract, absent cells and attributes of all kinds."""
    rng = np.random.default_rng(4)
    ds = insarflow.simulate_stack(SHAPE, seed=2, acquisitions=3, delays=[6, 12], movers=2)[0].load()
    exists = ds["valid"]
    for name, variable in VARIABLES.items():
        if variable.dims == CELLS or (name in ds and name not in ("coherence", "dem")):
            continue
        values = xr.DataArray(image(rng, name, [ds.sizes[dim] for dim in variable.dims]), dims=variable.dims)
        if variable.dims == DIMS:
            values = values.where(exists, 0 if values.dtype.kind == "u" else np.nan).astype(variable.dtype)
        ds[name] = describe(values, name)
    ds["coherence"][dict(zip(CELLS, np.argwhere(exists.values)[0], strict=True))] = np.nan
    ds["igram"][..., 30:40, 10:20] = np.nan
    ds["perpendicular_baseline"][0, 0] = np.nan
    ds.attrs |= {
        "slant_range": 851_234.5678, "effective_looks": np.float32(9.1), "relative_orbit": "5", "heading": -2.9,
        "acquisition_times": '{"2021-07-03": 2421.5}', "title": "Bosses d'Ébène", "flags": [True, False],
    }  # fmt: skip
    assert not exists.all()
    return ds


@pytest.fixture(scope="module")
def folder(full, tmp_path_factory):
    out = tmp_path_factory.mktemp("trip") / "out"
    export_stack(full, out, to="cog")
    return out


def check_phase(again, phase):
    """Within rounding, on the circle, and missing in the same pixels."""
    np.testing.assert_array_equal(np.isnan(again), np.isnan(phase))
    apart = np.angle(np.exp(1j * (again.astype(float) - phase)))
    assert np.nanmax(np.abs(apart)) < 5e-7


def test_every_variable_reads_back_equal(full, folder):
    again = insarflow.open_stack(folder)
    assert {*again.data_vars} == {*full.data_vars} | {"fingerprint"} == {*VARIABLES}
    for name in ("date", "delay", "y", "x", *({*VARIABLES} - SET_ANEW)):
        assert again[name].dtype == full[name].dtype
        np.testing.assert_array_equal(again[name].values, full[name].values, err_msg=name)
        assert again[name].attrs == full[name].attrs, name
    check_phase(np.angle(again["igram"].values), np.angle(full["igram"].values))
    assert again.rio.crs == full.rio.crs
    assert grid_of(again).transform == grid_of(full).transform


def test_attributes_and_recipe_come_back_and_the_reading_is_noted(full, folder):
    again = insarflow.open_stack(folder)
    own = {"recipe", "ignored_files"}
    assert {k: v for k, v in again.attrs.items() if k not in own} == {
        k: v for k, v in full.attrs.items() if k not in own
    }
    *before, read = recipe_of(again).steps
    assert before == list(recipe_of(full).steps)
    assert read.pop("sha")
    assert read == {
        "operation": "read", "product": "insarflow geotiff", "files": len(list(folder.glob("*.tif"))),
        "phase_sign": "kept", "date_order": "earlier first", "nodata": {}, "scale": {}, "interferogram": "phase",
    }  # fmt: skip


def test_a_second_trip_changes_nothing(full, folder, tmp_path):
    once = insarflow.open_stack(folder)
    names = ["igram", "coherence", "components", "dem", "shadow"]
    export_stack(once, tmp_path / "again", to="cog", variables=names)
    twice = insarflow.open_stack(tmp_path / "again")
    for name in {*names, "perpendicular_baseline", "valid"} - SET_ANEW:
        np.testing.assert_array_equal(twice[name].values, once[name].values, err_msg=name)
    check_phase(np.angle(twice["igram"].values), np.angle(full["igram"].values))
    assert recipe_of(twice).steps[:-1] == recipe_of(once).steps


def test_reading_is_lazy(folder, forbid_compute):
    with forbid_compute():
        ds = insarflow.open_stack(folder)
        again = insarflow.open_stack(folder)
    for name in (n for n, v in VARIABLES.items() if v.dims != CELLS):
        assert dask.is_dask_collection(ds[name].data), name
        assert ds[name].data.name == again[name].data.name, name


@pytest.mark.parametrize("side", [33, 64])
def test_no_chunking_changes_a_bit(full, folder, side, monkeypatch):
    monkeypatch.setattr("insarflow.stack.placement.SHARD", side)
    ds = insarflow.open_stack(folder)
    for name in ("components", "unwrapped", "los_up", "layover", "support"):
        assert ds[name].chunks[-2][0] == side
        for y, x in ((slice(None), slice(None)), (slice(15, None, 3), slice(0, 66))):
            values = ds[name].isel(y=y, x=x).values
            np.testing.assert_array_equal(values, full[name].isel(y=y, x=x).values, err_msg=name)


@pytest.mark.parametrize("to", ["qgis", "stac"])
def test_other_folders_of_geotiffs_read_as_the_same(full, folder, tmp_path, to):
    names = ["igram", "coherence", "water", "los_east"]
    export_stack(full, tmp_path / "out", to=to, variables=names)
    again, ds = insarflow.open_stack(tmp_path / "out"), insarflow.open_stack(folder)
    kept = [*names, "valid", "perpendicular_baseline"]
    xr.testing.assert_identical(again[kept].drop_attrs(deep=False), ds[kept].drop_attrs(deep=False))
    assert recipe_of(again).steps[:-1] == recipe_of(ds).steps[:-1]


@pytest.mark.parametrize("names", [["coherence"], ["components", "probability"], ["unwrapped"], ["igram", "water"]])
def test_a_part_of_the_variables(full, tmp_path, names):
    export_stack(full, tmp_path / "out", to="cog", variables=names)
    again = insarflow.open_stack(tmp_path / "out")
    extra = {"valid", "fingerprint", "perpendicular_baseline", *(["igram"] if "unwrapped" in names else [])}
    assert {*again.data_vars} == {*names} | extra
    for name in {*names} - {"igram"}:
        np.testing.assert_array_equal(again[name].values, full[name].values)
    np.testing.assert_array_equal(again["valid"].values, full["valid"].values)


def test_a_zipped_folder_is_the_same_stack(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    zipped, ds = insarflow.open_stack(tmp_path / "a.zip"), insarflow.open_stack(folder)
    names = ["igram", "components", "los_up", "water", "perpendicular_baseline", "valid"]
    assert {*zipped.data_vars} == {*ds.data_vars}
    xr.testing.assert_identical(zipped[names], ds[names])
    assert zipped.attrs == ds.attrs


def test_flags_and_numbers_on_another_grid_are_those_of_the_nearest_pixel(full, folder):
    fine = insarflow.open_stack(folder, resolution=10.0)
    for name in ("water", "support", "components"):
        assert fine[name].dtype == full[name].dtype
        expected = full[name].values.repeat(2, -1).repeat(2, -2)
        np.testing.assert_array_equal(fine[name].values, expected, err_msg=name)


def test_a_grid_that_reaches_beyond_has_no_flags_there(full, folder):
    own = grid_of(full)
    x, step, _, y, _, _ = own.transform
    ds = insarflow.open_stack(folder, grid=Grid((x, step, 0.0, y + 8 * step, 0.0, -step), (SHAPE[0] + 8, 90), own.crs))
    assert not ds["water"].values[:8].any()
    assert not ds["components"].values[..., :8, :].any()
    np.testing.assert_array_equal(ds["water"].values[8:], full["water"].values)


def test_netcdf_reads_back_equal_with_xarray(full, tmp_path):
    pytest.importorskip("h5netcdf")
    export_stack(full, tmp_path / "a.nc", to="netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf", decode_coords="all") as read:
        stack = insarflow.from_pairs(read.drop_vars("pair_name")).load()
    for name in ("date", "delay", "y", "x", *({*VARIABLES} - SET_ANEW)):
        assert stack[name].dtype == full[name].dtype
        np.testing.assert_array_equal(stack[name].values, full[name].values, err_msg=name)
    np.testing.assert_array_equal(stack["phase"].values, np.angle(full["igram"].values))
    for name in ("wavelength", "slant_range", "relative_orbit", "acquisition_times", "title", "recipe"):
        assert stack.attrs[name] == full.attrs[name]
    assert stack.attrs["looks"].tolist() == full.attrs["looks"]
    assert stack.attrs["flags"] == "[true, false]"
    assert stack.rio.crs == full.rio.crs
