import json
from contextlib import contextmanager

import dask
import geopandas as gpd
import numpy as np
import pytest
import rasterio
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

    simulate_region(tmp_path / "out", **SMALL | {"shape": (100, 300)}, stage=stage)
    assert seen["simulating"] == 2
    assert seen["storing"] > 0


def test_mistakes_leave_nothing(simulated, tmp_path):
    out, _ = simulated
    with pytest.raises(OutputExistsError, match=r"already holds stack\.zarr"):
        simulate_region(out, **SMALL)
    with pytest.raises(InsarError, match="recipe="):
        simulate_region(tmp_path / "out", **SMALL, recipe=tmp_path / "none.json")
    with pytest.raises(ValueError, match="GB of memory to simulate, this machine has"):
        simulate_region(tmp_path / "out", shape=(20_000, 20_000), acquisitions=200)
    with pytest.raises(ValueError, match="delays must hold a multiple of 6 up to 12 days"):
        simulate_region(tmp_path / "out", **SMALL | {"delays": (7,)})
    with pytest.raises(ValueError, match="pixel_size must be more than 0 m"):
        simulate_region(tmp_path / "out", **SMALL, pixel_size=0.0)
    assert list(tmp_path.iterdir()) == []


def test_threads_change_no_bit():
    with dask.config.set(num_workers=1):
        alone, _ = insarflow.simulate_stack((300, 300), acquisitions=2, delays=[6], movers=2)
    with dask.config.set(num_workers=4):
        together, _ = insarflow.simulate_stack((300, 300), acquisitions=2, delays=[6], movers=2)
    np.testing.assert_array_equal(alone["igram"].values, together["igram"].values)
    np.testing.assert_array_equal(alone["coherence"].values, together["coherence"].values)
