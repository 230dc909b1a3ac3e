import json
from contextlib import contextmanager

import dask
import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.windows
from affine import Affine
from dask.callbacks import Callback

import insarflow
from insarflow.errors import InsarError, OutputExistsError
from insarflow.workflows.simulate import RESULTS, SimulatedRegion, simulate_region

SMALL = {"shape": (96, 100), "acquisitions": 3, "delays": (6, 12), "movers": 4, "seed": 5}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "region"
    return out, simulate_region(out, **SMALL)


def test_files_hold_what_python_simulates(simulated):
    out, facts = simulated
    ds, truth = insarflow.simulate_stack(**SMALL)
    stored = insarflow.open_stack(out / "stack.zarr")
    np.testing.assert_array_equal(stored["igram"].values, ds["igram"].values)
    with rasterio.open(out / "truth_rate.tif") as file:
        np.testing.assert_array_equal(file.read(1), truth["los_rate"].values)
        assert file.bounds == pytest.approx(ds.rio.bounds())
    movers = gpd.read_file(out / "truth.gpkg")
    assert movers["number"].tolist() == truth["mover"].values.tolist()
    for column, name in (("kind", "kind"), ("confidence", "confidence"), ("speed_m_yr", "speed")):
        assert movers[column].tolist() == truth[name].values.tolist()
    assert movers["visible_pairs"].tolist() == truth["visible"].sum(("date", "delay")).values.tolist()
    assert facts == SimulatedRegion(3, len(movers), int((movers["visible_pairs"] > 0).sum()))
    assert sorted(p.name for p in out.iterdir()) == sorted(RESULTS)


def test_a_recipe_is_applied_to_the_stack(tmp_path):
    (tmp_path / "steps.json").write_text(json.dumps([{"operation": "multilook", "y": 2, "x": 2}]))
    simulate_region(tmp_path / "out", **SMALL, recipe=tmp_path / "steps.json")
    assert insarflow.open_stack(tmp_path / "out" / "stack.zarr").sizes["y"] == 48


def test_no_mover_is_no_mistake(tmp_path):
    assert simulate_region(tmp_path / "out", **SMALL | {"movers": 0}).movers == 0
    assert len(gpd.read_file(tmp_path / "out" / "truth.gpkg")) == 0


def test_progress_is_seen(tmp_path):
    seen = {}

    @contextmanager
    def stage(what):
        class Count(Callback):
            def _posttask(self, key, *_):
                seen[what] = seen.get(what, 0) + 1

        with Count():
            yield

    simulate_region(tmp_path / "out", **SMALL | {"shape": (40, 60)}, stage=stage)
    assert set(seen) == {"simulating", "truth"}
    assert min(seen.values()) > 2


def test_the_other_direction_and_another_product(tmp_path):
    out = tmp_path / "out"
    simulate_region(out, **SMALL | {"shape": (40, 60), "delays": (6,)}, processing="isslide", direction="descending")
    stored = insarflow.open_stack(out / "stack.zarr")
    assert stored.attrs["pass"] == "descending"
    assert stored["los_east"].mean() > 0
    # The product's phase alone: there is no magnitude.
    np.testing.assert_allclose(np.abs(stored["igram"].isel(date=0, delay=0)), 1, atol=1e-6)


def heights(path, *, crs="EPSG:32632", step=20.0, corner=(320_000.0, 5_000_000.0)):
    """Write a ridge."""
    y, x = np.mgrid[:50, :60]
    dem = (1500 + 12.0 * np.minimum(x, 60 - x) + 3.0 * y).astype(np.float32)
    place = {"crs": crs, "transform": Affine(step, 0.0, corner[0], 0.0, -step, corner[1])}
    with rasterio.open(path, "w", driver="GTiff", width=60, height=50, count=1, dtype="float32", **place) as file:
        file.write(dem, 1)
    return dem


def test_mountains_of_a_dem(tmp_path):
    dem = heights(tmp_path / "dem.tif")
    simulate_region(tmp_path / "out", acquisitions=2, delays=(6,), movers=1, seed=1, dem=tmp_path / "dem.tif")
    stored = insarflow.open_stack(tmp_path / "out" / "stack.zarr")
    assert stored["dem"].shape == (50, 60)
    assert stored.rio.bounds() == (320_000.0, 4_999_000.0, 321_200.0, 5_000_000.0)
    # But for the error that every DEM has.
    assert np.abs(stored["dem"].values - dem).max() < 100
    assert np.corrcoef(stored["dem"].values.ravel(), dem.ravel())[0, 1] > 0.95


def test_mistakes_leave_nothing(simulated, tmp_path):
    out, _ = simulated
    with pytest.raises(OutputExistsError, match=r"already holds stack\.zarr"):
        simulate_region(out, **SMALL)
    with pytest.raises(InsarError, match="recipe="):
        simulate_region(tmp_path / "out", **SMALL, recipe=tmp_path / "none.json")
    with pytest.raises(ValueError, match="delays must hold a multiple of 6 up to 12 days"):
        simulate_region(tmp_path / "out", **SMALL | {"delays": (7,)})
    with pytest.raises(ValueError, match="pixel_size must be more than 0 m"):
        simulate_region(tmp_path / "out", **SMALL, pixel_size=0.0)
    with pytest.raises(ValueError, match=r"processing must be one of \('unfiltered', .*instead got processing='raw'"):
        simulate_region(tmp_path / "out", **SMALL, processing="raw")
    with pytest.raises(ValueError, match=r"direction must be one of \('ascending', 'descending'\), instead got"):
        simulate_region(tmp_path / "out", **SMALL, direction="up")
    assert list(tmp_path.iterdir()) == []


def test_a_dem_that_is_none(tmp_path):
    with pytest.raises(InsarError, match=r"none\.tif"):
        simulate_region(tmp_path / "out", **SMALL, dem=tmp_path / "none.tif")
    heights(tmp_path / "degrees.tif", crs="EPSG:4326", step=0.0002, corner=(6.5, 45.0))
    with pytest.raises(InsarError, match=r"^dem must have square pixels in metres.*reproject it first"):
        simulate_region(tmp_path / "out", **SMALL, dem=tmp_path / "degrees.tif")
    heights(tmp_path / "void.tif")
    with rasterio.open(tmp_path / "void.tif", "r+") as file:
        file.write(np.full((1, 4, 5), -9999, np.float32), window=rasterio.windows.Window(7, 9, 5, 4))
    with pytest.raises(InsarError, match="height"):
        simulate_region(tmp_path / "out", **SMALL, dem=tmp_path / "void.tif")
    assert not (tmp_path / "out").exists()


def test_threads_change_no_bit(simulated):
    stored = insarflow.open_stack(simulated[0] / "stack.zarr")
    for count in (1, 4):
        with dask.config.set(num_workers=count, pool=None):
            again = insarflow.simulate_stack(**SMALL)[0][["igram", "coherence"]].compute()
        np.testing.assert_array_equal(again["igram"], stored["igram"])
