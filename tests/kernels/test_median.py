import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.median import DIGITS, circular_median, count_angles, count_digits, median_of, next_digit


def by_digits(values, mask=None):
    known = np.zeros(4, np.int64)
    for digit in range(DIGITS):
        known = next_digit(count_digits(values, mask, known, digit), known, digit)
    return median_of(known)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=False), min_size=1, max_size=40))
def test_median_is_numpys(numbers):
    values = np.array(numbers, np.float32).reshape(1, -1)
    known = values[~np.isnan(values)].astype(np.float64)
    if not known.size:
        assert np.isnan(by_digits(values))
        return
    middle = np.sort(known)[[(known.size - 1) // 2, known.size // 2]]
    with np.errstate(over="ignore"):
        np.testing.assert_equal(np.float32(by_digits(values)), middle.astype(np.float32).mean())


@pytest.mark.parametrize("seed", range(4))
def test_no_angle_is_nearer_to_all(seed):
    rng = np.random.default_rng(seed)
    phase = rng.normal(rng.uniform(-4, 4), rng.choice([0.3, 1.0, 2.5]), (9, 7 + seed % 2))
    z = (rng.uniform(0.5, 9, phase.shape) * np.exp(1j * phase)).astype(np.complex64)
    z[0, :3] = np.nan, 0, complex(1, np.nan)
    mask = rng.uniform(size=z.shape) < 0.8
    counts = count_angles(z, mask)
    there = mask & np.isfinite(z) & (z != 0)
    assert counts.sum() == there.sum()
    directions = np.angle(z[there])

    def cost(angle):
        return np.abs(np.angle(np.exp(1j * (directions[:, None] - angle)))).sum(axis=0)

    # The minimum lies at one of the directions.
    assert cost(np.array([circular_median(counts)]))[0] <= cost(directions).min() + 4e-4 * directions.size


def test_medians_of_nothing_and_of_one():
    assert np.isnan(circular_median(count_angles(np.full((2, 2), np.nan, np.complex64), None)))
    for angle in (-3.1, 0.0, 1.0, 3.1415):
        z = np.full((2, 2), np.exp(1j * angle), np.complex64)
        assert circular_median(count_angles(z, None)) == pytest.approx(angle, abs=4e-4)
    assert np.isnan(by_digits(np.zeros((2, 2), np.float32), np.zeros((2, 2), bool)))
