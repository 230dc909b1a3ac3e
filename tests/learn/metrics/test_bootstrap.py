import numpy as np
import pytest

from insarflow.learn.metrics import bootstrap


def ratio(sums):
    return sums[0] / sums[1] if sums[1] else float("nan")


def test_interval_equals_drawing_scenes_one_by_one():
    rng = np.random.default_rng(0)
    counts = np.stack([rng.integers(0, 9, 30), np.full(30, 9)], axis=1)
    found = bootstrap(counts, ratio, seed=3, n=4000)
    drawn = [ratio(counts[rng.integers(0, 30, 30)].sum(axis=0)) for _ in range(4000)]
    assert found.value == counts[:, 0].sum() / counts[:, 1].sum()
    np.testing.assert_allclose([found.low, found.high], np.quantile(drawn, [0.025, 0.975]), atol=0.01)
    assert 0.1 < found.high - found.low < 0.4


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        chance = rng.beta(6, 4, 40)  # each scene has its own
        counts = np.stack([rng.binomial(20, chance), np.full(40, 20)], axis=1)
        interval = bootstrap(counts, ratio, seed=0, n=200, level=0.9)
        inside += interval.low <= 0.6 <= interval.high
    assert 0.8 <= inside / 200 <= 0.97


def test_the_same_seed_gives_the_same_interval():
    counts = np.arange(24).reshape(6, 2, 2)
    one, again, other = (bootstrap(counts, lambda s: s[0] / s[1], seed=seed, n=70) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.low, again.low)
    assert one.value.shape == one.high.shape == (2,)
    assert one.part(1).low == one.low[1]
    assert not np.array_equal(one.low, other.low)


def test_where_a_score_is_not_defined_it_is_left_out():
    counts = np.array([[1, 2], [0, 0]])
    interval = bootstrap(counts, ratio, seed=0, n=50)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.5, 0.5)
    assert np.isnan(bootstrap(np.zeros((3, 2)), ratio, seed=0, n=5).low)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"counts": np.ones((1, 2))},
            r"^counts must be of at least two scenes, .*\(1, 2\): give each update its scene$",
        ),
        ({"n": 0}, r"^n must be at least 1, instead got n=0$"),
        ({"level": 1.0}, r"^level must be between 0 and 1, both excluded, instead got level=1\.0$"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(**({"counts": np.ones((3, 2)), "statistic": ratio, "seed": 0} | change))
