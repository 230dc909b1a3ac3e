import numpy as np
import pytest

from insarflow.kernels.augment import conjugate, decorrelate, offset, ramp
from insarflow.types import Tile, Window


def draw(shape, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))
    z[rng.uniform(size=shape) < missing] = np.nan
    return z.astype(np.complex64)


def test_offset():
    z = draw((2, 5, 6), missing=0.2)
    np.testing.assert_allclose(offset(z, angle=1.3), z * np.exp(1.3j), rtol=1e-6)
    assert offset(z, angle=1.3).dtype == np.complex64


def test_conjugate():
    z = draw((2, 5, 6), missing=0.2)
    np.testing.assert_array_equal(conjugate(z), np.conj(z))


def test_ramp():
    z = draw((2, 5, 6), missing=0.2)
    result = ramp(z, slope_y=0.3, slope_x=-0.7)
    assert result.dtype == np.complex64
    for row, col in np.ndindex(5, 6):
        expected = z[:, row, col] * np.exp(1j * (0.3 * row - 0.7 * col))
        np.testing.assert_allclose(result[:, row, col], expected, rtol=1e-6)


def test_ramp_of_a_tile_far_out_is_that_of_the_whole():
    z = draw((4, 5))
    place = Window(20_000, 31_000, 4, 5)
    result = ramp(z, slope_y=0.3, slope_x=-0.7, tile=Tile(place, place, (40_000, 40_000)))
    y, x = np.mgrid[20_000:20_004, 31_000:31_005]
    np.testing.assert_allclose(result, z * np.exp(1j * (0.3 * y - 0.7 * x)), rtol=1e-6)


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
