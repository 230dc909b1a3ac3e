import math

import numpy as np
import pytest
from grids import flat, looking
from hypothesis import given, settings
from hypothesis import strategies as st
from profiled import ACROSS, ALTITUDE, LINE, SAMPLE, SPACING, mountains, places, profiles, scene

from insarflow.kernels.crossings import BRANCHES, BRIGHTEST, crossings, folded
from insarflow.kernels.layover import LAYOVER, SHADOW, layover_shadow
from insarflow.kernels.profiles import ground_of, nodes_of
from insarflow.types import Window


def ground_distance(p, line, row, col):
    """Along the line, m from below the track."""
    row0, col0 = p.row + line * p.row_per_line, p.col + line * p.col_per_line
    return ((row - row0) * p.row_per_metre + (col - col0) * p.col_per_metre) / (p.row_per_metre**2 + p.col_per_metre**2)


def every_node(height, ground, radar, p):
    """The definition, node by node, all before each looked at: lists of (row, col, weight) of each sample."""
    first, nodes = nodes_of(radar, p)
    reach = math.ceil(p.reach / p.step)
    out = {}
    for line in range(radar.y0, radar.y1):
        g = (first + np.arange(nodes)) * p.step
        row = p.row + line * p.row_per_line + g * p.row_per_metre
        col = p.col + line * p.col_per_line + g * p.col_per_metre
        i, j = np.floor(row).astype(int), np.floor(col).astype(int)
        a, b = row - i, col - j
        z = height.astype(float)
        i, j = i - ground.y0, j - ground.x0
        upper = (1 - b) * z[i, j] + b * z[i, j + 1]
        y = p.altitude - (1 - a) * upper - a * ((1 - b) * z[i + 1, j] + b * z[i + 1, j + 1])
        s, look = (np.hypot(y, g) - p.first_range) / p.sample_spacing, np.arctan2(g, y)
        for k in range(reach, nodes - 1):
            for sample in range(math.ceil(min(s[k : k + 2])), math.ceil(max(s[k : k + 2]))):
                if not radar.x0 <= sample < radar.x1:
                    continue
                f = (sample - s[k]) / (s[k + 1] - s[k])
                angle = math.atan((1 - f) * math.tan(look[k]) + f * math.tan(look[k + 1]))
                if angle < look[k - reach : k + 1].max() or look[k + 1] <= look[k]:
                    continue
                incidence, slope = np.arctan2(g[k] + p.step / 2, (y[k] + y[k + 1]) / 2), (y[k] - y[k + 1]) / p.step
                ratio = abs(math.tan(incidence) / math.tan(incidence - math.atan(slope)))
                where = [v[k] + f * (v[k + 1] - v[k]) for v in (row, col)]
                out.setdefault((line, sample), []).append((*where, min(math.sqrt(ratio), BRIGHTEST)))
    return out


@pytest.mark.parametrize("heading", [-0.21, 3.35, 1.2])
def test_flat_ground_is_met_once_with_weight_one(heading):
    p, radar, level = profiles(heading), Window(-20, 300, 13, 150), 240.0
    height, ground = scene(radar, p, lambda along, across: np.full_like(across, level))
    row, col, weight = crossings(height, ground=ground, radar=radar, profiles=p)
    for field in (row, col, weight):
        assert field.shape == (BRANCHES, 13, 150)
        assert field.dtype == np.float32
        assert not field[1:].any()
    np.testing.assert_allclose(weight[0], 1, rtol=1e-6)
    line, sample = radar.y0 + np.arange(13)[:, None], radar.x0 + np.arange(150)[None, :]
    g = np.sqrt((p.first_range + sample * SAMPLE) ** 2 - (ALTITUDE - level) ** 2)
    half = 0.5 / 2048 + 1e-5
    expected = p.row + line * p.row_per_line + g * p.row_per_metre - ground.y0
    np.testing.assert_allclose(row[0], expected, atol=half)
    np.testing.assert_allclose(col[0], p.col + line * p.col_per_line + g * p.col_per_metre - ground.x0, atol=half)


@pytest.mark.parametrize("slope", [-0.9, -0.3, 0.2, 0.5])
def test_a_tilted_plane_is_met_where_algebra_says(slope):
    """Height grows away from the satellite: the ground faces away from it, or toward it if slope is negative."""
    p, radar = profiles(2.9), Window(5, -115, 3, 30)
    height, ground = scene(radar, p, lambda along, across: np.clip(300.0 + slope * across, 0.0, 600.0))
    row, col, weight = crossings(height, ground=ground, radar=radar, profiles=p)
    assert not weight[1:].any()
    line, sample = radar.y0 + np.arange(3)[:, None], radar.x0 + np.arange(30)[None, :]
    # r^2 = (y0 - slope g)^2 + g^2, with y0 the depth of the plane below the track.
    r, y0 = p.first_range + sample * SAMPLE, ALTITUDE - 300.0 + slope * ACROSS
    half = slope * y0
    g = (half + np.sqrt(half**2 - (1 + slope**2) * (y0**2 - r**2))) / (1 + slope**2)
    found = ground_distance(p, line, row[0].astype(float) + ground.y0, col[0].astype(float) + ground.x0)
    np.testing.assert_allclose(found, np.broadcast_to(g, found.shape), atol=0.02)
    incidence = np.arctan2(g, y0 - slope * g)
    expected = np.sqrt(np.tan(incidence) / np.tan(incidence - np.arctan(slope)))
    np.testing.assert_allclose(weight[0], np.broadcast_to(expected, found.shape), rtol=2e-4)
    assert (expected > 1).all() == (slope > 0)


def compare_with_every_node(height, ground, radar, p):
    """Number of places of each sample."""
    row, col, weight = crossings(height, ground=ground, radar=radar, profiles=p)
    truth = every_node(height, ground, radar, p)
    for line, sample in np.ndindex(radar.shape):
        met = truth.get((radar.y0 + line, radar.x0 + sample), [])
        strongest = sorted(met, key=lambda place: -place[2])[:BRANCHES]
        met = [place for place in met if place in strongest][:BRANCHES]
        found = [(row[b, line, sample], col[b, line, sample], weight[b, line, sample]) for b in range(BRANCHES)]
        assert [w > 0 for *_, w in found] == [b < len(met) for b in range(BRANCHES)]
        for (r, c, w), (true_r, true_c, true_w) in zip(found, met, strict=False):
            assert abs(r + ground.y0 - true_r) < 1 / 2048
            assert abs(c + ground.x0 - true_c) < 1 / 2048
            assert w == pytest.approx(true_w, rel=1e-4)
        assert all(r == c == 0 for r, c, w in found if w == 0)
    return np.array([len(met) for met in truth.values()])


def rough(seed, relief, radar, p):
    ground = ground_of(radar, p)
    return np.random.default_rng(seed).uniform(0.0, relief, ground.shape).astype(np.float32), ground


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.floats(-4, 4), st.sampled_from([15.0, 40.0, 200.0]))
def test_against_every_node(seed, heading, relief):
    p, radar = profiles(heading, reach=400.0), Window(-3, 100, 3, 70)
    compare_with_every_node(*rough(seed, relief, radar, p), radar, p)


def test_of_more_than_three_places_the_brightest_are_kept():
    p, radar = profiles(1.0, reach=400.0), Window(-3, 100, 3, 70)
    assert compare_with_every_node(*rough(1, 100.0, radar, p), radar, p).max() == 7


def test_shadow_ends_at_its_reach():
    radar, lit = Window(40, 60, 2, 250), []
    for reach in (30.0, 37.5, 45.0, 60.0, 2000.0):
        p = profiles(reach=reach)
        lit.append(compare_with_every_node(*scene(radar, p, mountains), radar, p).size)
    assert lit == sorted(lit, reverse=True)
    assert lit[0] > 1.2 * lit[-1]


def seen(p, line, sample, along):
    """Ground distances that have the range of a sample and are lit, by steps of two decimetres and a ray from each."""
    across = np.arange(-1500.0, 3600.0, 0.2)
    z, g = mountains(along, across), ACROSS + across
    r = np.hypot(ALTITUDE - z, g)
    target = p.first_range + sample * SAMPLE
    out = []
    for k in np.flatnonzero((r[:-1] <= target) != (r[1:] <= target)):
        nearer = slice(max(k - 10_000, 0), k)
        sight = z[k] + (g[k] - g[nearer]) * (ALTITUDE - z[k]) / g[k]
        if not (z[nearer] > sight + 1e-6).any():
            out.append(g[k])
    return out


def test_ridges_fold_and_hide_as_rays_over_the_closed_form_say():
    p, radar = profiles(), Window(40, 0, 2, 900)
    height, ground = scene(radar, p, mountains)
    row, col, weight = crossings(height, ground=ground, radar=radar, profiles=p)
    agree, checked, counts, errors = 0, 0, [], []
    for i in range(radar.height):
        for j in range(0, radar.width, 7):
            lit = weight[:, i, j] > 0
            line = radar.y0 + i
            found = ground_distance(p, line, row[lit, i, j] + float(ground.y0), col[lit, i, j] + float(ground.x0))
            truth = seen(p, line, radar.x0 + j, line * LINE)
            checked += 1
            counts.append(len(truth))
            if len(truth) == len(found):
                agree += 1
                errors += list(np.abs(found - truth))
    assert agree / checked > 0.97
    assert np.quantile(errors, 0.97) < 1.5
    assert np.median(errors) < 0.3
    # Fold, shadow, and what is both: nothing is compared in vain.
    assert min(np.mean(np.equal(counts, n)) for n in (0, 1, 3)) > 0.04


@settings(max_examples=8)
@given(st.data())
def test_any_window_gives_the_same_bits(data):
    p, outer = profiles(data.draw(st.sampled_from([-0.21, 3.35]))), Window(-20, 50, 40, 500)
    height, ground = scene(outer, p, mountains)
    whole = crossings(height, ground=ground, radar=outer, profiles=p)
    y0, x0 = data.draw(st.integers(0, 38)), data.draw(st.integers(0, 480))
    part = Window(outer.y0 + y0, outer.x0 + x0, data.draw(st.integers(1, 40 - y0)), data.draw(st.integers(1, 500 - x0)))
    less = ground_of(part, p)
    own = crossings(height[less.within(ground)], ground=less, radar=part, profiles=p)
    inner = (slice(None), *part.within(outer))
    np.testing.assert_array_equal(own[2], whole[2][inner])
    met = own[2] > 0
    for mine, theirs, shift in zip(own[:2], whole[:2], (less.y0 - ground.y0, less.x0 - ground.x0), strict=True):
        np.testing.assert_array_equal(mine[met] + np.float32(shift), theirs[inner][met])
        assert (mine[met] >= 1).all()


def test_squares_of_weights_add_up_to_the_area_that_faces_the_radar():
    """Between two places the look angle grows by so much, and over samples the weights tell the same."""

    def gentle(along, across):
        return 300.0 + 60.0 * np.sin(across / 150.0) + 15.0 * np.cos(across / 61.0 + along / 90.0)

    p, radar = profiles(-0.21), Window(0, 200, 1, 1500)
    height, ground = scene(radar, p, gentle)
    row, col, weight = (
        field[:, 0].astype(float) for field in crossings(height, ground=ground, radar=radar, profiles=p)
    )
    assert 0.1 < weight[0].min() < 0.9
    assert weight.max() < BRIGHTEST
    g = ground_distance(p, 0, row[0] + ground.y0, col[0] + ground.x0)
    y = ALTITUDE - gentle(0.0, g - ACROSS)
    flat_area = SAMPLE * y / g
    middles = np.hypot(y, g) * np.arctan2(g, y)
    lit = weight[0] > 0
    assert lit.all()
    assert (weight[0] ** 2 * flat_area)[1:-1].sum() == pytest.approx(
        np.hypot(y, g).mean() * (middles / np.hypot(y, g))[[0, -1]] @ [-1, 1], rel=4e-3
    )
    assert abs((weight[0] ** 2).mean() - 1) > 0.002


@pytest.mark.parametrize("reach", [2000.0, 60.0])
def test_folded_cells_are_those_of_rays_over_the_grid(reach):
    p, cells = profiles(reach=reach), Window(10, 20, 60, 110)
    radar = Window(-110, -400, 110, 1200)
    height, ground = scene(radar, p, mountains)
    layover, shadow = folded(height, ground=ground, radar=radar, cells=cells, profiles=p)
    around = Window(cells.y0 - 70, cells.x0 - 70, cells.height + 140, cells.width + 140)
    dem = mountains(*places(p, around)).astype(np.float32)
    los = looking(dem.shape, math.atan(ACROSS / ALTITUDE), -0.21 - np.pi / 2)
    for found, bits, far in ((layover, LAYOVER, 1000.0), (shadow, SHADOW, min(reach, 1000.0))):
        truth = layover_shadow(dem, los, *flat((SPACING, SPACING)), reach=far)[cells.within(around)] & bits > 0
        assert found.dtype == bool
        assert truth.mean() > 0.05
        # A cell beside a border is decided by the ground within half a cell of it.
        assert (found != truth).mean() < 0.03
    part = Window(30, 33, 20, 41)
    inner = part.within(cells)
    own = folded(height, ground=ground, radar=Window(-75, -350, 40, 900), cells=part, profiles=p)
    np.testing.assert_array_equal(own[0], layover[inner])
    np.testing.assert_array_equal(own[1], shadow[inner])


def test_folded_wants_a_radar_window_that_holds_the_cells():
    p, radar = profiles(), Window(0, 0, 20, 40)
    height, ground = scene(radar, p, mountains)
    with pytest.raises(ValueError, match=r"^radar must hold the lines and samples of all cells, instead got radar="):
        folded(height, ground=ground, radar=radar, cells=Window(-400, 0, 5, 5), profiles=p)
