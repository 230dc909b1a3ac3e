import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from insarflow.learn.metrics import ObjectScores, match, phase_classes, target_of
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN

STATES = (ABSENT, MOVING, OPEN, MISSING)


def flood(mask):
    """Components of 4-neighbours as sets of pixels, by walking."""
    left, out = {tuple(at) for at in np.argwhere(mask).tolist()}, []
    while left:
        part, new = set(), {min(left)}
        while new:
            part |= new
            new = {(i + a, j + b) for i, j in new for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))} & left - part
        left -= part
        out.append(part)
    return out


def by_hand(probability, target, threshold, label, smallest, same, sure):
    """Found, missed and false by trying every way to pair sets of pixels; of equally good ways all."""
    at = {state: {tuple(p) for p in np.argwhere(target == state).tolist()} for state in STATES}
    if label is None:
        movers = flood(target == MOVING)
    else:
        movers = [{p for p in at[MOVING] if label[p] == n} for n in range(1, label.max() + 1)]
    counted = [mover for mover in movers if len(mover) >= smallest]
    hidden = at[OPEN] | set().union(*(mover for mover in movers if len(mover) < smallest))
    with np.errstate(invalid="ignore"):
        said = [part - at[MISSING] for part in flood(probability >= threshold)]
    said = [part for part in said if len(part) >= smallest and any(sure[at] for at in part)]
    iou = np.array([[len(m & s) / max(len((m | s) - hidden), 1) for s in said] for m in counted])
    ways = {}
    for way in set(itertools.permutations([*range(len(said)), *[None] * len(counted)], len(counted))):
        pairs = [(i, j) for i, j in enumerate(way) if j is not None and iou[i, j] >= same]
        taken = {j for _, j in pairs}
        false = sum(j not in taken and len(s & hidden) < same * len(s) for j, s in enumerate(said))
        value = len(pairs), round(sum(iou[i, j] for i, j in pairs), 9)
        ways.setdefault(value, set()).add((len(pairs), len(counted) - len(pairs), false))
    return ways[max(ways)]


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(
    data=st.data(),
    smallest=st.integers(1, 3),
    same=st.sampled_from([0.1, 0.3, 0.5]),
    numbered=st.booleans(),
    peak=st.sampled_from([0.5, 0.75]),
)
def test_matching_equals_trying_every_way(data, smallest, same, numbered, peak):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    target = data.draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 1, 1, 1, 2, 3])))
    probability = data.draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([0.25, 0.5, 0.75])))
    label = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(1, 3))) if numbered else None
    assume(len(flood(target == MOVING)) <= 3 and len(flood(probability >= 0.5)) <= 4)
    sure = probability >= peak
    right = by_hand(probability, target, 0.5, label, smallest, same, sure)
    for turn in (np.asarray, np.flipud, np.fliplr, np.transpose):
        turned = None if label is None else turn(label)
        m = match(turn(probability), turn(target), 0.5, label=turned, sure=turn(sure), smallest=smallest, same=same)
        assert (len(m.found), len(m.missed), len(m.false)) in right


def scene(shape=(60, 90)):
    return np.zeros(shape, np.float32), np.zeros(shape, np.uint8)


def counts(probability, target, **kwargs):
    scores = ObjectScores()
    scores.update(probability, target, 0.5, **kwargs)
    return scores.found, scores.missed, scores.false


def test_found_missed_false():
    probability, target = scene()
    target[5:15, 5:15] = MOVING  # found
    target[30:40, 5:15] = MOVING  # missed: only a corner
    target[42:56, 42:56] = OPEN  # there, but not visible
    target[0:9, 50:60] = MOVING  # too small to count
    probability[6:16, 6:16] = 0.9
    probability[30:33, 5:8] = 0.9
    probability[44:58, 44:58] = 0.9  # on an invisible mover: neither found nor false
    probability[5:17, 70:82] = 0.9  # false
    probability[20:22, 70:72] = 0.9  # too small to count
    probability[0:11, 50:60] = 0.9  # on a mover that is too small: neither
    assert counts(probability, target) == (1, 1, 1)


def test_an_object_that_is_nowhere_sure_is_none():
    probability, target = scene()
    target[5:17, 5:17] = target[5:17, 30:42] = MOVING
    for left in (5, 30, 60):
        probability[5:17, left : left + 12] = 0.6
    assert counts(probability, target) == (2, 0, 1)
    probability[10, 10] = 0.9
    assert counts(probability, target, sure=probability >= 0.8) == (1, 1, 0)
    with pytest.raises(ValueError, match=r"^sure must be bool of the shape \(60, 90\), instead got float32"):
        counts(probability, target, sure=probability)


def test_one_prediction_is_one_mover_and_one_mover_is_found_once():
    probability, target = scene()
    target[10:20, 10:25], target[10:20, 26:41] = MOVING, MOVING
    probability[10:20, 10:41] = 0.9  # both at an IoU of 0.48
    assert counts(probability, target) == (1, 1, 0)
    probability, target = scene()
    target[10:20, 10:41] = MOVING
    probability[10:20, 10:25], probability[10:20, 26:41] = 0.9, 0.9
    assert counts(probability, target) == (1, 0, 1)


def test_more_pairs_are_better_than_the_closest_pair():
    target, probability, label = np.zeros((1, 60), np.uint8), np.zeros((1, 60), np.float32), np.zeros((1, 60), np.int32)
    label[0, 0:40], label[0, 40:46] = 1, 2
    target[label > 0] = MOVING
    probability[0, 0:7], probability[0, 8:46] = 0.9, 0.9
    # Object 2 is mover 1 at 32 / 46 or 2 at 6 / 38, object 1 is 1 at 7 / 40: one pair of 0.70 or two of 0.33.
    m = match(probability, target, 0.5, label=label, smallest=5, same=0.1)
    assert (m.found.tolist(), m.missed.tolist(), m.false.tolist()) == ([1, 2], [], [])
    m = match(probability, target, 0.5, label=label, smallest=5, same=0.2)
    assert (m.found.tolist(), m.missed.tolist(), m.false.tolist()) == ([1], [2], [1])


def test_many_objects_are_matched_as_one_dense_problem_would():
    rng = np.random.default_rng(0)
    ground = ndimage.gaussian_filter(rng.standard_normal((400, 500)), 3)
    target = (ground > 0.06).astype(np.uint8)
    shifted = (ground > 0.03) & (ndimage.gaussian_filter(rng.standard_normal((400, 500)), 2) > -0.1)
    m = match(shifted.astype(np.float32), target, 0.5, smallest=5, same=0.1)
    actual, movers = ndimage.label(target)
    said, n = m.predicted, m.predicted.max()
    sizes = np.bincount(actual.ravel(), minlength=movers + 1)
    overlap = np.bincount((actual * (n + 1) + said).ravel(), minlength=(movers + 1) * (n + 1)).reshape(-1, n + 1)
    hidden = np.isin(actual, np.flatnonzero(sizes < 5)) & (actual > 0)
    union = sizes[1:, None] + np.bincount(said[~hidden], minlength=n + 1)[1:] - overlap[1:, 1:]
    may = (overlap[1:, 1:] / np.maximum(union, 1) >= 0.1) & (sizes[1:, None] >= 5)
    assert (may.sum(axis=1) > 1).any()
    assert (may.sum(axis=0) > 1).any()
    best = maximum_bipartite_matching(csr_array(may), perm_type="column")
    assert len(m.found) == (best >= 0).sum() > 50
    assert len(m.found) + len(m.missed) == (sizes[1:] >= 5).sum()


def test_predicting_everything_is_false():
    probability, target = scene()
    target[5:16, 5:16] = MOVING
    target[30:45, 30:45] = OPEN
    probability[:] = 0.9
    assert counts(probability, target) == (0, 1, 1)


def test_open_and_missing_pixels_are_in_no_union():
    probability, target = scene()
    target[10:30, 10:30] = OPEN
    target[15:25, 15:25] = MOVING  # a core with its rim
    target[:, 32:] = MISSING
    probability[10:30, 10:40] = 0.9
    assert counts(probability, target) == (1, 0, 0)
    target[target == OPEN] = ABSENT
    assert counts(probability, target) == (0, 1, 1)


def test_false_alarms_at_the_edge_of_the_data_count_by_what_has_data():
    probability, target = scene((40, 40))
    target[:, 25:] = MISSING
    probability[5:25, 20:40] = 0.9
    assert counts(probability, target) == (0, 0, 1)
    probability[:, 20] = 0.0  # 80 pixels with data are too few
    assert counts(probability, target) == (0, 0, 0)


def test_numbers_join_pieces_and_part_neighbours():
    probability, target = scene()
    target[10:20, 10:30], target[10:20, 18:20] = MOVING, OPEN
    label = np.zeros(target.shape, np.int32)
    label[10:20, 10:30] = 7
    probability[10:20, 10:30] = 0.9
    assert counts(probability, target, label=label) == (1, 0, 0)
    label[10:20, 20:30] = 3  # each with 80 or 100 pixels
    m = match(probability, target, 0.5, label=label, smallest=80)
    assert (m.found.tolist(), m.missed.tolist()) == ([3], [7])


def test_state_by_mover():
    label = np.zeros((40, 60), np.int32)
    for number in range(3):
        label[5:20, 5 + 18 * number : 20 + 18 * number] = number + 1
    target = target_of(label, np.array([MOVING, OPEN, ABSENT]), missing=np.arange(60) >= 55 + np.zeros((40, 1)))
    assert (target[7, 7], target[7, 25], target[7, 43], target[0, 0], target[7, 58]) == (1, 2, 0, 0, 3)
    probability = np.where(label > 0, np.float32(0.9), np.float32(0.1))
    assert counts(probability, target, label=label) == (1, 0, 1)  # what rests is a false alarm


def season_of_scores(seeds, scores=None):
    """Scores of maps that are drawn: three movers each, every one found by chance."""
    scores = scores or ObjectScores()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        label = np.zeros((40, 80), np.int32)
        for number in range(3):
            label[5:17, 5 + 20 * number : 17 + 20 * number] = number + 1
        target = target_of(label, np.array([MOVING, MOVING, OPEN]))
        probability = 0.9 * (rng.random(4) < 0.5)[label].astype(np.float32)
        probability[:25] *= label[:25] > 0
        probability[25:] = 0.9 * (rng.random() < 0.5)
        phases = phase_classes(np.array([1.0, 4.0, 0.5]))
        scores.update(probability, target, 0.5, label=label, scene=seed % 4, strata={"delay": 6 * (seed % 3 + 1)},
                      mover_strata={"peak_phase": phases})  # fmt: skip
    return scores


def test_scores_by_scene_stratum_and_kind_of_mover():
    scores = season_of_scores(range(24))
    kinds = [("delay", d) for d in ("12", "18", "6")] + [("peak_phase", c) for c in ("0.8-1.5", "over pi")]
    assert scores.strata() == kinds
    for name in ("found", "missed", "false"):
        assert sum(scores.scores(of=kind)[name] for kind in kinds[:3]) == scores.scores()[name] > 0
    by_kind = [scores.scores(of=kind) for kind in kinds[3:]]
    assert sum(one["found"] for one in by_kind) == scores.found
    assert all(one["found"] + one["missed"] == 24 and set(one) == {"found", "missed", "recall"} for one in by_kind)
    assert scores.scores()["recall"] == round(scores.found / 48, 4)
    f1 = scores.intervals(seed=0, n=200)["f1"]
    assert f1.low < f1.value < f1.high
    assert f1.value == pytest.approx(scores.scores()["f1"], abs=5e-5)
    recall = scores.intervals(seed=0, n=200, of=("peak_phase", "over pi"))
    assert recall["recall"].value == pytest.approx(by_kind[1]["recall"], abs=5e-5)
    assert json.loads(json.dumps(scores.scores())) == scores.scores()
    with pytest.raises(ValueError, match=r"^of must be one of .*instead got of=\('delay', 24\)$"):
        scores.scores(of=("delay", 24))


def test_merged_scores_are_those_of_one_process():
    whole = season_of_scores(range(24)).state()
    merged = season_of_scores(range(23, 11, -1))
    merged.merge(ObjectScores.from_state(season_of_scores(range(12)).state()))
    assert merged.state().keys() == whole.keys()
    for key, array in whole.items():
        np.testing.assert_array_equal(merged.state()[key], array)
    with pytest.raises(ValueError, match=r"^other must have smallest=100 and same=0\.3, .*smallest=12 and same=0\.3$"):
        merged.merge(ObjectScores(smallest=12))


def test_without_any_object_scores_are_zero():
    scores = ObjectScores()
    expected = {"found": 0, "missed": 0, "false": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert scores.scores() == expected
    scores.update(*scene(), 0.5)
    assert scores.scores() == expected


def test_classes_by_peak_phase():
    phase = np.array([0.79, 0.8, -1.49, 1.5, -3.14, np.pi, 20.0])
    names = ["below 0.8", "0.8-1.5", "0.8-1.5", "1.5-pi", "1.5-pi", "over pi", "over pi"]
    assert phase_classes(phase) == names


P, T = scene((12, 12))
L = np.ones((12, 12), np.int32)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"label": L[:5]}, ValueError, r"^label must have the target's shape \(12, 12\), instead got shape=\(5, 12\)$"),
        ({"label": L.astype(float)}, TypeError, r"^label must hold whole numbers \(int32\), instead got float64$"),
        ({"label": -L}, ValueError, r"^label must be 0 or the number of a mover, instead got label=-1$"),
        (
            {"label": 0 * L, "target": T + np.uint8(1)},
            ValueError,
            r"^label must number all that moves, instead got 0 in 144 moving pixels$",
        ),
        ({"probability": P + 2}, ValueError, r"^probability must be within 0\.\.1"),
        (
            {"probability": P[0], "target": T[0]},
            ValueError,
            r"^probability must have the dimensions \(y, x\), .*\(12,\)",
        ),
        ({"mover_strata": {"class": ["a"]}}, ValueError, r"^label must be given .* instead got label=None$"),
        (
            {"mover_strata": {"class": []}, "label": L},
            ValueError,
            r"^mover_strata must have one label per mover, 1, instead got 0 of 'class'$",
        ),
        (
            {"mover_strata": {"class": ["a"]}, "label": L, "strata": {"class": "b"}},
            ValueError,
            r"^mover_strata must have other kinds than strata, instead got 'class' in both$",
        ),
    ],
)
def test_bad_input(change, error, message):
    arguments = {"probability": P, "target": T, "threshold": 0.5} | change
    with pytest.raises(error, match=message):
        ObjectScores().update(**arguments)


def test_bad_rules():
    with pytest.raises(ValueError, match=r"^same must be between 0 and 1, both excluded, instead got same=0\.0$"):
        match(P, T, 0.5, same=0.0)
    with pytest.raises(ValueError, match=r"^smallest must be at least 1 pixel, instead got smallest=0$"):
        match(P, T, 0.5, smallest=0)
    with pytest.raises(ValueError, match=r"^state must be 0 \(resting\), 1 \(visible\) or 2 \(present\), .*\[3\]$"):
        target_of(L, np.array([3]))
    with pytest.raises(ValueError, match=r"^state must have one value per mover, 1, instead got 0$"):
        target_of(L, np.array([], int))
