import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiled import mountains, profiles, scene

from insarflow.kernels.crossings import crossings
from insarflow.kernels.profiles import ground_of, nodes_of
from insarflow.types import Window


@given(st.floats(-4, 4), st.integers(-500, 500), st.integers(0, 3000), st.integers(1, 60), st.integers(1, 300))
def test_ground_of_a_window_holds_all_that_it_needs(heading, y0, x0, height, width):
    p, radar = profiles(heading), Window(y0, x0, height, width)
    ground = ground_of(radar, p)
    first, nodes = nodes_of(radar, p)
    r = p.first_range + np.array([x0, x0 + width - 1]) * p.sample_spacing
    nearest, farthest = np.sqrt(r**2 - (p.altitude - np.array([p.low, p.high])) ** 2)
    assert first * p.step <= nearest - p.reach - p.step
    assert (first + nodes - 1) * p.step >= farthest + p.step
    for line in (y0, y0 + height - 1):
        for g in (first * p.step, (first + nodes - 1) * p.step):
            row = p.row + line * p.row_per_line + g * p.row_per_metre
            col = p.col + line * p.col_per_line + g * p.col_per_metre
            assert ground.y0 + 2 <= row <= ground.y1 - 3
            assert ground.x0 + 2 <= col <= ground.x1 - 3


def test_what_does_not_fit_is_refused():
    p, radar = profiles(), Window(0, 100, 4, 50)
    height, ground = scene(radar, p, mountains)
    with pytest.raises(ValueError, match=r"^height must have the shape of Window\(.*\), instead got shape=\(3, 3\)"):
        crossings(height[:3, :3], ground=ground, radar=radar, profiles=p)
    with pytest.raises(ValueError, match=r"^ground must cover Window\(.*\), which the radar window needs"):
        crossings(height[1:], ground=Window(ground.y0 + 1, ground.x0, *height[1:].shape), radar=radar, profiles=p)
    with pytest.raises(ValueError, match=r"^ground must have at most 8192 cells a side, instead got Window"):
        crossings(np.zeros((1, 8193), np.float32), ground=Window(0, 0, 1, 8193), radar=radar, profiles=p)
    with pytest.raises(
        ValueError, match=r"^height must lie within 0 and 600 m, instead got heights from .* to 1[0-9]{3}"
    ):
        crossings(height + np.float32(900), ground=ground, radar=radar, profiles=p)
    missing = height.copy()
    missing[5, 5] = np.nan
    with pytest.raises(ValueError, match=r"^height must lie within 0 and 600 m, instead got heights from nan to nan"):
        crossings(missing, ground=ground, radar=radar, profiles=p)
    with pytest.raises(ValueError, match=r"^radar must lie beside the track, at ranges above 693000 m, instead got"):
        ground_of(Window(0, -100_000, 4, 50), p)
