import json

import numpy as np
import pytest
import rioxarray  # noqa: F401
import torch
import xarray as xr
from scipy.special import expit

from benchmarks import alps, contrast, held_out
from benchmarks.__main__ import main
from benchmarks.verdict import GOALS, Candidate, Goal, Score, judged, met
from insarflow.learn.bank import PATCH, Bank
from insarflow.learn.metrics import PixelScores
from insarflow.learn.phase import encode
from insarflow.learn.scoring import BankPlaces
from insarflow.learn.trial import CLASSES, SETTINGS, Trial
from insarflow.simulate.truth import MOVING
from insarflow.types import Window


class Truth(torch.nn.Module):
    """Its first channel is the probability, as nearly certain logits."""

    def forward(self, x):
        return 20.0 * x[:, :1] - 10.0


def planted(outlined):
    """Two pairs with three movers, of which those of `outlined` are in the first channel; and one false object."""
    label = np.zeros((64, 64), np.int32)
    label[2:14, 2:14], label[20:32, 2:14], label[40:52, 2:14] = 1, 2, 3
    target = np.stack([(label > 0).astype(np.uint8)] * 2)
    image = np.zeros((2, 3, 64, 64), np.float16)
    for number in outlined:
        image[:, 0][:, label == number] = 1
    image[1, 0, 40:52, 40:52] = 1
    peak = np.array([[1, 2, 4], [1, 2, 4]], np.uint8)
    return Trial(image, target, label, peak, np.array([6, 18], np.int16))


def tried(tmp_path, kind, trials):
    places = []
    for k, trial in enumerate(trials):
        places.append(tmp_path / str(k))
        places[-1].mkdir()
        trial.save(places[-1])
    scores = judged(Candidate("truth", Truth(), 0.5, 0.5), held_out.Kind(kind, SETTINGS[kind], 1, len(trials)), places)
    return {(s.of, s.measure): s for s in scores}


def test_scores_are_those_of_planted_objects(tmp_path):
    found = tried(tmp_path, "isslide", [planted([1, 2]), planted([1, 2, 3])])
    assert found["6 days", "precision"].value == 1.0
    assert found["6 days", "recall"].value == pytest.approx(5 / 6, abs=1e-4)
    assert found["6 days", "recall"].count == 6
    assert found["18 days", "precision"].value == pytest.approx(5 / 7, abs=1e-4)
    assert found["pairs", "F1"].value == pytest.approx(20 / (20 + 2 + 2), abs=1e-4)
    assert found["pairs", "F1"].low < found["pairs", "F1"].value < found["pairs", "F1"].high
    assert found["season", "recall"].value == pytest.approx(5 / 6, abs=1e-4)
    assert found["season, in any pair", "precision"].value == pytest.approx(5 / 7, abs=1e-4)
    assert found[f"{CLASSES[4]}, 6 days", "recall"].value == 0.5
    assert found[CLASSES[1], "recall"].value == 1.0
    assert (CLASSES[3], "recall") not in found
    # Ten movers of 144 pixels are found of twelve, and two that are none.
    assert found["pairs", "pixel IoU"].value == pytest.approx(10 / 14, abs=1e-4)
    assert found["pairs", "pixel IoU"].count == 12 * 144


def test_false_outlines_are_counted_by_area(tmp_path):
    empty = planted([])
    empty.target[:], empty.label[:] = 0, 0
    found = tried(tmp_path, "at rest", [empty, empty, empty])
    area = SETTINGS["at rest"].area
    assert found["6 days", "false per 100 km2"].value == 0.0
    assert found["18 days", "false per 100 km2"].value == pytest.approx(100 / area, abs=1e-4)
    assert found["pairs", "false per 100 km2"].value == pytest.approx(50 / area, abs=1e-4)
    assert found["pairs", "false per 100 km2"].count == round(6 * area)
    assert found["season", "false per 100 km2"].value == pytest.approx(100 / area, abs=1e-4)


def test_goals_are_met_missed_or_not_tried():
    score = Score("m", "isslide", "season", "F1", 0.8, 0.7, 0.9, 10)
    assert met(GOALS[0], [score]) == "0.800 met"
    assert met(Goal("isslide", "season", "F1", 0.81), [score]) == "0.800 missed"
    assert met(Goal("isslide", "season", "F1", 0.81, at_least=False), [score]) == "0.800 met"
    assert met(GOALS[-1], [score]) == "not tried"


def test_a_small_run_keeps_its_scenes(tmp_path, capsys):
    given = ["goals", "default", "--scenes", "2", "--side", "64", "--workers", "1", "--cache", str(tmp_path), "--only"]
    rows = main([*given, "isslide", "at rest", "--json"])
    told = capsys.readouterr()
    assert json.loads(told.out.replace("NaN", "null")) == json.loads(json.dumps(rows).replace("NaN", "null"))
    assert "4 of 4 scenes simulated" in told.err
    again = main([*given, "at rest"])
    told = capsys.readouterr()
    assert again == [row for row in rows if row["kind"] == "at rest"]
    assert "simulated" not in told.err
    assert "season                     false per 100 km2" in told.out
    assert "calibration, pairs: at most 0.05" in told.out
    note = tmp_path / "at-rest-17" / "facts.json"
    facts = json.loads(note.read_text())
    note.write_text(json.dumps({**facts, "simulator": "older"}))
    main([*given, "at rest"])
    assert "holds scenes of another version of the simulator" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="must hold scenes of this simulator, instead got others: delete it"):
        main([*given, "at rest", "--scenes", "3"])
    note.write_text(json.dumps({**facts, "seed": "1"}))
    with pytest.raises(SystemExit, match="must hold scenes of this seed, instead got others"):
        main([*given, "at rest"])


def test_wrong_options_are_told(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["goals", "default", "--scenes", "1"])
    assert "--scenes must be at least 2, instead got 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="nobody"):
        main(["goals", "nobody", "--only", "isslide", "--cache", str(tmp_path)])


def test_the_baseline_learns_a_threshold():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:PATCH, :PATCH]
    images, targets = [], []
    for _ in range(8):
        row, col = rng.integers(40, 88, 2)
        bubble = np.exp(-(((y - row) ** 2 + (x - col) ** 2) / 2 / 9**2))
        phase = 2.5 * bubble + 0.2 * rng.normal(size=bubble.shape) + rng.uniform(0, 6)
        images.append(encode(np.exp(1j * phase).astype(np.complex64), np.full(phase.shape, 0.7, np.float32)))
        targets.append(np.where(bubble > 0.4, MOVING, 0))
    numbers = np.arange(8, dtype=np.int32)
    bank = Bank(np.stack(images).astype(np.float16), np.stack(targets).astype(np.uint8), np.full(8, 6), numbers)
    network, threshold, peak = contrast.fit(bank)
    again, *same = contrast.fit(bank)
    assert isinstance(network.threshold, torch.nn.Conv2d)
    assert isinstance(again.threshold, torch.nn.Conv2d)
    assert torch.equal(network.threshold.weight, again.threshold.weight)  # whatever numbers a network begins with
    assert [threshold, peak] == same
    assert threshold <= peak
    fitted = PixelScores()
    for place in BankPlaces(network, bank):
        fitted.update(expit(place.logits), place.target)
    assert fitted.at(threshold)["f1"] > 0.8
    assert fitted.calibration_error() < 0.1


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray's
def test_tiles_of_a_dem_come_steepest_first(tmp_path):
    lat, lon = 45.5 - 0.0005 * np.arange(240), 6.0 + 0.0007 * np.arange(240)
    rise = np.where(lon > lon[120], 40.0, 4.0) * 100
    heights = (1000 + rise * np.cos(np.arange(240)[:, None] / 30) + 0 * lon).astype(np.float32)
    heights[60:, 180:] = np.nan
    dem = xr.DataArray(heights, {"y": lat, "x": lon}, ("y", "x")).rio.write_crs(4326).rio.write_nodata(np.nan)
    dem.rio.to_raster(tmp_path / "dem.tif")
    tiles = alps.tiles(tmp_path / "dem.tif", side=256, spacing=14.0, count=9)
    ranges = [tile.high - tile.low for tile in tiles]
    assert len(tiles) == 6
    assert ranges == sorted(ranges, reverse=True)
    assert ranges[0] > 3 * ranges[-1] > 300
    assert all(tile.spacing == pytest.approx(14.0) and tile.factor == 4 for tile in tiles)
    assert np.isfinite(tiles[0].height(Window(0, 0, 256, 256))).all()
    assert alps.fingerprint(tiles) != alps.fingerprint(tiles[1:])
    with pytest.raises(ValueError, match=r"must cover 56.0 km squares without missing heights"):
        alps.tiles(tmp_path / "dem.tif", side=4000, spacing=14.0, count=1)


def test_relief_goes_on_below_the_pixels_of_a_dem():
    rng = np.random.default_rng(3)
    n, factor = 512, 8
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    spectrum = np.where(k > 2 / n, np.maximum(k, 1 / n) ** -2.0, 0) * np.exp(2j * np.pi * rng.random((n, n)))
    whole = np.fft.ifft2(spectrum).real
    fine = np.fft.ifft2(np.where(k > 1 / (2 * factor), np.fft.fft2(whole), 0)).real
    coarse = np.fft.ifft2(np.where(k > 1 / (2 * factor), 0, np.fft.fft2(whole))).real[::factor, ::factor]
    assert alps.rough(coarse) == pytest.approx(fine.std(), rel=0.3)
    assert alps.rough(coarse + np.arange(64) * 0.5) == pytest.approx(alps.rough(coarse), rel=0.05)
    assert alps.rough(np.zeros((8, 8))) == 0.0
