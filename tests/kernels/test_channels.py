import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from insarflow.kernels.channels import fill_channels, fill_channels_of_codes
from insarflow.kernels.codes import decode_fraction, decode_phase

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 9))


def channels(igram, coherence, fill=fill_channels):
    out, missing = np.full((*igram.shape, 3), 7, np.float32), np.zeros(igram.shape, bool)
    wrong = fill(igram, coherence, out, missing)
    return out, missing, wrong


def oracle(igram, coherence):
    """Pixel by pixel."""
    out, missing = np.zeros((*igram.shape, 3)), np.zeros(igram.shape, bool)
    for at in np.ndindex(igram.shape):
        z, gamma = complex(igram[at]), float(coherence[at])
        missing[at] = not (np.isfinite(z) and np.isfinite(gamma))
        if not missing[at] and z != 0:
            out[at] = gamma, z.real / abs(z), z.imag / abs(z)
    return out, missing


@given(data=st.data(), shape=SHAPES)
def test_against_the_oracle(data, shape):
    parts = st.floats(-(2.0**63), 2.0**63, width=32) | st.sampled_from([np.nan, np.inf, 0.0, 3e38])
    re, im = (data.draw(arrays(np.float32, shape, elements=parts)) for _ in range(2))
    coherence = data.draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32) | st.just(np.nan)))
    igram = np.empty(shape, np.complex64)
    igram.real, igram.imag = re, im
    out, missing, wrong = channels(igram, coherence)
    expected, absent = oracle(igram, coherence)
    np.testing.assert_allclose(out, expected, atol=2e-7)
    np.testing.assert_array_equal(missing, absent)
    assert wrong == 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_codes_give_the_same_bits(dtype):
    rng = np.random.default_rng(0)
    phase = rng.integers(-32768, 32768, (50, 60)).astype(np.int16)
    coherence = rng.integers(0, np.iinfo(dtype).max + 1, (50, 60)).astype(dtype)
    phase[3, 4:9], coherence[7, 7], phase[0, 0], phase[0, 1] = -32768, np.iinfo(dtype).max, 32767, -32767
    out, missing, _ = channels(phase, coherence, fill_channels_of_codes)
    expected, absent, _ = channels(decode_phase(phase), decode_fraction(coherence))
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(missing, absent)
    assert 5 < missing.sum() < 100


def test_windows_of_larger_arrays():
    rng = np.random.default_rng(1)
    igram = (rng.normal(size=(9, 9)) + 1j * rng.normal(size=(9, 9))).astype(np.complex64)
    coherence = rng.uniform(size=(9, 9)).astype(np.float32)
    whole, window = channels(igram, coherence)[0], (slice(2, 7), slice(3, 8))
    np.testing.assert_array_equal(channels(igram[window], coherence[window])[0], whole[window])
    np.testing.assert_array_equal(channels(igram.T, coherence.T)[0], whole.swapaxes(0, 1))


def test_coherence_out_of_range_is_counted():
    coherence = np.array([[-0.1, 1.1, 1.0005, np.nan, 0.5]], np.float32)
    assert channels(np.ones((1, 5), np.complex64), coherence)[2] == 2
