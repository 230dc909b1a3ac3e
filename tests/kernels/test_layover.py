import math

import numpy as np
import pytest
from grids import flat, looking, places, rugged
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.kernels.layover import (
    ACTIVE_LAYOVER,
    ACTIVE_SHADOW,
    LAYOVER,
    PASSIVE_LAYOVER,
    PASSIVE_SHADOW,
    SHADOW,
    layover_shadow,
)

ALL = (ACTIVE_LAYOVER, PASSIVE_LAYOVER, ACTIVE_SHADOW, PASSIVE_SHADOW)


def told(active_layover, layover, active_shadow, shadow):
    """Bits of what is known as active and of any kind."""
    passive = layover & ~active_layover, shadow & ~active_shadow
    return sum(
        bit * kind for bit, kind in zip(ALL, (active_layover, passive[0], active_shadow, passive[1]), strict=True)
    )


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
        hides, overlays = [], []
        for k in range(1, int(reach * most) + 1):
            t = k / most
            toward, away = sample(r + k * dy, c + k * dx), sample(r - k * dy, c - k * dx)
            hides.append(toward >= z + t * u / level)
            overlays.append(toward <= z - t * level / u or away >= z + t * level / u)
        for met, active, passive in (
            (overlays, ACTIVE_LAYOVER, PASSIVE_LAYOVER),
            (hides, ACTIVE_SHADOW, PASSIVE_SHADOW),
        ):
            if any(met):
                out[r, c] += active if met[0] else passive
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


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 1.2), st.floats(0, 6.28), st.floats(15.0, 500.0))
def test_a_pixel_is_active_or_passive_and_reach_adds_only_what_is_passive(seed, incidence, azimuth, reach):
    rng = np.random.default_rng(seed)
    dem = rugged(rng, (24, 31), 90.0)
    dem[rng.uniform(size=dem.shape) < 0.02] = np.nan
    found, near = (layover_shadow(dem, looking(dem.shape, incidence, azimuth), *flat(), reach=r) for r in (reach, 15.0))
    for active, passive in ((ACTIVE_LAYOVER, PASSIVE_LAYOVER), (ACTIVE_SHADOW, PASSIVE_SHADOW)):
        assert not ((found & active > 0) & (found & passive > 0)).any()
        np.testing.assert_array_equal(found & active, near & active)
        assert not ((near & passive > 0) & (found & passive == 0)).any()
    assert found.max() < 16
    assert not found[np.isnan(dem)].any()


@pytest.mark.parametrize("toward", [1, -1])
def test_against_slant_range_along_rows(toward):
    """Layover is a slant range that is shared; shadow is a point below the highest line of sight before it.

    Active is where slant range falls along the ground, or the line of sight to the pixel before it does.
    """
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
    reversed_, falling = np.diff(slant, axis=1) <= 0, np.diff(sight, axis=1) <= 0
    steep, dark = np.zeros(dem.shape, bool), np.zeros(dem.shape, bool)
    steep[:, 1:] |= reversed_
    steep[:, :-1] |= reversed_
    dark[:, 1:] = falling
    np.testing.assert_array_equal(found, told(steep, layover, dark, shadow)[:, ::-toward])
    for mask, kind in ((LAYOVER, layover), (SHADOW, shadow)):
        np.testing.assert_array_equal((found & mask) > 0, kind[:, ::-toward])
    assert min((found & bit > 0).mean() for bit in ALL) > 0.02
    assert max(layover.mean(), shadow.mean()) < 0.95


@pytest.mark.parametrize("azimuth", [4.5, 1.3, 0.2])
def test_against_a_fine_ray_cast_over_a_mountain(azimuth):
    """Rays at steps of a metre over the closed form: all but pixels at a border agree."""
    size, incidence = (10.0, 10.0), 0.65

    def height(x, y):
        return 900.0 * np.exp(-(x * x + y * y) / 2 / 220.0**2) + 100.0 * np.sin(x / 150.0) * np.cos(y / 200.0)

    x, y = places((110, 110), size)
    z = height(x, y)
    hidden, overlaid = np.zeros(z.shape, bool), np.zeros(z.shape, bool)
    for t in np.arange(1.0, 1000.0, 2.0):
        dx, dy = t * math.sin(azimuth), t * math.cos(azimuth)
        inside = [(abs(x + s * dx) <= 545) & (abs(y + s * dy) <= 545) for s in (1, -1)]
        toward, away = height(x + dx, y + dy), height(x - dx, y - dy)
        hidden |= inside[0] & (toward >= z + t / math.tan(incidence))
        overlaid |= inside[0] & (toward <= z - t * math.tan(incidence))
        overlaid |= inside[1] & (away >= z + t * math.tan(incidence))
    east, north = math.sin(azimuth), math.cos(azimuth)
    climb = (height(x + 0.1 * east, y + 0.1 * north) - height(x - 0.1 * east, y - 0.1 * north)) / 0.2
    steep, dark = climb <= -math.tan(incidence), climb >= 1 / math.tan(incidence)
    truth = told(steep, overlaid | steep, dark, hidden | dark)
    found = layover_shadow(z.astype(np.float32), looking(z.shape, incidence, azimuth), *flat(size), reach=1000.0)
    for bit in (LAYOVER, SHADOW, *ALL):
        differs = ((found & bit) > 0) != ((truth & bit) > 0)
        assert (truth & bit > 0).mean() > 0.01
        # A pixel beside a border has a step across it: up to a pixel all along is active, not passive.
        assert differs.mean() < (0.015 if bit in (LAYOVER, SHADOW) else 0.025)


def test_a_wall_hides_what_is_behind_and_overlays_what_is_before():
    dem = np.zeros((1, 60), np.float32)
    dem[0, 30] = 40.0
    incidence = math.atan(1.0)
    found = layover_shadow(dem, looking(dem.shape, incidence, 1.5 * np.pi), *flat((8.0, 8.0)), reach=1000.0)
    # The satellite is in the west at 45 degrees: 5 pixels of shadow to the east, 5 of layover to the west.
    np.testing.assert_array_equal(np.flatnonzero(found[0] & SHADOW), np.arange(31, 36))
    np.testing.assert_array_equal(np.flatnonzero(found[0] & LAYOVER), np.arange(25, 31))
    # The wall's own faces, and the pixels at their feet.
    np.testing.assert_array_equal(np.flatnonzero(found[0] & ACTIVE_LAYOVER), [29, 30])
    np.testing.assert_array_equal(np.flatnonzero(found[0] & ACTIVE_SHADOW), [31])
    near = layover_shadow(dem, looking(dem.shape, incidence, 1.5 * np.pi), *flat((8.0, 8.0)), reach=17.0)
    np.testing.assert_array_equal(np.flatnonzero(near[0] & SHADOW), [31, 32])


def test_straight_down_and_from_below_nothing_is_said():
    dem = rugged(np.random.default_rng(0), (9, 9), 50.0)
    for incidence in (0.0, np.pi / 2, 2.0):
        assert not layover_shadow(dem, looking(dem.shape, incidence, 1.0), *flat(), reach=100.0).any()
