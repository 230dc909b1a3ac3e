import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.multilook import multilook
from insarflow.types import Looks


def oracle(values, looks, min_valid):
    rows, cols = values.shape[0] // looks.y, values.shape[1] // looks.x
    out = np.full((rows, cols), np.nan, np.result_type(values, np.float64))
    for i in range(rows):
        for j in range(cols):
            block = values[i * looks.y : (i + 1) * looks.y, j * looks.x : (j + 1) * looks.x].astype(out.dtype)
            valid = ~np.isnan(block)
            if valid.any() and valid.mean() >= min_valid:
                out[i, j] = block[valid].mean()
    return out


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float32", "float64"])
@pytest.mark.parametrize("looks", [Looks(1, 1), Looks(2, 3), Looks(4, 1), Looks(13, 17)])
@pytest.mark.parametrize("min_valid", [0.0, 0.5, 1.0])
def test_against_numpy(dtype, looks, min_valid):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(13, 17)) + (1j * rng.normal(size=(13, 17)) if dtype.startswith("c") else 0)
    values[rng.uniform(size=values.shape) < 0.4] = np.nan
    values = values.astype(dtype)
    result = multilook(values, looks=looks, min_valid=min_valid)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, oracle(values, looks, min_valid), rtol=1e-6, atol=1e-7)


def test_mask_is_true_where_any_pixel_is():
    mask = np.zeros((5, 7), bool)
    mask[3, 5] = mask[4, 0] = True
    np.testing.assert_array_equal(multilook(mask, looks=Looks(2, 3)), [[False, False], [False, True]])


def test_leading_axes():
    values = np.random.default_rng(0).normal(size=(2, 3, 6, 8))
    expected = values.reshape(2, 3, 3, 2, 2, 4).mean(axis=(3, 5))
    np.testing.assert_allclose(multilook(values, looks=Looks(2, 4)), expected, rtol=1e-12)


def test_sums_are_in_double_precision():
    values = np.ones((1, 2**12 + 1), np.float32)
    values[0, 0] = 2.0**26
    result = multilook(values, looks=Looks(1, values.size))
    assert result[0, 0] == np.float32((2.0**26 + 2.0**12) / values.size)


@given(size=st.integers(1, 200), percent=st.integers(0, 100))
def test_min_valid_is_exact(size, percent):
    """A block with exactly the wanted fraction counts: 7 of 100 at 0.07, where 0.07 * 100 rounds above 7."""
    needed = max(1, -(-percent * size // 100))
    for valid in (needed - 1, needed):
        values = np.where(np.arange(size) < valid, 1.0, np.nan)[None, :]
        result = multilook(values, looks=Looks(1, size), min_valid=percent / 100)
        assert np.isnan(result[0, 0]) == (valid < needed)
