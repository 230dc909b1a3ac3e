import numpy as np
import pytest

from insarflow.kernels.fft import fft_columns, transpose_square, twiddles


def planes(size, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, size, width)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("width", [1, 5])
def test_columns_against_numpy(size, width):
    re, im = planes(size, width)
    expected = np.fft.fft(re.astype(float) + 1j * im, axis=0)
    fft_columns(re, im, *np.empty((2, size, width), np.float32), twiddles(size))
    np.testing.assert_allclose(re + 1j * im, expected, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize("size", [2, 8, 32])
def test_inverse_is_the_same_call_with_the_planes_exchanged(size):
    re, im = planes(size, 3)
    before = re.copy(), im.copy()
    work = np.empty((2, size, 3), np.float32)
    fft_columns(re, im, *work, twiddles(size))
    fft_columns(im, re, *work, twiddles(size))
    np.testing.assert_allclose((re / size, im / size), before, atol=2e-6)


def test_transpose():
    re, im = planes(8, 8)
    before = re.copy(), im.copy()
    transpose_square(re, im)
    np.testing.assert_array_equal((re, im), (before[0].T, before[1].T))
