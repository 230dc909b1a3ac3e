import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryAUROC,
    BinaryAveragePrecision,
    BinaryF1Score,
    BinaryJaccardIndex,
    BinaryPrecision,
    BinaryRecall,
)

from insarflow.learn.metrics import PixelScores
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN

STATES = (ABSENT, MOVING, OPEN, MISSING)


def draw(seed=0, shape=(5, 40, 50)):
    """Patches with some skill, and with NaN wherever the truth does not count."""
    rng = np.random.default_rng(seed)
    target = rng.choice(STATES, shape, p=[0.7, 0.2, 0.05, 0.05]).astype(np.uint8)
    probability = np.clip(rng.normal(0.3 + 0.3 * (target == MOVING), 0.25), 0, 1).astype(np.float32)
    probability[target >= OPEN] = np.nan
    return probability, target


def scored(probability, target, **kwargs):
    scores = PixelScores()
    scores.update(probability, target, **kwargs)
    return scores


def counted(probability, target):
    keep = target < OPEN
    return probability[keep].astype(np.float64), target[keep] == MOVING


@pytest.mark.parametrize("threshold", [1 / 1024, 0.25, 0.5, 700 / 1024, 1.0])
def test_scores_equal_counting(threshold):
    p, true = counted(*draw())
    said = p >= threshold
    hits = (said & true).sum()
    at = scored(*draw()).at(threshold)
    precision, recall = hits / said.sum(), hits / true.sum()
    assert at["precision"] == pytest.approx(precision, abs=5e-5)
    assert at["recall"] == pytest.approx(recall, abs=5e-5)
    assert at["f1"] == at["dice"] == pytest.approx(2 * precision * recall / (precision + recall), abs=5e-5)
    assert at["iou"] == pytest.approx(hits / (said | true).sum(), abs=5e-5)
    assert at["accuracy"] == pytest.approx((said == true).mean(), abs=5e-5)
    assert at["brier"] == pytest.approx(((p - true) ** 2).mean(), abs=1e-4)


def test_areas_equal_all_pairs_of_pixels():
    p, true = counted(*draw(shape=(40, 30)))
    p = np.floor(p * 1024)
    difference = p[true][:, None] - p[~true]
    ranked = (difference > 0).mean() + (difference == 0).mean() / 2
    total, gained = 0.0, 0.0
    for threshold in np.unique(p)[::-1]:
        said = p >= threshold
        recall, precision = (said & true).sum() / true.sum(), (said & true).sum() / said.sum()
        total, gained = total + (recall - gained) * precision, recall
    at = scored(*draw(shape=(40, 30))).at(0.5)
    assert 0.6 < at["auroc"] < 0.99
    assert at["auroc"] == pytest.approx(ranked, abs=5e-5)
    assert at["average_precision"] == pytest.approx(total, abs=5e-5)


def test_scores_equal_torchmetrics():
    probability, target = draw(3)
    probability = np.minimum(probability, np.float32(0.9999))  # torchmetrics' curve lacks its end above 1
    p, true = counted(probability, target)
    p, true = torch.from_numpy(p), torch.from_numpy(true).int()
    steps = torch.linspace(0, 1, 1025, dtype=torch.float64)
    at = scored(probability, target).at(0.5)
    for name, metric in {
        "precision": BinaryPrecision(0.5),
        "recall": BinaryRecall(0.5),
        "f1": BinaryF1Score(0.5),
        "iou": BinaryJaccardIndex(0.5),
        "accuracy": BinaryAccuracy(0.5),
        "auroc": BinaryAUROC(thresholds=steps),
        "average_precision": BinaryAveragePrecision(thresholds=steps),
    }.items():
        assert at[name] == pytest.approx(float(metric(p, true)), abs=6e-5), name
    # Bins cost nothing that matters against keeping every pixel.
    assert at["auroc"] == pytest.approx(float(BinaryAUROC()(p, true)), abs=1e-3)


def test_calibration_error_equals_counting():
    p, true = counted(*draw())
    edges = np.append(np.rint(np.arange(1, 20) * 51.2) / 1024, 1.01)
    error = pixels = 0.0
    for low, high in pairwise(edges):
        here = (p >= low) & (p < high)
        pixels += here.sum()
        error += here.sum() * abs(p[here].mean() - true[here].mean())
    scores = scored(*draw())
    assert scores.calibration_error() == pytest.approx(error / pixels, abs=1e-7)
    assert scores.at(0.5)["calibration_error"] == pytest.approx(error / pixels, abs=5e-5)
    assert error / pixels > 0.05


def test_calibration_error_ignores_the_many_pixels_that_are_nothing():
    rng = np.random.default_rng(1)
    target = (rng.random(200_000) < 0.001).astype(np.uint8)
    assert np.isnan(scored(np.full(target.shape, 0.001, np.float32), target).calibration_error())
    honest = rng.random(200_000).astype(np.float32)
    moving = (rng.random(200_000) < honest).astype(np.uint8)
    assert scored(honest, moving).calibration_error() < 0.01
    assert scored(np.sqrt(honest), moving).calibration_error() > 0.1


def test_best_threshold_is_the_best_of_all():
    probability, target = draw(2)
    p, true = counted(probability, target)
    f1 = [2 * (true & (p >= k / 1024)).sum() / ((p >= k / 1024).sum() + true.sum()) for k in range(1, 1024)]
    best = scored(probability, target).best_threshold()
    assert f1[round(best * 1024) - 1] == max(f1)
    assert best * 1024 == round(best * 1024)


def test_best_threshold_lies_in_the_middle_of_a_gap():
    scores = scored(np.array([0.25, 0.75], np.float32), np.array([ABSENT, MOVING], np.uint8))
    assert scores.best_threshold() == 0.5
    only_sure = scored(np.ones(3, np.float32), np.full(3, MOVING, np.uint8))
    assert 0 < only_sure.best_threshold() < 1


def test_best_threshold_needs_movement():
    with pytest.raises(ValueError, match=r"^target must hold moving pixels .* instead got none: add scenes$"):
        scored(np.zeros(3, np.float32), np.zeros(3, np.uint8)).best_threshold()


def test_the_edges_of_0_and_1_are_counted():
    at = scored(np.array([0, 0, 1, 1], np.float32), np.array([0, 1, 0, 1], np.uint8))
    assert at.at(1.0)["precision"] == 0.5
    assert at.at(0.0)["recall"] == 1.0
    assert at.at(0.5)["auroc"] == 0.5


def test_what_is_not_defined_is_left_out():
    at = scored(np.full(4, 0.01, np.float32), np.zeros(4, np.uint8)).at(0.5)
    assert set(at) == {"precision", "recall", "f1", "iou", "dice", "accuracy", "brier"}
    assert at["f1"] == 0.0
    assert PixelScores().at(0.5)["accuracy"] == 0.0
    assert json.loads(json.dumps(scored(*draw()).at(0.3)))["f1"] > 0


@given(
    data=st.data(),
    shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=6),
)
def test_any_cut_and_order_gives_the_same_bits(data, shape):
    target = data.draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from(STATES)))
    probability = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    parts = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 2)))
    whole = scored(probability, target, scene="s", strata={"delay": 6})
    split = [scored(probability[parts == k], target[parts == k], scene="s", strata={"delay": 6}) for k in (2, 0, 1)]
    merged = PixelScores()
    for part in split:
        merged.merge(PixelScores.from_state(part.state()))
    for key, array in whole.state().items():
        np.testing.assert_array_equal(merged.state()[key], array)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_any_precision_is_taken_as_it_is(dtype):
    probability, target = draw(4)
    p = torch.from_numpy(probability).to(dtype)
    a, b = scored(p, torch.from_numpy(target)), scored(p.float().numpy(), target)
    np.testing.assert_array_equal(a.state()["counts"], b.state()["counts"])


def test_arrays_that_torch_cannot_view():
    probability, target = draw(5)
    whole = scored(probability, target).at(0.5)
    turned = scored(probability[::-1, ::-1], target[::-1, ::-1]).at(0.5)
    probability.flags.writeable = target.flags.writeable = False
    assert scored(probability, target).at(0.5) == turned == whole


def test_strata_and_scenes():
    scores, alone = PixelScores(), {}
    for seed in range(6):
        delay = 6 * (1 + seed % 2)
        scores.update(*draw(seed), scene=seed // 2, strata={"delay": delay, "recipe": "isslide"})
        alone.setdefault(delay, PixelScores()).update(*draw(seed))
    assert scores.strata() == [("delay", "12"), ("delay", "6"), ("recipe", "isslide")]
    for delay, one in alone.items():
        assert scores.at(0.5, of=("delay", delay)) == one.at(0.5)
        assert scores.best_threshold(("delay", delay)) == one.best_threshold()
    assert scores.at(0.5, of=("recipe", "isslide")) == scores.at(0.5)
    assert len(scores.tally.by_scene()) == 3
    intervals = scores.intervals(0.5, seed=1, n=100)
    for name, value in scores.at(0.5).items():
        assert intervals[name].value == pytest.approx(value, abs=5e-5)
        assert intervals[name].low <= intervals[name].high
    with pytest.raises(ValueError, match=r"^of must be one of \[\('delay', '12'\), .*instead got of=\('delay', 7\)$"):
        scores.at(0.5, of=("delay", 7))


@pytest.mark.parametrize(
    ("probability", "target", "error", "message"),
    [
        (np.zeros((2, 3), np.float32), np.zeros((3, 2), np.uint8), ValueError, r"^target must have the shape of prob"),
        (np.full(2, 1.5), np.zeros(2, np.uint8), ValueError, r"^probability must be within 0\.\.1, instead got .*1\.5"),
        (np.array([-0.5, 2]), np.zeros(2, np.uint8), ValueError, r"^probability must be within 0\.\.1, .*=-0\.5"),
        (np.full(2, np.inf), np.zeros(2, np.uint8), ValueError, r"^probability must be within 0\.\.1, .*=inf"),
        (np.array([np.nan, 0.5]), np.array([1, 0]), ValueError, r"^probability must be a number wherever .* 1 pixels"),
        (np.zeros(2, np.float32), np.array([0, 255], np.uint8), ValueError, r"^target must hold states 0\.\.3 .*255"),
        (np.zeros(2, np.float32), np.array([0, -1]), ValueError, r"^target must hold states 0\.\.3 .* got -1"),
        (np.zeros(2, np.float32), np.zeros(2), TypeError, r"^target must hold states .*float64$"),
        (np.zeros(2, np.float32), np.zeros(2, bool), TypeError, r"^target must hold states .*bool$"),
        (np.zeros(2, int), np.zeros(2, np.uint8), TypeError, r"^probability must be floating point, .*int64"),
        ([0.5], np.zeros(1, np.uint8), TypeError, r"^probability must be a numpy array or a torch tensor, .* list$"),
        (np.zeros(1, "U1"), np.zeros(1, np.uint8), TypeError, r"^probability must hold numbers, instead got <U1$"),
    ],
)
def test_bad_input(probability, target, error, message):
    with pytest.raises(error, match=message):
        scored(probability, target)


def test_bad_threshold():
    with pytest.raises(ValueError, match=r"^threshold must be between 0 and 1, instead got threshold=1\.2$"):
        PixelScores().at(1.2)
    with pytest.raises(ValueError, match=r"^threshold must be between 0 and 1, instead got threshold=nan$"):
        PixelScores().at(float("nan"))


def test_merging_needs_the_same_bins():
    other = PixelScores()
    other.tally.size = 7
    with pytest.raises(ValueError, match=r"^other must count vectors of 3075 numbers, instead got size=7$"):
        PixelScores().merge(other)
