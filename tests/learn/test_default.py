"""The embedded model is what its card says."""

import numpy as np
import pytest
import torch

from insarflow.learn.bank import DELAYS, LOOKS, PIXEL_SIZE, RECIPE, scene_patches
from insarflow.learn.calibration import Calibration
from insarflow.learn.metrics import PixelScores
from insarflow.learn.phase import CHANNELS
from insarflow.learn.scoring import logits_of
from insarflow.learn.weights import load_model
from insarflow.workflows.train import PRESETS


@pytest.fixture(scope="module")
def default():
    return load_model("default")


def test_card_matches_the_bank(default):
    """Whoever changes what patches are like trains again: ``insarflow train --preset default``."""
    _, card = default
    assert card.recipe == RECIPE
    assert card.channels == CHANNELS
    assert card.pixel_size_m == PIXEL_SIZE
    assert card.training["delays_days"] == list(DELAYS)
    assert card.training["looks"] == [[looks.y, looks.x] for looks in LOOKS]


def test_card_states_how_it_was_made_and_how_it_scored(default):
    network, card = default
    preset = PRESETS["default"]
    assert card.architecture == preset.architecture
    assert sum(p.numel() for p in network.parameters()) == 713_860
    assert card.training["command"] == "insarflow train --preset default"
    rounds = card.training["rounds"]
    assert [(part["scenes"], part["epochs"], part["learning_rate"]) for part in rounds] == [
        (part.scenes, part.epochs, part.learning_rate) for part in preset.rounds
    ]
    for part in rounds:
        told = {name: part[name] for name in ("batch_size", "average", "seed")}
        assert told == {name: getattr(preset, name) for name in told}
    assert "no real landslide label" in card.training["data"]
    for split in ("validation", "held_out_rougher_atmosphere"):
        assert set(card.scores[split]) == {"all", "season", *map(str, DELAYS)}


def test_it_finds_movers_in_scenes_it_has_not_seen(default):
    network, card = default
    scores = PixelScores()
    for number in (3, 7, 15):
        image, target, delay = scene_patches(4, number)
        late = delay >= 18
        logits = logits_of(network, torch.from_numpy(image[late].astype(np.float32)))
        scores.update(Calibration(card.temperature, card.shift).probability(logits), target[late])
    at = scores.at(card.threshold)
    assert at["auroc"] > 0.9
    assert at["f1"] > 0.4
