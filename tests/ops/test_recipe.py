import json

import numpy as np
import pytest
import xarray as xr

import insarflow
from insarflow.errors import InsarError
from insarflow.ops.recipe import apply_recipe, read_recipe
from insarflow.schema import recipe_of
from insarflow.types import Recipe


@pytest.fixture(scope="module")
def ds():
    return insarflow.simulate_stack((48, 64), seed=3, acquisitions=2, delays=[6], movers=1)[0].load()


def test_steps_are_the_functions_in_order(ds):
    recipe = Recipe().then("coherence", window=[3, 5]).then("goldstein", alpha=0.3).then("multilook", y=2, x=3)
    wanted = insarflow.multilook(insarflow.goldstein(insarflow.coherence(ds, window=(3, 5)), alpha=0.3), y=2, x=3)
    xr.testing.assert_identical(apply_recipe(ds, recipe), wanted)


def test_what_was_recorded_can_be_repeated(ds):
    done = ds.insar.coherence(window=3).insar.decorrelate(factor=0.8, looks=9, seed=1).insar.goldstein()
    done = done.insar.add_turbulence(std=0.5, seed=1).insar.add_stratified(rad_per_km=2.0)
    done = (
        done.insar.degrade(factor=0.9, looks=9, seed=2)
        .insar.add_ramp(slope_y=0.01, slope_x=0.02)
        .insar.add_offset(0.5)
        .insar.conjugate()
    )
    done = done.insar.multilook(y=2, x=2)
    steps = recipe_of(done).steps[len(recipe_of(ds).steps) :]
    xr.testing.assert_identical(apply_recipe(ds, Recipe(steps)), done)


def test_nothing_is_computed(ds, forbid_compute):
    with forbid_compute():
        lazy = apply_recipe(ds.chunk(y=20), Recipe().then("goldstein").then("multilook", y=2, x=2))
    assert lazy["igram"].chunks is not None


def test_read(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('[{"operation": "multilook", "y": 2, "x": 4}]')
    assert read_recipe(path) == Recipe().then("multilook", y=2, x=4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "must be a JSON list of steps"),
        ("[1]", "must be a JSON list of steps"),
        ("[", "must be a JSON list of steps"),
        ('[{"operation": "read"}]', "must be one of goldstein, multilook"),
        ('[{"operation": ["goldstein"]}]', "must be one of goldstein"),
        ('[{"y": 2}]', "instead got None"),
        ('[{"operation": "goldstein", "strength": 1}]', "goldstein has the parameters patch_size, .* 'strength'"),
        ('[{"operation": "conjugate", "obj": 1}]', "conjugate has the parameters none"),
        ('[{"operation": "multilook", "y": 2}]', "multilook needs the parameter x"),
        ("[" * 60_000, "must be a JSON list of steps"),
        (" " * 70_000, "at most 65536 bytes"),
        (b"\xff\xfe", "can't decode"),
    ],
)
def test_bad_files(tmp_path, text, words):
    path = tmp_path / "recipe.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InsarError, match=words) as error:
        read_recipe(path)
    assert "recipe.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InsarError, match=r"nothing.json' cannot be read: No such file"):
        read_recipe(tmp_path / "nothing.json")


def test_bad_arguments(ds):
    with pytest.raises(TypeError, match=r"^recipe must be an insarflow.Recipe, instead got list"):
        apply_recipe(ds, [])
    with pytest.raises(TypeError, match=r"^apply_recipe needs an xarray.Dataset"):
        apply_recipe(np.ones(3), Recipe())
    with pytest.raises(ValueError, match="alpha must be"):
        apply_recipe(ds, Recipe().then("goldstein", alpha=2.0))
    assert json.loads(ds.attrs["recipe"])[0]["operation"] == "simulate"
