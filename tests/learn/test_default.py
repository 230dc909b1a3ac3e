"""The embedded model is what its card says."""

import numpy as np
import pytest
import torch

from insarflow.learn.bank import PIXEL_SIZE, RECIPE, filter_fingerprint, scene_patches
from insarflow.learn.metrics import PixelScores
from insarflow.learn.phase import CHANNELS
from insarflow.learn.weights import load_model


@pytest.fixture(scope="module")
def default():
    return load_model("default")


def test_card_matches_the_current_recipe(default):
    """Whoever changes the filter by more than 1e-3 rad trains again: ``insarflow train --preset default``."""
    _, card = default
    assert card.recipe == RECIPE
    assert card.channels == CHANNELS
    # Its weights are older than the simulator that draws coarse pixels, too.
    assert PIXEL_SIZE[0] <= card.pixel_size_m[0] < card.pixel_size_m[1] <= PIXEL_SIZE[1]
    change = np.subtract(filter_fingerprint(), card.training["filter_fingerprint_rad"])
    assert np.abs(np.angle(np.exp(1j * change))).max() < 1e-3


def test_card_states_how_it_was_made_and_how_it_scored(default):
    network, card = default
    assert card.architecture == "resunet"
    assert sum(p.numel() for p in network.parameters()) == 100_849
    assert card.training["command"] == "insarflow train --preset default"
    assert "no real landslide label" in card.training["data"]
    for split in ("validation", "held_out_rougher_atmosphere"):
        assert set(card.scores[split]) == {"all", "6", "12", "18", "season"}


def test_it_finds_movers_in_scenes_it_has_not_seen(default):
    network, card = default
    scores = PixelScores()
    for number in (0, 1, 3):
        image, target, delay = scene_patches(1, number)
        late = delay >= 18
        with torch.inference_mode():
            p = torch.sigmoid(network(torch.from_numpy(image[late].astype(np.float32))))[:, 0]
        scores.update(p, torch.from_numpy(target[late]))
    at = scores.at(card.threshold)
    assert at["auroc"] > 0.75
    assert at["f1"] > 0.3
