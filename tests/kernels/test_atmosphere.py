import numpy as np
import pytest

from insarflow.kernels.atmosphere import add_stratified, add_turbulence, turbulence
from insarflow.types import Tile, Window

OPTIONS = {"std": 1.0, "exponent": -11 / 3, "longest": 200.0, "pixel_size": (1.0, 1.0)}


def field(seed, shape=(128, 128), cell=0, **changed):
    return turbulence(Tile.whole(shape), cell=cell, seed=seed, **{**OPTIONS, **changed})


def structure(phase, lags):
    """Mean squared difference over a distance, along both axes."""
    return np.array(
        [(np.mean((phase[:, n:] - phase[:, :-n]) ** 2) + np.mean((phase[n:] - phase[:-n]) ** 2)) / 2 for n in lags]
    )


@pytest.mark.parametrize(("exponent", "slope"), [(-11 / 3, 5 / 3), (-8 / 3, 2 / 3)])
def test_structure_function_is_that_of_turbulence(exponent, slope):
    lags = [4, 8, 16, 32]
    measured = np.mean([structure(field(k, exponent=exponent, longest=2000.0), lags) for k in range(40)], axis=0)
    assert np.polyfit(np.log(lags), np.log(measured), 1)[0] == pytest.approx(slope, abs=0.15)


def spectral(rng, size, exponent):
    """A field by the inverse transform of white noise, twice as large as what is kept, so that it does not repeat."""
    k = np.hypot(*np.meshgrid(*(np.fft.fftfreq(2 * size),) * 2))
    k[0, 0] = np.inf
    noise = rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape)
    return np.fft.ifft2(noise * k ** (exponent / 2)).real[:size, :size]


def test_agrees_with_a_field_drawn_in_its_spectrum():
    rng, lags = np.random.default_rng(0), [2, 4, 8, 16, 32]
    ours = np.mean([structure(field(k, longest=256.0), lags) for k in range(40)], axis=0)
    theirs = np.mean([structure(spectral(rng, 128, -11 / 3), lags) for _ in range(40)], axis=0)
    np.testing.assert_allclose(ours / ours[-1], theirs / theirs[-1], rtol=0.25)


def test_spread_isotropy_and_tails():
    small = [field(k, (64, 64), longest=16.0) for k in range(60)]
    values = np.stack(small).astype(float)
    assert np.mean(values**2) == pytest.approx(1, rel=0.05)
    assert abs(values.mean()) < 0.02
    assert np.mean(values**4) / np.mean(values**2) ** 2 == pytest.approx(3, abs=0.25)
    along_y, along_x = np.mean(np.diff(values, axis=1) ** 2), np.mean(np.diff(values, axis=2) ** 2)
    assert along_y == pytest.approx(along_x, rel=0.1)
    stretched = np.stack([field(k, (64, 64), longest=16.0, pixel_size=(2.0, 1.0)) for k in range(30)])
    assert np.mean(np.diff(stretched, axis=1) ** 2) > 2 * np.mean(np.diff(stretched, axis=2) ** 2)


def test_a_part_has_the_bits_of_the_whole():
    whole, place = field(3, (50, 700)), Window(13, 255, 20, 300)
    np.testing.assert_array_equal(
        turbulence(Tile(place, place, (50, 700)), cell=0, seed=3, **OPTIONS), whole[13:33, 255:555]
    )
    assert np.abs(field(4, (50, 700)) - whole).max() > 0.1
    assert np.abs(field(3, (50, 700), cell=1) - whole).max() > 0.1


def test_phase_is_added():
    rng = np.random.default_rng(0)
    z = (rng.uniform(0.2, 3, (2, 30, 40)) * np.exp(1j * rng.uniform(-3, 3, (2, 30, 40)))).astype(np.complex64)
    z[0, 2, 3] = np.nan
    result = add_turbulence(z, seed=5, **OPTIONS)
    expected = z * np.exp(1j * np.stack([field(5, (30, 40), cell=k) for k in (0, 1)]))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    height = rng.uniform(-50, 3000, z.shape).astype(np.float32)
    height[1, 4, 5] = np.nan
    result = add_stratified(z, height, rad_per_km=-9.0)
    np.testing.assert_allclose(result, z * np.exp(-9e-3j * height.astype(float)), atol=3e-5)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(z) | np.isnan(height))
