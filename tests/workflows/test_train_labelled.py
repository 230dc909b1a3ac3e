"""Training on labels of one's own: what is kept apart, what is learned, what is written down."""

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pytest

from insarflow.errors import InsarError, OutputExistsError, ProductError, SelectionError
from insarflow.learn.metrics import PixelScores
from insarflow.learn.scoring import PatchPlaces
from insarflow.learn.training import Training
from insarflow.learn.weights import load_card, load_model
from insarflow.stack.store import open_stack
from insarflow.workflows.run_train import TrainRun, read_train_run
from insarflow.workflows.sides import sides_of
from insarflow.workflows.train import train_run
from insarflow.workflows.train_data import Labelled

QUICK = Training(epochs=2, batch_size=8, learning_rate=3e-3, keep="best")


@pytest.fixture(scope="module")
def data(outlined):
    return Labelled(
        (str(outlined.stack),), str(outlined.labels), str(outlined.zone), patch=32, step=16,
        training_data_licences=("mine",), cite=("me, 2025",), fields={"confidence": "CONF"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(data, filtering, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "model"
    return folder, train_run(TrainRun(data, QUICK, start=filtering), folder)


def test_the_card_tells_what_was_done(trained, data, filtering):
    folder, card = trained
    network, loaded = load_model(folder / "model.safetensors")
    assert loaded == card
    assert not network.training
    first = load_card(filtering)
    assert card.training["starts_from"] == {"name": Path(filtering).name, "sha256": first.sha256}
    assert card.training_data_licences == (*first.training_data_licences, "mine")
    assert card.cite[-1] == "me, 2025"
    assert card.training["patch_size"] == 32
    assert set(card.training["delays_days"]) >= {6}
    assert card.recipe.of("goldstein") == first.recipe.of("goldstein")
    assert set(card.scores) == {"validation", "holdout"}
    assert set(card.scores["holdout"]) == {"all", "6", "season"}
    low, high = card.scores["holdout"]["all"]["intervals"]["pixel"]["f1"]
    assert low <= card.scores["holdout"]["all"]["pixel"]["f1"] <= high
    assert read_train_run(folder / "run.yaml").data == data
    assert card.training["leakage"]["buffer"] == first.reach == 37
    report = (folder / "leakage.txt").read_text()
    assert "ground: not shared, nor closer than the buffer of 37 pixels\nradar images: not shared" in report


def test_scores_are_those_of_the_saved_model_on_what_was_kept(trained, data, filtering):
    """Shown by another way: every holdout patch by itself, with the card's temperature and threshold."""
    folder, card = trained
    network, _ = load_model(folder / "model.safetensors")
    sides = sides_of(data, card.channels, trained=load_card(filtering).recipe, buffer=37)
    scores = PixelScores()
    for patches in sides.of("holdout"):
        for sample in patches:
            logits = network(sample["image"][None])[0, 0].detach()
            scores.update(((logits + card.shift) / card.temperature).sigmoid(), sample["mask"])
    found = scores.at(card.threshold)
    assert found["f1"] == pytest.approx(card.scores["holdout"]["all"]["pixel"]["f1"], abs=2e-3)
    assert found["average_precision"] > 0.6


def test_calibrated_probabilities_are_right_more_often(trained, data, filtering):
    folder, card = trained
    network, _ = load_model(folder / "model.safetensors")
    sides = sides_of(data, card.channels, trained=load_card(filtering).recipe, buffer=37)
    raw = PixelScores()
    for place in PatchPlaces(network, sides.of("validation")):
        raw.update(1 / (1 + 2.718281828**-place.logits), place.target)
    assert card.scores["validation"]["all"]["pixel"]["brier"] <= raw.at(0.5)["brier"] + 1e-4


def test_sides_share_neither_ground_nor_images(data):
    sides = sides_of(data, ("coherence", "cos", "sin"), trained=None, buffer=20)
    (source,) = sides.sources
    rows = source.rows
    images = {side: {*part["reference"], *part["secondary"]} for side, part in rows.items()}
    assert not images["train"] & images["holdout"]
    assert images["holdout"] == {"20210727", "20210802"}
    for side in ("validation", "holdout"):
        for a in rows["train"][["y", "x"]].drop_duplicates().itertuples():
            for b in rows[side][["y", "x"]].drop_duplicates().itertuples():
                assert max(abs(a.y - b.y), abs(a.x - b.x)) - 32 >= 20
    assert (rows["holdout"]["x"] + 16 > 150).all()
    assert set(rows["holdout"]["y"]) == {0, 32, 64, 96}
    assert len({*rows["holdout"]["x"] % 32}) == 1 or 192 in {*rows["holdout"]["x"]}


def test_a_training_goes_on_where_it_was(trained, data, tmp_path, filtering):
    folder, card = trained
    run = TrainRun(data, QUICK, start=filtering)
    with pytest.raises(OutputExistsError, match=r"run.yaml exists: pass resume=True \(--resume\)"):
        train_run(run, folder)
    assert train_run(run, folder, resume=True).sha256 == card.sha256


def test_labels_in_another_crs_and_several_stacks(data, outlined, tmp_path):
    gpd.read_file(outlined.labels).to_crs(4326).to_file(tmp_path / "degrees.geojson")
    both = replace(data, stacks=data.stacks * 2, labels=str(tmp_path / "degrees.geojson"), holdout_start="20210727")
    sides = sides_of(both, ("coherence", "cos", "sin"), trained=None, buffer=20)
    one = sides_of(replace(data, holdout_start="20210727"), ("coherence", "cos", "sin"), trained=None, buffer=20)
    for side in ("train", "validation", "holdout"):
        assert [len(p) for p in sides.of(side)] == [len(p) for p in one.of(side)] * 2


def test_more_channels_are_normalised(data, outlined, tmp_path):
    ds = open_stack(outlined.stack)
    _, y = (ds[name] for name in ("x", "y"))
    ds = ds.assign(dem=(2000.0 + 0.1 * (y - y.mean()) + 0 * ds["x"]).astype("float32"))
    import insarflow

    insarflow.write_stack(ds, tmp_path / "dem.zarr")
    channels = ("coherence", "cos", "sin", "dem")
    plain = replace(QUICK, epochs=1, augmentations={"offset": {}})
    run = TrainRun(replace(data, stacks=(str(tmp_path / "dem.zarr"),)), plain, channels=channels)
    card = train_run(run, tmp_path / "model")
    assert set(card.normalisation) == {"dem"}
    assert card.normalisation["dem"]["mean"] == pytest.approx(2000, abs=130)
    assert card.training["starts_from"] is None
    with pytest.raises(InsarError, match=r"stack.zarr: .*needs the variable 'dem'"):
        train_run(replace(run, data=data), tmp_path / "other")
    with pytest.raises(InsarError, match=r"the model default must have the channels .*'dem'\), instead got"):
        train_run(replace(run, start="default"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_trained_on_is_said_in_one_line(data, outlined, tmp_path, filtering):
    def refused(error, message, **changes):
        with pytest.raises(error, match=message):
            train_run(TrainRun(replace(data, **{"step": 32} | changes), QUICK, start=filtering), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    far = str(outlined.write(tmp_path / "far.gpkg", [(5000, 0, 5100, 100)]))
    empty = str(outlined.write(tmp_path / "empty.gpkg", [(150, 34, 168, 50)]))
    refused(SelectionError, r"none of the 1 polygons touches the image", labels=far, fields={})
    refused(SelectionError, r"none of the 1 polygons touches the image", holdout=far)
    refused(SelectionError, r"^the holdout side has no (patch|mover in its \d+ patches)", holdout=empty)
    whole = str(outlined.write(tmp_path / "whole.gpkg", [(0, 0, 224, 128)]))
    refused(SelectionError, r"^the train side has no patch \(left out: .*hold out less, take smaller", holdout=whole)
    refused(SelectionError, r"allow radar images on both sides", holdout_start="20300101")
    refused(SelectionError, r"^the validation side has no", validation=empty)
    refused(ProductError, r"has no field 'SURE', it has CONF", fields={"confidence": "SURE"})
    refused(InsarError, r"patch must fit into the image of 128 by 224", patch=256, step=128)
    refused(InsarError, r"nowhere", stacks=("nowhere.zarr",))
