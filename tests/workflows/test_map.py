import os
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import dask
import geopandas as gpd
import numpy as np
import pytest
import rasterio
from disturbance import cheap_prediction

import insarflow
from insarflow.errors import InsarError, MissingVariableError, ModelError, OutputExistsError, RecipeWarning
from insarflow.learn.weights import load_card
from insarflow.schema import recipe_of
from insarflow.workflows.lazy_map import open_map
from insarflow.workflows.map import map_region, map_source
from insarflow.workflows.prepare import prepare
from insarflow.workflows.run import MapRun, read_run
from insarflow.workflows.windows import Windows

BLOCKS, PAIRS = 6, 2
FILES = ["inventory.gpkg", "map.png", "probability.tif", "run.yaml", "support.tif"]


class StopError(Exception):
    """A disturbance."""


def stop(*args, **kwargs):
    raise StopError


def picture(result, path):
    path.write_bytes(f"{len(result.polygons)} {result.threshold}".encode())


def contents(folder):
    """Bytes of all files; of run.yaml without how long it took."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        lines = [line for line in path.read_bytes().splitlines() if not line.startswith(b"  seconds: ")]
        found[str(path.relative_to(folder))] = lines
    return found


@pytest.fixture
def run(small_blocks, filtering, predictions, monkeypatch):
    monkeypatch.setattr(Windows, "side", 64)
    return MapRun((str(small_blocks),), model=filtering, threshold=0.9, min_area=0.0)


@pytest.fixture(scope="module")
def finished(small_blocks, filtering, tmp_path_factory):
    """Folder of a map that nothing disturbed."""
    out = tmp_path_factory.mktemp("finished") / "map"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("insarflow.segment.blocks.predict", cheap_prediction)
        patch.setattr(Windows, "side", 64)
        map_source(MapRun((str(small_blocks),), model=filtering, threshold=0.9, min_area=0.0), out, draw=picture)
    return out


@pytest.fixture(scope="module")
def undisturbed(finished):
    found = contents(finished)
    assert sorted(found) == FILES
    return found


def test_files_agree_with_each_other_and_with_python(region, tmp_path):
    ds, _ = region
    result = map_region(ds, tmp_path)
    card = load_card("default")
    assert result.threshold == card.threshold
    direct = ds.insar.segment()
    with rasterio.open(tmp_path / "probability.tif") as file:
        written = file.read(1)
        assert file.crs.to_epsg() == 32632
        assert file.bounds == pytest.approx(ds.rio.bounds())
        assert np.isnan(file.nodata)
    expected = direct.insar.summarise(threshold=card.threshold, peak=card.peak)
    np.testing.assert_allclose(written, expected["probability"].values, atol=1e-6)
    with rasterio.open(tmp_path / "support.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected["support"].values)
    polygons = gpd.read_file(tmp_path / "inventory.gpkg", layer="inventory")
    assert len(polygons) == len(result.polygons) == len(direct.insar.inventory())
    assert polygons.crs.to_epsg() == 32632
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inventory.gpkg", "probability.tif", "support.tif"]


class TestPrepare:
    def test_filters_once_and_says_so(self, region, filtering):
        ds, _ = region
        recipe = load_card(filtering).recipe
        once, notes = prepare(ds, recipe)
        assert [s["operation"] for s in recipe_of(once).of("goldstein")] == ["goldstein"]
        assert "Goldstein" in notes[0]
        twice, notes = prepare(once, recipe)
        assert len(recipe_of(twice).of("goldstein")) == 1
        assert notes == ()

    def test_estimates_coherence_where_there_is_none(self, region):
        ds, _ = region
        for recipe in ("model", "none"):
            prepared, notes = prepare(ds.drop_vars("coherence"), load_card("default").recipe, recipe)
            assert "estimated from the phase" in notes[0]
            assert prepared["coherence"].dtype == np.float32
        with pytest.raises(MissingVariableError, match=r"^map needs the variable 'igram'"):
            prepare(ds.drop_vars("igram"), load_card("default").recipe)

    def test_filtered_phase_gives_no_coherence(self, region):
        ds, _ = region
        with pytest.raises(MissingVariableError, match="estimate it before the filter"):
            prepare(ds.insar.goldstein().drop_vars("coherence"), load_card("default").recipe)

    def test_gives_what_the_model_knows(self, region):
        ds, _ = region
        prepared, _ = prepare(ds, load_card("default").recipe)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            prepared.insar.segment()

    def test_none_leaves_the_data(self, region):
        ds, _ = region
        prepared, notes = prepare(ds, load_card("default").recipe, "none")
        assert prepared.identical(ds)
        assert notes == ()

    def test_a_file_says_which_steps(self, region, tmp_path):
        ds, _ = region
        file = tmp_path / "steps.json"
        file.write_text('[{"operation": "multilook", "y": 2, "x": 2}, {"operation": "coherence", "window": 5}]')
        prepared, notes = prepare(ds.drop_vars("coherence"), load_card("default").recipe, file)
        assert prepared.identical(ds.drop_vars("coherence").insar.multilook(y=2, x=2).insar.coherence(window=5))
        assert notes == (f"processed as {file} says: multilook, coherence",)

    def test_a_recipe_that_is_none(self, region):
        ds, _ = region
        with pytest.raises(InsarError, match=r"^recipe must be model, none or the path of a JSON file .*'modle'"):
            prepare(ds, load_card("default").recipe, "modle")


class TestStopped:
    @pytest.mark.parametrize("block", range(BLOCKS))
    def test_goes_on_with_the_blocks_that_are_there(self, run, undisturbed, predictions, writes, tmp_path, block):
        out = tmp_path / "map"
        writes.calls, writes.stop, writes.instead = 0, block, stop
        with dask.config.set(scheduler="sync"), pytest.raises(StopError):
            map_source(run, out, draw=picture)
        assert sorted(p.name for p in out.iterdir()) == ["run.yaml", "unfinished"]
        assert read_run(out / "run.yaml") == run.absolute()
        predictions.calls = 0
        result = map_source(read_run(out / "run.yaml"), out, draw=picture)
        assert predictions.calls == PAIRS * (BLOCKS - block)
        assert contents(out) == undisturbed
        assert (f"{block} of {BLOCKS} blocks were there" in result.notes[-1]) == (block > 0)

    @pytest.mark.parametrize("call", [0, PAIRS * BLOCKS - 1])
    def test_a_model_that_fails(self, run, undisturbed, predictions, tmp_path, call):
        predictions.calls, predictions.stop, predictions.instead = 0, call, stop
        with pytest.raises(StopError):
            map_source(run, tmp_path / "map", draw=picture)
        map_source(run, tmp_path / "map", draw=picture)
        assert contents(tmp_path / "map") == undisturbed

    @pytest.mark.parametrize("what", ["write_geotiff", "inventory", "write_inventory", "publish"])
    def test_after_the_blocks(self, run, undisturbed, predictions, tmp_path, monkeypatch, what):
        out = tmp_path / "map"
        with monkeypatch.context() as patch:
            patch.setattr(f"insarflow.workflows.map.{what}", stop)
            with pytest.raises(StopError):
                map_source(run, out, draw=picture)
        predictions.calls = 0
        map_source(run, out, draw=picture)
        assert predictions.calls == 0
        assert contents(out) == undisturbed

    def test_while_drawing(self, run, undisturbed, tmp_path):
        out = tmp_path / "map"
        with pytest.raises(StopError):
            map_source(run, out, draw=stop)
        map_source(run, out, draw=picture)
        assert contents(out) == undisturbed

    @pytest.mark.parametrize("moved", [0, 2, 4])
    def test_while_results_move(self, run, undisturbed, tmp_path, monkeypatch, moved):
        out = tmp_path / "map"
        rename, seen = Path.replace, []

        def replace_some(self, target):
            if self.parent.name == "results" and Path(target).parent.name == "map":
                seen.append(target)
                if len(seen) > moved:
                    raise StopError
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace_some)
            with pytest.raises(StopError):
                map_source(run, out, draw=picture)
        assert (out / "unfinished").exists()
        map_source(run, out, draw=picture)
        assert contents(out) == undisturbed

    def test_killed(self, run, undisturbed, predictions, small_blocks, tmp_path):
        out = tmp_path / "map"
        script = (
            "import os, signal, sys; sys.path[:0] = sys.argv[1:3]\n"
            "from pathlib import Path\n"
            "import dask\n"
            "import insarflow.segment.blocks as predicting\n"
            "from disturbance import Disturbed, cheap_prediction\n"
            "from insarflow.stack import blocks\n"
            "from insarflow.workflows.map import MapRun, map_source\n"
            "from insarflow.workflows.windows import Windows\n"
            "predicting.predict, Windows.side = cheap_prediction, 64\n"
            "blocks._write = Disturbed(blocks._write)\n"
            "blocks._write.stop = 4\n"
            "blocks._write.instead = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
            "dask.config.set(scheduler='sync')\n"
            "run = MapRun((sys.argv[3],), model=sys.argv[5], threshold=0.9, min_area=0.0)\n"
            "map_source(run, Path(sys.argv[4]))\n"
        )
        above = Path(insarflow.__file__).parents[1], Path(__file__).parents[1]
        paths = [*map(str, above), str(small_blocks), str(out), run.model]
        done = subprocess.run([sys.executable, "-c", script, *paths], env=os.environ, check=False, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        predictions.calls = 0
        map_source(run, out, draw=picture)
        assert predictions.calls == PAIRS * (BLOCKS - 4)
        assert contents(out) == undisturbed


class TestOutput:
    def test_a_mistake_leaves_nothing(self, run, tmp_path):
        mistakes = [
            (replace(run, model="no-such-model"), ModelError),
            (replace(run, source=(str(tmp_path / "nothing"),)), InsarError),
            (replace(run, recipe="modle"), InsarError),
            (replace(run, device="gpu"), ValueError),
            (replace(run, tile_size=1001), ValueError),
        ]
        for wrong, error in mistakes:
            with pytest.raises(error):
                map_source(wrong, tmp_path / "map")
        assert list(tmp_path.iterdir()) == []

    def test_results_that_are_there(self, run, finished, undisturbed, predictions, tmp_path):
        out = shutil.copytree(finished, tmp_path / "map")
        (out / "mine.txt").write_text("mine")
        predictions.calls = 0
        with pytest.raises(OutputExistsError, match=r"already holds inventory\.gpkg, .*--overwrite"):
            map_source(run, out)
        assert predictions.calls == 0
        other = replace(run, threshold=0.8)
        predictions.stop, predictions.instead = BLOCKS, stop
        with pytest.raises(StopError):
            map_source(other, out, overwrite=True)
        now = contents(out)
        assert {name: now[name] for name in undisturbed} == undisturbed
        result = map_source(other, out, overwrite=True)
        assert result.threshold == 0.8
        assert sorted(contents(out)) == sorted({*FILES, "mine.txt"} - {"map.png"})
        assert read_run(out / "run.yaml") == other.absolute()

    def test_unfinished_work_of_other_parameters(self, run, writes, tmp_path):
        out = tmp_path / "map"
        writes.stop, writes.instead = 2, stop
        with dask.config.set(scheduler="sync"), pytest.raises(StopError):
            map_source(run, out)
        other = replace(run, threshold=0.8, delays=(6,), crs="EPSG:4326")
        message = r"unfinished work that differs in delays=\(6,\) \(there: None\), threshold=0.8 \(there: 0.9\): .*--o"
        with pytest.raises(OutputExistsError, match=message):
            map_source(other, out)
        (Path(run.source[0]) / "zarr.json").touch()
        with pytest.raises(OutputExistsError, match="differs in the files of the source or the model, or the versions"):
            map_source(run, out)
        result = map_source(replace(run, threshold=0.8), out, overwrite=True)
        assert result.threshold == 0.8
        assert not (out / "unfinished").exists()

    def test_work_that_holds_no_block_is_no_hindrance(self, run, predictions, tmp_path):
        predictions.stop, predictions.instead = 0, stop
        with dask.config.set(scheduler="sync"), pytest.raises(StopError):
            map_source(run, tmp_path / "map")
        assert map_source(replace(run, threshold=0.8), tmp_path / "map").threshold == 0.8

    def test_outlines_may_differ(self, run, predictions, tmp_path):
        with pytest.raises(StopError):
            map_source(run, tmp_path / "map", draw=stop)
        predictions.calls = 0
        result = map_source(replace(run, crs="EPSG:4326", min_area=2_000.0), tmp_path / "map")
        assert predictions.calls == 0
        written = gpd.read_file(tmp_path / "map" / "inventory.gpkg", layer="inventory")
        assert written.crs.to_epsg() == 4326
        assert result.polygons.crs.to_epsg() == 32632
        assert len(written) == len(result.polygons) > 0
        np.testing.assert_array_equal(written["area_m2"], result.polygons["area_m2"])
        assert written["area_m2"].min() >= 2_000.0
        moved = result.polygons.to_crs(4326)
        assert written.geometry.geom_equals_exact(moved.geometry, 1e-9).all()

    def test_one_process_at_a_time(self, run, tmp_path):
        def draw(result, path):
            with pytest.raises(
                OutputExistsError, match=r"another insarflow is writing to .*map: wait until it is done"
            ):
                map_source(run, tmp_path / "map")

        map_source(run, tmp_path / "map", draw=draw)

    def test_a_run_file_of_another(self, run, tmp_path):
        (tmp_path / "map").mkdir()
        (tmp_path / "map" / "run.yaml").write_text("steps: 3")
        with pytest.raises(OutputExistsError, match=r"holds a run\.yaml that would be replaced, and is not of a map"):
            map_source(run, tmp_path / "map")
        assert (tmp_path / "map" / "run.yaml").read_text() == "steps: 3"

    def test_a_run_file_by_hand(self, run, undisturbed, tmp_path):
        file = tmp_path / "map" / "run.yaml"
        file.parent.mkdir()
        source = os.path.relpath(run.source[0], file.parent)
        parameters = f"{{model: {run.model}, threshold: 0.9, min_area: 0}}"
        file.write_text(f"insarflow: map\nsource: {source}\nparameters: {parameters}\n# a thought\n")
        seen = []
        map_source(read_run(file), file.parent, draw=lambda *_: seen.append(file.read_text()))
        assert "# a thought" in seen[0]
        map_source(read_run(file), file.parent, draw=picture, overwrite=True)
        assert contents(file.parent) == undisturbed


def test_laying_out_computes_nothing(run, forbid_compute):
    with forbid_compute():
        lazy, again = open_map(run), open_map(run)
    assert lazy.identity == again.identity
    assert lazy.cut == (0.9, 0.9)
    assert open_map(replace(run, threshold=0.5, peak=0.7)).cut == (0.5, 0.7)
    card = load_card("default")
    assert open_map(replace(run, threshold=None, model="default")).cut == (card.threshold, card.peak)
    assert open_map(replace(run, threshold=0.8)).identity != lazy.identity


def test_a_stored_probability_keeps_its_threshold(region, tmp_path):
    ds, _ = region
    mapped = ds.insar.segment()
    insarflow.write_stack(mapped, tmp_path / "mapped.zarr")
    stored = insarflow.open_stack(tmp_path / "mapped.zarr")
    for name in ("threshold", "model", "model_sha256", "precision"):
        assert stored["probability"].attrs[name] == mapped["probability"].attrs[name]
    assert stored.insar.inventory().geometry.equals(mapped.insar.inventory().geometry)


def test_delays_outside_training_are_named(region):
    ds, _ = region
    late = ds.assign_coords(delay=ds["delay"] * 10)
    with pytest.warns(RecipeWarning, match=r"delay is 60 to 180 days \(model: 6 to 48\)"):
        late.insar.segment()
