import numpy as np
import pytest
import xarray as xr

from insarflow.inventory import summarise
from insarflow.learn.metrics import LocationScores, season, target_of
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN

DELAYS = np.array([6, 12, 6, 18, 12])


def draw(seed=0):
    rng = np.random.default_rng(seed)
    target = rng.choice([0, 1, 2, 3], (5, 8, 9), p=[0.4, 0.2, 0.1, 0.3]).astype(np.uint8)
    probability = rng.random((5, 8, 9)).astype(np.float32)
    probability[target == MISSING] = np.nan
    return probability, target


def test_the_season_is_what_an_inventory_is_made_of():
    probability, target = draw()
    cells = np.full((2, 3, 8, 9), np.nan, np.float32)
    for pair, delay in enumerate(DELAYS):
        cells[np.sum(DELAYS[:pair] == delay), delay // 6 - 1] = probability[pair]
    expected = summarise(xr.Dataset({"probability": (("date", "delay", "y", "x"), cells)}), threshold=0.5)
    highest, truth = season(probability, target, DELAYS)
    np.testing.assert_allclose(highest, expected["probability"].values, atol=1e-6)
    for i, j in np.ndindex(truth.shape):
        states = set(target[:, i, j].tolist())
        wanted = MOVING if MOVING in states else OPEN if OPEN in states else ABSENT if ABSENT in states else MISSING
        assert truth[i, j] == wanted


def test_what_the_network_says_of_missing_pixels_does_not_matter():
    probability, target = draw(1)
    filled = np.where(target == MISSING, np.float32(0.7), probability)
    np.testing.assert_array_equal(season(filled, target, DELAYS)[0], season(probability, target, DELAYS)[0])


def place():
    """Three movers and empty ground in four pairs; the second is never visible, the third in the last pair only."""
    label = np.zeros((60, 80), np.int32)
    for number in range(3):
        label[5:17, 5 + 20 * number : 17 + 20 * number] = number + 1
    states = [[MOVING, OPEN, ABSENT]] * 3 + [[MOVING, OPEN, MOVING]]
    return label, np.stack([target_of(label, np.array(state)) for state in states]), np.array([6, 6, 6, 18])


def scores_of(probability, target, delay, label, **rules):
    scores = LocationScores(**rules)
    scores.update(probability, target, delay, 0.5, label=label)
    return {name: tuple(list(one.values())[:3]) for name, one in scores.scores().items()}


def test_found_in_a_pair_or_over_the_season():
    label, target, delay = place()
    probability = np.zeros(target.shape, np.float32)
    probability[0][label == 1] = 0.9  # in one of three: the mean is 0.3
    probability[3][label == 3] = 0.9
    assert scores_of(probability, target, delay, label) == {"season": (1, 1, 0), "persistent": (2, 0, 0)}
    assert scores_of(probability, target, delay, label, persistence=2)["persistent"] == (0, 2, 0)
    probability[1][label == 1] = 0.9
    assert scores_of(probability, target, delay, label, persistence=2)["persistent"] == (1, 1, 0)


def test_false_locations():
    label, target, delay = place()
    probability = np.zeros(target.shape, np.float32)
    probability[0, 30:45, 5:20] = 0.9  # ground, once
    probability[1, 32:47, 7:22] = 0.9  # the same place
    probability[2, 30:45, 50:65] = 0.9
    probability[2][label == 2] = 0.9  # never visible
    probability[2][label == 3] = 0.9  # at rest in this pair, but no false location
    # Over the season, only what two of three pairs agree on reaches 0.5.
    assert scores_of(probability, target, delay, label) == {"season": (0, 2, 1), "persistent": (0, 2, 2)}
    assert scores_of(probability, target, delay, label, persistence=2)["persistent"] == (0, 2, 1)
    assert scores_of(probability, target, delay, label, persistence=3)["persistent"] == (0, 2, 0)


def test_with_a_peak_some_pair_must_be_sure():
    label, target, delay = place()
    probability = np.zeros(target.shape, np.float32)
    probability[:3, label == 1] = 0.6
    probability[3][label == 3] = 0.6
    probability[3, 5, 45] = 0.9
    probability[:, 40:55, 40:55] = 0.6
    for peak, season_found, persistent in ((None, (2, 0, 1), (2, 0, 1)), (0.8, (1, 1, 0), (1, 1, 0))):
        scores = LocationScores()
        scores.update(probability, target, delay, 0.5, peak=peak, label=label)
        found = {name: tuple(list(one.values())[:3]) for name, one in scores.scores().items()}
        assert found == {"season": season_found, "persistent": persistent}


def test_without_numbers_movers_are_components_over_all_pairs():
    label, target, delay = place()
    probability = np.where(label > 0, np.float32(0.9), np.float32(0)) * np.ones((4, 1, 1), np.float32)
    numbered, bare = (scores_of(probability, target, delay, one) for one in (label, None))
    assert numbered == bare == {"season": (2, 0, 0), "persistent": (2, 0, 0)}


def test_merged_scores_are_those_of_one_process():
    label, target, delay = place()
    rng = np.random.default_rng(0)
    whole, parts = LocationScores(persistence=2), [LocationScores(persistence=2) for _ in range(2)]
    for number in range(6):
        probability = rng.random((4, 1, 1)).astype(np.float32) * (label > 0)
        probability[:, 30:50, 30:50] = rng.random()
        for scores in (whole, parts[number % 2]):
            scores.update(probability, target, delay, 0.5, label=label, scene=number, strata={"pixel_size": 20},
                          mover_strata={"class": ["a", "b", "c"]})  # fmt: skip
    merged = LocationScores.from_state(parts[1].state())
    merged.merge(parts[0])
    for key, array in whole.state().items():
        np.testing.assert_array_equal(merged.state()[key], array)
    assert whole.persistent.strata() == [("class", "a"), ("class", "c"), ("pixel_size", "20")]
    assert 0 < whole.scores()["season"]["found"] < 12
    with pytest.raises(ValueError, match=r"^other must have persistence=2, instead got persistence=1$"):
        merged.merge(LocationScores())


def test_bad_input():
    probability, target = draw()
    for p, t, delay in ((probability[0], target[0], DELAYS), (probability, target, DELAYS[:2])):
        with pytest.raises(
            ValueError, match=r"^probability must be \(pair, y, x\) of at least one pair, with one delay"
        ):
            season(p, t, delay)
    with pytest.raises(ValueError, match=r"^persistence must be at least 1 pair, instead got persistence=0$"):
        LocationScores(persistence=0)
