import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slopes import line_of_sight

from insarflow.simulate.viewing import Viewing

PASSES = [-0.21, 3.35]
"""Headings of an ascending and a descending pass."""


def viewing(heading=-0.21, incidence=0.68):
    return Viewing(heading, incidence, 15.0, (401, 301))


@given(st.floats(-7, 7), st.floats(0.3, 0.9), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(-400, 4000))
def test_there_and_back(heading, incidence, row, col, height):
    v = viewing(heading, incidence)
    along, across = v.track(row, col)
    np.testing.assert_allclose(v.cell(along, across), (row, col), atol=1e-7)
    assert v.ground_distance(v.slant_range(across, height), height) == pytest.approx(float(across), abs=1e-6)


@pytest.mark.parametrize("heading", PASSES)
def test_ranges_and_line_of_sight_are_those_to_a_satellite_in_space(heading):
    """East, north and up of the satellite as it passes, from the heading alone."""
    v = viewing(heading)
    row, col = np.mgrid[0:401:40, 0:301:30].astype(float)
    height = 1500.0 + 3.0 * row - col
    east, north = (col - 150) * 15.0, (200 - row) * 15.0
    flight = np.array([math.sin(heading), math.cos(heading)])
    away = 693_000.0 * math.tan(0.68) * np.array([math.cos(heading), -math.sin(heading)])
    passing = east * flight[0] + north * flight[1]
    satellite = flight[0] * passing - away[0], flight[1] * passing - away[1], 693_000.0
    vector = satellite[0] - east, satellite[1] - north, satellite[2] - height
    distance = np.sqrt(sum(c * c for c in vector))
    np.testing.assert_allclose(v.slant_range(v.track(row, col)[1], height), distance, rtol=1e-13)
    for found, c in zip(v.line_of_sight(row, col, height), vector, strict=True):
        np.testing.assert_allclose(found, c / distance, atol=1e-12)
        assert found.dtype == np.float64


@pytest.mark.parametrize("heading", PASSES)
def test_line_of_sight_agrees_with_that_of_the_terrain(heading):
    v = viewing(heading)
    row, col, height = np.arange(401.0)[:, None], np.arange(301.0)[None, :], 2000.0
    angle = v.incidence_at(row, col, height)
    for own, other in zip(v.line_of_sight(row, col, height), line_of_sight(angle, heading), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-12)
    assert v.incidence_at(200, 150, 0.0) == pytest.approx(0.68, abs=1e-12)
    # Ascending, it looks east: the east is farther and seen at a larger angle.
    assert (angle[200, -1] > angle[200, 0]) == (heading < 1)


def test_no_ground_is_nearer_than_straight_below():
    v = viewing()
    assert np.isnan(v.ground_distance(692_000.0, 0.0))
    assert v.ground_distance(692_000.0, 1000.0) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heading": math.nan}, r"^heading must be an angle in rad, instead got heading=nan"),
        ({"incidence": 40.0}, r"^incidence must lie between 0 and pi/2 rad, instead got incidence=40.0"),
        ({"spacing": 0.0}, r"^spacing must be positive, m, instead got spacing=0.0"),
        ({"altitude": math.inf}, r"^altitude must be positive, m, instead got altitude=inf"),
        ({"shape": (0, 5)}, r"^shape must be two positive numbers of cells \(y, x\), instead got shape=\(0, 5\)"),
    ],
)
def test_what_is_no_view_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Viewing(**{"heading": 0.0, "incidence": 0.7, "spacing": 10.0, "shape": (5, 5)} | change)
