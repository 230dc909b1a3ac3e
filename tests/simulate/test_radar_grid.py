import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.simulate.radar_grid import LINE_SPACING, SAMPLE_SPACING, RadarGrid
from insarflow.simulate.viewing import Viewing
from insarflow.types import Window

HEADINGS = st.sampled_from([-0.21, 3.35, 1.2])


def radar_grid(heading=-0.21, shape=(300, 400)):
    return RadarGrid(Viewing(heading, 0.68, 15.0, shape), 0.0, 900.0)


def hills(cells):
    """Gentle ground, which does not fold."""
    row, col = np.mgrid[cells.y0 : cells.y1, cells.x0 : cells.x1]
    return (450.0 + 160.0 * np.sin(row / 31.0) * np.cos(col / 27.0) + 60.0 * np.sin(col / 11.0)).astype(np.float32)


@given(HEADINGS, st.floats(-500, 900), st.floats(-500, 900), st.floats(0, 900))
def test_there_and_back_within_a_millimetre(heading, row, col, height):
    grid = radar_grid(heading)
    line, sample = grid.position(row, col, height)
    np.testing.assert_allclose(grid.ground(line, sample, height), (row, col), atol=1e-3 / 15)


@given(HEADINGS, st.tuples(st.integers(1, 4000), st.integers(1, 4000)))
def test_the_region_and_its_margin_have_lines_and_samples(heading, shape):
    grid = radar_grid(heading, shape)
    row, col = np.array([0, shape[0] - 1])[:, None, None], np.array([0, shape[1] - 1])[None, :, None]
    line, sample = grid.position(row, col, np.array([0.0, 900.0]))
    for place, size, spacing in zip((line, sample), grid.shape, (LINE_SPACING, SAMPLE_SPACING), strict=True):
        # 3 km of ground are 1.9 km of slant range.
        margin = (1800 if spacing < 3 else 3000) / spacing
        assert margin < place.min() < margin * 1.2
        assert size - margin * 1.2 < place.max() < size - margin


def test_lines_and_samples_are_those_of_the_view():
    grid = radar_grid()
    along, across = grid.viewing.track(*grid.ground(7.0, 100.0, 300.0))
    assert along == pytest.approx(grid.first_along + 7 * 13.9, abs=1e-6)
    assert grid.viewing.slant_range(across, 300.0) == pytest.approx(grid.first_range + 100 * 2.329562, abs=1e-6)
    p = grid.profiles
    row, col = (
        p.row + 7 * p.row_per_line + across * p.row_per_metre,
        p.col + 7 * p.col_per_line + across * p.col_per_metre,
    )
    np.testing.assert_allclose((row, col), grid.ground(7.0, 100.0, 300.0), atol=1e-7)


@settings(max_examples=8)
@given(HEADINGS, st.integers(-100, 350), st.integers(-100, 450), st.integers(1, 40), st.integers(1, 40))
def test_windows_hold_what_they_are_asked_for(heading, y0, x0, height, width):
    grid, cells = radar_grid(heading), Window(y0, x0, height, width)
    radar = grid.window_of(cells, hills(cells))
    line, sample = grid.position(*np.mgrid[y0 : cells.y1, x0 : cells.x1], hills(cells))
    for place, first, size in ((line, radar.y0, radar.height), (sample, radar.x0, radar.width)):
        assert first <= place.min() < first + 1
        assert first + size - 2 < place.max() <= first + size - 1
    whatever = grid.window_of(cells)
    assert whatever.shared(radar) == radar
    margins = Window(radar.y0 - 2, radar.x0 - 5, radar.height + 4, radar.width + 10)
    assert grid.window_of(cells, hills(cells), lines=2, samples=5) == margins
    ground = grid.ground_window(radar)
    assert ground.shared(cells) == cells
    # Ground of any height that these samples see.
    for level in (0.0, 900.0):
        rows, cols = grid.ground(np.array([radar.y0, radar.y1 - 1])[:, None], [radar.x0, radar.x1 - 1], level)
        assert ground.y0 + 2 <= rows.min() <= rows.max() <= ground.y1 - 3
        assert ground.x0 + 2 <= cols.min() <= cols.max() <= ground.x1 - 3


@pytest.mark.parametrize("heading", [-0.21, 3.35])
def test_from_the_map_to_the_radar_and_back(heading):
    """The sample that sees a cell sees the ground within half a line and half a sample of it."""
    grid, cells = radar_grid(heading), Window(100, 150, 40, 50)
    radar = grid.window_of(cells, hills(cells))
    ground = grid.ground_window(radar)
    row, col, weight = grid.crossings(radar, hills(ground))
    assert (weight[0] > 0).all()
    assert not weight[1:].any()
    rows, cols = np.mgrid[cells.y0 : cells.y1, cells.x0 : cells.x1]
    line, sample = (np.rint(k).astype(int) for k in grid.position(rows, cols, hills(cells)))
    place = 0, line - radar.y0, sample - radar.x0
    off = np.hypot(row[place] + ground.y0 - rows, col[place] + ground.x0 - cols) * 15.0
    assert 1 < np.median(off) < 6
    assert off.max() < 12
    # Samples see what lies at their own range.
    level = _between(hills(ground), row[0], col[0])
    again = grid.position(row[0] + float(ground.y0), col[0] + float(ground.x0), level)
    np.testing.assert_allclose(
        again[0], np.broadcast_to(np.arange(radar.y0, radar.y1)[:, None], radar.shape), atol=2e-3
    )
    np.testing.assert_allclose(again[1], np.broadcast_to(np.arange(radar.x0, radar.x1), radar.shape), atol=0.15)


def _between(image, row, col):
    i, j = np.floor(row).astype(int), np.floor(col).astype(int)
    a, b = row - i, col - j
    upper, lower = (image[k, j] * (1 - b) + image[k, j + 1] * b for k in (i, i + 1))
    return upper * (1 - a) + lower * a


def test_gentle_hills_neither_fold_nor_hide_and_a_cliff_does_both():
    grid, cells = radar_grid(), Window(50, 60, 30, 40)
    around = grid.around(cells)
    height = hills(around)
    assert not np.any(grid.folded(cells, height))
    height[:, cells.x0 + 15 - around.x0] += 250.0
    layover, shadow = grid.folded(cells, height)
    assert layover.shape == shadow.shape == cells.shape
    # The satellite stands in the west: the wall lies over the ground before it and hides that behind it.
    assert layover[:, 13].all()
    assert shadow[:, 20].all()
    assert not shadow[:, :13].any()


def test_what_has_no_radar_grid_is_refused():
    view = Viewing(0.0, 0.68, 15.0, (300, 400))
    for low, high in ((500.0, 100.0), (np.nan, 100.0), (0.0, 700_000.0)):
        with pytest.raises(
            ValueError, match=r"^low and high must be heights, m, in this order and below the satellite"
        ):
            RadarGrid(view, low, high)
    with pytest.raises(
        ValueError, match=r"^shape must leave the region beside the track, instead got shape=\(300, 90000"
    ):
        RadarGrid(Viewing(0.0, 0.68, 15.0, (300, 90_000)), 0.0, 100.0)
    cells = Window(0, 0, 5, 6)
    with pytest.raises(
        ValueError, match=r"^height must be finite numbers of shape \(5, 6\), instead got shape=\(6, 5\)"
    ):
        radar_grid().window_of(cells, np.zeros((6, 5)))
