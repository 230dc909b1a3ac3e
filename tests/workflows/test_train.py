import pytest

from insarflow.learn.bank import PATCHES_PER_SCENE, RECIPE
from insarflow.learn.weights import load_model
from insarflow.workflows.train import Preset, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    seen = []
    card = train(
        Preset(scenes=1, held_out=1, epochs=1),
        folder / "model.safetensors",
        folder / "bank",
        progress=lambda what, done, wanted: seen.append((what, done, wanted)),
    )
    return folder, card, seen


def test_training_ends_in_a_model_that_loads(trained):
    folder, card, seen = trained
    network, loaded = load_model(folder / "model.safetensors")
    assert loaded == card
    assert loaded.recipe == RECIPE
    assert 0 < loaded.threshold < 1
    assert loaded.training["patches"] == PATCHES_PER_SCENE
    assert set(loaded.scores["held_out_rougher_atmosphere"]["all"]) == {"pixel", "object"}
    assert {what for what, _, _ in seen} == {"simulating train", "simulating validation", "simulating test"}
    assert not network.training


def test_a_bank_that_is_there_is_used_again(trained, monkeypatch):
    folder, card, _ = trained
    monkeypatch.setattr("insarflow.workflows.train.generate", None)
    again = train(Preset(scenes=1, held_out=1, epochs=1), folder / "again.safetensors", folder / "bank")
    assert again.sha256 == card.sha256
