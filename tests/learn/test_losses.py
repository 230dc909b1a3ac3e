"""Losses against sums in float64, and what does not count."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.learn.losses import BCE, LOSSES, BCEDice, Dice, Focal, WeightedBCE, build_loss

EVERY = [
    BCE(),
    WeightedBCE(4.0),
    Dice(0.5),
    Focal(),
    Focal(gamma=0.5, alpha=0.8),
    Focal(gamma=0.0, alpha=0.8),
    BCEDice(0.3),
]


def oracle(loss, z, t, weight):
    """The loss of counted pixels, one dimensional, float64, from probabilities."""
    p = 1 / (1 + np.exp(-z))
    log, log_other = np.log(p), np.log(1 - p)
    match loss:
        case BCE():
            return (weight * -(t * log + (1 - t) * log_other)).sum() / weight.sum()
        case WeightedBCE(w):
            return (weight * -(w * t * log + (1 - t) * log_other)).sum() / weight.sum()
        case Dice(s):
            return 1 - (2 * (weight * p * t).sum() + s) / ((weight * p).sum() + (weight * t).sum() + s)
        case Focal(g, a):
            pixel = -(a * t * (1 - p) ** g * log + (1 - a) * (1 - t) * p**g * log_other)
            return (weight * pixel).sum() / weight.sum()
        case BCEDice(share, s):
            return (1 - share) * oracle(BCE(), z, t, weight) + share * oracle(Dice(s), z, t, weight)


def draw(seed, shape=(2, 5, 7)):
    rng = np.random.default_rng(seed)
    z, w = rng.normal(0, 3, shape).astype(np.float32), rng.uniform(0.1, 2, shape).astype(np.float32)
    return z, rng.random(shape) < 0.3, rng.random(shape) < 0.8, w


@pytest.mark.parametrize("loss", EVERY, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_against_sums_over_counted_pixels(loss, weighted):
    z, t, valid, w = draw(1)
    got = loss(*map(torch.from_numpy, (z, t, valid)), torch.from_numpy(w) if weighted else None)
    counted = w[valid].astype(float) if weighted else np.ones(valid.sum())
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(oracle(loss, z[valid].astype(float), t[valid].astype(float), counted), rel=2e-6)


@pytest.mark.parametrize("loss", EVERY, ids=repr)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), junk=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_does_not_count_reaches_nothing(loss, seed, junk):
    z, t, valid, w = map(torch.from_numpy, draw(seed))
    results = []
    for filler in (0.0, junk):
        logits = torch.where(valid, z, filler).requires_grad_()
        value = loss(logits, t, valid, torch.where(valid, w, filler))
        value.backward()
        results.append((value.detach(), logits.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert (results[0][1][~valid] == 0).all()
    assert (results[0][1][valid] != 0).any() or not valid.any()


@pytest.mark.parametrize("loss", EVERY, ids=repr)
def test_nothing_counts(loss):
    logits = torch.full((1, 3, 3), math.nan, requires_grad=True)
    none = torch.zeros(1, 3, 3, dtype=torch.bool)
    value = loss(logits, none, none)
    value.backward()
    assert value.item() == 0.0
    assert (logits.grad == 0).all()
    assert loss(torch.ones(1, 3, 3), none, ~none, torch.zeros(())).item() == 0.0


@pytest.mark.parametrize("loss", EVERY, ids=repr)
def test_extreme_logits_and_half_precision(loss):
    logits = torch.tensor([[[100.0, -100.0, 100.0, -100.0]]], requires_grad=True)
    target = torch.tensor([[[True, False, False, True]]])
    value = loss(logits, target, torch.ones_like(target))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    z = torch.tensor([[[0.5, -1.0]]])
    half = loss(z.bfloat16(), target[..., :2], torch.ones(1, 1, 2, dtype=torch.bool))
    assert half.item() == loss(z, target[..., :2], torch.ones(1, 1, 2, dtype=torch.bool)).item()


@pytest.mark.parametrize("loss", [BCE(), WeightedBCE(4.0), WeightedBCE(0.2), Focal(0.0, 0.9), BCEDice(0.0)], ids=repr)
@pytest.mark.parametrize("share", [0.03, 0.4])
def test_shift_is_that_of_the_minimiser(loss, share):
    """One logit for 1000 pixels of which a share moves: where the gradient is 0, the logit is off by `shift`."""
    target = (torch.arange(1000) < 1000 * share).reshape(1, 1, 1000)
    logit = torch.tensor(math.log(share / (1 - share)) + loss.shift, requires_grad=True)
    loss(logit.expand(target.shape), target, torch.ones_like(target)).backward()
    assert abs(logit.grad.item()) < 1e-6
    assert (loss.shift == 0.0) == isinstance(loss, BCE | BCEDice)


def test_losses_without_a_constant_shift_say_so():
    assert [loss.shift for loss in (Dice(), Focal(), BCEDice())] == [None, None, None]


def test_by_name():
    assert LOSSES == ("bce", "weighted_bce", "dice", "focal", "bce_dice")
    assert build_loss("focal", {"gamma": 1.0}) == Focal(gamma=1.0)
    assert all(build_loss(name).__class__ for name in LOSSES)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("mse", {}, r"^loss must be one of \('bce', .*\), instead got loss='mse'$"),
        ("focal", {"beta": 1.0}, r"^parameters of the loss 'focal' must be among \['gamma', 'alpha'\], instead"),
        ("focal", {"gamma": -1.0}, r"^gamma must be 0 or more, instead got gamma=-1.0$"),
        ("focal", {"alpha": 1.0}, r"^alpha must be above 0 and below 1, instead got alpha=1.0: one"),
        ("weighted_bce", {"positive_weight": 0}, r"^positive_weight must be above 0, instead got positive_weight=0$"),
        ("weighted_bce", {"positive_weight": "4"}, r"^positive_weight must be a number, instead got"),
        ("dice", {"smooth": 0.0}, r"^smooth must be above 0, instead got smooth=0.0$"),
        ("bce_dice", {"share": 1.5}, r"^share must be between 0 and 1, instead got share=1.5$"),
    ],
)  # fmt: skip
def test_wrong_parameters(name, parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        build_loss(name, parameters)


def test_shapes_must_agree():
    with pytest.raises(
        ValueError, match=r"^target and valid must have the shape of the logits, \(1, 2, 2\), instead got"
    ):
        BCE()(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3), torch.ones(1, 2, 2, dtype=torch.bool))
