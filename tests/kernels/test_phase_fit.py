import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.kernels.block_sums import SUMS, phase_sums, value_sums
from insarflow.kernels.phase_fit import TERMS, fit_ramp, fit_stratified, fit_values
from insarflow.types import Tile, Window


def sums_of(image, side, *others, names=()):
    blocks = Window(0, 0, *(-(-n // side) for n in image.shape))
    function = phase_sums if image.dtype.kind == "c" else value_sums
    return function(image, *others, given=names, side=side, tile=Tile(Window(0, 0, *image.shape), blocks, image.shape))


def ramp_of(shape, terms):
    y, x = np.ogrid[: shape[0], : shape[1]]
    y, x = y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2
    parts = np.ones_like(y * x), y, x, y * y, y * x, x * x
    return sum(c * part for c, part in zip(terms, parts, strict=False))


def noisy(phase, std, rng):
    z = np.exp(1j * (phase + rng.normal(0, std, phase.shape))).astype(np.complex64)
    z[rng.uniform(size=z.shape) < 0.1] = np.nan
    return z


@pytest.mark.parametrize("seed", range(3))
def test_no_plane_of_a_fine_grid_is_better(seed):
    rng = np.random.default_rng(seed)
    shape = (14, 11)
    z = noisy(ramp_of(shape, rng.normal(0, 0.6, 3)), 1.0, rng)
    found = fit_ramp(sums_of(z, 1), order="plane", shape=shape)
    unit = np.where(np.isnan(z), 0, z)
    slopes = np.linspace(-np.pi, np.pi, 121)
    rows = np.exp(-1j * np.outer(slopes, np.arange(shape[0])))
    cols = np.exp(-1j * np.outer(np.arange(shape[1]), slopes))
    best = np.abs(rows @ unit @ cols)
    i, j = np.unravel_index(best.argmax(), best.shape)
    assert found[3] * (~np.isnan(z)).sum() >= best.max()
    np.testing.assert_allclose(found[1:3], [slopes[i], slopes[j]], atol=np.pi / 60)


@settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_planes_of_many_fringes_are_found(seed):
    rng = np.random.default_rng(seed)
    shape, side = (256, 192), 4
    truth = np.array([rng.uniform(-3, 3), *(2 * np.pi * rng.uniform(-20, 20, 2) / shape)])
    phase = ramp_of(shape, truth)
    phase[60:90, 40:80] += np.linspace(0, 9, 40)  # one that moves, 2 % of the image
    found = fit_ramp(sums_of(noisy(phase, 1.2, rng), side), order="plane", shape=shape)
    error = ramp_of(shape, found[:3]) - ramp_of(shape, truth)
    assert np.abs(np.angle(np.exp(1j * error))).max() < 0.15


@pytest.mark.parametrize("seed", range(3))
def test_quadratics_are_found(seed):
    rng = np.random.default_rng(seed)
    shape, side = (192, 256), 4
    truth = np.array([1.0, *(rng.normal(0, 20, 2) / shape), *(rng.normal(0, 40, 3) / (192**2, 192 * 256, 256**2))])
    phase = ramp_of(shape, truth)
    assert np.ptp(phase) > 10
    found = fit_ramp(sums_of(noisy(phase, 1.0, rng), side), order="quadratic", shape=shape)
    error = ramp_of(shape, found[:6]) - phase
    assert np.abs(np.angle(np.exp(1j * error))).max() < 0.2
    assert found[6] == pytest.approx(np.exp(-0.5), abs=0.03)


def test_the_error_is_the_noise_s():
    """Errors over their standard deviation of a fit of independent phase noise have the spread one."""
    shape, std, scores = (64, 64), 0.8, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        z = np.exp(1j * (ramp_of(shape, (0.0, 0.2, -0.3)) + rng.normal(0, std, shape))).astype(np.complex64)
        slope = fit_ramp(sums_of(z, 1), order="plane", shape=shape)[1]
        # Variance of sin r over the square of the mean of cos r, by the spread of the rows.
        phase_variance = np.exp(std**2) * (1 - np.exp(-2 * std**2)) / 2
        scores.append((slope - 0.2) / np.sqrt(phase_variance / (64 * 64 * (64**2 - 1) / 12)))
    assert 0.75 < np.std(scores) < 1.3


def test_values_are_fitted_without_outliers():
    rng = np.random.default_rng(0)
    shape, truth = (90, 120), (5.0, 0.3, -0.1, 1e-3, -2e-3, 5e-4)
    values = (ramp_of(shape, truth) + rng.normal(0, 0.5, shape)).astype(np.float32)
    values[10:25, 60:90] += 40  # an unwrapping error or a slope that moves
    values[rng.uniform(size=shape) < 0.1] = np.nan
    found = fit_values(sums_of(values, 3), order="quadratic", shape=shape)
    assert np.abs(ramp_of(shape, found[:6]) - ramp_of(shape, truth)).max() < 0.3
    exact = ramp_of(shape, truth[:3]).astype(np.float32)
    np.testing.assert_allclose(fit_values(sums_of(exact, 7), order="plane", shape=shape)[:3], truth[:3], rtol=1e-5)


@pytest.mark.parametrize("rate", [-11.0, 0.0, 6.5])
@pytest.mark.parametrize("plane", [False, True])
def test_rates_of_terrain_are_found(rate, plane):
    rng = np.random.default_rng(1)
    shape, side = (200, 160), 2
    y, x = np.ogrid[:200, :160]
    dem = (1500 + 600 * np.sin(y / 40) * np.cos(x / 30) + 200 * np.sin(x / 9 + y / 13)).astype(np.float32)
    slopes = (0.4, 0.1, -0.15) if plane else (0.4, 0, 0)
    z = noisy(ramp_of(shape, slopes) + rate * dem / 1000, 1.0, rng)
    found = fit_stratified(sums_of(z, side, dem, names=("dem",)), limit=20.0, plane=plane, shape=shape)
    assert found[0] == pytest.approx(rate, abs=0.1)
    assert found[1] == pytest.approx(np.exp(-0.5), abs=0.06)
    assert found[2] == pytest.approx(dem.std(), rel=0.05)


def test_what_cannot_be_told_is_zero_or_missing():
    row = np.full((40, 40), np.nan, np.complex64)
    row[7] = np.exp(0.3j * np.arange(40))
    found = fit_ramp(sums_of(row, 1), order="plane", shape=(40, 40))
    assert found[2] == pytest.approx(0.3, abs=1e-6)
    assert found[3] == pytest.approx(1, abs=1e-6)
    assert abs(found[1]) < 0.05
    for order, terms in TERMS.items():
        for function in (fit_ramp, fit_values):
            assert np.isnan(function(np.zeros((3, 3), SUMS), order=order, shape=(9, 9))).all()
            assert function(np.zeros((3, 3), SUMS), order=order, shape=(9, 9)).size == len(terms) + 1
    one = fit_ramp(sums_of(np.array([[1j]], np.complex64), 1), order="quadratic", shape=(1, 1))
    np.testing.assert_allclose(one, [np.pi / 2, 0, 0, 0, 0, 0, 1], atol=1e-6)
    assert np.isnan(fit_stratified(np.zeros((3, 3), SUMS), limit=1.0, plane=True, shape=(9, 9))).all()
