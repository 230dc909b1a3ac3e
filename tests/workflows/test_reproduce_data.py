"""Each table from end to end, on a few samples in the layout of its data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from isslide_crops import drawn_crops

from insarflow.datasets.composites import BANDS
from insarflow.datasets.grd import write_nava
from insarflow.datasets.isslide import write_isslide
from insarflow.datasets.rasters import write_rasters
from insarflow.errors import ProductError
from insarflow.types import Grid
from insarflow.workflows import reproduce_drsunet, reproduce_isslide, reproduce_nava, reproduce_sim1
from insarflow.workflows.reproduce import reproduce
from insarflow.workflows.reproduce_asked import Reproduction
from insarflow.workflows.reproduce_table import Wanted


def run(table, data, out, *rows, **more):
    return reproduce(Reproduction(table, data, rows, epochs=1, **more), out)


def test_isslide(tmp_path):
    data = write_isslide(tmp_path / "data", drawn_crops(dates=4, delays=(1, 2), zones=("Ecrins", "Queyras")))
    found = run("isslide", data, tmp_path / "out", "ResUNet")
    (outcome,) = found.outcomes
    assert {"f1", "auc_last", "auc", "dice", "iou", "hausdorff", "threshold"} <= set(outcome.reproduced)
    assert 0 < outcome.reproduced["recall"] <= 1
    assert outcome.published["hausdorff"] == 25.921
    assert any("no validation set" in note for note in outcome.notes)
    splits = reproduce_isslide.open_isslide(Wanted(data, "", "published", 1))
    assert {*splits.test.index["zone"]} == {"Queyras"}
    assert (splits.train.index["positive"] > 0).all()
    assert outcome.reproduced["patches"] == len(splits.test)
    with pytest.raises(ProductError, match="ISSLIDE is not downloaded for you"):
        run("isslide", tmp_path / "none", tmp_path / "other", "ResUNet")


@pytest.fixture(scope="module")
def regions(tmp_path_factory):
    """Two regions of five patches."""
    root, rng = tmp_path_factory.mktemp("regions"), np.random.default_rng(0)
    shape = (128, 384)
    for k in range(2):
        moves = np.zeros(shape, bool)
        moves[40:90, 20::90] = moves[40:90, 21::90] = moves[40:90, 22::90] = True
        images = {
            "phase_12days": rng.normal(0, 0.3, shape) + 1.5 * moves, "intensity": rng.gamma(4, 0.25, shape),
            "slope": rng.uniform(0, 0.6, shape),
        }  # fmt: skip
        images = {name: image.astype(np.float32) for name, image in images.items()}
        grid = Grid((330_000.0, 20.0, 0.0, 5_000_000.0 - 10_000 * k, 0.0, -20.0), shape, "EPSG:32632")
        write_rasters(root / f"region{k}", {**images, "mask": moves.astype(np.uint8)}, grid)
    return root


def test_drsunet(regions, tmp_path, monkeypatch):
    """On a small network: the large ones have tests of their own."""
    rows = tuple(replace(row, network="resunet") for row in reproduce_drsunet.TABLE.rows)
    monkeypatch.setattr(reproduce_drsunet, "TABLE", replace(reproduce_drsunet.TABLE, rows=rows))
    (outcome,) = run("drsunet", regions, tmp_path / "out", "DRs-UNet + Slope", area=regions).outcomes
    assert {"precision", "recall", "f1", "iou", "mean_f1", "area_f1", "area_iou"} <= set(outcome.reproduced)
    assert outcome.honest["threshold"] > 0
    assert outcome.reproduced["parameters"] > 0.100849  # a channel more
    assert outcome.notes[1] == "7 patches to train on, 2 to validate on, 1 to test on"


def test_drsunet_without_another_place(regions):
    wanted = Wanted(regions, "slope", "published", 1)
    splits = reproduce_drsunet.open_drsunet(wanted)
    assert splits.channels == ("intensity", "cos", "sin", "slope")
    assert splits.area is None
    assert splits.train[0]["image"].shape == (4, 128, 128)
    with pytest.raises(ProductError, match="dem"):
        reproduce_drsunet.open_drsunet(replace(wanted, data="dem"))


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("sites"), np.random.default_rng(0)
    clips = pd.DataFrame(
        [(top, left, int(left < 40)) for top in (0, 10, 40, 70, 100, 135) for left in (0, 15, 60, 95)],
        columns=["top", "left", "label"],
    )
    for k in range(2):
        grid = Grid((600_000.0, 10.0, 0.0, 4_730_000.0 - 10_000 * k, 0.0, -10.0), (160, 120), "EPSG:32654")
        bands = {band: np.full((160, 120), -12.0 if band[:1] == "v" and band != "v" else 0.3) for band in BANDS}
        bands = {band: image + rng.normal(0, 0.02, image.shape) for band, image in bands.items()}
        bands["vv_after"][:, :65] += 3.0
        write_nava(root, f"site{k}", bands, grid, clips)
    return root


def test_nava(sites, tmp_path):
    baa, bac = run("nava", sites, tmp_path / "out", "BAA", "BAC").outcomes
    assert [baa.name, bac.name] == ["BAA", "BAC"]
    for outcome in (baa, bac):
        assert {"accuracy", "precision", "recall", "clips"} <= set(outcome.reproduced)
        assert {"accuracy", "auroc", "calibration_error"} <= set(outcome.honest)
    assert baa.published["recall"] == 0.9083
    splits = reproduce_nava.open_nava(Wanted(sites, "BAC", "published", 1))
    assert splits.train.transforms is not None
    assert splits.test.transforms is None
    assert splits.train.index["south"].min() >= splits.test.index["north"].max()


class Cut:
    """Two samples with most movement, and of them a part around it."""

    def __init__(self, data):
        self.data = data.at(data.index.sort_values("positive").index[-2:])

    def __len__(self):
        return len(self.data)

    def __getitem__(self, number):
        sample = self.data[number]
        moving = sample["mask"] == 1
        y, x = (min(max(int(torch.where(moving)[axis].median()) - 16, 0), 96) for axis in (0, 1))
        whole = {name: value for name, value in sample.items() if name in ("when", "there")}
        return whole | {name: v[..., y : y + 32, x : x + 32] for name, v in sample.items() if name not in whole}


def test_sim1(sim1, tmp_path, monkeypatch):
    def few(wanted):
        splits = reproduce_sim1.open_sim1(wanted)
        part = Cut(splits.train)
        return replace(splits, train=part, validation=part, test=part)

    monkeypatch.setattr(reproduce_sim1, "TABLE", replace(reproduce_sim1.TABLE, open=few))
    found = run("sim1", sim1, tmp_path / "out", "resunet", "utae")
    assert "SIMULATED" not in found.title
    single, series = found.outcomes
    assert single.published == series.published == {}
    assert single.reproduced["parameters"] == 0.100849
    for outcome in (single, series):
        assert {"f1", "iou"} <= set(outcome.reproduced)
        assert outcome.honest["calibration_error"] >= 0
    splits = reproduce_sim1.open_sim1(Wanted(sim1, "", "published", 1))
    assert [part.split for part in (splits.train, splits.validation, splits.test)] == ["train", "validation", "test"]
    assert "nava-cnn" not in {row.name for row in reproduce_sim1.TABLE.rows}
