import numpy as np
import pytest
from scipy import ndimage

from insarflow.simulate.movers import place_movers
from insarflow.simulate.terrain import Terrain, fractal_terrain, line_of_sight

PIXEL = 20.0
UP = (0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def terrain():
    return fractal_terrain(np.random.default_rng(0), (220, 240), PIXEL)


@pytest.fixture(scope="module")
def movers(terrain):
    los = line_of_sight(np.asarray(np.radians(38.0)), np.radians(-12.0))
    return place_movers(np.random.default_rng(1), terrain, los, PIXEL, count=25)


def test_wanted_number_and_types(movers):
    assert movers.count == len(np.unique(movers.label)) - 1
    assert 10 <= movers.count <= 25
    assert movers.label.dtype == np.int32
    assert movers.rate.dtype == movers.speed.dtype == np.float32


def test_bodies_lie_apart(movers):
    for number in range(1, movers.count + 1):
        ring = ndimage.binary_dilation(movers.label == number, iterations=2)
        assert set(np.unique(movers.label[ring])) <= {0, number}


def test_bodies_are_large_enough_and_on_slopes(terrain, movers):
    degrees = np.degrees(terrain.slope)
    for number in range(1, movers.count + 1):
        body = movers.label == number
        assert body.sum() >= 12
        assert degrees[body].max() > 9


def test_only_bodies_move_and_never_faster_along_the_line_of_sight(movers):
    stable = movers.label == 0
    assert not movers.rate[stable].any()
    assert not movers.speed[stable].any()
    assert (np.abs(movers.rate) <= movers.speed * 1.000001).all()
    assert movers.speed.max() <= 1.5
    for number in range(1, movers.count + 1):
        body = movers.label == number
        assert movers.speed[body].max() > 0.02
        assert len({np.sign(v) for v in movers.rate[body] if v}) == 1  # it slides as one


def test_peak_rate_against_a_loop(movers):
    expected = [np.abs(movers.rate[movers.label == n]).max() for n in range(1, movers.count + 1)]
    np.testing.assert_allclose(movers.peak_rate(), expected)


def test_speed_falls_to_the_rim(movers):
    for number in range(1, movers.count + 1):
        body = movers.label == number
        inner = ndimage.binary_erosion(body, iterations=2)
        if inner.any():
            assert movers.speed[inner].mean() > movers.speed[body & ~inner].mean()


def slope(azimuth):
    """A plane of 20 degrees."""
    shape = (150, 150)
    full = np.ones(shape, np.float32)
    return Terrain(full * 1000, full * np.float32(np.radians(20)), full * np.float32(np.radians(azimuth)))


@pytest.mark.parametrize(("azimuth", "toward"), [(90.0, False), (270.0, True)])
def test_sign_of_the_rate(azimuth, toward):
    """Satellite in the west: what slides west comes toward it, what slides east goes away, unless it sinks faster."""
    los = line_of_sight(np.asarray(np.radians(40.0)), 0.0)
    movers = place_movers(np.random.default_rng(2), slope(azimuth), los, PIXEL, count=5)
    moving = movers.rate[movers.rate != 0]
    assert moving.size
    assert ((moving > 0) == toward).all()


def test_all_slopes_sink():
    movers = place_movers(np.random.default_rng(2), slope(10.0), UP, PIXEL, count=5)
    body = movers.speed > 0
    np.testing.assert_allclose(movers.rate[body], -np.sin(np.radians(20)) * movers.speed[body], rtol=1e-5)


def test_bodies_are_longer_down_the_slope():
    lengths = []
    for seed in range(6):
        movers = place_movers(np.random.default_rng(seed), slope(90.0), UP, PIXEL, count=4)
        for number in range(1, movers.count + 1):
            rows, cols = np.nonzero(movers.label == number)
            lengths.append(np.ptp(cols) / max(np.ptp(rows), 1))
    assert np.median(lengths) > 1.2


def test_flat_ground_does_not_move():
    flat = np.zeros((60, 60), np.float32)
    movers = place_movers(np.random.default_rng(0), Terrain(flat, flat, flat), UP, PIXEL, count=5)
    assert movers.count == 0
    assert movers.peak_rate().shape == (0,)
