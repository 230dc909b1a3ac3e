import math

import numpy as np
import pytest
from grids import flat, looking, places, rugged
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.kernels.layover import LAYOVER, SHADOW, layover_shadow


def every_step(dem, los, size, reach):
    """The definition, pixel by pixel and step by step, on a grid whose north is true."""
    out = np.zeros(dem.shape, np.uint8)

    def sample(y, x):
        y0, x0 = math.floor(y), math.floor(x)
        total = weight = 0.0
        for i, wy in ((y0, 1 - y + y0), (y0 + 1, y - y0)):
            for j, wx in ((x0, 1 - x + x0), (x0 + 1, x - x0)):
                if wy * wx > 0 and 0 <= i < dem.shape[0] and 0 <= j < dem.shape[1] and not np.isnan(dem[i, j]):
                    total += wy * wx * float(dem[i, j])
                    weight += wy * wx
        return total / weight if weight > 0.5 else math.nan

    for r, c in np.ndindex(dem.shape):
        e, n, u = (float(v[r, c]) for v in los)
        z = float(dem[r, c])
        if not math.isfinite(z + e + n + u):
            continue
        level = math.hypot(e, n)
        rows, cols = -n / level / size[0], e / level / size[1]
        most = max(abs(rows), abs(cols))
        dy = rows / most if abs(rows) < abs(cols) else math.copysign(1, rows)
        dx = cols / most if abs(cols) < abs(rows) else math.copysign(1, cols)
        for k in range(1, int(reach * most) + 1):
            t = k / most
            toward, away = sample(r + k * dy, c + k * dx), sample(r - k * dy, c - k * dx)
            if toward >= z + t * u / level:
                out[r, c] |= SHADOW
            if toward <= z - t * level / u or away >= z + t * level / u:
                out[r, c] |= LAYOVER
    return out


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.1), st.floats(0, 6.28), st.sampled_from([0.0, 40.0, 130.0]))
def test_against_every_step(seed, incidence, azimuth, reach):
    rng = np.random.default_rng(seed)
    dem = rugged(rng, (10, 13), 60.0)
    dem[rng.uniform(size=dem.shape) < 0.03] = np.nan
    los = looking(dem.shape, incidence, azimuth)
    los[0][3, 4] = np.nan
    found = layover_shadow(dem, los, *flat(), reach=reach)
    truth = every_step(dem, los, (12.5, 8.0), reach)
    assert found.dtype == np.uint8
    # Positions are rounded elsewhere in the last bit, which may decide a tie.
    assert (found != truth).mean() < 0.01
    assert found.any() == truth.any()


@pytest.mark.parametrize("toward", [1, -1])
def test_against_slant_range_along_rows(toward):
    """Layover is a slant range that is shared; shadow is a point below the highest line of sight before it."""
    rng = np.random.default_rng(8)
    dem, incidence, pixel = rugged(rng, (30, 300), 300.0), 0.6, 8.0
    found = layover_shadow(dem, looking(dem.shape, incidence, toward * np.pi / 2), *flat(), reach=1e6)
    z, ground = dem.astype(float)[:, ::-toward], pixel * np.arange(300)  # the satellite is at the left
    slant = ground * math.sin(incidence) - z * math.cos(incidence)
    behind = np.maximum.accumulate(slant, axis=1)[:, :-1] >= slant[:, 1:]
    before = np.minimum.accumulate(slant[:, ::-1], axis=1)[:, ::-1][:, 1:] <= slant[:, :-1]
    layover = np.zeros(dem.shape, bool)
    layover[:, 1:] |= behind
    layover[:, :-1] |= before
    sight = z * math.sin(incidence) + ground * math.cos(incidence)  # along the wave front
    shadow = np.zeros(dem.shape, bool)
    shadow[:, 1:] = np.maximum.accumulate(sight, axis=1)[:, :-1] >= sight[:, 1:]
    np.testing.assert_array_equal((found & LAYOVER) > 0, layover[:, ::-toward])
    np.testing.assert_array_equal((found & SHADOW) > 0, shadow[:, ::-toward])
    assert 0.05 < layover.mean() < 0.95
    assert 0.05 < shadow.mean() < 0.95


@pytest.mark.parametrize("azimuth", [4.5, 1.3, 0.2])
def test_against_a_fine_ray_cast_over_a_mountain(azimuth):
    """Rays at steps of a metre over the closed form: all but pixels at a border agree."""
    size, incidence = (10.0, 10.0), 0.65

    def height(x, y):
        return 900.0 * np.exp(-(x * x + y * y) / 2 / 220.0**2) + 100.0 * np.sin(x / 150.0) * np.cos(y / 200.0)

    x, y = places((110, 110), size)
    z = height(x, y)
    truth = np.zeros(z.shape, int)
    for t in np.arange(1.0, 1000.0, 2.0):
        dx, dy = t * math.sin(azimuth), t * math.cos(azimuth)
        inside = [(abs(x + s * dx) <= 545) & (abs(y + s * dy) <= 545) for s in (1, -1)]
        toward, away = height(x + dx, y + dy), height(x - dx, y - dy)
        truth |= SHADOW * (inside[0] & (toward >= z + t / math.tan(incidence)))
        truth |= LAYOVER * (inside[0] & (toward <= z - t * math.tan(incidence)))
        truth |= LAYOVER * (inside[1] & (away >= z + t * math.tan(incidence)))
    found = layover_shadow(z.astype(np.float32), looking(z.shape, incidence, azimuth), *flat(size), reach=1000.0)
    for bit in (LAYOVER, SHADOW):
        differs = ((found & bit) > 0) != ((truth & bit) > 0)
        assert (truth & bit > 0).mean() > 0.03
        assert differs.mean() < 0.015


def test_a_wall_hides_what_is_behind_and_overlays_what_is_before():
    dem = np.zeros((1, 60), np.float32)
    dem[0, 30] = 40.0
    incidence = math.atan(1.0)
    found = layover_shadow(dem, looking(dem.shape, incidence, 1.5 * np.pi), *flat((8.0, 8.0)), reach=1000.0)
    # The satellite is in the west at 45 degrees: 5 pixels of shadow to the east, 5 of layover to the west.
    np.testing.assert_array_equal(np.flatnonzero(found[0] & SHADOW), np.arange(31, 36))
    np.testing.assert_array_equal(np.flatnonzero(found[0] & LAYOVER), np.arange(25, 31))
    near = layover_shadow(dem, looking(dem.shape, incidence, 1.5 * np.pi), *flat((8.0, 8.0)), reach=17.0)
    np.testing.assert_array_equal(np.flatnonzero(near[0] & SHADOW), [31, 32])


def test_straight_down_and_from_below_nothing_is_said():
    dem = rugged(np.random.default_rng(0), (9, 9), 50.0)
    for incidence in (0.0, np.pi / 2, 2.0):
        assert not layover_shadow(dem, looking(dem.shape, incidence, 1.0), *flat(), reach=100.0).any()
