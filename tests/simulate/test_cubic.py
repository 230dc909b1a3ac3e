import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.simulate.cubic import convolved
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Scene
from insarflow.types import Window

Y, X = np.mgrid[:20, :24].astype(np.float64)


def curve(y, x):
    return 0.3 * y * y - 0.2 * y * x + 0.1 * x * x - y + 4


def test_curves_of_second_degree_are_kept_and_straight_lines_are_not_enough():
    rng = np.random.default_rng(1)
    y, x = rng.uniform(2, 17, 300), rng.uniform(2, 21, 300)
    values = curve(Y, X).astype(np.float32)
    assert np.allclose(convolved(values, y, x), curve(y, x), atol=1e-3)
    linear = (curve(np.floor(y), x) + curve(np.floor(y) + 1, x)) / 2
    assert np.abs(linear - curve(y, x)).max() > 0.03


def test_cells_keep_their_values_and_complex_numbers_go_by_parts():
    rng = np.random.default_rng(2)
    values = (rng.standard_normal(Y.shape) + 1j * rng.standard_normal(Y.shape)).astype(np.complex64)
    inner = np.s_[1:-2, 1:-2]
    assert np.array_equal(convolved(values, Y[inner], X[inner]), values[inner])
    between = convolved(values, Y[inner] + 0.3, X[inner] + 0.7)
    assert between.dtype == np.complex64
    assert np.array_equal(between.imag, convolved(values.imag.copy(), Y[inner] + 0.3, X[inner] + 0.7))


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_any_window_of_a_product_has_the_same_bits(data):
    scene = Scene.draw(3, (40, 44), pixel_size=15.0)
    y, x = data.draw(st.integers(0, 38)), data.draw(st.integers(0, 42))
    part = Window(y, x, data.draw(st.integers(1, 40 - y)), data.draw(st.integers(1, 44 - x)))
    whole = observe(scene, [(0, 2)], Window(0, 0, 40, 44), PROCESSING["boxcar3x10"])[0]
    assert np.array_equal(
        observe(scene, [(0, 2)], part, PROCESSING["boxcar3x10"])[0], whole[part.within(Window(0, 0, 40, 44))]
    )
    assert np.allclose(np.abs(whole["igram"]), 1.0, atol=1e-5)
    assert whole["coherence"].min() >= 0
    assert whole["coherence"].max() <= 1
    assert whole["coherence"].std() > 0.02
