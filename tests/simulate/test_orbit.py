import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.simulate.orbit import STEP_PER_LINE, Bursts, DemError, Orbit
from insarflow.types import Window

HEADINGS = np.radians([-12.0, 192.0])


def bursts(seed=0, heading=HEADINGS[0], **options):
    return Bursts.draw(np.random.default_rng(seed), spacing=50.0, heading=heading, **options)


@settings(max_examples=20)
@given(windows, st.integers(-3, 9), st.sampled_from(list(HEADINGS)))
def test_any_window_has_the_same_bits(window, acquisition, heading):
    orbit, error = Orbit.draw(1, acquisition), DemError.draw(np.random.default_rng(1), spacing=20.0)
    # Short bursts, so that most windows hold an edge.
    edges = bursts(heading=heading, length=900.0)

    def draw(w):
        residual = error.phase(w, orbit.position, slant_range=850e3, incidence=0.6)
        return orbit.phase(w, 20.0), edges.phase(acquisition, w), residual, error.at(w)

    check_any_window(draw, window)


def test_positions_and_ramps_are_as_sentinel1s():
    orbits = [Orbit.draw(3, i) for i in range(-200, 400)]
    positions = np.array([o.position for o in orbits])
    assert positions.std() == pytest.approx(55, rel=0.1)
    assert np.abs(positions).max() <= 200
    ramps = np.array([np.hypot(o.south, o.east) for o in orbits]) * 100e3 / (2 * np.pi)
    assert 0.45 < ramps.max() <= 0.5
    assert np.mean(ramps) == pytest.approx(0.25, abs=0.03)
    far = max(Orbit.draw(3, i, tube=500.0).position for i in range(40))
    assert far == 200


def test_ramp_is_a_plane():
    orbit = Orbit(0.0, 2e-5, -3e-5)
    phase = orbit.phase(Window(-10, 20, 30, 40), 20.0)
    np.testing.assert_allclose(np.diff(phase, axis=0), 2e-5 * 20, atol=1e-7)
    np.testing.assert_allclose(np.diff(phase, axis=1), -3e-5 * 20, atol=1e-7)
    assert phase[9, 0] == pytest.approx(2e-5 * -10 - 3e-5 * 410, abs=1e-7)


def test_a_hundredth_of_a_line_is_half_a_radian():
    assert 0.5 < STEP_PER_LINE / 100 < 0.6


@pytest.mark.parametrize("heading", HEADINGS)
def test_bursts_are_sawteeth_along_the_flight(heading):
    drawn = bursts(heading=heading, unrest=0.0)
    window = Window(-700, 100, 1600, 1)
    phase, place = drawn.phase(4, window)[:, 0].astype(float), drawn.along(window)[:, 0]
    edges = np.flatnonzero(np.diff(np.floor(place)))
    # 80 km from north to south, bursts of 20 km.
    assert len(edges) == pytest.approx(80 * abs(np.cos(heading)) / 20, abs=1)
    step = STEP_PER_LINE * drawn.shift_of(4, 0)
    # The phase rises along each burst by what it falls at the edge: up north when flying north.
    direction = np.sign(np.diff(place)[0])
    assert direction == -np.sign(np.cos(heading))
    slope = step * np.diff(place)[0]
    np.testing.assert_allclose(np.delete(np.diff(phase), edges), slope, atol=1e-6)
    np.testing.assert_allclose(np.diff(phase)[edges], slope - direction * step, atol=1e-6)
    assert abs(phase.mean()) < abs(step) / 2


def test_edges_lie_across_the_flight():
    """Along an edge the phase is the same: places on one line across the flight."""
    drawn = Bursts(1, 50.0, np.radians(-12.0), 20e3, 0.0, 0.004, 0.001)
    assert drawn.along(Window(0, 0, 1, 1))[0, 0] < drawn.along(Window(-100, 0, 1, 1))[0, 0]
    north, east = np.cos(drawn.heading), np.sin(drawn.heading)
    place = drawn.along(Window(-100, 0, 100, 100))
    np.testing.assert_allclose(place[0, 0] - place[99, 0], 99 * 50 * north / 20e3)
    np.testing.assert_allclose(place[0, 99] - place[0, 0], 99 * 50 * east / 20e3)


def test_steps_of_pairs():
    drawn = bursts(step=0.5, unrest=0.1)
    shifts = np.array([[drawn.shift_of(i, b) for b in range(3)] for i in range(80)])
    pairs = np.array([shifts[j] - shifts[i] for i in range(80) for j in range(i)]) * STEP_PER_LINE
    assert 0.42 < np.abs(pairs).max() <= 0.5
    assert 0.6 < np.mean(np.abs(pairs) > 0.05) < 0.95
    assert 0.012 < np.std(pairs - pairs.mean(axis=1, keepdims=True)) < 0.05
    assert not np.any(bursts(step=0.0).phase(1, Window(-500, 0, 900, 3)))
    with pytest.raises(ValueError, match=r"^length must be a positive number, instead got length=0"):
        bursts(length=0)


@pytest.mark.parametrize("spacing", [10.0, 15.0, 20.0])
@pytest.mark.parametrize("correlation", [50.0, 120.0, 200.0])
def test_dem_errors_have_their_size_and_correlation(spacing, correlation):
    lags = np.arange(int(1.5 * correlation / spacing) + 1)
    curve, size = np.zeros(lags.size), 400
    for seed in range(4):
        error = DemError.draw(np.random.default_rng(seed), spacing=spacing, correlation=(correlation, correlation))
        assert 5 <= error.rms <= 15
        values = error.at(Window(-300, 200, size, size)).astype(float) / error.rms
        for turned in (values, values.T):
            curve += [np.mean(turned[:, k:] * turned[:, : size - k]) / 8 for k in lags]
    assert np.sqrt(curve[0]) == pytest.approx(1, abs=0.05)
    distance = np.interp(-np.exp(-1), -curve / curve[0], lags * spacing)
    assert distance == pytest.approx(correlation, rel=0.08)


def test_phase_of_dem_errors():
    error = DemError.draw(np.random.default_rng(2), spacing=20.0)
    window = Window(3, 4, 50, 60)
    phase = error.phase(window, 80.0, slant_range=850e3, incidence=np.radians(39.0))
    expected = 4 * np.pi / SENTINEL1_WAVELENGTH * 80.0 / (850e3 * np.sin(np.radians(39.0))) * error.at(window)
    np.testing.assert_allclose(phase, expected, rtol=1e-5)
    # A hundred metres of baseline and ten of height are half a radian or so.
    assert 0.2 < 4 * np.pi / SENTINEL1_WAVELENGTH * 100 * 10 / (850e3 * 0.63) < 0.6


def test_pairs_close():
    window = Window(-200, 50, 30, 40)
    drawn, error = bursts(length=500.0), DemError.draw(np.random.default_rng(2), spacing=20.0)

    def phase(i):
        orbit = Orbit.draw(9, i)
        residual = error.phase(window, orbit.position, slant_range=850e3, incidence=0.6)
        return orbit.phase(window, 20.0) + drawn.phase(i, window) + residual

    a, b, c = (phase(i) for i in (2, 0, 5))
    assert np.abs((phase(0) - phase(2)) + (phase(5) - phase(0)) - (c - a)).max() < 1e-6
    assert np.std(b - a) > 0.01
