import warnings

import geopandas as gpd
import numpy as np
import pytest
import rasterio

import insarflow
from insarflow.errors import InsarError, MissingVariableError, ModelError, RecipeWarning
from insarflow.learn.weights import load_card
from insarflow.schema import recipe_of
from insarflow.workflows.map import map_region, map_source, prepare


def test_files_agree_with_each_other_and_with_python(region, tmp_path):
    ds, _ = region
    result = map_region(ds, tmp_path)
    card = load_card("default")
    assert result.threshold == card.threshold
    step = {k: v for k, v in card.recipe.of("goldstein")[0].items() if k != "operation"}
    direct = ds.insar.goldstein(**step).insar.segment()
    with rasterio.open(tmp_path / "probability.tif") as file:
        written = file.read(1)
        assert file.crs.to_epsg() == 32632
        assert file.bounds == pytest.approx(ds.rio.bounds())
        assert np.isnan(file.nodata)
    expected = direct.insar.summarise(threshold=card.threshold)
    np.testing.assert_allclose(written, expected["probability"].values, atol=1e-6)
    with rasterio.open(tmp_path / "support.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected["support"].values)
    polygons = gpd.read_file(tmp_path / "inventory.gpkg")
    assert len(polygons) == len(result.polygons) == len(direct.insar.inventory())
    assert polygons.crs.to_epsg() == 32632


def test_prepare_filters_once_and_says_so(region):
    ds, _ = region
    recipe = load_card("default").recipe
    once, notes = prepare(ds, recipe)
    assert [s["operation"] for s in recipe_of(once).of("goldstein")] == ["goldstein"]
    assert "Goldstein" in notes[0]
    twice, notes = prepare(once, recipe)
    assert len(recipe_of(twice).of("goldstein")) == 1
    assert notes == ()


def test_prepare_estimates_coherence_where_there_is_none(region):
    ds, _ = region
    prepared, notes = prepare(ds.drop_vars("coherence"), load_card("default").recipe)
    assert "estimated from the phase" in notes[0]
    assert prepared["coherence"].dtype == np.float32
    with pytest.raises(MissingVariableError, match=r"^map needs the variable 'igram'"):
        prepare(ds.drop_vars("igram"), load_card("default").recipe)


def test_prepared_data_are_what_the_model_knows(region):
    ds, _ = region
    prepared, _ = prepare(ds, load_card("default").recipe)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared.insar.segment()


def test_map_source_leaves_nothing_half_written(region, tmp_path):
    ds, _ = region
    insarflow.write_stack(ds, tmp_path / "stack.zarr")
    with pytest.raises(ModelError):
        map_source(tmp_path / "stack.zarr", tmp_path / "map", model="no-such-model")
    with pytest.raises(InsarError):
        map_source(tmp_path / "nothing", tmp_path / "map")

    def draw(result, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        map_source(tmp_path / "stack.zarr", tmp_path / "map", draw=draw)
    assert [p.name for p in tmp_path.iterdir()] == ["stack.zarr"]
    map_source(tmp_path / "stack.zarr", tmp_path / "map")
    assert sorted(p.name for p in (tmp_path / "map").iterdir()) == ["inventory.gpkg", "probability.tif", "support.tif"]


def test_a_stored_probability_keeps_its_threshold(region, tmp_path):
    ds, _ = region
    mapped = ds.insar.goldstein().insar.segment()
    insarflow.write_stack(mapped, tmp_path / "mapped.zarr")
    stored = insarflow.open_stack(tmp_path / "mapped.zarr")
    for name in ("threshold", "model", "model_sha256", "precision"):
        assert stored["probability"].attrs[name] == mapped["probability"].attrs[name]
    assert stored.insar.inventory().geometry.equals(mapped.insar.inventory().geometry)


def test_delays_outside_training_are_named(region):
    ds, _ = region
    late = ds.assign_coords(delay=ds["delay"] * 10).insar.goldstein()
    with pytest.warns(RecipeWarning, match=r"delay is 60 to 180 days \(model: 6 to 18\)"):
        late.insar.segment()


def test_filtered_phase_gives_no_coherence(region):
    ds, _ = region
    with pytest.raises(MissingVariableError, match="estimate it before the filter"):
        prepare(ds.insar.goldstein().drop_vars("coherence"), load_card("default").recipe)
