import json
from itertools import pairwise

import numpy as np
import pytest

import insarflow
from insarflow.learn.weights import load_card
from insarflow.segment import segment
from insarflow.workflows.prepare import prepare
from insarflow.workflows.windows import Windows, windows

RECIPES = {
    "model": "model",
    "none": "none",
    "looks": [
        {"operation": "multilook", "y": 2, "x": 3},
        {"operation": "goldstein", "patch_size": 16, "step": 4, "alpha": 1.0},
    ],
    "looks after": [
        {"operation": "coherence", "window": [3, 7]},
        {"operation": "goldstein", "patch_size": 32, "step": 8},
        {"operation": "conjugate"},
        {"operation": "multilook", "y": 3, "x": 2},
    ],
    "a preset": [{"operation": "goldstein", "preset": "snap_legacy", "edges": "fill"}],
    "adaptive": [{"operation": "goldstein", "preset": "snap14", "patch_size": 32, "step": 8}],
}


@pytest.fixture(scope="module")
def large():
    """Large enough that blocks lie away from every border."""
    ds, _ = insarflow.simulate_stack((420, 380), seed=4, acquisitions=2, delays=[6], movers=6)
    return ds.load().chunk(y=97, x=131)


def lay_out(ds, recipe, tmp_path, model, tile_size=1024):
    if isinstance(recipe, list):
        path = tmp_path / "recipe.json"
        path.write_text(json.dumps(recipe))
        recipe = path
    prepared, _ = prepare(ds, load_card(model).recipe, recipe)
    arguments = {"model": model, "device": None, "tile_size": tile_size}
    return prepared, windows(ds, prepared, recipe=recipe, **arguments)


def by_windows(work, chunks):
    """Probability of the whole region, put together of blocks."""
    rows, cols = ([slice(*pair) for pair in pairwise(np.cumsum([0, *sizes]).tolist())] for sizes in chunks)
    blocks = [[work.segmented(y, x)["probability"].values[0, 0] for x in cols] for y in rows]
    return np.block(blocks)


@pytest.mark.filterwarnings("ignore::insarflow.errors.RecipeWarning")
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_blocks_are_those_of_the_whole(large, filtering, tmp_path, recipe):
    prepared, work = lay_out(large, recipe, tmp_path, filtering)
    whole = segment(prepared, filtering)["probability"].values[0, 0]
    height, width = whole.shape
    assert work.shape == whole.shape
    edges = [sorted({0, height // 3, height // 2, height}), sorted({0, width // 3, width // 2, width})]
    chunks = tuple(tuple(np.diff(e).tolist()) for e in edges)
    np.testing.assert_allclose(by_windows(work, chunks), whole, atol=1e-6)
    assert whole.max() > 0.1  # there is something to see


def test_the_margin_is_needed(large, filtering, tmp_path, monkeypatch):
    prepared, work = lay_out(large, "model", tmp_path, filtering)
    whole = segment(prepared, filtering)["probability"].values[0, 0]
    monkeypatch.setattr(Windows, "_halo", 4)
    cut = by_windows(work, ((140, 140, 140), (190, 190)))
    assert np.abs(cut - whole).max() > 1e-3


def test_a_block_reads_its_own_window_and_waits_for_nothing_else(large, filtering, tmp_path):
    _, work = lay_out(large, "none", tmp_path, filtering)
    block = work.segmented(slice(200, 220), slice(200, 220))["probability"]
    assert block.shape[2:] == (20, 20)
    assert block.chunks[2:] == ((20,), (20,))
    windows_read = [task for task in dict(block.data.__dask_graph__()) if str(task[0]).startswith("predict_block")]
    assert len(windows_read) == 1  # one interferogram, one tile


def test_sides(large, filtering, tmp_path):
    for tile_size, side in ((1024, 944), (128, 128), (512, 432), (64, 64)):
        work = lay_out(large, "model", tmp_path, filtering, tile_size)[1]
        assert work.side == side
    assert work.blocks() == ((64,) * 6 + (36,), (64,) * 5 + (60,))


def test_what_depends_on_the_whole_region_is_not_cut(large, filtering, tmp_path):
    for step in (
        {"operation": "add_ramp", "slope_y": 0.1, "slope_x": 0.0},
        {"operation": "decorrelate", "factor": 0.8, "looks": 9, "seed": 1},
        {"operation": "add_turbulence", "std": 0.5, "seed": 1},
    ):
        assert lay_out(large, [step], tmp_path, filtering)[1] is None
