import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from insarflow.kernels.stacking import stacking_rate

METHODS = ("least-squares", "sum", "mean")


def network(rng, dates=9, longest=3):
    """Pairs of up to `longest` steps, and the years of the dates."""
    pairs = np.array([p for p in itertools.combinations(range(dates), 2) if p[1] - p[0] <= longest])
    years = np.cumsum(rng.choice([6, 12], dates)) / 365.25
    return pairs, years - years[0]


def oracle(phase, weight, pairs, years, method, noise):
    """One pixel, by matrices."""
    used = np.isfinite(phase) & (weight > 0)
    count = int(used.sum())
    if not count:
        return np.nan, np.nan, 0
    p, w, b = phase[used].astype(float), weight[used].astype(float), np.zeros((count, len(years)))
    b[np.arange(count), pairs[used, 0]], b[np.arange(count), pairs[used, 1]] = -1, 1
    t = b @ years
    a = {"least-squares": w * t, "sum": w, "mean": w / t}[method]
    c = a / (a @ t)
    rate, left = c @ p, np.eye(count) - np.outer(t, c)
    if noise is None and count < 2:
        return rate, np.nan, count
    own = noise**2 if noise is not None else ((left @ p) ** 2).sum() / np.trace(left @ b @ b.T @ left.T)
    return rate, np.sqrt(own * (c @ b @ b.T @ c)), count


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.sampled_from(METHODS), st.sampled_from([None, 0.3]), st.booleans())
def test_against_matrices(seed, method, noise, weighted):
    rng = np.random.default_rng(seed)
    pairs, years = network(rng)
    phase = rng.normal(0, 3, (len(pairs), 3, 4)).astype(np.float32)
    phase[rng.uniform(size=phase.shape) < 0.4] = np.nan
    phase[:, 0, 0] = np.nan
    phase[1:, 0, 1], phase[0, 0, 1] = np.nan, 2.0
    weight = rng.uniform(-0.2, 1, phase.shape).astype(np.float32)
    weight[rng.uniform(size=phase.shape) < 0.1] = np.nan
    weight[0, 0, 1] = 0.5
    given_ = (weight,) if weighted else ()
    found = stacking_rate(phase, *given_, pairs=pairs, years=years, method=method, noise=noise)
    for i, j in np.ndindex(3, 4):
        own = weight[:, i, j] if weighted else np.ones(len(pairs))
        expected = oracle(phase[:, i, j], own, pairs, years, method, noise)
        np.testing.assert_allclose([v[i, j] for v in found], expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_as_large_as_stated(method, weighted):
    """With the noise of a date known, squares of error by stated error make chi square; its estimate is unbiased."""
    rng = np.random.default_rng(11)
    pairs, years = network(rng, dates=14)
    truth = rng.normal(0, 5, (40, 40))
    seen = years[:, None, None] * truth + 0.6 * rng.normal(size=(14, 40, 40))
    phase = (seen[pairs[:, 1]] - seen[pairs[:, 0]]).astype(np.float32)
    weight = (rng.uniform(0.1, 1, phase.shape).astype(np.float32),) if weighted else ()
    low, high = chi2.ppf([1e-5, 1 - 1e-5], truth.size) / truth.size
    rate, error, _ = stacking_rate(phase, *weight, pairs=pairs, years=years, method=method, noise=0.6)
    assert low < np.mean(((rate - truth) / error) ** 2) < high
    _, estimated, _ = stacking_rate(phase, *weight, pairs=pairs, years=years, method=method)
    assert np.mean(estimated**2) == pytest.approx(np.mean(error**2), rel=0.05)


def test_steady_motion_is_found_by_all_methods():
    rng = np.random.default_rng(0)
    pairs, years = network(rng)
    truth = rng.normal(0, 5, (5, 6))
    phase = ((years[pairs[:, 1]] - years[pairs[:, 0]])[:, None, None] * truth).astype(np.float32)
    for method in METHODS:
        rate, error, count = stacking_rate(phase, pairs=pairs, years=years, method=method)
        np.testing.assert_allclose(rate, truth, rtol=1e-5)
        assert error.max() < 1e-4
        assert (count == len(pairs)).all()
