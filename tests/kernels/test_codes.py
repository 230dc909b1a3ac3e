import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from insarflow.kernels.codes import (
    PHASE_MISSING,
    PHASE_STEP,
    decode_fraction,
    decode_phase,
    encode_fraction,
    encode_phase,
    fraction_step,
)

ANGLES = st.floats(-3.140625, 3.140625, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 40)), elements=ANGLES))
def test_phase_against_numpy(angles):
    igram = np.exp(1j * angles.astype(float)).astype(np.complex64)
    codes = encode_phase(igram)
    # Half a step, and what rounding to float32 adds to it.
    off = np.abs(codes * PHASE_STEP - np.angle(igram.astype(complex)))
    assert off.max() <= PHASE_STEP / 2 + 1e-6
    np.testing.assert_allclose(decode_phase(codes), np.exp(1j * codes * PHASE_STEP), atol=1e-7)


def test_every_code_comes_back():
    codes = np.arange(-32767, 32768, dtype=np.int16)
    again = encode_phase(decode_phase(codes))
    np.testing.assert_array_equal(again[1:], codes[1:])
    assert abs(again[0]) == 32767


def test_missing_and_axes():
    igram = np.array([[1, 1j, -1, -1j], [np.nan, complex(0, np.nan), complex(0, np.nan), np.exp(2j)]], np.complex64)
    codes = encode_phase(igram.T).T
    np.testing.assert_array_equal(codes[0], [0, 16384, 32767, -16384])
    np.testing.assert_array_equal(codes[1, :3], PHASE_MISSING)
    assert np.isnan(decode_phase(codes)[1, :3]).all()


@pytest.mark.parametrize("magnitude", [0.0, 0.99, 1.01, 1e20])
def test_a_magnitude_is_not_thrown_away(magnitude):
    with pytest.raises(ValueError, match=r"^igram must have magnitude 1 to be kept as phase, instead got "):
        encode_phase(np.array([1, magnitude], np.complex64))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_fractions(dtype):
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    values[7] = np.nan
    codes = encode_fraction(values, dtype)
    assert codes.dtype == dtype
    back = decode_fraction(codes)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values)) <= fraction_step(dtype) / 2 + 1e-7
    np.testing.assert_array_equal(back[[0, -1]], [0, 1])
    np.testing.assert_array_equal(encode_fraction(back, dtype), codes)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.inf])
def test_no_fraction(value):
    with pytest.raises(ValueError, match=r"^values must be within 0 and 1, instead got "):
        encode_fraction(np.array([0.5, value], np.float32), "uint8")
