import pytest
import yaml

from insarflow.errors import InsarError
from insarflow.learn.training import Training
from insarflow.workflows.run_train import TrainRun, read_train_run, write_train_run
from insarflow.workflows.train_data import Labelled, Simulated

RUNS = [
    TrainRun(Simulated("/bank"), Training(2)),
    TrainRun(
        Simulated("/bank", 3, 1, 9),
        Training(
            5, 8, 1e-3, "cosine", 0.01, "weighted_bce", {"positive_weight": 3.0},
            {"ramp": {"spread": 0.02}, "edge": {}}, None, 0.99, 3, "best", 4, "32-true", True, "cpu", "auto", 2,
            20, (0.5, 0.99),
        ),
        "unet", start="/models/mine.safetensors",
    ),
    TrainRun(
        Labelled(("/a.zarr", "s3://b/c.zarr"), "/my.gpkg", "/zone.gpkg"), Training(2, augmentations={"turn": {}}),
        channels=("coherence", "cos", "sin", "incidence"), start="default",
    ),
    TrainRun(
        Labelled(
            ("/a.zarr",), "/my.gpkg", None, "2021-07-03", True, "/other.gpkg", {"confidence": "CONF"},
            {"Bowl": "absent"}, {"1": 0.3}, 2, 0.5, "absent", 64, 16, None, ("one",), ("two",), ("three",), "CC0",
        ),
        Training(2),
    ),
]  # fmt: skip


_LABELLED = "insarflow: train\ntraining: {epochs: 1}\ndata: {stacks: [a], labels: b, holdout: c"


@pytest.mark.parametrize("run", RUNS)
def test_what_is_written_is_read(run, tmp_path):
    write_train_run(run, tmp_path / "run.yaml", results={"threshold": 0.5})
    assert read_train_run(tmp_path / "run.yaml") == run
    assert [p.name for p in tmp_path.iterdir()] == ["run.yaml"]
    content = yaml.safe_load((tmp_path / "run.yaml").read_text())
    assert content["insarflow"] == "train"
    assert content["results"] == {"threshold": 0.5}
    assert "torch" in content["versions"]


def test_rates_of_the_papers(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "insarflow: train\ntraining: {epochs: 80, schedule: halving, halve_every: 10, betas: [0.5, 0.999]}\n"
    )
    assert read_train_run(file).training == Training(80, schedule="halving", halve_every=10, betas=(0.5, 0.999))
    file.write_text("insarflow: train\ntraining: {epochs: 2, betas: none}\n")
    with pytest.raises(InsarError, match="betas must be two numbers"):
        read_train_run(file)


def test_by_hand(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "insarflow: train\n"
        "data:\n  bank: ../bank\n  scenes: 4\n"
        "model:\n  from: models/mine.safetensors\n"
        "training:\n  epochs: 3\n  augmentations:\n    offset:\n    ramp: {spread: 0.1}\n"
    )
    assert read_train_run(tmp_path / "run.yaml") == TrainRun(
        Simulated(str(tmp_path.parent / "bank"), 4),
        Training(3, augmentations={"offset": {}, "ramp": {"spread": 0.1}}),
        start=str(tmp_path / "models/mine.safetensors"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("insarflow: map", "is no run file of insarflow train: it must hold the line 'insarflow: train'$"),
        ("model: {}", "is no run file"),
        ("insarflow: train\ntrainings: {}", "unknown key 'trainings'; there are insarflow, data, model, training"),
        ("insarflow: train\ntraining: {epoch: 1}", r"unknown key 'training.epoch'; there are epochs, batch_size"),
        ("insarflow: train\ndata: {scene: 1}", r"unknown key 'data.scene'; there are bank, scenes, held_out, seed"),
        ("insarflow: train\nmodel: {name: 1}", r"unknown key 'model.name'; there are architecture, channels, from"),
        ("insarflow: train\ntraining: {}", "training.epochs is missing: add the line"),
        ("insarflow: train\ndata: {stacks: [a]}", "data.labels is missing: add the line"),
        ("insarflow: train\ntraining: {epochs: 1}\ndata: {stacks: [a], labels: b}", "data.holdout must be a file"),
        (_LABELLED + ", step: 24}", "data.step must divide data.patch=128, instead got data.step=24"),
        (_LABELLED + ", balance: 1.0}", "data.balance must be between 0 and 1, both excluded, or null"),
        (_LABELLED + ", holdout_start: soon}", "data.holdout_start: date must be like"),
        (_LABELLED + ", classes: {Slide: moves}}", "data.classes.Slide must be one of"),
        (_LABELLED + ", fields: CONF}", "data.fields must be 'name: value' lines"),
        (_LABELLED + ", cite: me}", "data.cite must be a list of texts"),
        (_LABELLED + ", licence: ""}", "data.licence must be a text that is not empty"),
        ("insarflow: train\ntraining: [1]", r"training must be 'name: value' lines, instead got training=\[1\]"),
        ("insarflow: train\ntraining: {epochs: two}", "epochs must be a whole number of at least 1"),
        ("insarflow: train\ntraining: {epochs: 2, learning_rate: -1}", "learning_rate must be above 0, instead got"),
        ("insarflow: train\ntraining: {epochs: 2, augmentations: {blur: }}", "augmentations must be among"),
        ("insarflow: train\ntraining: {epochs: 2, loss: focal, loss_parameters: {a: 1}}", "of the loss"),
        ("insarflow: train\ntraining: {epochs: 2}\ndata: {scenes: 0}", "data.scenes must be a whole number of at"),
        ("insarflow: train\ntraining: {epochs: 2}\nmodel: {architecture: vit}", "model.architecture must be one of"),
        ("insarflow: train\ntraining: {epochs: 2}\nmodel: {channels: [dem]}", "channels must begin with"),
        ("insarflow: train\ntraining: {epochs: 2}\nmodel: {channels: dem}", "model.channels must be a list of names"),
        ("insarflow: train\ntraining: {epochs: 2}\nmodel: {from: 3}", "model.from must be a text that is not empty"),
    ],
)  # fmt: skip
def test_wrong_files(text, message, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(InsarError, match=message) as error:
        read_train_run(file)
    assert str(error.value).startswith(str(file))
