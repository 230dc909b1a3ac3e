import numpy as np
import pytest

from insarflow.kernels.bridge import CHAIN, LEVELS, NOTHING, SPAN, START, blends, complex_normal, draw_walk, walk
from insarflow.kernels.elementary import RUN, workspace
from insarflow.kernels.noise import stream_key


def mixed(rho):
    """Shares of neighbours and of new noise by level, for one correlation of neighbouring steps."""
    share, fresh, active = np.zeros((START + 1, 1), np.float32), np.ones((START + 1, 1), np.float32), np.ones(9, bool)
    blends(np.array([rho], np.float32), share, fresh, active)
    return share[:, 0].astype(float), fresh[:, 0].astype(float), active


def covariance(steps, rho):
    """Covariance of the walk's values from the weights of the random numbers in each: no sampling."""
    nodes, slots = walk(steps)
    share, fresh, active = mixed(rho)
    weights = np.zeros((len(nodes) + 1, len(nodes)))
    for node, (_, left, right, level) in enumerate(nodes):
        if active[level]:
            weights[node + 1] = share[level] * (weights[left] + weights[right])
        weights[node + 1, node] += fresh[level] if active[level] else 1.0
    return weights[slots] @ weights[slots].T


@pytest.mark.parametrize("decay_steps", [0.3, 3.0, 25.0, 400.0, 1e5])
def test_covariance_is_that_of_the_process(decay_steps):
    steps = [*range(40), 100, 127, 128, 129, 190, 255, 256, 300, 517]
    expected = np.exp(-np.abs(np.subtract.outer(steps, steps)) / decay_steps)
    np.testing.assert_allclose(covariance(steps, np.exp(-1 / decay_steps)), expected, atol=2e-4)


def test_a_walk_that_never_forgets_and_one_that_forgets_at_once():
    np.testing.assert_allclose(covariance([0, 5, 200], 1.0), np.ones((3, 3)))
    np.testing.assert_allclose(covariance([0, 1, 200], 0.0), np.eye(3))


def test_bridge_is_the_conditional_distribution():
    rho = 0.9
    share, fresh, _ = mixed(rho)
    for level in range(LEVELS):
        half = rho ** (2**level)
        ends = np.array([[1, half**2], [half**2, 1]])
        best = np.linalg.solve(ends, [half, half])
        np.testing.assert_allclose([share[level]] * 2, best, atol=1e-4)
        assert fresh[level] ** 2 == pytest.approx(1 - best @ [half, half], abs=1e-4)
    assert share[CHAIN] == pytest.approx(rho**SPAN, abs=1e-4)
    assert fresh[CHAIN] == pytest.approx(np.sqrt(1 - rho ** (2 * SPAN)), abs=1e-4)


def test_nodes_come_after_what_they_need_and_each_once():
    steps = [300, 3, 3, 0, 77, 128]
    nodes, slots = walk(steps)
    np.testing.assert_array_equal(nodes[slots - 1, 0], steps)
    assert len(set(nodes[:, 0])) == len(nodes)
    for node, (step, left, right, level) in enumerate(nodes):
        assert max(left, right) <= node
        if level < CHAIN:
            assert nodes[left - 1, 0] == step - 2**level
            assert nodes[right - 1, 0] == step + 2**level
        elif step:
            assert (nodes[left - 1, 0], right) == (step - SPAN, NOTHING)
        else:
            assert (left, right, level) == (NOTHING, NOTHING, START)


def test_a_pair_needs_few_draws_and_a_season_about_one_each():
    assert all(len(walk([i, i + 1])[0]) <= LEVELS + 2 for i in range(SPAN - 1))
    assert len(walk(range(20))[0]) <= 25
    assert len(walk([200 * SPAN])[0]) == 201
    assert walk([])[0].shape == (0, 4)


def draw(steps, rho, size=RUN, seed=0):
    nodes, slots = walk(steps)
    share, fresh, active = np.empty((9, size), np.float32), np.empty((9, size), np.float32), np.empty(9, bool)
    blends(np.full(size, rho, np.float32), share, fresh, active)
    keys = np.array([stream_key(seed, int(step)) for step in nodes[:, 0]])
    needed, value = np.isin(np.arange(len(nodes) + 1), slots), np.full((len(nodes) + 1, 2, size), np.nan, np.float32)
    value[0] = 0
    draw_walk(nodes, keys, np.uint64(0), needed, share, fresh, active, *workspace(), value, size)
    return value, slots, needed


def test_what_has_been_forgotten_is_not_drawn():
    value, slots, needed = draw([3, 4], 0.01)
    assert 2 < needed.sum() < 8
    assert np.isnan(value[~needed][1:]).all()
    assert np.isfinite(value[slots]).all()


def test_the_bits_of_a_step_do_not_depend_on_the_others_drawn():
    for rho in (0.01, 0.7, 0.99):
        together, slots, _ = draw([3, 4, 130, 9], rho)
        for step, slot in zip([3, 4, 130, 9], slots, strict=True):
            alone, own, _ = draw([step], rho)
            np.testing.assert_array_equal(alone[own[0]], together[slot])


def normal(key, first=0, runs=400):
    numbers, space = np.empty((runs, 2, RUN), np.float32), workspace()
    for k in range(runs):
        complex_normal(key, np.uint64((first + k * RUN) % 2**64), *space, *numbers[k])
    return (numbers[:, 0] + 1j * numbers[:, 1]).ravel()


def test_complex_numbers_are_gaussian_to_their_tails():
    z = normal(stream_key(3, 1), runs=4000)
    power, count = np.abs(z.astype(complex)) ** 2, z.size
    assert power.mean() == pytest.approx(1, abs=5 / np.sqrt(count))
    assert (power**2).mean() == pytest.approx(2, abs=5 * np.sqrt(20 / count))
    assert abs((z**2).mean()) < 5 * np.sqrt(2 / count)
    for level in (0.01, 1.0, 5.0, 10.0, 12.5):
        expected = count * np.exp(-level)
        assert np.sum(power > level) == pytest.approx(expected, abs=5 * np.sqrt(expected) + 1)
    angles = np.histogram(np.angle(z), 64, (-np.pi, np.pi))[0]
    assert np.abs(angles - count / 64).max() < 5 * np.sqrt(count / 64)


def test_complex_numbers_of_neighbouring_rows_and_keys_are_independent():
    z = normal(stream_key(3, 1))
    others = normal(stream_key(3, 2)), normal(stream_key(4, 1)), normal(stream_key(3, 1), 2**32), np.roll(z, 1)
    for other in (*others, normal(stream_key(3, 1), -(2**32))):
        for a, b in ((z, other), (z, other.conj()), (np.abs(z) ** 2 - 1, np.abs(other) ** 2 - 1)):
            assert abs(np.mean(a * np.conj(b))) < 5 * np.sqrt(2 / z.size)
