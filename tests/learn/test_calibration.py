import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from insarflow.learn.calibration import (
    Calibration,
    LogitHistogram,
    fit_temperature,
    fit_temperature_and_shift,
    shift_of_prior,
    shift_of_weight,
)
from insarflow.learn.metrics import PixelScores
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN


def draw(seed=0, n=20_000, sharpness=1.0, offset=0.0, prior=-1.5):
    """Logits whose truth is drawn by them, then made wrong: multiplied by `sharpness` and moved by `offset`."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(prior, 2.0, n)
    target = (rng.random(n) < expit(honest)).astype(np.uint8)
    logits = (honest * sharpness + offset).astype(np.float32)
    ignored = rng.random(n) < 0.1
    target[ignored] = rng.choice([OPEN, MISSING], ignored.sum())
    logits[ignored] = np.where(rng.random(ignored.sum()) < 0.5, np.nan, 100.0)
    return logits, target


def histogram_of(logits, target):
    histogram = LogitHistogram()
    histogram.update(logits, target)
    return histogram


def exact_loss(logits, target, calibration):
    keep = target < OPEN
    z = (np.clip(logits[keep].astype(float), -20, 20) + calibration.shift) / calibration.temperature
    return np.logaddexp(0, np.where(target[keep] == MOVING, -z, z)).mean()


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("shift", [0.0, -0.7])
def test_temperature_is_that_of_all_pixels(sharpness, shift):
    logits, target = draw(1, sharpness=sharpness)
    best = minimize_scalar(
        lambda t: exact_loss(logits, target, Calibration(t, shift)),
        bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    fitted = fit_temperature(histogram_of(logits, target), shift=shift)
    assert fitted.shift == shift
    assert fitted.temperature == pytest.approx(best.x, rel=1e-4)
    if shift == 0:
        assert fitted.temperature == pytest.approx(sharpness, rel=0.05)


def test_temperature_and_shift_are_those_of_all_pixels():
    logits, target = draw(2, sharpness=2.0, offset=1.2)
    best = minimize(
        lambda x: exact_loss(logits, target, Calibration(math.exp(x[0]), x[1])), [0.0, 0.0],
        method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12},
    )  # fmt: skip
    fitted = fit_temperature_and_shift(histogram_of(logits, target))
    assert fitted.temperature == pytest.approx(math.exp(best.x[0]), rel=1e-3)
    assert fitted.shift == pytest.approx(best.x[1], abs=2e-3)
    assert (fitted.temperature, fitted.shift) == (pytest.approx(2.0, rel=0.05), pytest.approx(-1.2, abs=0.1))


def test_loss_is_that_of_all_pixels():
    logits, target = draw(3, sharpness=3.0)
    for calibration in (Calibration(), Calibration(2.5, -0.4), Calibration(0.2, 1.0)):
        said = histogram_of(logits, target).loss(calibration)
        assert said == pytest.approx(exact_loss(logits, target, calibration), abs=1e-5 / calibration.temperature**2)
    assert math.isnan(LogitHistogram().loss())


@pytest.mark.parametrize("sharpness", [0.4, 2.5])
def test_calibration_error_falls(sharpness):
    logits, target = draw(4, 50_000, sharpness=sharpness)
    before, after = PixelScores(), PixelScores()
    before.update(expit(logits), target)
    after.update(fit_temperature(histogram_of(logits, target)).probability(logits), target)
    assert before.calibration_error() > 0.08
    assert after.calibration_error() < 0.02
    assert after.at(0.5)["auroc"] == pytest.approx(before.at(0.5)["auroc"], abs=0.01)


@given(data=st.data(), shift=st.floats(-3, 3), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_the_loss_never_rises(data, shift, seed):
    n = data.draw(st.integers(2, 40))
    logits = np.array(data.draw(st.lists(st.floats(-25, 25, width=32), min_size=n, max_size=n)), np.float32)
    target = np.random.default_rng(seed).permutation(np.arange(n) % data.draw(st.integers(2, n))).clip(0, 1)
    histogram = histogram_of(logits, target.astype(np.uint8))
    fitted, free = fit_temperature(histogram, shift=shift), fit_temperature_and_shift(histogram)
    assert histogram.loss(fitted) <= histogram.loss(Calibration(shift=shift)) + 1e-12
    assert histogram.loss(free) <= histogram.loss(fit_temperature(histogram)) + 1e-12
    assert exact_loss(logits, target, fitted) <= exact_loss(logits, target, Calibration(shift=shift)) + 1e-4


def test_logits_that_tell_all_or_nothing_have_a_temperature():
    target = np.array([ABSENT, MOVING], np.uint8)
    assert fit_temperature(histogram_of(np.array([-3, 3.0]), target)).temperature == pytest.approx(0.01)
    assert fit_temperature(histogram_of(np.array([3, -3.0]), target)).temperature == pytest.approx(100.0)
    assert fit_temperature(histogram_of(np.array([0, 0.0]), target)).temperature > 0


def test_shift_of_a_weighted_loss():
    """The logit with the least weighted loss, moved back, is the log-odds of the truth."""
    share, weight = 0.2, 7.0
    best = minimize_scalar(lambda z: weight * share * np.logaddexp(0, -z) + (1 - share) * np.logaddexp(0, z))
    assert best.x + shift_of_weight(weight) == pytest.approx(math.log(share / (1 - share)), abs=1e-6)


def test_shift_of_a_prior():
    """Bayes on two Gaussians: log-odds under one prior, moved, are those under another."""
    x = np.linspace(-3, 3, 7)
    odds = [np.log(prior / (1 - prior)) + ((x + 1) ** 2 - (x - 1) ** 2) / 2 for prior in (0.5, 0.03)]
    np.testing.assert_allclose(odds[0] + shift_of_prior(training=0.5, true=0.03), odds[1])
    assert shift_of_prior(training=0.2, true=0.2) == 0.0


@given(seed=st.integers(0, 99), parts=st.integers(1, 5))
def test_any_cut_and_order_gives_the_same_bits(seed, parts):
    logits, target = draw(seed, 300, sharpness=8.0)
    logits[:3], target[:3] = [-np.inf, np.inf, 20.0], [0, 1, 1]
    merged = LogitHistogram()
    for k in np.random.default_rng(seed).permutation(parts):
        part = histogram_of(torch.from_numpy(logits[k::parts]), torch.from_numpy(target[k::parts]))
        merged.merge(LogitHistogram.from_state(part.state()))
    whole = histogram_of(logits, target)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    assert merged.counts[:2].sum() == (target < OPEN).sum()


def test_apply_keeps_kind_and_dtype():
    calibration = Calibration(temperature=1.7, shift=-0.3)
    logits = np.array([[-2.0, 0.0, np.nan, 30.0]])
    for dtype in (np.float16, np.float32, np.float64):
        array, tensor = logits.astype(dtype), torch.from_numpy(logits.astype(dtype))
        for method, expected in ((calibration.apply, (logits - 0.3) / 1.7),
                                 (calibration.probability, expit((logits - 0.3) / 1.7))):  # fmt: skip
            assert method(array).dtype == dtype
            assert method(tensor).dtype == tensor.dtype
            np.testing.assert_allclose(method(array), expected, rtol=2e-3)
            np.testing.assert_allclose(method(tensor).numpy(), expected, rtol=2e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Calibration(temperature=0.0), r"^temperature must be above 0, instead got temperature=0\.0$"),
        (lambda: Calibration(temperature=math.nan), r"^temperature must be above 0, instead got temperature=nan$"),
        (lambda: Calibration(shift=math.inf), r"^shift must be a number, instead got shift=inf$"),
        (lambda: shift_of_weight(0.0), r"^positive_weight must be above 0, instead got positive_weight=0\.0$"),
        (lambda: shift_of_prior(training=0.0, true=0.5), r"^training must be between 0 and 1, .*training=0\.0$"),
        (lambda: shift_of_prior(training=0.1, true=1.0), r"^true must be between 0 and 1, .*true=1\.0$"),
        (
            lambda: histogram_of(np.array([np.nan, 1.0]), np.array([0, 1])),
            r"^logits must be a number wherever the target counts, instead got NaN in 1 pixels: .*MISSING \(3\) there$",
        ),
        (
            lambda: histogram_of(np.zeros(2), np.zeros(3, int)),
            r"^target must have the shape of logits, \(2,\), .*\(3,\)",
        ),
        (
            lambda: fit_temperature(histogram_of(np.zeros(3), np.zeros(3, int))),
            r"^histogram must hold absent and moving pixels, instead got 3 and 0: add validation scenes$",
        ),
        (lambda: fit_temperature(LogitHistogram(), shift=math.nan), r"^shift must be a number, instead got shift=nan$"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
