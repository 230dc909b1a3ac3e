"""Work on pixels of the model's size."""

from dataclasses import replace

import numpy as np
import pytest

import insarflow
from insarflow.errors import ModelError, RecipeWarning
from insarflow.learn.weights import load_card
from insarflow.schema import recipe_of
from insarflow.segment import segment
from insarflow.segment.resolution import to_resolution
from insarflow.simulate.scene import Scenario
from insarflow.stack.georeference import pixel_size_m
from insarflow.workflows.lazy_map import open_map
from insarflow.workflows.map import map_source
from insarflow.workflows.plan import plan_map, plan_segment
from insarflow.workflows.prepare import prepare, regrid
from insarflow.workflows.run import MapRun, read_run
from insarflow.workflows.segment import segment_source
from insarflow.workflows.windows import Windows

CARD = load_card("default")
SAID = (
    "resampled from pixels of 200 by 200 m to 100 by 100 m, the nearest that the model was trained on (10 to 100 m); "
    "this adds no detail"
)


@pytest.fixture(scope="module")
def coarse():
    """Two interferograms of pixels that the model does not know."""
    fast = Scenario(slides={"speed": (1.0, 2.0), "creep": (0.8, 1.2), "size": (400.0, 900.0)})
    ds, _ = insarflow.simulate_stack(
        (64, 80), seed=3, pixel_size=80.0, acquisitions=3, delays=[6], movers=3, scenario=fast
    )
    ds = ds.load()
    return ds.assign_coords(y=ds["y"] * 2.5, x=ds["x"] * 2.5)


@pytest.fixture(scope="module")
def stored(coarse, tmp_path_factory):
    return insarflow.write_stack(coarse, tmp_path_factory.mktemp("coarse") / "stack.zarr")


@pytest.fixture(scope="module")
def direct(stored):
    """The whole at once: resampled, segmented."""
    ds = to_resolution(insarflow.open_stack(stored), CARD, "model")[0]
    return segment(prepare(ds, CARD.recipe)[0], "default").compute()


def test_segment(stored, direct, tmp_path):
    path, notes = segment_source(stored, tmp_path / "out.zarr", resolution="model")
    assert notes == (SAID,)
    found = insarflow.open_stack(path)
    assert pixel_size_m(found) == (100.0, 100.0)
    np.testing.assert_allclose(found["probability"].values, direct["probability"].values, atol=2.0**-12 + 1e-6)
    assert np.nanstd(direct["probability"]) > 0.01
    assert [step["operation"] for step in recipe_of(found).steps if step["operation"] != "write"] == [
        "simulate", "resample", "segment"
    ]  # fmt: skip
    assert plan_segment(stored, resolution="model").disk == pytest.approx(
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), rel=0.3
    )


def test_map_by_blocks(stored, direct, tmp_path, monkeypatch):
    monkeypatch.setattr(Windows, "side", 48)
    run = MapRun((str(stored),), resolution="model")
    result = map_source(run, tmp_path / "map")
    assert result.notes[0] == SAID
    whole = direct.insar.summarise(threshold=CARD.threshold, peak=CARD.peak)
    np.testing.assert_allclose(result.summary["probability"].values, whole["probability"].values, atol=1e-6)
    assert read_run(tmp_path / "map" / "run.yaml") == run.absolute()
    assert plan_map(run).tasks > 1


def test_laying_out_computes_nothing(stored, forbid_compute):
    run = MapRun((str(stored),), resolution="model")
    with forbid_compute():
        lazy = open_map(run)
        with pytest.warns(RecipeWarning):
            own = open_map(replace(run, resolution=200))
    assert lazy.summary.sizes == {"y": 128, "x": 160}
    assert lazy.identity != own.identity
    assert own.notes[0] == "not resampled: the pixels are of 200 by 200 m already"


def test_who_did_not_ask_is_told(stored):
    with pytest.warns(RecipeWarning, match=r"pixel_size_m is 200 by 200 \(model: 10 to 100\)") as told:
        lazy = open_map(MapRun((str(stored),)))
    assert len(told) == 1
    assert lazy.notes[-1] == "resolution='model' (--resolution model) makes pixels of 100 by 100 m"


def test_what_the_data_do_not_tell_is_one_note(coarse, tmp_path):
    quiet = coarse.drop_attrs(deep=False).assign_attrs(recipe=coarse.attrs["recipe"])
    path = insarflow.write_stack(quiet, tmp_path / "stack.zarr")
    lazy = open_map(MapRun((str(path),), resolution="model"))
    note = (
        "not told by the data, so not compared with the model's training data: looks is unknown (model: 4 to 100); "
        "wavelength_m is unknown (model: 0.0555)"
    )
    assert lazy.notes[1:] == (note,)
    assert lazy.summary["probability"].attrs["unknown"] == note.split(": ", 1)[1]


def test_coherence_is_estimated_on_the_pixels_of_the_product(coarse):
    bare = coarse.drop_vars("coherence")
    found, notes = regrid(bare, CARD, "model", "model")
    assert notes == ("the product has no coherence: estimated from the phase in 5 x 5 windows", SAID)
    expected = to_resolution(bare.insar.coherence(window=5), CARD, "model")[0]
    np.testing.assert_array_equal(found["coherence"].values, expected["coherence"].values)
    after = to_resolution(bare, CARD, "model")[0].insar.coherence(window=5)
    # Seen: 0.98 against 0.93.
    assert np.nanmedian(after["coherence"]) > np.nanmedian(found["coherence"]) + 0.03
    assert prepare(found, CARD.recipe)[1] == ()


def test_nothing_to_do(coarse):
    assert regrid(coarse, CARD, "model", None) == (coarse, ())
    known = coarse.assign_coords(y=coarse["y"] / 4, x=coarse["x"] / 4).drop_vars("coherence")
    same, notes = regrid(known, CARD, "model", "model")
    assert same is known
    assert notes == ("not resampled: the model was trained on pixels of 50 by 50 m too",)


def test_mistakes_come_before_any_work(coarse, tmp_path):
    lost = insarflow.write_stack(coarse.assign_coords(y=coarse["y"] * 6, x=coarse["x"] * 6), tmp_path / "far.zarr")
    with pytest.raises(ModelError, match=r"^resolution='model' must not divide pixels into more than 10 a side"):
        segment_source(lost, tmp_path / "out.zarr", resolution="model")
    with pytest.raises(ModelError, match=r"^model 'default' needs pixels of 10 to 100 m, but those of the stack are 1"):
        segment_source(lost, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
