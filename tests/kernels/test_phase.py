import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from insarflow.kernels._jit import jit
from insarflow.kernels.phase import angle_of, azimuth, phasor


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(-8000, 8000, width=32)))
def test_against_numpy(phase):
    np.testing.assert_allclose(phasor(phase), np.exp(1j * phase.astype(float)), atol=2e-7)


def test_missing_and_shape():
    phase = np.array([[0.0, np.nan], [np.pi / 2, -np.pi]], np.float32)
    result = phasor(phase.T).T
    assert result.dtype == np.complex64
    assert np.isnan(result[0, 1].real)
    assert np.isnan(result[0, 1].imag)
    np.testing.assert_allclose(result[[0, 1, 1], [0, 0, 1]], [1, 1j, -1], atol=2e-7)


@jit
def _angles(y, x, out):
    for k in range(out.size):
        out[k] = angle_of(y[k], x[k])


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=30))
def test_angle_of_is_the_arc_tangent(points):
    y, x = np.array(points).T.copy()
    y, x = np.where(abs(y) < 1e-9, 0.0, y), np.where(abs(x) < 1e-9, 0.0, x)
    found = np.empty(y.size)
    _angles(y, x, found)
    np.testing.assert_allclose(found, np.arctan2(y, x), atol=2e-11)


def test_angle_of_around_the_circle():
    truth = np.linspace(-np.pi, np.pi, 4001)[1:]
    found = np.empty(truth.size)
    _angles(np.sin(truth), np.cos(truth), found)
    np.testing.assert_allclose(found, truth, atol=2e-11)
    small = np.logspace(-12, -3, 50)
    _angles(small, np.ones(50), found[:50])
    np.testing.assert_allclose(found[:50], np.arctan(small), rtol=1e-10)
    _angles(np.array([0.0, np.nan, 1.0, np.nan]), np.array([0.0, 1.0, np.nan, np.nan]), found[:4])
    np.testing.assert_array_equal(found[:4], [0.0, np.nan, np.nan, np.nan])


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(-20, 20, width=32)))
def test_azimuths_are_from_0_to_a_turn(phase):
    found = azimuth(phasor(phase))
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found < np.float32(2 * np.pi)).all()
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * phase.astype(float)), atol=1e-6)


def test_azimuth_just_below_north_is_0():
    assert azimuth(np.array([1 - 1e-9j], np.complex64))[0] == 0.0
    assert np.isnan(azimuth(np.array([np.nan], np.complex64))[0])
