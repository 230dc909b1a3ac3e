import pytest

from insarflow.errors import OutputExistsError
from insarflow.learn.bank import RECIPE, Bank, balanced
from insarflow.learn.training import Training
from insarflow.learn.weights import load_model
from insarflow.workflows.run_train import TrainRun, read_train_run
from insarflow.workflows.train import Preset, Round, train, train_run
from insarflow.workflows.train_data import Simulated

PRESET = Preset(rounds=(Round(1, epochs=1),), held_out=1, at_rest=0, seed=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    seen = []
    card = train(
        PRESET,
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
    assert loaded.training["rounds"][0]["patches"] == len(balanced(Bank.open(folder / "bank" / "train"), seed=3))
    assert {"pixel", "object"} <= set(loaded.scores["held_out_rougher_atmosphere"]["all"])
    assert (loaded.temperature, loaded.shift) != (1.0, 0.0)
    assert {what for what, _, _ in seen} == {"simulating train", "simulating validation", "simulating test"}
    assert not network.training


def test_a_bank_that_is_there_is_used_again(trained, monkeypatch):
    folder, card, _ = trained
    monkeypatch.setattr("insarflow.workflows.train.generate", None)
    again = train(PRESET, folder / "again.safetensors", folder / "bank")
    assert again.sha256 == card.sha256


def test_a_run_file_is_trained_and_resumed(trained, tmp_path, monkeypatch):
    folder, _, _ = trained
    run = TrainRun(
        Simulated(str(folder / "bank"), 1, 1, 3), Training(1, patience=1), start=str(folder / "model.safetensors")
    )
    monkeypatch.setattr("insarflow.workflows.train.score", lambda *_, **__: {})  # it takes longer than training
    card = train_run(run, tmp_path / "run")
    assert read_train_run(tmp_path / "run/run.yaml") == run
    _, loaded = load_model(tmp_path / "run/model.safetensors")
    assert loaded == card
    assert loaded.training["patience"] == 1
    assert loaded.training["starts_from"]["name"] == "model.safetensors"
    with pytest.raises(OutputExistsError, match=r"run.yaml exists: pass resume=True \(--resume\) to go on, overwrite"):
        train_run(run, tmp_path / "run")
    assert train_run(run, tmp_path / "run", resume=True).sha256 == card.sha256
