"""``insarflow train`` on labels of one's own: flags become a training, mistakes become a line."""

import json
import warnings
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from insarflow.learn.weights import load_card
from insarflow.workflows.run_train import FINE_TUNING, FROM_NOTHING, TrainRun
from insarflow.workflows.train_data import Labelled


@pytest.fixture
def called(monkeypatch):
    """What the verb asks for; nothing is trained."""
    seen = {}

    def trained(described, folder, **more):
        seen.update(described=described, folder=folder, **more)
        folder.mkdir()
        (folder / "leakage.txt").write_text("radar images: not shared\n")
        return load_card("default")

    monkeypatch.setattr("insarflow.workflows.train.train_run", trained)
    return seen


def test_flags_are_a_run(run, called, outlined, tmp_path):
    out = tmp_path / "model"
    arguments = ("train", outlined.stack, "--labels", outlined.labels, "--holdout", outlined.zone, "-o", out)
    said = run(*arguments)
    assert said.status == 0, said.err
    card = load_card("default")
    data = Labelled((str(outlined.stack),), str(outlined.labels), str(outlined.zone))
    assert called["described"] == TrainRun(data, FINE_TUNING, card.architecture, card.channels, "default")
    assert called["folder"] == out
    lines = said.out.splitlines()
    assert lines[0] == "radar images: not shared"
    assert lines[-2:] == [f"wrote {out / 'leakage.txt'}", f"wrote {out / 'model.safetensors'}"]
    assert any(line.startswith("validation, season: ") and "false polygons; pixels: F1 0." in line for line in lines)
    assert f"next: insarflow map {outlined.stack} -o my-map --model {out / 'model.safetensors'}" in said.err
    assert FINE_TUNING.learning_rate < FROM_NOTHING.learning_rate


def test_all_flags(run, called, outlined, tmp_path):
    said = run(
        "train", outlined.stack, "--labels", outlined.labels, "--holdout-start", "2021-07-27", "--from", "none",
        "--field", "confidence=CONF", "--field", "class=KIND", "--epochs", 3, "--learning-rate", "0.01", "--patch", 32,
        "--shared-images", "--validation", outlined.zone, "-o", tmp_path / "model", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    described = called["described"]
    assert (described.start, described.training.epochs, described.training.learning_rate) == (None, 3, 0.01)
    data = described.data
    assert data.fields == {"confidence": "CONF", "class": "KIND"}
    assert (data.holdout, data.holdout_start, data.shared_images, data.patch) == (None, "2021-07-27", True, 32)
    assert data.validation == str(outlined.zone)
    assert json.loads(said.out)["threshold"] == load_card("default").threshold


@pytest.fixture(scope="module")
def mistakes(outlined, tmp_path_factory):
    """Files that a mistaken user may have, by name."""
    folder = tmp_path_factory.mktemp("mistakes")
    shapes = gpd.read_file(outlined.labels)
    x, y = shapes.total_bounds[[0, 3]]
    bow = shapely.Polygon([(x, y), (x + 400, y - 400), (x + 400, y), (x, y - 400)])
    frames = {
        "crossed": gpd.GeoDataFrame(geometry=[shapes.geometry[0], bow], crs=shapes.crs),
        "empty": gpd.GeoDataFrame(geometry=[shapes.geometry[0], shapely.Polygon()], crs=shapes.crs),
        "points": gpd.GeoDataFrame(geometry=shapes.geometry.centroid, crs=shapes.crs),
        "nothing": gpd.GeoDataFrame({"a": []}, geometry=[], crs=shapes.crs),
        "sure": shapes.assign(SURE=7),
    }
    for name, frame in frames.items():
        frame.to_file(folder / f"{name}.gpkg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        shapes.set_crs(None, allow_override=True).to_file(folder / "bare.gpkg")
    outlined.write(folder / "far.gpkg", [(9000, 9000, 9050, 9050)])
    outlined.write(folder / "bare_ground.gpkg", [(150, 34, 168, 50)])
    (folder / "text.gpkg").write_text("no polygons")
    (folder / "done").mkdir()
    (folder / "done" / "run.yaml").write_text("somebody's training")
    return {path.stem: str(path) for path in folder.iterdir()} | {
        "stack": str(outlined.stack), "labels": str(outlined.labels), "zone": str(outlined.zone),
        "new": str(folder / "new"),
    }  # fmt: skip


_ZONE, _BOTH = "--holdout {zone} -o {new}", "--labels {labels} --holdout {zone}"
_OWN = "-o {new} --patch 32 --from none"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ("{stack} -o {new}", 2, "--labels cannot be read: it is needed to train on a stack"),
        ("{stack} --labels {labels} -o {new}", 2, "--holdout cannot be read: it, or --holdout-start, is needed"),
        ("--labels {labels} -o {new}", 2, "--labels cannot be read: it needs a STACK"),
        ("{stack} --config {labels} -o {new}", 2, "STACK cannot be read: a run file tells it: leave it out"),
        ("--config {labels} --epochs 3 -o {new}", 2, "--epochs cannot be read: a run file tells it: leave it out"),
        ("{stack} --labels {labels} --field CONF " + _ZONE, 2, "it must be like confidence=CONF, instead got 'CONF'"),
        (
            "{stack} --labels {labels} --field surety=CONF " + _ZONE,
            1,
            "fields must be of confidence, repetition, class",
        ),
        ("{stack} --labels {labels} --field class=KIND " + _ZONE, 1, "has no field 'KIND', it has CONF"),
        ("{stack} --labels {sure} --field confidence=SURE " + _ZONE, 1, "confidence must be 0 to 1"),
        ("{stack} --labels {far} " + _ZONE, 1, "none of the 1 polygons touches the image: they lie at columns"),
        ("{stack} --labels {crossed} " + _ZONE, 1, "a polygon must not cross itself"),
        ("{stack} --labels {empty} " + _ZONE, 1, "row 1 is empty: remove it"),
        ("{stack} --labels {points} " + _ZONE, 1, "must hold polygons, instead got a Point in rows 0, 1"),
        ("{stack} --labels {nothing} " + _ZONE, 1, "must hold polygons, instead got none"),
        ("{stack} --labels {bare} " + _ZONE, 1, "must have a CRS, instead got none"),
        ("{stack} --labels {text} " + _ZONE, 1, "is not what its name says, or damaged"),
        ("{stack} --labels nowhere.gpkg " + _ZONE, 1, "cannot be read: No such file"),
        ("{stack} --labels {labels} --holdout {far} -o {new}", 1, "none of the 1 polygons touches the image"),
        ("{stack} --labels {labels} --holdout {bare_ground} " + _OWN, 1, "the holdout side has no mover"),
        ("{stack} --labels {labels} --holdout-start 2031-01-01 " + _OWN, 1, "the holdout side has no"),
        ("{stack} {new}.zarr " + _BOTH + " -o {new}", 1, "new.zarr"),
        ("{stack} " + _BOTH + " -o {done} --patch 32", 1, "run.yaml exists: pass resume=True (--resume) to go on"),
        ("{stack} " + _BOTH + " -o {new} --from nobody", 1, "model must be one of ['default'] or the path"),
        ("{stack} " + _BOTH + " -o {new} --patch 256", 1, "patch must fit into the image of 128 by 224 pixels"),
        ("{stack} " + _BOTH + " -o {new} --epochs 0", 2, "whole number of 1 or more"),
        ("{stack} " + _BOTH + " -o {new} --learning-rate 0", 1, "learning_rate must be above 0"),
    ],
)
def test_a_mistake_gets_one_line(run, mistakes, arguments, status, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run("train", *arguments.format(**mistakes).split(" "))
    lines = [line for line in said.err.splitlines() if not line.startswith("training: ")]
    assert len(lines) == 1, said.err
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert said.status == status
    assert said.out == ""
    assert not list(tmp_path.iterdir())
    assert not Path(mistakes["new"]).exists()
