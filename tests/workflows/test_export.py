import numpy as np
import pytest
import rasterio
import xarray as xr
from dask.callbacks import Callback

import insarflow
from insarflow.errors import InsarError, MissingVariableError, OutputExistsError, SelectionError, StoreError
from insarflow.stack.subset import subset
from insarflow.workflows.export import FORMATS, export_source, export_stack
from insarflow.workflows.plan import plan_export


@pytest.fixture(scope="module")
def ds():
    return insarflow.simulate_stack((96, 100), seed=5, acquisitions=3, delays=[6, 12], movers=2)[0].persist()


@pytest.fixture(scope="module")
def store(ds, tmp_path_factory):
    return insarflow.write_stack(ds, tmp_path_factory.mktemp("export") / "stack.zarr")


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_leaves_one_thing_and_reads_back(ds, tmp_path, to):
    if to in ("netcdf", "mintpy"):
        pytest.importorskip("h5netcdf")
    out = tmp_path / ("out.zip" if to == "zip" else "out")
    told = []
    made = export_stack(
        ds.assign(unwrapped=ds["coherence"].rename("unwrapped")), out, to=to, tell=lambda k, n: told.append((k, n))
    )
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert made.interferograms == 3
    assert made.files == (1 if out.is_file() else sum(path.is_file() for path in out.rglob("*")))
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 0
    if to not in ("netcdf", "mintpy"):
        again = insarflow.open_stack(out)
        np.testing.assert_array_equal(again["coherence"].values, ds["coherence"].values)
        apart = np.angle(again["igram"].values * np.conj(ds["igram"].values))
        assert np.nanmax(np.abs(apart)) < 1e-6
    with pytest.raises(OutputExistsError, match="the output must not exist"):
        export_stack(ds, out, to=to)


def test_a_part_of_a_store_is_exported(store, tmp_path):
    made = export_source(store, tmp_path / "out", to="cog", selection={"delays": [12]}, variables=["coherence"])
    assert made.interferograms == 1
    assert [path.name for path in (tmp_path / "out").glob("*.tif")] == ["20210703_20210715_coherence.tif"]


def test_a_store_is_zipped_as_it_is(ds, tmp_path):
    exact = insarflow.write_stack(ds, tmp_path / "s.zarr", exact=True)
    made = export_source(exact, tmp_path / "a.zip", to="zip")
    assert (made.interferograms, made.files, made.size) == (3, 1, (tmp_path / "a.zip").stat().st_size)
    xr.testing.assert_identical(
        insarflow.open_stack(tmp_path / "a.zip").compute(), insarflow.open_stack(exact).compute()
    )
    export_source(exact, tmp_path / "b.zip", to="zip", selection={"delays": [12]}, variables=["coherence"])
    part = insarflow.open_stack(tmp_path / "b.zip")
    assert set(part.data_vars) == {"coherence", "valid", "perpendicular_baseline"}
    assert part.sizes["delay"] == 1
    with pytest.raises(ValueError, match=r"^out must be a file that ends in \.zip, instead got out='.*c\.zarr'"):
        export_source(exact, tmp_path / "c.zarr", to="zip")


def test_pairs_without_a_pixel_in_the_area_are_left_out(ds, tmp_path):
    blank = ds["igram"].compute()
    blank[0, 0, :, :50] = np.nan
    west = subset(ds.assign(igram=blank), bbox=box_of(ds, 0.4))
    made = export_stack(west, tmp_path / "out", to="cog", variables=["igram"])
    assert made.interferograms == 2
    nothing = west.assign(igram=west["igram"].where(False))
    with pytest.raises(SelectionError, match="no interferogram has a pixel"):
        export_stack(nothing, tmp_path / "no", to="cog", variables=["igram"])


def box_of(ds, share):
    west, south, east, north = ds.rio.transform_bounds("EPSG:4326")
    return west, south, west + share * (east - west), north


def test_an_export_goes_on_where_it_was(ds, tmp_path, monkeypatch):
    import insarflow.stack.export.cog as cog

    write, count = cog.write_cogs, 0

    def stopped(*arguments, **more):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return write(*arguments, **more)

    monkeypatch.setattr(cog, "write_cogs", stopped)
    with pytest.raises(KeyboardInterrupt):
        export_stack(ds, tmp_path / "out", to="cog")
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial"]
    there = {path.name: path.stat().st_ino for path in (tmp_path / "out.partial").glob("*.tif")}
    assert len(there) >= 2
    count = 100
    export_stack(ds, tmp_path / "out", to="cog")
    kept = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.tif")}
    assert there.items() <= kept.items()
    assert not (tmp_path / "out.partial").exists()


def test_no_graph_is_larger_than_a_window(ds, tmp_path):
    """Memory is bounded: no computation holds more than one image's block."""
    most = 0

    class Tasks(Callback):
        def _start_state(self, dsk, state):
            nonlocal most
            most = max(most, sum(len(state[k]) for k in ("ready", "waiting", "running", "finished")))

    with Tasks():
        export_stack(insarflow.goldstein(ds), tmp_path / "out", to="cog", variables=["igram"])
    assert 0 < most < 12


def test_magnitude_weighs_in_overviews_but_does_not_leave(ds, tmp_path):
    wide = ds.isel(x=np.arange(600) % 100).assign_coords(x=ds["x"].values[0] + 20.0 * np.arange(600))
    export_stack(wide, tmp_path / "out", to="cog", variables=["igram"])
    z = wide["igram"].values[0, 0]
    with rasterio.open(tmp_path / "out" / "20210703_20210709_phase.tif", overview_level=0) as file:
        mean = z.reshape(48, 2, 300, 2).sum((1, 3))
        assert np.abs(np.angle(np.exp(1j * file.read(1)) * np.conj(mean))).max() < 1e-4


def test_mistakes_are_said_before_any_work(ds, store, tmp_path, forbid_compute):
    with forbid_compute():
        with pytest.raises(ValueError, match=r"to must be one of \('cog', 'netcdf', 'qgis', 'mintpy', 'stac', 'zip'\)"):
            export_stack(ds, tmp_path / "out", to="kml")
        with pytest.raises(ValueError, match="inventory goes with to='qgis'"):
            export_stack(ds, tmp_path / "out", to="cog", inventory="a.gpkg")
        with pytest.raises(MissingVariableError, match="MintPy needs the variable 'unwrapped'"):
            export_stack(ds, tmp_path / "out", to="mintpy")
        with pytest.raises(OutputExistsError, match="the output must not be the source"):
            export_source(store, store, to="cog", overwrite=True)
        with pytest.raises(TypeError, match="out must be a path"):
            export_stack(ds, 3, to="cog")
        with pytest.raises(InsarError, match="no CRS"):
            export_stack(ds.drop_vars("spatial_ref"), tmp_path / "out", to="cog")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(ds, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        export_stack(ds, tmp_path / "file" / "out", to="cog")


@pytest.mark.parametrize("to", ["cog", "netcdf"])
def test_a_plan_tells_files_bytes_and_memory(store, tmp_path, to):
    if to == "netcdf":
        pytest.importorskip("h5netcdf")
    out = tmp_path / "out"
    plan = plan_export(store, out, to=to, workers=2)
    assert list(tmp_path.iterdir()) == []
    made = export_source(store, out, to=to)
    assert plan.files == made.files
    assert plan.disk == pytest.approx(made.size, rel=0.3)
    assert plan.tasks == 3 + 8
    assert plan.workers == 2
    assert 10**8 < plan.peak_memory < 10**10
    assert plan.rows()[0] == ("files", str(made.files))


def test_mexico_city(data, tmp_path):
    """A real product to every format and back."""
    h5py = pytest.importorskip("h5py")
    ds = insarflow.open_stack(data / "mexico-city-s1-stack", end="2018-04-12")
    pairs = insarflow.to_pairs(ds).load()
    export_stack(ds, tmp_path / "stac", to="stac")
    again = insarflow.to_pairs(insarflow.open_stack(tmp_path / "stac"))
    for name in ("unwrapped", "coherence", "dem"):
        np.testing.assert_array_equal(again[name].values, pairs[name].values)
    export_stack(ds, tmp_path / "a.nc", to="netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read["unwrapped"].values, pairs["unwrapped"].values)
        assert read["x"].attrs["standard_name"] == "longitude"
    export_stack(ds, tmp_path / "mintpy", to="mintpy")
    with h5py.File(tmp_path / "mintpy" / "inputs" / "ifgramStack.h5") as file:
        np.testing.assert_array_equal(file["unwrapPhase"][...], pairs["unwrapped"].values)
        np.testing.assert_array_equal(file["bperp"][...], pairs["perpendicular_baseline"].values)
        assert "wrapPhase" not in file
