import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from insarflow.learn.metrics import DistanceScores, border_distances, hausdorff
from insarflow.simulate.truth import MISSING, MOVING, OPEN

MASKS = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def border_pixels(mask):
    """Set pixels with a neighbour that is not set or outside, one by one."""
    points = []
    for i, j in np.argwhere(mask):
        around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        if any(not (0 <= k < mask.shape[0] and 0 <= m < mask.shape[1] and mask[k, m]) for k, m in around):
            points.append((i, j))
    return np.array(points)


def all_pairs(a, b, spacing, to):
    """Distances by comparing every pixel with every pixel."""
    spacing = np.array(spacing)
    out = []
    for one, other in ((a, b), (b, a)):
        goals = border_pixels(other) if to == "border" else np.argwhere(other)
        steps = (border_pixels(one)[:, None] - goals) * spacing
        out.append(np.sqrt((steps**2).sum(axis=-1)).min(axis=1))
    return out


@given(
    masks=MASKS, spacing=st.sampled_from([(1.0, 1.0), (10.0, 14.5), (3.0, 0.5)]), to=st.sampled_from(["border", "mask"])
)
def test_distances_equal_all_pairs_of_points(masks, spacing, to):
    a, b = masks
    assume(a.any() and b.any())
    expected = all_pairs(a, b, spacing, to)
    for mine, theirs in zip(border_distances(a, b, spacing=spacing, to=to), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    for percentile in (100.0, 95.0, 50.0):
        wanted = max(np.percentile(d, percentile) for d in expected)
        got = hausdorff(a, b, percentile=percentile, spacing=spacing, to=to)
        assert got == pytest.approx(wanted, rel=1e-12)
        assert hausdorff(b, a, percentile=percentile, spacing=spacing, to=to) == got
        assert hausdorff(a.T, b.T, percentile=percentile, spacing=spacing[::-1], to=to) == pytest.approx(got, rel=1e-12)


def test_long_narrow_masks():
    a, b = np.zeros((3, 400), bool), np.zeros((3, 400), bool)
    a[1, 5], b[1, 395] = True, True
    assert hausdorff(a, b) == hausdorff(a.T, b.T) == 390.0
    assert hausdorff(a, b, spacing=(1.0, 14.0)) == 390 * 14.0


def test_border_and_mask_differ_inside():
    a, b = np.zeros((11, 11), bool), np.ones((11, 11), bool)
    a[5, 5] = True
    assert border_distances(a, b)[0].tolist() == [5.0]
    assert border_distances(a, b, to="mask")[0].tolist() == [0.0]
    assert hausdorff(a, b) == hausdorff(a, b, to="mask") == pytest.approx(5 * np.sqrt(2))


def test_hd95_forgives_an_outlier():
    a = np.zeros((100, 100), bool)
    a[10:60, 10:60] = True
    b = a.copy()
    b[90, 90] = True
    assert hausdorff(a, b) == pytest.approx(31 * np.sqrt(2))
    assert hausdorff(a, b, percentile=95) == 0.0


def test_empty_masks():
    none, some = np.zeros((4, 5), bool), np.eye(4, 5, dtype=bool)
    assert hausdorff(none, none) == 0.0
    assert np.isnan(hausdorff(none, some))
    assert np.isnan(hausdorff(some, none))
    with pytest.raises(ValueError, match=r"^b must have a pixel set, instead got an empty mask"):
        border_distances(some, none)


def test_scores_over_patches():
    target = np.zeros((3, 20, 30), np.uint8)
    target[0, 5:10, 5:10] = MOVING
    target[0, :, 20:] = OPEN
    target[0, 0] = MISSING
    probability = np.zeros((3, 20, 30), np.float32)
    probability[0, 5:10, 7:12] = 0.9
    probability[0, :, 20:] = 0.9
    probability[0, 0] = np.nan
    probability[1, 3, 3] = 0.9
    parts = [DistanceScores() for _ in range(2)]
    for i in range(3):
        parts[i % 2].update(probability[i], target[i], 0.5, spacing=(10.0, 10.0))
    parts[0].merge(parts[1])
    assert parts[0].scores() == {
        "patches": 2, "one_empty": 1, "both_empty": 1, "hausdorff": 10.0, "hausdorff_95": 10.0,
    }  # fmt: skip
    assert DistanceScores().scores() == {"patches": 0, "one_empty": 0, "both_empty": 0}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"a": np.zeros((4, 5))}, TypeError, r"^a must be bool, instead got float64: compare it with a threshold$"),
        ({"b": np.zeros((5, 4), bool)}, ValueError, r"^b must have the shape of a, \(4, 5\), .*shape=\(5, 4\)$"),
        ({"a": np.zeros(4, bool)}, ValueError, r"^a must have the dimensions \(y, x\), instead got shape=\(4,\)$"),
        ({"spacing": (0.0, 1.0)}, ValueError, r"^spacing must be two positive sizes \(y, x\), .*\(0\.0, 1\.0\)$"),
        ({"percentile": 101.0}, ValueError, r"^percentile must be within 0\.\.100, .*percentile=101\.0$"),
    ],
)
def test_bad_input(change, error, message):
    arguments = {"a": np.ones((4, 5), bool), "b": np.ones((4, 5), bool)} | change
    with pytest.raises(error, match=message):
        hausdorff(**arguments)
