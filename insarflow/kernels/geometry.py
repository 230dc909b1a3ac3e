"""Imaging geometry: where the satellite stood when it saw a point of the ground, and in which direction it lies.

An orbit is one array of state vectors, float64, shape ``(n, 7)``: time in seconds, Earth-fixed position (m) and
velocity (m/s), in order of time. Between two vectors the position is the cubic that has their positions and
velocities (Hermite interpolation): within 0.3 mm of a low Earth orbit at 10 s spacing, and 0.3 m at 60 s.
"""

from __future__ import annotations

import numpy as np

from insarflow.constants import WGS84_FLATTENING, WGS84_SEMI_MAJOR
from insarflow.kernels._jit import jit

_E2 = WGS84_FLATTENING * (2.0 - WGS84_FLATTENING)
_A = WGS84_SEMI_MAJOR


def geodetic_to_ecef(latitude: np.ndarray, longitude: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Earth-fixed coordinates of points given on the WGS 84 ellipsoid.

    Parameters
    ----------
    latitude, longitude
        rad, any shape (they broadcast).
    height
        m above the ellipsoid.

    Returns
    -------
    ndarray
        float64, shape ``(..., 3)``, m.
    """
    lat, lon, h = np.broadcast_arrays(
        np.asarray(latitude, np.float64), np.asarray(longitude, np.float64), np.asarray(height, np.float64)
    )
    out = np.empty((lat.size, 3))
    _ecefs(lat.ravel(), lon.ravel(), h.ravel(), out)
    return out.reshape(*lat.shape, 3)


def interpolate_orbit(orbit: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Position (m) and velocity (m/s) at one time; NaN before the first and after the last state vector.

    Parameters
    ----------
    orbit
        State vectors, shape ``(n, 7)``.
    time
        s.

    Returns
    -------
    tuple of ndarray
        Two float64 arrays of shape ``(3,)``.
    """
    if not orbit[0, 0] <= time <= orbit[-1, 0]:
        return np.full(3, np.nan), np.full(3, np.nan)
    state = np.empty((3, 3))
    _state(np.ascontiguousarray(orbit, np.float64), time, state)
    return state[0], state[1]


def zero_doppler(points: np.ndarray, orbit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When the satellite passed points of the ground abeam, and at which distance.

    Parameters
    ----------
    points
        Earth-fixed coordinates, float64, shape ``(..., 3)``, m.
    orbit
        State vectors, shape ``(n, 7)``.

    Returns
    -------
    time, slant_range
        float64, shape ``(...)``: s and m. NaN where the point is NaN or was passed outside the orbit's time.

    Notes
    -----
    Newton's method on ``(point - position(t)) . velocity(t) = 0`` from the middle of the orbit for every point, so
    that a result does not depend on its neighbours.
    """
    flat = np.ascontiguousarray(points, np.float64).reshape(-1, 3)
    out = np.empty((2, flat.shape[0]))
    _zero_dopplers(flat, np.ascontiguousarray(orbit, np.float64), out)
    return out[0].reshape(points.shape[:-1]), out[1].reshape(points.shape[:-1])


def line_of_sight(latitude: np.ndarray, longitude: np.ndarray, height: np.ndarray, orbit: np.ndarray) -> np.ndarray:
    """Direction from the ground to the satellite.

    Parameters
    ----------
    latitude, longitude
        rad, float64, shape ``(y, x)``.
    height
        m above the WGS 84 ellipsoid, shape ``(y, x)``; NaN is missing.
    orbit
        State vectors, shape ``(n, 7)``.

    Returns
    -------
    ndarray
        float32, shape ``(4, y, x)``: incidence (rad, from the ellipsoid's normal) and the unit vector's east, north
        and up components. NaN where the height is, or where the orbit ends before the point is passed.
    """
    out = np.empty((4, *height.shape), np.float32)
    _line_of_sight(
        np.ascontiguousarray(latitude, np.float64),
        np.ascontiguousarray(longitude, np.float64),
        np.ascontiguousarray(height, np.float64),
        np.ascontiguousarray(orbit, np.float64),
        out,
    )
    return out


def slant_range(
    latitude: np.ndarray, height: np.ndarray, north: np.ndarray, up: np.ndarray, radius: float
) -> np.ndarray:
    """Distance of the satellite, from the direction in which it lies and its distance from the Earth's centre.

    Parameters
    ----------
    latitude, height
        Of points of the ground: rad, and m above the WGS 84 ellipsoid; any shape. NaN is missing.
    north, up
        Components of the unit vector from the ground to the satellite.
    radius
        Of the orbit, m.

    Returns
    -------
    ndarray
        float32, m; NaN where an argument is.

    Notes
    -----
    The point p and the unit vector u are p = (0, -N e2 sin cos, N (1 - e2 sin2) + h) and u in east, north, up of the
    point. |p + R u| = radius gives R = -p.u + sqrt((p.u)^2 - p.p + radius^2). An orbit that is 1 km higher changes R by
    1 km over the cosine of the look angle.
    """
    sin, cos = np.sin(latitude), np.cos(latitude)
    normal = _A / np.sqrt(1.0 - _E2 * sin * sin)
    to_north, outward = -_E2 * normal * sin * cos, normal * (1.0 - _E2 * sin * sin) + height
    along = to_north * north + outward * up
    found: np.ndarray = np.sqrt(along * along - to_north * to_north - outward * outward + radius * radius) - along
    return found.astype(np.float32)


@jit
def _ecef(lat, lon, height):  # type: ignore[no-untyped-def]
    sin_lat, cos_lat = np.sin(lat), np.cos(lat)
    normal = _A / np.sqrt(1.0 - _E2 * sin_lat * sin_lat)
    across = (normal + height) * cos_lat
    return across * np.cos(lon), across * np.sin(lon), (normal * (1.0 - _E2) + height) * sin_lat


@jit
def _ecefs(latitude, longitude, height, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        out[i, 0], out[i, 1], out[i, 2] = _ecef(latitude[i], longitude[i], height[i])


@jit
def _state(orbit, time, state):  # type: ignore[no-untyped-def]
    """Position, velocity and acceleration into the rows of `state`; the end segments are extrapolated."""
    k = min(max(np.searchsorted(orbit[:, 0], time) - 1, 0), orbit.shape[0] - 2)
    step = orbit[k + 1, 0] - orbit[k, 0]
    s = (time - orbit[k, 0]) / step
    for c in range(3):
        p0, p1 = orbit[k, 1 + c], orbit[k + 1, 1 + c]
        m0, m1 = orbit[k, 4 + c] * step, orbit[k + 1, 4 + c] * step
        a2, a3 = 3.0 * (p1 - p0) - 2.0 * m0 - m1, 2.0 * (p0 - p1) + m0 + m1
        state[0, c] = p0 + s * (m0 + s * (a2 + s * a3))
        state[1, c] = (m0 + s * (2.0 * a2 + s * 3.0 * a3)) / step
        state[2, c] = (2.0 * a2 + s * 6.0 * a3) / (step * step)


@jit
def _abeam(x, y, z, orbit, state):  # type: ignore[no-untyped-def]
    """Time at which the satellite passes a point abeam, with its state then; NaN if outside the orbit's time."""
    first, last = orbit[0, 0], orbit[-1, 0]
    time = 0.5 * (first + last)
    for _ in range(20):
        _state(orbit, time, state)
        dx, dy, dz = x - state[0, 0], y - state[0, 1], z - state[0, 2]
        vx, vy, vz = state[1, 0], state[1, 1], state[1, 2]
        slope = dx * state[2, 0] + dy * state[2, 1] + dz * state[2, 2] - (vx * vx + vy * vy + vz * vz)
        change = -(dx * vx + dy * vy + dz * vz) / slope
        # A point far outside would be extrapolated without limit: a span beyond either end is enough to know.
        time = min(max(time + change, 2.0 * first - last), 2.0 * last - first)
        if not abs(change) > 1e-9:
            break
    _state(orbit, time, state)
    if first <= time <= last and abs(change) <= 1e-9:
        return time
    return np.nan


@jit
def _zero_dopplers(points, orbit, out):  # type: ignore[no-untyped-def]
    state = np.empty((3, 3))
    for i in range(points.shape[0]):
        x, y, z = points[i]
        time = _abeam(x, y, z, orbit, state)
        out[0, i] = time
        dx, dy, dz = state[0, 0] - x, state[0, 1] - y, state[0, 2] - z
        out[1, i] = np.sqrt(dx * dx + dy * dy + dz * dz) if not np.isnan(time) else np.nan


@jit
def _line_of_sight(latitude, longitude, height, orbit, out):  # type: ignore[no-untyped-def]
    state = np.empty((3, 3))
    for i in range(height.shape[0]):
        for j in range(height.shape[1]):
            lat, lon = latitude[i, j], longitude[i, j]
            x, y, z = _ecef(lat, lon, height[i, j])
            if np.isnan(_abeam(x, y, z, orbit, state)):
                out[:, i, j] = np.nan
                continue
            dx, dy, dz = state[0, 0] - x, state[0, 1] - y, state[0, 2] - z
            distance = np.sqrt(dx * dx + dy * dy + dz * dz)
            sin_lat, cos_lat, sin_lon, cos_lon = np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)
            outward = cos_lon * dx + sin_lon * dy
            east = (-sin_lon * dx + cos_lon * dy) / distance
            north = (-sin_lat * outward + cos_lat * dz) / distance
            up = (cos_lat * outward + sin_lat * dz) / distance
            # The tangent's form is exact near 0, where the cosine is flat.
            out[0, i, j] = np.arctan2(np.sqrt(east * east + north * north), up)
            out[1, i, j], out[2, i, j], out[3, i, j] = east, north, up
