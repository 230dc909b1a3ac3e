import numpy as np
import pytest
from scipy.stats import kstest

from insarflow.kernels.elementary import RUN, cosine, gaussians, sine, workspace
from insarflow.kernels.noise import mix, stream_key


def draw(runs, scale=1.0, seed=0):
    numbers, space = np.empty((runs, 2, RUN), np.float32), workspace()
    for k in range(runs):
        one, other = numbers[k]
        gaussians(stream_key(seed, 0), np.uint64(k * RUN), np.uint64(1), np.float32(scale), *space, one, other)
    return numbers


def test_sine_and_cosine():
    for angle in np.linspace(-np.pi / 2, np.pi / 2, 501).astype(np.float32):
        assert sine(angle) == pytest.approx(np.sin(float(angle)), abs=2e-7)
        assert cosine(angle) == pytest.approx(np.cos(float(angle)), abs=6e-7)


def test_gaussians_are_box_and_muller_of_the_hash():
    numbers = draw(1, scale=2.0)[0]
    for k in range(RUN):
        bits = int(mix(stream_key(0, 0), np.uint64(k)))
        high, low = bits >> 32, bits & 0xFFFFFFFF
        radius = 2.0 * np.sqrt(-2 * np.log(((high >> 1) + 0.5) / 2**31)) * (-1) ** (high & 1)
        angle = np.pi * (low - 2**32 * (low >= 2**31)) / 2**32
        np.testing.assert_allclose(numbers[:, k], radius * np.array([np.cos(angle), np.sin(angle)]), atol=2e-5)


def test_gaussians_are_gaussian_and_independent():
    one, other = draw(400).transpose(1, 0, 2).reshape(2, -1).astype(float)
    for numbers in (one, other):
        assert kstest(numbers, "norm").statistic < 0.004
        assert np.mean(numbers**4) == pytest.approx(3, rel=0.03)
        assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.008
        assert abs(np.corrcoef(numbers[1:] ** 2, numbers[:-1] ** 2)[0, 1]) < 0.008
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.008
    assert abs(np.corrcoef(one**2, other**2)[0, 1]) < 0.008
    assert kstest(np.arctan2(other, one), "uniform", args=(-np.pi, 2 * np.pi)).statistic < 0.004
    assert np.abs(one).max() > 4


def test_a_short_run_has_the_bits_of_a_long_one():
    whole, space = draw(1)[0], workspace()
    for n in (1, 7, 8, 100):
        part = np.empty((2, n), np.float32)
        gaussians(stream_key(0, 0), np.uint64(3), np.uint64(1), np.float32(1), *space, *part)
        np.testing.assert_array_equal(part, whole[:, 3 : 3 + n])
