import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from insarflow.kernels.phase import phasor


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
