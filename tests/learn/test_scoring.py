"""Scores of a network on patches of several pairs a place, against a slow way."""

import numpy as np
import pytest
import torch

from insarflow.learn.bank import Bank
from insarflow.learn.calibration import Calibration
from insarflow.learn.metrics import ObjectScores, PixelScores
from insarflow.learn.models import build_model
from insarflow.learn.normalised import Normalised
from insarflow.learn.scoring import BankPlaces, Place, calibrate, choose_threshold, score
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN


@pytest.fixture(scope="module")
def places():
    """Eight places of two pairs of 6 and one of 12 days, with squares that move; logits as a fair network has them."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(8):
        target = rng.choice([ABSENT, OPEN, MISSING], (3, 40, 40), p=[0.9, 0.05, 0.05]).astype(np.uint8)
        target[:, 5:18, 5:18] = MOVING
        if k % 2:
            target[2, 24:36, 24:36] = MOVING
        logits = np.where(target == MOVING, 3.0, -3.0) + 2.0 * rng.standard_normal(target.shape)
        found.append(Place(str(k // 2), logits.astype(np.float32), target, np.array([6, 6, 12])))
    return found


def test_places_of_a_bank_are_its_patches():
    rng = np.random.default_rng(0)
    delay = np.array([6, 6, 12, 6, 12, 12], np.int16)
    bank = Bank(
        rng.normal(size=(6, 3, 8, 8)).astype(np.float16), rng.integers(0, 4, (6, 8, 8)).astype(np.uint8), delay,
        np.array([0, 4, 0, 4, 4, 0], np.int32),
    )  # fmt: skip
    torch.manual_seed(0)
    network = build_model("resunet")
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(bank.image.astype(np.float32)))[:, 0].numpy()
    places = BankPlaces(network, bank)
    for _ in range(2):
        for place, rows, scene in zip(places, ([0, 2, 5], [1, 3, 4]), "01", strict=True):
            np.testing.assert_allclose(place.logits, expected[rows], atol=1e-5)
            np.testing.assert_array_equal(place.target, bank.target[rows])
            assert place.delay.tolist() == delay[rows].tolist()
            assert place.scene == scene


def test_scores_by_delay_and_season(places):
    calibration = Calibration(1.5, -0.5)
    told = score(places, threshold=0.4, calibration=calibration)
    assert list(told) == ["all", "6", "12", "season"]
    pixels, objects, season = PixelScores(), ObjectScores(), ObjectScores()
    for place in places:
        p = (1 / (1 + np.exp(-(place.logits.astype(float) - 0.5) / 1.5))).astype(np.float32)
        pixels.update(p[2], place.target[2])
        objects.update(p[2], place.target[2], 0.4)
        known = place.target[:2] != MISSING
        means = (
            np.where(known, p[:2], 0).sum(0) / np.maximum(known.sum(0), 1),
            np.where(place.target[2] != MISSING, p[2], 0),
        )
        truth = np.where((place.target == OPEN).any(0), OPEN, ABSENT)
        truth[(place.target == MISSING).all(0)] = MISSING
        truth[(place.target == MOVING).any(0)] = MOVING
        season.update(np.maximum(*means).astype(np.float32), truth.astype(np.uint8), 0.4)
    assert told["12"]["object"] == objects.scores()
    assert told["12"]["pixel"]["f1"] == pytest.approx(pixels.at(0.4)["f1"], abs=1e-3)
    assert told["season"]["object"] == season.scores()
    assert told["season"]["object"]["found"] > 6
    for one in told.values():
        low, high = one["intervals"]["object"]["recall"]
        assert low <= one["object"]["recall"] <= high
    assert told["all"]["object"]["found"] == told["6"]["object"]["found"] + told["12"]["object"]["found"]


def test_one_scene_has_no_interval(places):
    assert "intervals" not in score(places[:2], threshold=0.5)["all"]


def test_calibration_undoes_what_is_known_and_finds_what_is_not(places):
    def moved(temperature, shift):
        return [place._replace(logits=place.logits * temperature + shift) for place in places]

    plain = calibrate(places, 0.0)
    told = calibrate(moved(1.0, 2.0), -2.0)
    assert told.temperature == pytest.approx(plain.temperature, rel=2e-2)
    fair, found = calibrate(places, None), calibrate(moved(3.0, 2.0), None)
    assert found.temperature == pytest.approx(3.0 * fair.temperature, rel=0.05)
    p = choose_threshold(moved(3.0, 2.0), found)
    assert p == pytest.approx(choose_threshold(places, fair), abs=0.03)
    empty = [place._replace(target=np.zeros_like(place.target)) for place in places]
    with pytest.raises(ValueError, match="moving pixels"):
        calibrate(empty, 0.0)


def test_a_normalised_network():
    torch.manual_seed(0)
    network = build_model("resunet", 4).eval()
    whole = Normalised(network, ("coherence", "cos", "sin", "dem"), {"dem": {"mean": 1000.0, "std": 50.0}}).eval()
    x = torch.randn(1, 4, 16, 16)
    given = x.clone()
    given[:, 3] = given[:, 3] * 50 + 1000
    with torch.inference_mode():
        torch.testing.assert_close(whole(given), network(x), atol=1e-3, rtol=1e-3)
    assert all(name.startswith("network.") for name in whole.state_dict())
