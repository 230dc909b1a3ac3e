"""Trend of pairs that share acquisitions: equal to dense matrices, and calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.inventory.trend import _SHARES, _TOTALS, misfit, network_of, trend

DAY = np.timedelta64(24, "h").astype("timedelta64[ns]")


def network(n, delays=(6, 12, 18), step=6):
    pairs = sorted((k, k + d) for k in range(0, step * n, step) for d in delays if k + d < step * n)
    begin, end = np.array(pairs).T
    return network_of(np.datetime64("2021-01-03", "ns") + begin * DAY, (end - begin) * DAY)


def dense(phase, variance, net, expected):
    """One slope, with full matrices."""
    used = np.isfinite(variance)
    phase, days = phase[used], net.days[used]
    places = np.zeros((used.sum(), len(net.times)))
    places[np.arange(used.sum()), net.secondary[used]] = 1
    places[np.arange(used.sum()), net.reference[used]] = -1
    wander = np.minimum.outer(net.times, net.times)
    span = net.times[-1]
    told = []
    for total, likely in _TOTALS:
        for air, motion, alone, likelier in _SHARES:
            scatter = (total * expected) ** 2
            moved = motion * scatter / net.days.min() * wander
            v = places @ (0.5 * air * scatter * np.eye(len(net.times)) + moved) @ places.T
            v += np.diag(variance[used] + alone * scatter)
            inverse = np.linalg.inv(v)
            information = days @ inverse @ days
            rate = days @ inverse @ phase / information
            rest = phase - rate * days
            toward = moved[-1] @ places.T / span
            mean = rate + toward @ inverse @ rest
            error = motion * scatter / net.days.min() / span - toward @ inverse @ toward
            error += (1 - toward @ inverse @ days) ** 2 / information
            log = np.linalg.slogdet(v)[1] + np.log(information) + rest @ inverse @ rest
            told.append((np.log(likely * likelier) - 0.5 * log, mean, error))
    weight, mean, error = np.array(told).T
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    return weight @ mean, weight @ (error + (mean - weight @ mean) ** 2)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 9), delays=st.sampled_from([(6,), (6, 12, 18), (12, 18), (18,)]))
def test_equals_dense_matrices(seed, n, delays):
    rng = np.random.default_rng(seed)
    net = network(n + 3, delays)
    shape = (len(net.days), 3)
    phase = rng.normal(0, 1, shape) + 0.1 * net.days[:, None]
    variance = np.where(rng.uniform(size=shape) < 0.3, np.inf, rng.uniform(0.01, 0.3, shape))
    variance[0] = 0.05
    rate, error = trend(phase, variance, net, 0.5)
    for i in range(3):
        np.testing.assert_allclose((rate[i], error[i]), dense(phase[:, i], variance[:, i], net, 0.5), rtol=1e-6)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), more=st.floats(-0.3, 0.3))
def test_a_faster_slope_is_faster_by_as_much_and_no_less_sure(seed, more):
    rng = np.random.default_rng(seed)
    net = network(8)
    phase = rng.normal(0, 0.5, (len(net.days), 2))
    variance = np.full(phase.shape, 0.04)
    rate, error = trend(phase, variance, net, 0.5)
    faster, same = trend(phase + more * net.days[:, None], variance, net, 0.5)
    np.testing.assert_allclose(faster, rate + more, atol=1e-8)
    np.testing.assert_allclose(same, error, rtol=1e-6)


def test_neither_other_slopes_nor_unused_pairs_matter():
    rng = np.random.default_rng(0)
    net = network(7)
    phase = rng.normal(0, 1, (len(net.days), 600))
    variance = np.where(rng.uniform(size=phase.shape) < 0.2, np.inf, 0.05)
    rate, error = trend(phase, variance, net, 0.5)
    other = np.where(np.isinf(variance), 99.0, phase)
    few, few_error = trend(other[:, 510:520], variance[:, 510:520], net, 0.5)
    np.testing.assert_allclose(few, rate[510:520], rtol=1e-9)
    np.testing.assert_allclose(few_error, error[510:520], rtol=1e-9)


def test_without_a_pair_nothing_is_known_and_one_pair_falls_back_on_what_is_expected():
    net = network(5)
    phase, variance = np.zeros((len(net.days), 2)), np.full((len(net.days), 2), np.inf)
    first = np.flatnonzero(net.days == 6)[0]
    phase[first, 1], variance[first, 1] = 0.6, 0.01
    rate, error = trend(phase, variance, net, 0.5)
    assert np.isnan(rate[0])
    assert np.isnan(error[0])
    # Beyond the pair's own days the slope may have been unsteady: that widens the error a little.
    assert rate[1] == pytest.approx(0.1, rel=0.02)
    assert 0.45 < 6 * np.sqrt(error[1]) < 0.7
    assert np.isnan(misfit(phase, variance, net, 1.5)[:, 0]).all()


def simulated(net, n, rng, air, noise):
    places = rng.normal(0, air, (len(net.times), n))
    return places[net.secondary] - places[net.reference] + rng.normal(0, noise, (len(net.days), n))


@pytest.mark.parametrize(("air", "noise"), [(0.15, 0.05), (0.35, 0.1)])
@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_errors_are_as_large_as_stated_and_smaller_than_those_of_a_mean(air, noise, kept):
    rng = np.random.default_rng(3)
    net = network(16)
    phase = simulated(net, 300, rng, air, noise)
    variance = np.where(rng.uniform(size=phase.shape) < kept, noise**2, np.inf)
    rate, error = trend(phase, variance, net, 0.5)
    assert 0.6 < np.mean(rate**2 / error) < 1.4
    assert np.mean(rate**2 > 4 * error) < 0.1
    used = np.isfinite(variance)
    mean = np.sum(phase * used, axis=0) / np.sum(net.days[:, None] * used, axis=0)
    assert np.mean(rate**2) < (0.4 if kept < 1 else 0.95) * np.mean(mean**2)


def test_pairs_are_not_taken_for_independent():
    # As if independent, the squared errors of a chain would be 0.1 of what is stated, those of a star several times it.
    rng = np.random.default_rng(4)
    star = network_of(np.full(6, np.datetime64("2021-01-03", "ns")), np.arange(6, 42, 6) * DAY)
    for net in (network(20, (6,)), star):
        phase = simulated(net, 300, rng, 0.35, 0.05)
        rate, error = trend(phase, np.full(phase.shape, 0.05**2), net, 0.5)
        naive = 2 * 0.35**2 / np.sum(net.days**2)
        assert not 0.25 < np.mean(rate**2) / naive < 1.5
        assert 0.25 < np.mean(rate**2 / error) < 1.5


def test_misfit_finds_the_pair_that_does_not_close_whatever_the_slope_does():
    rng = np.random.default_rng(5)
    net = network(10)
    places = np.cumsum(rng.normal(0, 1.5, (len(net.times), 200)), axis=0)
    phase = places[net.secondary] - places[net.reference] + rng.normal(0, 0.05, (len(net.days), 200))
    bad = 11
    phase[bad] += 2 * np.pi
    found = np.abs(misfit(phase, np.full(phase.shape, 0.01), net, 5.0))
    assert (found.argmax(axis=0) == bad).all()
    # A pair that is not used is told by how much it is off.
    variance = np.full(phase.shape, 0.01)
    variance[bad] = np.inf
    np.testing.assert_allclose(misfit(phase, variance, net, 5.0)[bad], 2 * np.pi, atol=0.5)
