import pytest
from disturbance import Disturbed, cheap_prediction
from untrained import random_network

import insarflow
from insarflow.learn.phase import CHANNELS
from insarflow.stack import blocks
from insarflow.types import Recipe


@pytest.fixture(scope="session")
def region():
    """A small simulated region with its truth."""
    ds, truth = insarflow.simulate_stack((160, 192), seed=11, acquisitions=4, movers=5)
    return ds.load(), truth[["label", "los_rate", "visible", "peak_rate"]].load()


@pytest.fixture(scope="session")
def filtering(tmp_path_factory):
    """File of a model whose input is filtered, and that looks no farther than 37 pixels; it was not trained."""
    path = tmp_path_factory.mktemp("filtering") / "filtering.safetensors"
    recipe = Recipe().then("goldstein", patch_size=32, step=16, alpha=0.5, min_valid=0.5, amplitude="input")
    insarflow.save_model(
        random_network(), path, architecture="resunet", channels=CHANNELS, recipe=recipe, pixel_size_m=(10.0, 40.0),
        threshold=0.5,
    )  # fmt: skip
    return str(path)


@pytest.fixture(scope="session")
def small_blocks(region, tmp_path_factory):
    """Two interferograms of it in a store, of 2 by 3 blocks of 64 pixels that differ in size."""
    ds = region[0].isel(y=slice(0, 120), x=slice(0, 180), date=[0], delay=[0, 1])
    path = tmp_path_factory.mktemp("small") / "stack.zarr"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("INNER", "SHARD"):
            patch.setattr(f"insarflow.stack.layout.{name}", 64)
        insarflow.write_stack(ds, path)
    return path


@pytest.fixture
def predictions(monkeypatch):
    """Calls of a network that costs nothing."""
    stand_in = Disturbed(cheap_prediction)
    monkeypatch.setattr("insarflow.segment.blocks.predict", stand_in)
    return stand_in


@pytest.fixture
def writes(monkeypatch):
    """Calls that keep a block."""
    counted = Disturbed(blocks._write)
    monkeypatch.setattr(blocks, "_write", counted)
    return counted


@pytest.fixture(scope="session")
def stored_region(region, tmp_path_factory):
    """The region in a store."""
    return insarflow.write_stack(region[0], tmp_path_factory.mktemp("region") / "stack.zarr")
