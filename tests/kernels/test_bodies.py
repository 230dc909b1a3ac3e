import numpy as np
import pytest

from insarflow.kernels.bodies import add_body, trace_body
from insarflow.types import Window

SHAPE = np.array([310.0, -95.0, np.cos(0.7), np.sin(0.7), 120.0, 260.0, 0.7, 0.3, 2.5, 1.5])
RIM = np.array([[0.05, -0.08, 0.02, 0.0, 0.03], [0.0, 0.04, -0.03, 0.05, 0.0]])
WINDOW = Window(-15, -40, 75, 70)


def slow(window, spacing):
    """The same by angles, cell by cell."""
    radii, profile = np.full(window.shape, np.inf), np.zeros(window.shape)
    for r in range(window.height):
        for c in range(window.width):
            north = SHAPE[0] - (window.y0 + r + 0.5) * spacing
            east = (window.x0 + c + 0.5) * spacing - SHAPE[1]
            away, turn = np.hypot(north, east), np.arctan2(east, north) - 0.7
            u, v = away * np.cos(turn) / SHAPE[5], away * np.sin(turn) / SHAPE[4]
            t, length = np.arctan2(v, u), np.hypot(u, v)
            rim = 1 + sum(RIM[0, k - 1] * np.cos(k * t) + RIM[1, k - 1] * np.sin(k * t) for k in range(1, 6))
            if length <= 1.5:
                radii[r, c] = length / rim
            if length < rim:
                rise = min((1 - length / rim) / 0.7, 1)
                part = (u * 2.5) % 1
                profile[r, c] = rise**2 * (3 - 2 * rise) * (1 - 0.3 * (4 * part * (1 - part)) ** 2)
    return radii, profile


def test_radius_and_profile_against_a_loop_over_angles():
    radius, profile = trace_body(WINDOW, 10.0, SHAPE, RIM)
    expected = slow(WINDOW, 10.0)
    assert radius.dtype == profile.dtype == np.float32
    assert (np.isfinite(radius) == np.isfinite(expected[0])).all()
    np.testing.assert_allclose(radius, expected[0], rtol=1e-5)
    np.testing.assert_allclose(profile, expected[1], atol=1e-5)
    assert profile.max() > 0.95
    assert (radius < 1).sum() > 500


@pytest.mark.parametrize("part", [Window(-15, -40, 1, 70), Window(3, -21, 30, 9), Window(20, 5, 40, 25)])
def test_any_window_has_the_same_bits(part):
    whole = trace_body(WINDOW, 10.0, SHAPE, RIM)
    for a, b in zip(trace_body(part, 10.0, SHAPE, RIM), whole, strict=True):
        np.testing.assert_array_equal(a, b[part.within(WINDOW)])


def test_what_lies_outside_of_the_body_stays():
    label, profile = np.full(WINDOW.shape, 3, np.int32), np.full(WINDOW.shape, 0.5, np.float32)
    add_body(WINDOW, 10.0, SHAPE, RIM, 9, label, profile)
    radius, expected = trace_body(WINDOW, 10.0, SHAPE, RIM)
    np.testing.assert_array_equal(label, np.where(radius < 1, 9, 3))
    np.testing.assert_array_equal(profile, np.where(radius < 1, expected, np.float32(0.5)))
