"""The arithmetic of the papers against what their texts and scripts say, pixel by pixel."""

import math

import numpy as np
import pytest
import torchmetrics
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import from_numpy

from insarflow.errors import InsarError
from insarflow.learn.protocols.drsunet import PixelCounts
from insarflow.learn.protocols.isslide import THRESHOLDS, PatchMeans, patch_distance
from insarflow.learn.protocols.nava import ClipCounts

FLAT = [1 - k / 100 for k in range(101)]
"""Thresholds of the released script, in its order."""


def patches(seed, n=4, shape=(9, 12)):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        moving = ndimage.uniform_filter(rng.random(shape), 3) > rng.uniform(0.45, 0.75)
        probability = np.clip(0.4 * moving + rng.normal(0.3, 0.25, shape), 0, 1).astype(np.float32)
        # Some lie exactly on a threshold, some are 0 and 1.
        probability[rng.random(shape) < 0.2] = np.float32(1 - rng.integers(0, 101) / 100)
        yield probability, moving


def slow_distance(said, true):
    """Every border pixel of one against every pixel of the other; outside of the image is not set."""

    def neighbours(mask, y, x):
        return [
            0 <= y + dy < len(mask) and 0 <= x + dx < len(mask[0]) and mask[y + dy][x + dx]
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))
        ]

    pixels = [[(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)] for mask in (said, true)]
    borders = [
        [p for p in of if not all(neighbours(mask.tolist(), *p))] for of, mask in zip(pixels, (said, true), strict=True)
    ]
    pixels = [of or [(-1, 0)] for of in pixels]  # nothing set: the one above the first pixel
    there = [min(math.dist(p, q) for q in pixels[1]) for p in borders[0]]
    back = [min(math.dist(p, q) for q in pixels[0]) for p in borders[1]]
    return max(there + back, default=0.0)


def slow_isslide(given):
    """The script, patch by patch and threshold by threshold, in plain numbers."""
    mean = {name: [0.0] * 101 for name in ("precision", "recall", "dice", "iou", "hd")}
    used = [(p, t) for p, t in given if t.any()]
    for probability, true in used:
        for k, threshold in enumerate(FLAT):
            said = probability > np.float32(threshold)
            both, n, m = int((said & true).sum()), int(said.sum()), int(true.sum())
            mean["precision"][k] += both / (n + 1e-12) / len(used)
            mean["recall"][k] += both / (m + 1e-12) / len(used)
            mean["dice"][k] += 2 * both / (n + m) / len(used)
            mean["iou"][k] += both / (n + m - both + 1e-12) / len(used)
            mean["hd"][k] += slow_distance(said, true) / len(used)
    f1 = [2 * p * r / (p + r + 1e-20) for p, r in zip(mean["precision"], mean["recall"], strict=True)]
    best = f1.index(max(f1))
    return {"f1": f1[best], "threshold": FLAT[best], **{name: values[best] for name, values in mean.items()}}


def isslide(given):
    scores = PatchMeans()
    for probability, moving in given:
        scores.update(probability[None], moving[None])
    return scores


@pytest.mark.parametrize("seed", [0, 1])
def test_isslide_is_what_the_script_does(seed):
    given = list(patches(seed))
    found, slow = isslide(given).scores(), slow_isslide(given)
    for name in ("f1", "precision", "recall", "dice", "iou", "threshold"):
        assert found[name] == pytest.approx(slow[name], abs=1e-9), name
    assert found["hausdorff"] == pytest.approx(slow["hd"], abs=1e-9)
    assert 0.3 < found["f1"] < 0.95
    assert found["f1"] != pytest.approx(found["dice"], abs=1e-4)  # a mean of F1 is not F1 of means


def test_thresholds_are_the_scripts_in_its_order():
    assert THRESHOLDS.tolist() == [np.float32(t) for t in FLAT]


def test_of_equal_thresholds_the_highest_is_taken():
    moving = np.zeros((4, 4), bool)
    moving[1:3, 1:3] = True
    found = isslide([(np.where(moving, np.float32(0.8), np.float32(0.1)), moving)]).scores()
    assert (found["f1"], found["threshold"]) == (pytest.approx(1), 0.79)
    assert found["hausdorff"] == 0


def test_the_printed_auc_is_that_of_the_last_patch():
    given = list(patches(5, 3))
    found = isslide(given).scores()

    def auc(probability, moving):
        area = torchmetrics.AUROC(task="binary", thresholds=FLAT[::-1])
        return float(area(from_numpy(probability.ravel()), from_numpy(moving.ravel()).int()))

    assert found["auc_last"] == pytest.approx(auc(*given[-1]), abs=1e-6)
    assert found["auc"] == pytest.approx(auc(*(np.stack(part) for part in zip(*given, strict=True))), abs=1e-6)
    assert found["auc_last"] != pytest.approx(found["auc"], abs=1e-3)
    assert found["auc_last"] == pytest.approx(isslide(given[::-1][:1]).scores()["auc"])


@pytest.mark.parametrize("seed", range(4))
def test_distances(seed):
    rng = np.random.default_rng(seed)
    said, true = (ndimage.uniform_filter(rng.random((8, 13)), 3) > t for t in (0.55, 0.5))
    assert said.any()
    assert patch_distance(said, true) == pytest.approx(slow_distance(said, true))


def test_nothing_predicted_is_as_far_as_the_corner():
    true = np.zeros((5, 7), bool)
    true[2:4, 3:6] = True
    nothing = np.zeros_like(true)
    # What the paper's library gives: a distance transform that finds no zero.
    transform = ndimage.distance_transform_edt(~nothing)
    assert patch_distance(nothing, true) == transform[true].max() == slow_distance(nothing, true) == math.hypot(4, 5)
    assert patch_distance(nothing, nothing) == 0


def test_patches_without_movement_are_dropped():
    given = list(patches(0))
    still = (np.full((9, 12), np.float32(0.9)), np.zeros((9, 12), bool))
    assert isslide([still, *given, still]).scores() == isslide(given).scores()
    with pytest.raises(InsarError, match=r"^the patches to score must hold movement, instead got none"):
        isslide([still]).scores()


def test_the_state_does_not_grow():
    few, many = isslide(patches(0, 2)), isslide(patches(0, 9))
    assert few.sums.shape == many.sums.shape == (5, 101)
    assert few.counts.shape == many.counts.shape


@given(seed=st.integers(0, 99))
def test_order_matters_only_to_the_last(seed):
    given_ = list(patches(seed, 3, (6, 7)))
    a, b = isslide(given_), isslide(given_[::-1])
    if a.patches:
        one, other = a.scores(), b.scores()
        one.pop("auc_last"), other.pop("auc_last")
        assert one == pytest.approx(other)


def test_pixels_in_one_matrix():
    given = list(patches(5, 5))
    scores = PixelCounts()
    scores.update(*(np.stack(part) for part in zip(*given, strict=True)))
    pairs = [(p > 0.5, bool(t)) for probability, m in given for p, t in zip(probability.flat, m.flat, strict=True)]
    tp, fp, fn = (pairs.count(pair) for pair in ((True, True), (True, False), (False, True)))
    found = scores.scores()
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    assert found["precision"] == pytest.approx(precision)
    assert found["recall"] == pytest.approx(recall)
    assert found["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert found["iou"] == pytest.approx(found["f1"] / (2 - found["f1"])) == pytest.approx(tp / (tp + fp + fn))
    each = [2 * (s & t).sum() / (s.sum() + t.sum()) for s, t in ((p > 0.5, m) for p, m in given)]
    assert found["mean_f1"] == pytest.approx(np.mean(each))
    assert found["mean_iou"] > found["mean_f1"] / (2 - found["mean_f1"])  # as in the paper's Table 4
    with pytest.raises(InsarError, match=r"^the patches to score must hold movement, instead got none"):
        PixelCounts().scores()


def test_the_papers_own_numbers_of_clips():
    """Table 3, BAA: 480 clips, half of them landslides, are what gives its three numbers."""
    counts = ClipCounts()
    landslide = np.arange(480) < 240
    said = np.where(landslide, np.arange(480) < 218, np.arange(480) < 246)
    counts.update(said.astype(np.float32), landslide)
    found = counts.scores()
    told = [round(100 * found[name], 2) for name in ("accuracy", "precision", "recall")]
    assert told == [94.17, 97.32, 90.83]
    assert found["clips"] == 480
    with pytest.raises(InsarError, match=r"^the clips to score must hold landslides, instead got none"):
        ClipCounts().scores()
