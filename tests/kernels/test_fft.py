import numpy as np
import pytest

from insarflow.kernels._jit import jit
from insarflow.kernels.fft import dft, fft_lanes
from insarflow.kernels.lanes import LANES, octaves


@jit
def transform(work, source, to, inverse, size):
    fft_lanes(work, source, to, inverse, size)


def columns(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(size, LANES)) + 1j * rng.normal(size=(size, LANES))


def as_block(z):
    return np.stack([z.real, z.imag], axis=1).astype(np.float32).ravel()


def as_columns(block):
    re, im = np.moveaxis(block.reshape(-1, 2, LANES), 1, 0)
    return re + 1j * im


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32, 64, 128])
def test_written_out_on_arrays(size):
    z = columns(size)
    result = dft(list(zip(z.real, z.imag, strict=True)))
    np.testing.assert_allclose([re + 1j * im for re, im in result], np.fft.fft(z, axis=0), atol=1e-12)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_compiled_forward_and_back(size):
    z = columns(size)
    block = as_block(z)
    n = block.size
    work = np.concatenate([block, np.empty(2 * n, np.float32)])
    transform(work, 0, n, 0, octaves(size))
    spectrum = work[n : 2 * n].copy()
    expected = np.fft.fft(z, axis=0)
    np.testing.assert_allclose(as_columns(spectrum), expected, atol=1e-6 * np.abs(expected).max())
    transform(work, n, 2 * n, 1, octaves(size))
    np.testing.assert_allclose(as_columns(work[2 * n :]) / size, z, atol=2e-6)
    transform(work, 0, 0, 0, octaves(size))  # in place
    np.testing.assert_array_equal(work[:n], spectrum)


def test_a_column_has_the_same_bits_in_every_lane():
    z = columns(32)
    whole, one = as_block(z), as_block(np.repeat(z[:, 3:4], LANES, axis=1))
    transform(whole, 0, 0, 0, octaves(32))
    transform(one, 0, 0, 0, octaves(32))
    np.testing.assert_array_equal(as_columns(one), np.repeat(as_columns(whole)[:, 3:4], LANES, axis=1))
