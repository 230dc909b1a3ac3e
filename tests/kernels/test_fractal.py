import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.kernels.fractal import fractal
from insarflow.types import Window

GAINS = (0.3, 0.0, 1.0, 0.7)


def draw(window, gains=GAINS, seed=3, stream=5):
    return fractal(window, gains=gains, seed=seed, stream=stream)


def cubic(x):
    x = np.abs(x)
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.where(x < 2, (2 - x) ** 3 / 6, 0.0))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_an_octave_is_a_spline_on_its_lattice(level):
    # The coefficients are what a spline of the finest lattice alone would be made of.
    gains = tuple(float(k == level) for k in range(4))
    size = 2**level
    window = Window(-9, 4, 30, 40)
    field = draw(window, gains)
    rows, cols = (np.arange(a, b) / size for a, b in ((window.y0, window.y1), (window.x0, window.x1)))
    nodes_y, nodes_x = (np.arange(np.floor(v[0]) - 1, np.ceil(v[-1]) + 2) for v in (rows, cols))
    along_y, along_x = cubic(rows[:, None] - nodes_y), cubic(cols[:, None] - nodes_x)
    coefficients = np.linalg.pinv(along_y) @ field @ np.linalg.pinv(along_x).T
    assert np.allclose(along_y @ coefficients @ along_x.T, field, atol=1e-5)
    assert 0.7 < coefficients.std() < 1.3


@settings(max_examples=40, deadline=None)
@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 30), st.integers(1, 600))
def test_any_window_has_the_same_bits(y, x, height, width):
    whole = draw(Window(-45, -45, 120, 700))
    part = draw(Window(y, x, height, width))
    assert np.array_equal(part, whole[y + 45 : y + 45 + height, x + 45 : x + 45 + width])


def test_numbers_are_gaussian_and_independent_between_streams():
    a, b = draw(Window(0, 0, 600, 600), (1.0,)), draw(Window(0, 0, 600, 600), (1.0,), stream=6)
    assert abs(a.mean()) < 0.01
    assert a.var() == pytest.approx(0.25, rel=0.03)  # (1 + 16 + 1) / 36 along each axis
    assert (a**4).mean() / a.var() ** 2 == pytest.approx(3.0, abs=0.1)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
    assert not np.array_equal(a, draw(Window(0, 0, 600, 600), (1.0,), seed=4))


def test_nothing_is_zero():
    assert not draw(Window(0, 0, 4, 5), ()).any()
