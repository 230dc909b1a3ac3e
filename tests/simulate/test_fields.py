import numpy as np
import pytest

from insarflow.simulate.fields import power_law_field, smoothstep


def spectral_slope(exponent, wavelengths, **options):
    """Slope of the mean radial spectrum of fields on 20 m pixels, between two wavelengths in metres."""
    size = 128
    window = np.outer(np.hanning(size), np.hanning(size))
    power = 0
    for seed in range(12):
        field = power_law_field(np.random.default_rng(seed), (size, size), 20.0, exponent=exponent, **options)
        power = power + np.abs(np.fft.fft2(field * window)) ** 2
    k = np.hypot(*np.meshgrid(*(np.fft.fftfreq(size, 20.0),) * 2))
    chosen = (k > 1 / max(wavelengths)) & (k < 1 / min(wavelengths))
    return np.polyfit(np.log(k[chosen]), np.log(power[chosen]), 1)[0]


@pytest.mark.parametrize("exponent", [-1.6, -2.4, -11 / 3])
def test_spectrum_follows_the_power_law(exponent):
    assert spectral_slope(exponent, (60, 640)) == pytest.approx(exponent, abs=0.15)


def test_spectrum_changes_its_slope_at_the_knee():
    options = {"knee": 320.0, "knee_exponent": -1.5}
    assert spectral_slope(-11 / 3, (60, 240), **options) == pytest.approx(-11 / 3, abs=0.25)
    assert spectral_slope(-11 / 3, (420, 1300), **options) == pytest.approx(-1.5, abs=0.25)


@pytest.mark.parametrize("shape", [(64, 64), (33, 150), (200, 7)])
def test_moments_and_shape(shape):
    field = power_law_field(np.random.default_rng(0), shape, 20.0, exponent=-2.4)
    assert field.shape == shape
    assert field.dtype == np.float32
    assert abs(field.mean()) < 1e-5
    assert field.std() == pytest.approx(1, abs=1e-4)


def test_field_does_not_repeat_at_its_borders():
    jumps = [
        np.abs(f[0] - f[-1]).mean()
        for f in (power_law_field(np.random.default_rng(s), (64, 64), 20.0, exponent=-3.5) for s in range(10))
    ]
    assert np.mean(jumps) > 0.3


def test_smoothstep():
    np.testing.assert_allclose(smoothstep(np.array([-1, 0, 0.25, 0.5, 1, 3])), [0, 0, 0.15625, 0.5, 1, 1])


def test_power_law_field_is_isotropic():
    along_y, along_x = 0.0, 0.0
    for seed in range(600):
        field = power_law_field(np.random.default_rng(seed), (32, 32), 20.0, exponent=-2.0)
        along_y += field.mean(axis=1).var()
        along_x += field.mean(axis=0).var()
    assert along_y / along_x == pytest.approx(1.0, abs=0.1)
