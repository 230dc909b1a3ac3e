import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.simulate.fields import Field, smoothstep, stream_of, unit_field
from insarflow.types import Window

TURBULENCE = {"exponent": -11 / 3, "longest": 5_000.0, "over": 2_000.0, "knee": 320.0, "knee_exponent": -1.5}
SIZE = 256


def turbulent(seed, **changes):
    return Field.power_law(seed, "x", spacing=20.0, std=2.0, **{**TURBULENCE, **changes})


@pytest.fixture(scope="module")
def spectrum():
    """Wavenumbers, 1/m, and the mean power of some fields."""
    taper = np.outer(np.hanning(SIZE), np.hanning(SIZE))
    fields = (turbulent(s).at(Window(-50, 7, SIZE, SIZE)) for s in range(12))
    power = sum(np.abs(np.fft.fft2(field * taper)) ** 2 for field in fields)
    ky, kx = np.meshgrid(*(np.fft.fftfreq(SIZE, 20.0),) * 2, indexing="ij")
    return ky, kx, power


@pytest.mark.parametrize(("wavelengths", "slope"), [((70, 240), -11 / 3), ((420, 2000), -1.5)])
def test_spectrum_bends_at_the_knee(spectrum, wavelengths, slope):
    ky, kx, power = spectrum
    k = np.hypot(ky, kx)
    chosen = (k > 1 / wavelengths[1]) & (k < 1 / wavelengths[0])
    assert np.polyfit(np.log(k[chosen]), np.log(power[chosen]), 1)[0] == pytest.approx(slope, abs=0.25)


def test_spectrum_is_isotropic(spectrum):
    ky, kx, power = spectrum
    k, turn = np.hypot(ky, kx), np.arctan2(np.abs(ky), np.abs(kx))
    chosen = (k > 1 / 2000) & (k < 1 / 100)
    along, oblique = (power[chosen & part] * k[chosen & part] ** 3 for part in (turn < 0.3, np.abs(turn - 0.785) < 0.2))
    assert along.mean() / oblique.mean() == pytest.approx(1, abs=0.25)


def test_standard_deviation_is_that_of_wavelengths_up_to_a_size():
    """Taken from the mean spectrum of large windows; of all wavelengths it is larger."""
    size, spacing = 512, 20.0
    power = np.mean([np.abs(np.fft.fft2(turbulent(s).at(Window(0, 0, size, size)))) ** 2 for s in range(8)], axis=0)
    k = np.hypot(*np.meshgrid(*(np.fft.fftfreq(size, spacing),) * 2))
    assert np.sqrt(power[k > 1 / 2000].sum()) / size**2 == pytest.approx(2.0, rel=0.15)
    assert np.sqrt(power[k > 0].sum()) / size**2 > 2.1


@pytest.mark.parametrize(
    ("exponent", "longest", "shortest"), [(-4.0, 900.0, 0.0), (-2.0, 500.0, 0.0), (-3.0, 1200.0, 400.0)]
)
def test_standard_deviation_of_unit_fields_is_one(exponent, longest, shortest):
    fields = [
        unit_field(s, "x", spacing=20.0, exponent=exponent, longest=longest, shortest=shortest).at(
            Window(-300, 5, 512, 512)
        )
        for s in range(6)
    ]
    assert np.mean(np.square(fields)) == pytest.approx(1.0, abs=0.1)


def test_unit_fields_of_few_cells_are_drawn_too():
    field = unit_field(1, "x", spacing=100.0, exponent=-2.0, longest=50.0)
    assert np.std(field.at(Window(0, 0, 200, 200))) == pytest.approx(1.0, abs=0.1)


@settings(max_examples=10, deadline=None)
@given(windows, st.integers(0, 5))
def test_any_window_has_the_same_bits(window, seed):
    check_any_window(turbulent(seed).at, window)
    check_any_window(unit_field(seed, "y", spacing=20.0, exponent=-3.0, longest=700.0).at, window)


def test_names_and_seeds_are_independent():
    place = Window(0, 0, 200, 200)
    one = unit_field(1, "a", spacing=20.0, exponent=-2.0, longest=100.0).at(place)
    for seed, name in ((1, "b"), (2, "a")):
        other = unit_field(seed, name, spacing=20.0, exponent=-2.0, longest=100.0).at(place)
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05
    assert stream_of("a") != stream_of("b")
    assert 0 <= stream_of("a") < 2**64


def test_smoothstep():
    np.testing.assert_allclose(smoothstep(np.array([-1, 0, 0.25, 0.5, 1, 3])), [0, 0, 0.15625, 0.5, 1, 1])
