import json

import numpy as np
import pytest
import torch

from insarflow.learn.metrics import ObjectScores, PixelScores
from insarflow.simulate.truth import MISSING, MOVING, OPEN


def test_pixel_scores_equal_counting():
    rng = np.random.default_rng(0)
    target = rng.choice([0, MOVING, OPEN], (4, 40, 50), p=[0.7, 0.2, 0.1]).astype(np.uint8)
    probability = np.clip(rng.normal(0.3 + 0.4 * (target == MOVING), 0.2), 0, 1).astype(np.float32)
    scores = PixelScores()
    for p, t in zip(probability, target, strict=True):
        scores.update(torch.from_numpy(p), torch.from_numpy(t))
    for threshold in (0.25, 0.5, 0.75):
        counted = target != OPEN
        said, true = (probability >= threshold)[counted], (target == MOVING)[counted]
        hit = (said & true).sum()
        at = scores.at(threshold)
        assert at["precision"] == pytest.approx(hit / said.sum(), abs=1e-3)
        assert at["recall"] == pytest.approx(hit / true.sum(), abs=1e-3)
        assert at["iou"] == pytest.approx(hit / (said | true).sum(), abs=1e-3)
    best = scores.best_threshold()
    assert scores.at(best)["f1"] >= max(scores.at(t)["f1"] for t in (0.3, 0.4, 0.5, 0.6)) - 1e-4


def test_open_pixels_do_not_count():
    scores = PixelScores()
    target = np.full((10, 10), OPEN, np.uint8)
    target[:2], target[2:4] = MOVING, 0
    probability = np.where(target == MOVING, 0.9, 0.1).astype(np.float32)
    probability[target == OPEN] = 0.95
    scores.update(torch.from_numpy(probability), torch.from_numpy(target))
    assert scores.at(0.5)["f1"] == 1.0


def test_objects_found_missed_false():
    target = np.zeros((60, 60), np.uint8)
    target[5:15, 5:15] = MOVING  # found
    target[30:40, 5:15] = MOVING  # missed: only a corner
    target[45:55, 45:55] = OPEN  # there, but not visible
    probability = np.zeros((60, 60), np.float32)
    probability[6:16, 6:16] = 0.9
    probability[30:33, 5:8] = 0.9
    probability[46:54, 46:54] = 0.9  # on an invisible mover: neither found nor false
    probability[5:12, 40:47] = 0.9  # false
    probability[20:22, 40:42] = 0.9  # too small to count
    scores = ObjectScores()
    scores.update(probability, target, 0.5)
    assert (scores.found, scores.missed, scores.false) == (1, 1, 1)
    assert scores.scores()["f1"] == 0.5


def test_scores_are_plain_numbers():
    scores = ObjectScores()
    scores.update(np.ones((20, 20), np.float32), np.zeros((20, 20), np.uint8), 0.5)
    assert json.loads(json.dumps(scores.scores()))["false"] == 1


def test_false_alarms_at_the_edge_of_the_data_count():
    target = np.zeros((40, 40), np.uint8)
    target[:, 25:] = MISSING
    probability = np.zeros((40, 40), np.float32)
    probability[5:15, 18:32] = 0.9
    scores = ObjectScores()
    scores.update(probability, target, 0.5)
    assert scores.false == 1
    probability[:, :25] = 0.0
    scores = ObjectScores()
    scores.update(probability, target, 0.5)
    assert scores.false == 0
