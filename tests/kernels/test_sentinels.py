import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from insarflow.kernels.sentinels import translate

NUMBERS = st.sampled_from([0.0, -0.0, 1.5, -9999.0, 255.0, np.nan, np.inf, -np.inf, 3e38])


@given(
    arrays(np.float32, st.integers(0, 40), elements=NUMBERS),
    st.sets(st.sampled_from([0.0, -9999.0, 255.0, np.inf, 1e300]), max_size=3),
    st.sampled_from([(1.0, 0.0), (0.5, 0.0), (10.0, 2.0)]),
    st.sampled_from([(-np.inf, np.inf), (0.0, 1.5), (-1e4, 1e4)]),
)
def test_against_numpy(raw, sentinels, linear, limits):
    with np.errstate(over="ignore", invalid="ignore"):
        expected = raw * np.float32(linear[0]) + np.float32(linear[1])
        for sentinel in sentinels:
            expected[raw == np.float32(sentinel)] = np.nan
    expected[~np.isfinite(expected)] = np.nan
    values, beyond = translate(raw, sentinels, *linear, limits)
    np.testing.assert_array_equal(values, expected)
    assert beyond == np.sum((expected < limits[0]) | (expected > limits[1]))
    assert np.shares_memory(values, raw) == (raw.size > 0)


def test_any_layout():
    raw = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = np.where(raw.T == 5, np.nan, raw.T)
    np.testing.assert_array_equal(translate(raw.T, [5], limits=(1, 10))[0], expected)
    assert translate(raw.T, [5], limits=(1, 10))[1] == 2
    assert np.isnan(translate(np.full((2, 2), 7, np.float32), [7])[0]).all()
    with pytest.raises(ValueError, match=r"^too many values"):
        translate(raw, [1, 2, 3, 4])
