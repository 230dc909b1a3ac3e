from itertools import pairwise, permutations

import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.simulate.air import REFERENCE, Air, LeeWaves
from insarflow.types import Window

CALM = {"valley_chance": 0.0, "wave_chance": 0.0, "stratification": 0.0}
ALL = {"valley_chance": 1.0, "wave_chance": 1.0}


def height(window):
    y, x = np.mgrid[window.y0 : window.y1, window.x0 : window.x1]
    return (1500 + 800 * np.sin(y / 40) * np.cos(x / 70)).astype(np.float32)


@settings(max_examples=20)
@given(windows, st.integers(-3, 9))
def test_any_window_has_the_same_bits(window, acquisition):
    air = Air.draw(3, acquisition, spacing=20.0, **ALL)
    check_any_window(lambda w: air.phase(w, height(w)), window)


def spectrum(spacing, size=256, count=6):
    """Mean two-dimensional power density of turbulence of 1 rad, its wave numbers, and the area of one."""
    taper = np.outer(np.hanning(size), np.hanning(size))
    power = 0.0
    for seed in range(count):
        air = Air.draw(seed, 0, spacing=spacing, turbulence=(1.0, 1.0), **CALM)
        field = air.phase(Window(50 * seed, -20, size, size), np.zeros((size, size), np.float32))
        power = power + np.abs(np.fft.fft2((field - field.mean()) * taper)) ** 2 / np.sum(taper**2) / count
    k = np.hypot(*np.meshgrid(*(np.fft.fftfreq(size, spacing),) * 2))
    return power * spacing**2, k, 1 / (size * spacing) ** 2


@pytest.mark.parametrize(
    ("spacing", "wavelengths", "exponent"), [(60.0, (300, 1_600), -11 / 3), (300.0, (2_600, 20_000), -8 / 3)]
)
def test_turbulence_has_a_slope_on_both_sides_of_the_knee(spacing, wavelengths, exponent):
    power, k, _ = spectrum(spacing)
    edges = np.geomspace(1 / max(wavelengths), 1 / min(wavelengths), 9)
    rings = [(k >= a) & (k < b) for a, b in pairwise(edges)]
    means = [power[ring].mean() for ring in rings]
    slope = np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(means), 1)[0]
    assert slope == pytest.approx(exponent, abs=0.2)


def test_turbulence_is_as_strong_as_drawn():
    power, k, area = spectrum(100.0, count=10)
    assert np.sum(power[k > 1 / 10_000]) * area == pytest.approx(1.0, abs=0.15)


def test_strength_is_drawn_per_date():
    window = Window(0, 0, 60, 60)
    level = np.full(window.shape, REFERENCE, np.float32)
    parts = [Air.draw(1, i, spacing=100.0, turbulence=(0.1, 0.9), **CALM).phase(window, level) for i in range(60)]
    rough = np.array([p - p.mean() for p in parts]).std(axis=(1, 2))
    assert 5 < np.percentile(rough, 95) / np.percentile(rough, 5) < 40
    together = np.corrcoef(np.reshape(parts, (60, -1))[:, ::97])
    assert abs(together[np.triu_indices(60, 1)].mean()) < 0.1


def test_stratified_delay_falls_off_exponentially():
    air = Air.draw(8, 2, spacing=20.0, valley_chance=0.0, wave_chance=0.0)
    heights = np.arange(-500.0, 4500.0, 1.0, np.float32)[None]
    delay = air.stratified(Window(0, 0, *heights.shape), heights).astype(float)[0]
    assert delay[heights[0] == REFERENCE] == 0.0
    rate = 1000 * (delay[10:] - delay[:-10]) / 10
    middle = heights[0, 5:-5]
    assert rate[middle == REFERENCE] == pytest.approx(air.rate, rel=0.01)
    fit = np.polyfit(middle[::50], np.log(np.abs(rate[::50])), 1)[0]
    assert -1 / fit == pytest.approx(air.scale_height, rel=0.01)
    assert 1500 <= air.scale_height <= 3000


def test_rates_are_drawn_per_date():
    rates = [Air.draw(1, i, spacing=20.0, stratification=0.6).rate for i in range(400)]
    assert np.std(rates) == pytest.approx(0.6, rel=0.12)
    assert np.mean(rates) == pytest.approx(0.0, abs=0.1)


def rate_map(air, window):
    near = [air.stratified(window, np.full(window.shape, h, np.float32)) for h in (REFERENCE - 5, REFERENCE + 5)]
    return (near[1] - near[0]) * 100


def test_valleys_have_rates_of_their_own_within_the_limit():
    window = Window(0, 0, 300, 300)
    chosen = {"valley_rate": (1.0, 1.0), "wave_chance": 0.0, "spacing": 200.0}
    spread = [rate_map(Air.draw(s, 0, valley_chance=1.0, stratification=0.0, **chosen), window) for s in range(5)]
    assert np.std(spread) == pytest.approx(1.0, abs=0.2)
    # Within a kilometre there is no change to speak of, within 5 km there is much.
    near, far = (np.mean((np.array(spread)[:, :, n:] - np.array(spread)[:, :, :-n]) ** 2) / 2 for n in (5, 50))
    assert near < 0.15 < 0.4 < far
    wild = rate_map(Air.draw(1, 0, valley_chance=1.0, stratification=9.0, **chosen), window)
    assert 2.9 < np.abs(wild).max() < 3.1
    assert np.ptp(rate_map(Air.draw(1, 0, valley_chance=0.0, stratification=0.5, **chosen), window)) < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_lee_waves_have_their_length_and_direction_in_patches(seed):
    waves = LeeWaves.draw(np.random.default_rng(seed), spacing=250.0, amplitude=(0.8, 0.8))
    assert 5_000 <= waves.wavelength <= 15_000
    size = 720
    phase = waves.phase(Window(-300, 90, size, size)).astype(float)
    assert np.abs(phase).max() < 0.8001
    assert np.abs(phase).max() > 0.75
    assert 0.1 < np.mean(np.abs(phase) < 0.05) < 0.9
    power = np.abs(np.fft.fft2(phase)) ** 2
    ky, kx = np.meshgrid(*(np.fft.fftfreq(size, 250.0),) * 2, indexing="ij")
    half = ky * -np.cos(waves.azimuth) + kx * np.sin(waves.azimuth) > 0
    mean_y, mean_x = (np.average(k[half], weights=power[half]) for k in (ky, kx))
    assert 1 / np.hypot(mean_y, mean_x) == pytest.approx(waves.wavelength, rel=0.1)
    away = np.arctan2(mean_x, -mean_y) - waves.azimuth
    assert abs((away + np.pi) % (2 * np.pi) - np.pi) < 0.15


def test_chances_are_kept():
    dates = [Air.draw(5, i, spacing=50.0, valley_chance=0.4, wave_chance=0.2) for i in range(300)]
    assert np.mean([d.rates is not None for d in dates]) == pytest.approx(0.4, abs=0.09)
    assert np.mean([d.waves is not None for d in dates]) == pytest.approx(0.2, abs=0.07)


def test_acquisitions_are_drawn_alone_and_pairs_close():
    window = Window(-20, 30, 40, 50)
    images = [Air.draw(7, i, spacing=20.0).phase(window, height(window)) for i in range(3)]
    again = [Air.draw(7, i, spacing=20.0).phase(window, height(window)) for i in (2, 0, 1)]
    np.testing.assert_array_equal(again[1], images[0])
    np.testing.assert_array_equal(again[0], images[2])
    for i, j, k in permutations(range(3)):
        closure = (images[j] - images[i]) + (images[k] - images[j]) + (images[i] - images[k])
        assert np.abs(closure).max() < 1e-5
    assert np.std(images[1] - images[0]) > 0.05
    assert np.any(Air.draw(8, 0, spacing=20.0).phase(window, height(window)) != images[0])


def test_spacing_must_be_positive():
    with pytest.raises(ValueError, match=r"^spacing must be a positive number, instead got spacing=0"):
        Air.draw(1, 0, spacing=0)
