import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.noise import complex_noise
from insarflow.types import Window

WIDTH = 600
WHOLE = Window(0, 0, 400, WIDTH)


def correlation(a, b):
    return abs(np.mean(a * np.conj(b)))


def test_unit_power_and_circular():
    n = complex_noise(WHOLE, width=WIDTH, seed=1, stream=0)
    assert n.dtype == np.complex64
    assert np.mean(np.abs(n) ** 2) == pytest.approx(1, abs=0.01)
    assert np.mean(np.abs(n) ** 4) == pytest.approx(2, abs=0.05)  # complex Gaussian: E|n|^4 = 2
    assert abs(np.mean(n)) < 0.01
    assert abs(np.mean(n**2)) < 0.01
    assert np.mean(n.real**4) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (1, 1), (0, 2), (7, 31)])
def test_neighbours_are_uncorrelated(shift):
    n = complex_noise(WHOLE, width=WIDTH, seed=1, stream=0)
    assert correlation(n, np.roll(n, shift, axis=(0, 1))) < 0.008


@pytest.mark.parametrize(("seed", "stream"), [(1, 1), (2, 0), (0, 1), (2**63, 0), (1 + 2**32, 0)])
def test_streams_and_seeds_are_independent(seed, stream):
    a = complex_noise(WHOLE, width=WIDTH, seed=1, stream=0)
    assert correlation(a, complex_noise(WHOLE, width=WIDTH, seed=seed, stream=stream)) < 0.008


@given(y0=st.integers(0, 30), x0=st.integers(0, 40), height=st.integers(1, 10), width=st.integers(1, 10))
def test_a_window_is_a_cut_of_the_whole(y0, x0, height, width):
    whole = complex_noise(Window(0, 0, 40, 50), width=50, seed=3, stream=2)
    window = Window(y0, x0, height, width)
    part = complex_noise(window, width=50, seed=3, stream=2)
    np.testing.assert_array_equal(part, whole[y0 : window.y1, x0 : window.x1])
