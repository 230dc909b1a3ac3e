import numpy as np
import pytest
from scipy.special import gammaln, hyp2f1
from scipy.stats import gamma as gamma_distribution
from scipy.stats import kstest, norm

from insarflow.kernels.decorrelate import decorrelate, gamma_quantile
from insarflow.types import Tile, Window


def draw(shape, missing=0.0):
    rng = np.random.default_rng(0)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))
    z[rng.uniform(size=shape) < missing] = np.nan
    return z.astype(np.complex64)


def looked(rng, shape, looks, coherence):
    """Single-look samples of two images with a true coherence, along the last axis."""
    a, b = ((rng.normal(size=(2, *shape, looks)) + 1j * rng.normal(size=(2, *shape, looks))) / np.sqrt(2)).astype("c8")
    return a, np.float32(coherence) * a + np.float32(np.sqrt(1 - coherence**2)) * b


def estimate(a, b):
    """Normalised interferogram: phase, and sample coherence as its magnitude."""
    power = np.mean(np.abs(a) ** 2, -1) * np.mean(np.abs(b) ** 2, -1)
    return np.mean(a * np.conj(b), -1) / np.sqrt(power)


@pytest.mark.parametrize(
    ("factor", "looks", "coherence", "within"),
    [(0.5, 8, 0.9, 0.03), (0.5, 16, 0.9, 0.03), (0.3, 12, 0.6, 0.03), (0.0, 4, 0.8, 0.03), (0.95, 8, 0.9, 0.12)],
)
def test_decorrelate_against_images_with_noise_added(factor, looks, coherence, within):
    rng = np.random.default_rng(looks)
    shape = (150, 300)
    a, b = looked(rng, shape, looks, coherence)
    noise = (rng.normal(size=a.shape) + 1j * rng.normal(size=a.shape)) / np.sqrt(2)
    expected = estimate(a, factor * b + np.sqrt(1 - factor**2) * noise)
    before = estimate(a, b).astype(np.complex64)
    result = decorrelate(before, np.abs(before), factor=factor, looks=looks, seed=5)
    assert np.abs(result).mean() == pytest.approx(np.abs(expected).mean(), rel=0.03)
    assert np.abs(result).std() == pytest.approx(np.abs(expected).std(), rel=within)
    assert np.angle(result).std() == pytest.approx(np.angle(expected).std(), rel=0.05)
    assert abs(np.mean(result) - np.mean(expected)) < 0.01
    same = [np.mean(z * np.conj(before)) for z in (result, expected)]  # it is still the same interferogram
    assert abs(same[0] - same[1]) < 0.01


def test_decorrelate_uses_the_given_coherence_not_the_magnitude():
    z = draw((40, 40))
    gamma = np.full(z.shape, 0.6, np.float32)
    options = {"factor": 0.7, "looks": 6, "seed": 1}
    unit = (z / np.abs(z)).astype(np.complex64)
    np.testing.assert_allclose(decorrelate(z, gamma, **options), decorrelate(unit, gamma, **options), rtol=1e-4)


def test_decorrelate_by_one_changes_nothing():
    z = draw((40, 40))
    gamma = np.random.default_rng(0).uniform(0.1, 1, z.shape).astype(np.float32)
    result = decorrelate(z, gamma, factor=1.0, looks=8, seed=1)
    np.testing.assert_allclose(result, z / np.abs(z) * gamma, rtol=1e-5)


def test_decorrelate_misses_what_either_input_misses():
    z, gamma = draw((20, 20), missing=0.2), np.full((20, 20), 0.5, np.float32)
    gamma[3:5] = np.nan
    z[7, 7] = 0
    result = decorrelate(z, gamma, factor=0.5, looks=8, seed=1)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(z) | np.isnan(gamma) | (z == 0))


def test_decorrelate_is_a_function_of_seed_and_place():
    z, gamma = np.ones((3, 20, 20), np.complex64), np.full((3, 20, 20), 0.5, np.float32)
    one = decorrelate(z, gamma, factor=0.5, looks=8, seed=1)
    np.testing.assert_array_equal(one, decorrelate(z, gamma, factor=0.5, looks=8, seed=1))
    assert (one != decorrelate(z, gamma, factor=0.5, looks=8, seed=2)).all()
    assert np.unique(one).size == one.size


def test_decorrelate_with_many_looks_is_nearly_exact():
    z, gamma = np.ones((60, 60), np.complex64), np.full((60, 60), 0.8, np.float32)
    result = decorrelate(z, gamma, factor=0.5, looks=1000, seed=1)
    assert np.abs(result).mean() == pytest.approx(0.4, rel=0.01)


def phase_density(phase, coherence, looks):
    """Lee et al. (1994), doi:10.1109/36.312890: phase noise of a multilooked interferogram."""
    beta = coherence * np.cos(phase)
    ratio = np.exp(gammaln(looks + 0.5) - gammaln(looks))
    first = ratio * (1 - coherence**2) ** looks * beta / (2 * np.sqrt(np.pi) * (1 - beta**2) ** (looks + 0.5))
    return first + (1 - coherence**2) ** looks / (2 * np.pi) * hyp2f1(looks, 1, 0.5, beta**2)


@pytest.mark.parametrize(("factor", "looks", "coherence"), [(0.5, 8, 0.9), (0.7, 4, 0.8), (0.3, 20, 0.95)])
def test_phase_noise_has_the_density_of_the_lower_coherence(factor, looks, coherence):
    before = estimate(*looked(np.random.default_rng(looks), (150, 300), looks, coherence)).astype(np.complex64)
    result = decorrelate(before, np.abs(before), factor=factor, looks=looks, seed=9)
    grid = np.linspace(-np.pi, np.pi, 20001)
    density = phase_density(grid, factor * coherence, looks)
    cumulative = np.cumsum(density) * (grid[1] - grid[0])
    assert cumulative[-1] == pytest.approx(1, abs=1e-3)
    distance = kstest(np.angle(result).ravel(), lambda phase: np.interp(phase, grid, cumulative)).statistic
    assert distance < 0.012
    unchanged = kstest(np.angle(before).ravel(), lambda phase: np.interp(phase, grid, cumulative)).statistic
    assert unchanged > 0.06  # what the test would see if nothing were done


@pytest.mark.parametrize("shape", [1, 2, 6, 30, 998])
def test_gamma_numbers_by_their_quantile(shape):
    x = np.random.default_rng(shape).standard_normal(100_000)
    drawn = np.maximum(np.polynomial.polynomial.polyval(x, gamma_quantile(shape).astype(float)), 0) ** 3 * shape
    assert kstest(drawn, gamma_distribution(shape).cdf).statistic < 0.006
    even = np.linspace(-5, 5, 2001)
    roots = np.polynomial.polynomial.polyval(even, gamma_quantile(shape).astype(float))
    assert (np.diff(roots) > 0).all()
    there = np.maximum(roots, 0) ** 3 * shape
    np.testing.assert_allclose(gamma_distribution(shape).cdf(there), norm.cdf(even), atol=1e-4 if shape == 1 else 2e-5)


def test_decorrelate_of_a_tile_is_that_of_the_whole():
    z, gamma = draw((40, 1200)), np.full((40, 1200), 0.6, np.float32)
    options = {"factor": 0.7, "looks": 6, "seed": 1}
    part = np.s_[11:30, 300:1111]
    place = Window(11, 300, 19, 811)
    cut = decorrelate(z[part], gamma[part], tile=Tile(place, place, z.shape), **options)
    np.testing.assert_array_equal(cut, decorrelate(z, gamma, **options)[part])


def test_decorrelate_of_any_magnitude():
    gamma = np.full((8, 8), 0.6, np.float32)
    options = {"factor": 0.7, "looks": 6, "seed": 1}
    for size in (1e-30, 1e30):
        z = np.full((8, 8), size * 1j, np.complex64)
        np.testing.assert_allclose(decorrelate(z, gamma, **options), decorrelate(z / size, gamma, **options), rtol=1e-5)
