"""Tables are run row by row, kept, gone on with, and never taken for what they are not."""

import json

import numpy as np
import pytest
import torch

from insarflow.errors import InsarError, ModelError, OutputExistsError, ProductError
from insarflow.learn.training import Training
from insarflow.workflows import reproduce_isslide, reproduce_row
from insarflow.workflows.reproduce import reproduce
from insarflow.workflows.reproduce_asked import TABLES, Reproduction, table_of
from insarflow.workflows.reproduce_results import PAGE, RESULTS
from insarflow.workflows.reproduce_table import Outcome, Row, Splits, Table, compared, markdown


class Patches:
    """Bubbles that the first channel shows."""

    channels = ("coherence", "cos", "sin")

    def __init__(self, n, seed, fails=False, still=False):
        rng = np.random.default_rng(seed)
        self.mask = np.zeros((n, 16, 16), np.uint8)
        if not still:
            self.mask[:, 4:12, 4:12] = 1
        self.image = np.zeros((n, 3, 16, 16), np.float32)
        self.image[:, 0] = self.mask + rng.normal(0, 0.2, self.mask.shape)
        self.image[:, 1] = 1
        self.fails = fails

    def __len__(self):
        return len(self.mask)

    def __getitem__(self, index):
        if self.fails:
            raise KeyboardInterrupt
        mask = torch.from_numpy(self.mask[index])
        return {"image": torch.from_numpy(self.image[index]), "mask": mask, "valid": mask < 2}


TRAINING = Training(30, 4, 1e-3, "constant", augmentations={"offset": {}}, precision="32-true")


class Toy:
    """A table of two small rows and one that starts from weights, whose data may fail."""

    def __init__(self):
        self.fails, self.still, self.opened, self.simulated = set(), False, [], []
        rows = (
            Row("Small", "small-unet", TRAINING, {"f1": 0.7, "dice": 0.6}, data="a"),
            Row("Res", "resunet", TRAINING, {"f1": 0.8, "dice": 0.5}, data="b"),
            Row("Res_P", "resunet", TRAINING, {"f1": 0.9}, data="b", pretrained=True),
        )
        self.table = Table(
            "isslide", "Table of toys", "isslide", rows, {"f1": ("F1", 3), "dice": ("Dice", 3), "auc": ("AUC", 2)},
            self.open, self.simulate, ("published", "apart"), side=16, costs=16, notes=("a toy",),
        )  # fmt: skip

    def open(self, wanted):
        if not (wanted.folder / "here").exists():
            raise ProductError(f"{wanted.folder} does not exist")
        self.opened.append((wanted.data, wanted.scheme, wanted.folder.name))
        train = Patches(6, 0, fails=wanted.data in self.fails)
        return Splits(train, Patches(3, 1), Patches(3, 2, still=self.still), Patches.channels, "six patches")

    def simulate(self, folder, seed):
        self.simulated.append(seed)
        folder.mkdir()
        (folder / "here").touch()


@pytest.fixture
def toy(monkeypatch, tmp_path):
    made = Toy()
    monkeypatch.setattr(reproduce_isslide, "TABLE", made.table)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "here").touch()
    return made


def asked(tmp_path, **more):
    return Reproduction("isslide", **{"data": tmp_path / "data", "epochs": 1, "rows": ("Small", "Res"), **more})


def test_rows_stand_beside_the_published_ones(toy, tmp_path):
    out = tmp_path / "out"
    found = reproduce(asked(tmp_path), out, command="insarflow reproduce isslide")
    assert [outcome.name for outcome in found.outcomes] == ["Small", "Res"]
    assert found.title == "Table of toys"
    for outcome in found.outcomes:
        assert outcome.reason is None
        assert {"f1", "auc", "dice", "hausdorff", "parameters"} <= set(outcome.reproduced)
        assert {"f1", "object_f1", "calibration_error"} <= set(outcome.honest)
    heading, small, _ = found.comparison
    assert heading == ["row", "F1", "Dice", "AUC"]
    here = found.outcomes[0].reproduced["f1"]
    assert small[1] == f"0.700 / {here:.3f} ({here - 0.7:+.3f})"
    assert "/" not in small[3]
    kept = json.loads((out / RESULTS).read_text())
    assert kept["command"] == "insarflow reproduce isslide"
    assert kept["asked"]["seed"] == 1
    assert {"machine", "packages", "insarflow"} <= set(kept["versions"])
    page = (out / PAGE).read_text()
    assert page.startswith("# Table of toys\n")
    for text in (small[1], "trained for 1 epochs, published are 30", "a toy", "six patches", "Machine: ", "seed 1"):
        assert text in page, text
    assert "SIMULATED" not in page
    assert sorted(p.name for p in out.iterdir()) == [RESULTS, PAGE, "trainings"]
    assert sorted(p.name for p in (out / "trainings").iterdir()) == ["Res", "Small"]
    assert toy.opened[0] == ("a", "published", "data")


def test_a_stopped_run_goes_on_row_by_row(toy, tmp_path):
    out = tmp_path / "out"
    toy.fails = {"b"}
    with pytest.raises(KeyboardInterrupt):
        reproduce(asked(tmp_path), out)
    assert [row["name"] for row in json.loads((out / RESULTS).read_text())["rows"]] == ["Small"]
    stopped = (out / "trainings/Small/last.ckpt").stat().st_mtime_ns
    toy.fails = {"a"}  # what is done is not touched again
    toy.opened.clear()
    told = []
    found = reproduce(asked(tmp_path), out, tell=told.append)
    assert [outcome.name for outcome in found.outcomes] == ["Small", "Res"]
    assert told == ["Res"]
    assert (out / "trainings/Small/last.ckpt").stat().st_mtime_ns == stopped
    again = reproduce(asked(tmp_path), out, tell=told.append)
    assert (again.outcomes, told) == (found.outcomes, ["Res"])


def test_a_row_that_is_stopped_and_goes_on_is_the_same(toy, tmp_path, monkeypatch):
    once = reproduce(asked(tmp_path, rows=("Res",), epochs=2), tmp_path / "once").outcomes[0]
    evaluate = reproduce_row.evaluate
    monkeypatch.setattr(reproduce_row, "evaluate", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reproduce(asked(tmp_path, rows=("Res",), epochs=2), tmp_path / "twice")
    monkeypatch.setattr(reproduce_row, "evaluate", evaluate)
    twice = reproduce(asked(tmp_path, rows=("Res",), epochs=2), tmp_path / "twice").outcomes[0]
    assert twice.reproduced == once.reproduced
    assert twice.honest == once.honest


def test_simulated_data_say_so(toy, tmp_path):
    out = tmp_path / "out"
    found = reproduce(asked(tmp_path, data=None, rows=("Res",)), out)
    assert found.title == "Table of toys, on SIMULATED data: no reproduction of its numbers"
    assert (out / PAGE).read_text().startswith(f"# {found.title}\n")
    assert toy.simulated == [1]
    assert (out / "data" / "here").exists()
    reproduce(asked(tmp_path, data=None, rows=("Small",)), out)
    assert toy.simulated == [1]


def test_rows_that_take_too_long_are_not_run(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce_row, "has_gpu", lambda: False)
    monkeypatch.setattr(reproduce_row, "step_seconds", lambda *_, **more: 3600.0 * more["batch_size"] / 4)
    found = reproduce(asked(tmp_path, rows=None, epochs=2, hours=1.0), tmp_path / "out")
    assert not (tmp_path / "out" / "trainings").exists()
    small, res, pretrained = found.outcomes
    assert small.reason == (
        "about 2 hours here, above --hours 1: a GPU is needed, or name the row with --rows"
    )  # fmt: skip
    assert pretrained.reason == "needs --pretrained, a local file of its weights"
    assert small.reproduced["parameters"] == pytest.approx(0.100849)
    assert found.comparison[1][1] == "0.700 / not run"
    assert found.own == []
    assert f"Small not run: {small.reason}" in found.notes
    assert res.reason is not None
    forced = reproduce(asked(tmp_path, rows=("Res",), epochs=2, hours=1.0), tmp_path / "out")
    assert [outcome.reason is None for outcome in forced.outcomes] == [False, True, False]


def test_steps_are_timed(toy, tmp_path):
    work = reproduce_row.Work(toy.table, tmp_path, 3, 0, False)
    splits = Splits(Patches(8, 0), None, None, Patches.channels)
    assert 0 < reproduce_row.hours_of(work, toy.table.rows[1], splits) < 1


def test_rows_that_start_from_weights(toy, tmp_path):
    from safetensors.torch import save_file

    from insarflow.learn.train import fresh_network

    weights, other = tmp_path / "w.safetensors", tmp_path / "o.safetensors"
    save_file(fresh_network("resunet", 3, seed=5).state_dict(), weights)
    save_file(fresh_network("drs-unet", 3, seed=5).state_dict(), other)
    wanted = asked(tmp_path, rows=("Res_P",), pretrained=(weights,))
    outcome = reproduce(wanted, tmp_path / "out").outcomes[0]
    assert outcome.reason is None
    assert len(outcome.weights) == 64
    assert any("Res_P started from weights of w.safetensors" in note for note in outcome.notes)
    with pytest.raises(ModelError, match=r"^pretrained must fit a row that is asked for, instead got .*o\.safetensors"):
        reproduce(asked(tmp_path, rows=("Res_P",), pretrained=(other,)), tmp_path / "new")
    with pytest.raises(ModelError, match=r"^pretrained must fit .*: no row that is asked for starts from weights"):
        reproduce(asked(tmp_path, rows=("Res",), pretrained=(weights,)), tmp_path / "new")
    with pytest.raises(ModelError, match=r"^pretrained must be files of weights, instead got .*none, which is none$"):
        reproduce(asked(tmp_path, rows=("Res_P",), pretrained=(tmp_path / "none",)), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    save_file(fresh_network("resunet", 3, seed=6).state_dict(), weights)
    again = reproduce(wanted, tmp_path / "out").outcomes[0]
    assert again.weights != outcome.weights
    assert len(list((tmp_path / "out/trainings").iterdir())) == 2


def test_another_reproduction_is_not_mixed_in(toy, tmp_path):
    out = tmp_path / "out"
    reproduce(asked(tmp_path, rows=("Res",)), out)
    with pytest.raises(OutputExistsError, match=r"holds another reproduction: epochs=2 \(there: 1\)\. Choose another"):
        reproduce(asked(tmp_path, rows=("Res",), epochs=2), out)
    (out / "mine.txt").touch()
    found = reproduce(asked(tmp_path, rows=("Small",), scheme="apart"), out, overwrite=True)
    assert [outcome.name for outcome in found.outcomes] == ["Small"]
    assert (out / "mine.txt").exists()
    assert not (out / "trainings/Res").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "is of no reproduction"), ("{", "cannot be read as results"), ('{"asked": {}}', "holds no rows")],
)
def test_a_folder_of_something_else(toy, tmp_path, content, message):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RESULTS).write_text(content)
    with pytest.raises(OutputExistsError, match=message):
        reproduce(asked(tmp_path), tmp_path / "out")
    (tmp_path / "out" / RESULTS).unlink()
    (tmp_path / "out" / "data").mkdir()
    with pytest.raises(OutputExistsError, match="holds data, made by no reproduction"):
        reproduce(asked(tmp_path), tmp_path / "out")


def test_data_of_others_are_never_removed(toy, tmp_path):
    out = tmp_path / "out"
    for name in ("data", "area", "trainings"):
        mine = out / name / "here"
        mine.parent.mkdir(parents=True)
        mine.touch()
        with pytest.raises(OutputExistsError, match=f"holds {name}, made by no reproduction: choose another folder"):
            reproduce(asked(tmp_path), out, overwrite=True)
        mine.unlink()
        mine.parent.rmdir()
    reproduce(asked(tmp_path, rows=("Res",)), out)
    (out / "data").mkdir()
    with pytest.raises(OutputExistsError, match="holds data, made by no reproduction"):
        reproduce(asked(tmp_path, rows=("Res",)), out, overwrite=True)
    assert (out / "data").exists()


def test_results_lie_apart_from_the_data(toy, tmp_path):
    out = tmp_path / "out"
    reproduce(asked(tmp_path, data=None, rows=("Res",)), out)
    assert (out / "data/here").exists()
    for folder, results in ((out / "data", out), (tmp_path / "data", tmp_path / "data"), (tmp_path, tmp_path / "new")):
        with pytest.raises(OutputExistsError, match=r"must be apart from the data in .*: choose another folder"):
            reproduce(asked(tmp_path, data=folder, rows=("Res",)), results, overwrite=True)
    assert (out / "data/here").exists()
    reproduce(asked(tmp_path, data=None, rows=("Small",)), out, overwrite=True)
    assert (out / "data/here").exists()
    assert toy.simulated == [1, 1]


def test_missing_data_leave_nothing_behind(toy, tmp_path):
    with pytest.raises(ProductError, match="nowhere does not exist"):
        reproduce(asked(tmp_path, data=tmp_path / "nowhere"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_split_without_movers_names_the_row(toy, tmp_path):
    toy.still = True
    with pytest.raises(InsarError, match=r"^row Res: the patches to score must hold movement, instead got none"):
        reproduce(asked(tmp_path, rows=("Res",)), tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"table": "table1"}, "^table must be one of"),
        ({"rows": ("Res", "VGG")}, "^rows must be among Small, Res, Res_P, instead got rows='VGG'$"),
        ({"scheme": "naive"}, "^scheme must be one of"),
        ({"epochs": 0}, "^epochs must be a whole number of at least 1"),
        ({"hours": -1}, "^hours must be 0 or more, instead got hours=-1$"),
        ({"rows": "Res"}, "^rows must be names of rows"),
        ({"area": "x"}, "^area must be left out, as isslide scores on no other place, instead got area=x$"),
    ],
)
def test_what_cannot_be_asked(toy, tmp_path, more, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Reproduction(**{"table": "isslide", "data": tmp_path, **more})


# ---- the tables


def test_isslide_is_trained_as_published():
    table = table_of("isslide")
    rows = {row.name: row for row in table.rows}
    assert list(rows) == ["FCN_S", "FCN_P", "DeepLabV3_S", "DeepLabV3_P", "UNet", "ResUNet", "SepUNet"]
    for name, row in rows.items():
        small = name in ("UNet", "ResUNet", "SepUNet")
        training = row.training
        assert (training.epochs, training.learning_rate) == ((300, 1e-5) if small else (600, 1e-7)), name
        assert (training.batch_size, training.betas, training.loss) == (8, (0.5, 0.999), "bce")
        assert (training.schedule, training.weight_decay, training.clip) == ("constant", 0.0, None)
        assert dict(training.augmentations) == {"offset": {}}
        assert row.pretrained == name.endswith("_P")
    best = {name: max(rows, key=lambda r: rows[r].published[name]) for name in ("f1", "auc_last", "dice", "iou")}
    assert set(best.values()) == {"FCN_S"}
    assert min(rows, key=lambda r: rows[r].published["hausdorff"]) == "FCN_S"


def test_drsunet_is_trained_as_published():
    table = table_of("drsunet")
    assert len(table.rows) == 6
    for row in table.rows:
        training = row.training
        assert (training.epochs, training.batch_size, training.learning_rate) == (80, 16, 1e-3)
        assert (training.schedule, training.halve_every, training.betas) == ("halving", 10, (0.9, 0.999))
    first = table.rows[0].published
    assert first["area_iou"] == 0.7926
    # As the text says of its gain over U-Net and SegNet.
    others = {row.name: row.published["f1"] for row in table.rows}
    assert [round(100 * (first["f1"] - others[n]), 2) for n in ("U-Net", "SegNet")] == [1.48, 4.1]


def test_nava_has_nine_composites():
    table = table_of("nava")
    assert [row.name for row in table.rows] == ["RGB", "SSD", "SSS", "BAD", "BAS", "HHH", "BAA", "BAC", "BAH"]
    assert {row.network for row in table.rows} == {"nava-cnn"}
    radar = {row.name: row.published["accuracy"] for row in table.rows if row.name != "RGB"}
    assert max(radar, key=radar.get) == "BAA"


def test_tables_name_networks_that_there_are():
    from insarflow.learn.models import list_models

    for name in TABLES:
        table = table_of(name)
        assert table.name == name
        assert table.schemes[0] == "published"
        assert {row.network for row in table.rows} <= {*list_models()}
        assert {score for row in table.rows for score in row.published} <= {*table.scores}


def test_a_table_in_markdown(toy):
    outcomes = [
        Outcome("Small", "resunet", {"f1": 0.7, "dice": 0.5}, {"f1": 0.71239, "auc": 0.5, "dice": float("nan")}),
        Outcome("Res", "resunet", {"f1": 0.8}, reason="no time"),
    ]
    table = [
        "| row | F1 | Dice | AUC |",
        "| --- | --- | --- | --- |",
        "| Small | 0.700 / 0.712 (+0.012) | 0.500 / - | 0.50 |",
        "| Res | 0.800 / not run |  |  |",
    ]
    assert markdown(compared(toy.table, outcomes)) == table
    read = [Outcome.read(json.loads(json.dumps(outcome.plain(), allow_nan=False))) for outcome in outcomes]
    assert markdown(compared(toy.table, read)) == table
    with pytest.raises(InsarError, match="of another version"):
        Outcome.read({"name": "x"})
