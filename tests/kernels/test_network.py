import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels import envelope, network
from insarflow.kernels.unwrapping_errors import adjacency, blame, count_open


@st.composite
def networks(draw, most=9):
    """Dates and some of their pairs, in any order; not always connected."""
    dates = draw(st.integers(2, most))
    everything = list(itertools.combinations(range(dates), 2))
    chosen = draw(st.lists(st.sampled_from(everything), min_size=1, max_size=len(everything), unique=True))
    return np.array(chosen, np.int64), dates


def brute_components(pairs, dates):
    """Whom a walk from each date reaches."""
    reach = np.eye(dates, dtype=bool)
    reach[tuple(pairs.T)] = True
    reach |= reach.T
    for _ in range(dates):
        reach = reach @ reach
    return reach


@given(networks())
def test_components(drawn):
    pairs, dates = drawn
    labels = network.components(pairs, dates)
    np.testing.assert_array_equal(labels[:, None] == labels, brute_components(pairs, dates))
    firsts = [np.flatnonzero(labels == k)[0] for k in range(labels.max() + 1)]
    assert firsts == sorted(firsts)


@given(networks())
def test_triplets(drawn):
    pairs, dates = drawn
    there = [tuple(p) for p in pairs.tolist()]
    expected = {
        (there.index((a, b)), there.index((b, c)), there.index((a, c)))
        for a, b, c in itertools.combinations(range(dates), 3)
        if {(a, b), (b, c), (a, c)} <= set(there)
    }
    found = network.triplets(pairs)
    assert len(found) == len(expected)
    assert set(map(tuple, found.tolist())) == expected
    closed = network.incidence(pairs, dates)[found]
    np.testing.assert_array_equal(closed[:, 0] + closed[:, 1] - closed[:, 2], 0)


@given(networks(), st.integers(0, 99))
def test_values_of_dates_from_their_differences(drawn, seed):
    pairs, dates = drawn
    differences = np.random.default_rng(seed).normal(size=len(pairs))
    matrix, labels = network.incidence(pairs, dates), network.components(pairs, dates)
    found = network.date_values(pairs, differences, dates)
    expected = np.linalg.lstsq(matrix, differences, rcond=None)[0]
    for k in range(labels.max() + 1):
        inside = labels == k
        np.testing.assert_allclose(found[inside], expected[inside] - expected[inside][0], atol=1e-9)


@given(networks(), st.integers(0, 99))
def test_envelope_cholesky(drawn, seed):
    pairs, dates = drawn
    rng = np.random.default_rng(seed)
    matrix = network.incidence(pairs, dates)
    normal = matrix.T @ np.diag(rng.uniform(0.1, 10, len(pairs))) @ matrix + 0.1 * np.eye(dates)
    first = network.envelope(pairs, dates)
    assert all((np.flatnonzero(row[: k + 1])[0] == first[k]) for k, row in enumerate(normal))
    last = np.array([np.flatnonzero(first <= k).max() for k in range(dates)])
    factor, inverse, vector = np.tril(normal), np.zeros_like(normal), rng.normal(size=dates)
    envelope.factorise(factor, first)
    lower = np.tril(factor, -1) + np.diag(1 / np.diag(factor))
    np.testing.assert_allclose(lower @ lower.T, normal, atol=1e-9)
    solution = vector.copy()
    envelope.solve(factor, first, solution)
    np.testing.assert_allclose(normal @ solution, vector, atol=1e-8)
    envelope.invert(factor, first, last, inverse)
    inside = np.tril(np.arange(dates) >= first[:, None])
    np.testing.assert_allclose(inverse[inside], np.linalg.inv(normal)[inside], atol=1e-8)


def flags_of(cycles_of_pairs, pairs, missing=()):
    phase = 0.3 * np.random.default_rng(0).normal(size=8)
    values = phase[pairs[:, 1]] - phase[pairs[:, 0]] + 2 * np.pi * np.asarray(cycles_of_pairs)
    triplets = network.triplets(pairs)
    cycles, used = np.zeros(len(triplets), np.int64), np.ones(len(pairs), bool)
    used[list(missing)] = False
    flagged = np.zeros(len(pairs), bool)
    count = count_open(values, used, triplets, cycles)
    blame(cycles, used, triplets, *adjacency(triplets, len(pairs)), flagged)
    return count, np.flatnonzero(flagged).tolist()


THREE = np.array([(a, b) for a, b in itertools.combinations(range(8), 2) if b - a <= 3])


def test_one_wrong_pair_is_blamed_alone():
    for cycle in (-2, -1, 1):
        for wrong, (a, b) in enumerate(THREE.tolist()):
            errors = np.zeros(len(THREE))
            errors[wrong] = cycle
            around = (network.triplets(THREE) == wrong).any(axis=1).sum()
            count, flagged = flags_of(errors, THREE)
            assert count == around
            if around > 1:
                assert flagged == [wrong], (a, b)


def test_two_wrong_pairs_far_apart():
    errors = np.zeros(len(THREE))
    first, second = THREE.tolist().index([0, 2]), THREE.tolist().index([5, 6])
    errors[[first, second]] = 1, -1
    assert flags_of(errors, THREE)[1] == [first, second]


def test_one_triplet_alone_cannot_tell():
    triangle = np.array([(0, 1), (1, 2), (0, 2), (2, 3)])
    assert flags_of([0, 1, 0, 0], triangle) == (1, [0, 1, 2])
    assert flags_of([0, 1, 0, 1], triangle, missing=[2]) == (0, [])


@given(networks(8), st.integers(0, 2**16))
def test_whatever_does_not_close_has_a_flag(drawn, seed):
    pairs, _ = drawn
    errors = np.random.default_rng(seed).choice([0, 0, 0, 1, -1, 2], len(pairs))
    count, flagged = flags_of(errors, pairs)
    for triplet in network.triplets(pairs):
        if errors[triplet] @ [1, 1, -1]:
            assert set(triplet.tolist()) & set(flagged)
    assert (count == 0) == (not flagged)
