import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from insarflow.kernels.geometry import geodetic_to_ecef, interpolate_orbit, line_of_sight, slant_range, zero_doppler

TO_GEODETIC = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
TO_ECEF = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
RADIUS, RATE = 7.07e6, 1.06e-3
"""A circular orbit that looks like Sentinel-1's: m, rad/s."""


def truth(time):
    """Position and velocity on an inclined circle; exact."""
    angle = np.asarray(RATE * np.asarray(time, float))
    along = np.array([-0.2, 0.35, 0.92]) / np.linalg.norm([-0.2, 0.35, 0.92])
    outward = np.cross(along, [0.9, 0.3, 0.1])
    outward /= np.linalg.norm(outward)
    c, s = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return RADIUS * (c * outward + s * along), RADIUS * RATE * (-s * outward + c * along)


def orbit_of(step, count=7):
    time = step * np.arange(count)
    return np.column_stack([time, *truth(time)])


def point_near(time, side, height):
    """Latitude, longitude (rad) and Earth-fixed position of a point `side` metres off the ground track."""
    position, velocity = truth(time)
    down = position / np.linalg.norm(position)
    across = np.cross(down, velocity / np.linalg.norm(velocity))
    ground = 6.37e6 * (down + side / 6.37e6 * across)
    lon, lat, _ = TO_GEODETIC.transform(*ground)
    lat, lon = np.radians(lat), np.radians(lon)
    return lat, lon, geodetic_to_ecef(lat, lon, height)


@settings(deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-500, 9000))
def test_ecef_is_proj(lat, lon, height):
    expected = TO_ECEF.transform(lon, lat, height)
    np.testing.assert_allclose(geodetic_to_ecef(np.radians(lat), np.radians(lon), height), expected, atol=1e-6)


def test_ecef_broadcasts():
    assert geodetic_to_ecef(np.zeros((4, 1)), np.zeros((1, 5)), np.float64(0)).shape == (4, 5, 3)


@settings(deadline=None)
@given(st.floats(0, 60))
def test_orbit_is_the_circle_it_samples(time):
    position, velocity = interpolate_orbit(orbit_of(10.0), time)
    expected = truth(time)
    np.testing.assert_allclose(position, expected[0], atol=3e-4)
    np.testing.assert_allclose(velocity, expected[1], atol=3e-4)


def test_orbit_ends():
    orbit = orbit_of(10.0)
    assert np.isnan(interpolate_orbit(orbit, -0.1)[0]).all()
    assert np.isnan(interpolate_orbit(orbit, 60.1)[1]).all()
    np.testing.assert_array_equal(interpolate_orbit(orbit, 60.0)[0], orbit[-1, 1:4])


@settings(deadline=None)
@given(st.floats(1, 59), st.floats(-9e5, 9e5), st.floats(-400, 8000))
def test_zero_doppler_is_where_bisection_finds_it(time, side, height):
    *_, point = point_near(time, side, height)
    low, high = -30.0, 90.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        position, velocity = truth(middle)
        low, high = (middle, high) if (point - position) @ velocity > 0 else (low, middle)
    found, distance = zero_doppler(point, orbit_of(10.0))
    if 0 < low < 60:
        assert found == pytest.approx(low, abs=3e-6)
        assert distance == pytest.approx(np.linalg.norm(point - truth(low)[0]), abs=1e-3)


def test_points_beyond_the_orbit_are_missing():
    points = np.array([point_near(t, 3e5, 0.0)[2] for t in (-5.0, 30.0, 65.0, 4000.0)] + [[np.nan] * 3])
    found, distance = zero_doppler(points, orbit_of(10.0))
    np.testing.assert_array_equal(np.isnan(found), [True, False, True, True, True])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(distance))


@settings(deadline=None)
@given(st.floats(5, 55), st.floats(2.5e5, 9e5), st.floats(-400, 8000))
def test_walking_the_line_of_sight_meets_the_satellite(time, side, height):
    lat, lon, point = point_near(time, side, height)
    incidence, east, north, up = line_of_sight(*(np.full((1, 1), v) for v in (lat, lon, height)), orbit_of(10.0))[
        :, 0, 0
    ]
    when, distance = zero_doppler(point, orbit_of(10.0))
    axes = np.array(
        [
            [-np.sin(lon), np.cos(lon), 0.0],
            [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)],
            [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)],
        ]
    )
    reached = point + float(distance) * (np.array([east, north, up], float) @ axes)
    np.testing.assert_allclose(reached, truth(when)[0], atol=0.5)
    assert np.cos(incidence) == pytest.approx(up, abs=1e-6)
    assert east**2 + north**2 + up**2 == pytest.approx(1.0, abs=1e-6)


def test_line_of_sight_of_a_part_is_part_of_the_whole():
    lat0, lon0, _ = point_near(30.0, 5e5, 0.0)
    lat, lon = np.meshgrid(lat0 + np.linspace(0, 0.02, 7), lon0 + np.linspace(0, 0.03, 9), indexing="ij")
    height = np.random.default_rng(0).normal(1000, 500, lat.shape)
    height[3, 4] = np.nan
    whole = line_of_sight(lat, lon, height, orbit_of(10.0))
    part = line_of_sight(lat[2:5, 3:8], lon[2:5, 3:8], height[2:5, 3:8], orbit_of(10.0))
    np.testing.assert_array_equal(part, whole[:, 2:5, 3:8])
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(whole).all(axis=0), np.isnan(height))
    np.testing.assert_array_equal(np.isnan(whole).any(axis=0), np.isnan(height))


@given(st.floats(-1.5, 1.5), st.floats(-400, 8000), st.floats(0.0, 0.8), st.floats(0, 6.28), st.floats(6.9e6, 7.3e6))
def test_the_slant_range_leads_to_the_orbit(latitude, height, incidence, azimuth, radius):
    """From the point, along the line of sight by that distance: as far from the Earth's centre as the orbit."""
    east, north, up = np.sin(incidence) * np.sin(azimuth), np.sin(incidence) * np.cos(azimuth), np.cos(incidence)
    longitude = 0.3
    found = slant_range(*map(np.float64, (latitude, height, north, up)), radius)
    to_east = [-np.sin(longitude), np.cos(longitude), 0.0]
    to_up = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    to_north = np.cross(to_up, to_east)
    sight = east * np.array(to_east) + north * to_north + up * np.array(to_up)
    ground = geodetic_to_ecef(np.array(latitude), np.array(longitude), np.array(height))
    assert found > 0
    assert np.linalg.norm(ground + float(found) * sight) == pytest.approx(radius, abs=0.2)


def test_no_slant_range_without_a_height():
    assert np.isnan(slant_range(np.array(0.8), np.array(np.nan), np.array(0.1), np.array(0.9), 7e6))
