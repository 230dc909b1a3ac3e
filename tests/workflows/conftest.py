from pathlib import Path

import pytest
from disturbance import Disturbed, cheap_prediction

import insarflow
from insarflow.stack import blocks


@pytest.fixture(scope="session")
def region():
    """A small simulated region with its truth."""
    ds, truth = insarflow.simulate_stack((160, 192), seed=11, acquisitions=4, movers=5)
    return ds.load(), truth[["label", "los_rate", "visible", "peak_rate"]].load()


@pytest.fixture(scope="session")
def filtering():
    """The default model of old: its input is filtered, it looks no farther than 37 pixels, its card is an older one."""
    return str(Path(__file__).parents[1] / "former" / "resunet.safetensors")


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
