import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.closure import closure


@given(st.integers(0, 2**32 - 1))
def test_consistent_phase_closes_and_a_constant_does_not_change_it(seed):
    rng = np.random.default_rng(seed)
    day = rng.uniform(-20, 20, (3, 5, 6))
    first, second, both = (np.exp(1j * (day[b] - day[a])).astype("complex64") for a, b in ((0, 1), (1, 2), (0, 2)))
    np.testing.assert_allclose(closure(first, second, both), 0, atol=1e-6)
    turned = closure((np.exp(0.5j) * first).astype("complex64"), second, both)
    np.testing.assert_allclose(turned, 0.5, atol=1e-6)


def test_what_is_missing_and_what_is_zero():
    nan, one = np.complex64(complex(np.nan, 0)), np.complex64(1)
    images = np.array([[one, one, one, nan, -one, 0], [one, nan, one, one, one, one], [one, one, nan, one, one, one]])
    np.testing.assert_array_equal(
        closure(*images.astype("complex64")), np.float32([0, np.nan, np.nan, np.nan, np.pi, 0])
    )


@given(st.integers(0, 2**32 - 1))
def test_against_numpy_in_double_precision(seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(3, 4, 5, 2)).astype("float32").view("complex64")[..., 0]
    images[rng.random(images.shape) < 0.1] = complex(0, np.nan)
    product = images[0].astype(complex) * images[1] * images[2].conj()
    expected = np.where(np.isnan(product), np.nan, np.angle(product)).astype(np.float32)
    np.testing.assert_array_max_ulp(np.nan_to_num(closure(*images)), np.nan_to_num(expected), maxulp=1)
    np.testing.assert_array_equal(np.isnan(closure(*images)), np.isnan(expected))
