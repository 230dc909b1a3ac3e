import numpy as np
import pytest
from grids import SIZE, flat, places
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.terrain import LEAST, local_incidence, surface
from insarflow.types import Looks


def expected(p, q, r, s, t):
    """Slope, aspect and curvatures of derivatives, as the equations have them."""
    g = p * p + q * q
    return (
        np.arctan(np.sqrt(g)),
        np.arctan2(-p, -q) % (2 * np.pi),
        -(p * p * r + 2 * p * q * s + q * q * t) / (g * (1 + g) ** 1.5),
        -(q * q * r - 2 * p * q * s + p * p * t) / g**1.5,
    )


@given(
    *[st.floats(-1.5, 1.5) for _ in range(2)], *[st.floats(-0.01, 0.01) for _ in range(3)], st.sampled_from([3, 5, 9])
)
def test_a_quadratic_surface_is_found_exactly(p, q, r, s, t, window):
    x, y = places((21, 23))
    height = (0.5 * r * x * x + s * x * y + 0.5 * t * y * y + p * x + q * y).astype(np.float32)
    middle = [values[10, 11] for values in surface(height, *flat(), window=Looks(window, 7))]
    np.testing.assert_allclose(middle[0], np.arctan(np.hypot(p, q)), atol=2e-6)
    if np.hypot(p, q) > 0.05:
        truth = expected(p, q, r, s, t)
        np.testing.assert_allclose(np.sin(middle[1] - truth[1]), 0.0, atol=1e-4)
        np.testing.assert_allclose(middle[2:], truth[2:], atol=1e-5, rtol=2e-3)


def test_a_dome_is_convex_and_falls_away_on_all_sides():
    x, y = places((41, 41), (5.0, 5.0))
    height = np.sqrt(900.0**2 - x * x - y * y).astype(np.float32)
    slope, aspect, profile, plan = surface(height, *flat((5.0, 5.0)))
    distance = np.hypot(x, y)
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(slope[inner], np.arcsin(distance / 900.0)[inner], atol=3e-4)
    away = distance > 20
    # At the border windows are one-sided, and curvature is not known.
    away[0] = away[-1] = away[:, 0] = away[:, -1] = False
    np.testing.assert_allclose(np.sin(aspect - np.arctan2(x, y))[away], 0.0, atol=1e-2)
    assert np.cos(aspect - np.arctan2(x, y))[away].min() > 0.99
    # The circle of 900 m: the slope line is part of it; a contour line is a circle of its own.
    np.testing.assert_allclose(profile[away], 1 / 900.0, rtol=0.02)
    np.testing.assert_allclose(plan[away], 1 / distance[away], rtol=0.02)


def oracle(dem, r, c, window, size=SIZE):
    """Least squares by NumPy: a quadratic surface in a whole window, a plane in what is there of another."""
    half = window.y // 2, window.x // 2
    z, x, y = [], [], []
    for i in range(r - half[0], r + half[0] + 1):
        for j in range(c - half[1], c + half[1] + 1):
            if 0 <= i < dem.shape[0] and 0 <= j < dem.shape[1] and not np.isnan(dem[i, j]):
                z.append(float(dem[i, j]) - float(dem[r, c]))
                x.append((j - c) * size[1])
                y.append((r - i) * size[0])
    x, y, z = np.array(x), np.array(y), np.array(z)
    if np.isnan(dem[r, c]) or z.size < LEAST * window.y * window.x:
        return [np.nan] * 4
    if z.size == window.y * window.x:
        design = np.stack([x, y, x * x / 2, x * y, y * y / 2, np.ones_like(x)], axis=1)
        return expected(*np.linalg.lstsq(design, z, rcond=None)[0][:5])
    design = np.stack([x, y, np.ones_like(x)], axis=1)
    if np.linalg.matrix_rank(design) < 3:
        return [np.nan] * 4
    return (*expected(*np.linalg.lstsq(design, z, rcond=None)[0][:2], 0, 0, 0)[:2], np.nan, np.nan)


@pytest.mark.parametrize("window", [Looks(3, 3), Looks(5, 3), Looks(3, 7)], ids=str)
def test_against_least_squares(window):
    rng = np.random.default_rng(5)
    dem = rng.normal(1000, 20, (13, 17)).astype(np.float32)
    dem[rng.uniform(size=dem.shape) < 0.08] = np.nan
    found = np.stack(surface(dem, *flat(), window=window))
    truth = np.array([[oracle(dem, r, c, window) for c in range(17)] for r in range(13)]).transpose(2, 0, 1)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(truth))
    assert 0.2 < np.isnan(found[2]).mean() < 0.98
    np.testing.assert_allclose(found[0], truth[0], atol=1e-5)
    np.testing.assert_allclose(np.exp(1j * found[1]), np.exp(1j * truth[1]), atol=1e-4)
    np.testing.assert_allclose(found[2:], truth[2:], rtol=1e-3, atol=1e-6)


def test_level_ground_has_no_direction():
    slope, *others = surface(np.full((5, 6), 37.5, np.float32), *flat())
    assert (slope == 0.0).all()
    assert np.isnan(others).all()


def test_too_little_to_tell():
    for dem in (np.float32([[1.0]]), np.float32([[1.0, 2.0, 4.0]]), np.full((3, 3), np.nan, np.float32)):
        assert np.isnan(surface(dem, *flat())).all()


@given(st.floats(0.0, 6.28), st.floats(0.0, 6.28))
def test_a_turned_grid_tells_true_azimuths(turn, downhill):
    east, north = places((5, 5))
    c, s = np.cos(turn), np.sin(turn)
    true_east, true_north = c * east + s * north, c * north - s * east
    height = -0.4 * (np.sin(downhill) * true_east + np.cos(downhill) * true_north)
    slope, aspect, *_ = surface(height.astype(np.float32), *flat(turn=turn))
    np.testing.assert_allclose(slope, np.arctan(0.4), atol=1e-5)
    np.testing.assert_allclose(np.exp(1j * aspect), np.exp(1j * downhill), atol=1e-5)
    assert (aspect >= 0).all()
    assert (aspect < np.float32(2 * np.pi)).all()


def test_between_nodes_the_measure_is_bilinear():
    nodes = np.zeros((3, 2, 4))
    nodes[..., 1] = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    nodes[..., 2] = -0.1
    height = np.broadcast_to(np.arange(21.0, dtype=np.float32), (9, 21))
    slope, *_ = surface(np.ascontiguousarray(height), nodes, (4.0, 20.0))
    rows, cols = np.meshgrid(np.arange(9) / 4, np.arange(21) / 20, indexing="ij")
    np.testing.assert_allclose(np.tan(slope), 0.1 + 0.2 * rows + 0.1 * cols, rtol=1e-5)


def test_local_incidence_is_the_angle_to_the_normal():
    rng = np.random.default_rng(1)
    dem = rng.normal(0, 30, (20, 22)).astype(np.float32)
    dem[4, 5] = np.nan
    look = rng.normal(size=(3, 20, 22)).astype(np.float32) + np.float32([[[0]], [[0]], [[2]]])
    look /= np.sqrt((look**2).sum(axis=0))
    look[0, 8, 9] = np.nan
    found = local_incidence(dem, tuple(look), *flat())
    slope, aspect, *_ = surface(dem, *flat())
    normal = np.stack([np.sin(slope) * np.sin(aspect), np.sin(slope) * np.cos(aspect), np.cos(slope)])
    np.testing.assert_allclose(found, np.arccos((normal * look).sum(axis=0)), atol=1e-3)
    assert np.nanmax(found) > np.pi / 2
    np.testing.assert_array_equal(np.argwhere(np.isnan(found)), [[4, 5], [8, 9]])


def test_local_incidence_of_ground_that_faces_the_satellite_is_exactly_0():
    dem = np.tile(np.arange(6.0, dtype=np.float32) * 8.0, (4, 1))  # 45 degrees, facing west
    look = [np.full(dem.shape, v, np.float32) for v in (-np.sqrt(0.5), 0.0, np.sqrt(0.5))]
    np.testing.assert_allclose(local_incidence(dem, tuple(look), *flat()), 0.0, atol=1e-7)
