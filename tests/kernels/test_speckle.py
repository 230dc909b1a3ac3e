import numpy as np
import pytest

from insarflow.kernels.coherence import coherence
from insarflow.kernels.speckle import speckle
from insarflow.types import Looks, Window

LOOKS = Looks(2, 8)
SHAPE = (60, 60)


def draw(
    days, *, first=0.9, floor=0.3, decay=20.0, quality=1.0, shape=SHAPE, seed=1, window=None, width=None, looks=LOOKS
):
    """Images over cells of one kind of ground; the parameters are numbers or arrays of cells."""
    days = np.asarray(days, np.float64)
    cells = [np.broadcast_to(np.float32(v), shape) for v in (first, floor, decay)]
    return speckle(
        *map(np.ascontiguousarray, cells),
        np.array(np.broadcast_to(np.float32(quality), (days.size, *shape))),
        days,
        looks=looks,
        window=window or Window(0, 0, *shape),
        width=width or shape[1],
        seed=seed,
    )


def correlation(a, b):
    return abs(np.mean(a * np.conj(b))) / np.sqrt(np.mean(np.abs(a) ** 2) * np.mean(np.abs(b) ** 2))


def test_unit_power():
    images = draw([0, 6, 12, 90])
    assert images.dtype == np.complex64
    assert images.shape == (4, 120, 480)
    np.testing.assert_allclose(np.mean(np.abs(images) ** 2, axis=(1, 2)), 1, atol=0.03)


@pytest.mark.parametrize(
    ("first", "floor", "decay"), [(0.9, 0.3, 20.0), (0.7, 0.0, 8.0), (0.95, 0.7, 60.0), (0.5, 0.5, 5.0)]
)
def test_coherence_in_time(first, floor, decay):
    days = [0, 6, 12, 30, 31]
    images = draw(days, first=first, floor=floor, decay=decay, shape=(80, 80))
    for i in range(len(days)):
        for j in range(i + 1, len(days)):
            expected = floor + (first - floor) * np.exp(-(days[j] - days[i]) / decay)
            assert correlation(images[i], images[j]) == pytest.approx(expected, abs=0.02)


def test_quality_takes_signal_from_its_acquisition_alone():
    quality = np.array([1.0, 0.25, 1.0], np.float32)[:, None, None]
    images = draw([0, 6, 12], first=0.9, floor=0.9, quality=quality, shape=(80, 80))
    assert correlation(images[0], images[2]) == pytest.approx(0.9, abs=0.02)
    assert correlation(images[0], images[1]) == pytest.approx(0.9 * 0.5, abs=0.02)
    np.testing.assert_allclose(np.mean(np.abs(images) ** 2, axis=(1, 2)), 1, atol=0.03)


@pytest.mark.parametrize("window", [Window(0, 0, 7, 9), Window(20, 31, 11, 29), Window(53, 51, 7, 9)])
def test_a_window_drawn_alone_is_a_cut_of_the_whole(window):
    whole = draw([0, 6, 12])
    part = draw([0, 6, 12], shape=window.shape, window=window, width=SHAPE[1])
    rows, cols = slice(window.y0 * 2, window.y1 * 2), slice(window.x0 * 8, window.x1 * 8)
    np.testing.assert_array_equal(part, whole[:, rows, cols])


def test_a_window_over_changing_ground_is_a_cut_but_for_its_outermost_samples():
    rng = np.random.default_rng(0)
    first, floor = rng.uniform(0.5, 1, SHAPE), rng.uniform(0, 0.5, SHAPE)
    whole = draw([0, 6, 12], first=first, floor=floor)
    window = Window(20, 31, 11, 29)
    cut = slice(20, 31), slice(31, 60)
    part = draw([0, 6, 12], first=first[cut], floor=floor[cut], shape=window.shape, window=window, width=SHAPE[1])
    inside = whole[:, 40:62, 248:480]
    np.testing.assert_array_equal(part[:, 1:-1, 1:-1], inside[:, 1:-1, 1:-1])


def test_seed():
    assert correlation(draw([0])[0], draw([0], seed=2)[0]) < 0.02
    np.testing.assert_array_equal(draw([0, 6]), draw([0, 6]))


def test_samples_correlate_with_their_neighbours_only():
    image = draw([0], shape=(80, 80))[0]
    assert correlation(image[1:], image[:-1]) > 0.4
    assert correlation(image[:, 1:], image[:, :-1]) > 0.3
    assert correlation(image[3:], image[:-3]) < 0.02
    assert correlation(image[:, 3:], image[:, :-3]) < 0.02


def test_bias_of_the_sliding_estimate_is_that_of_a_real_sensor():
    images = draw([0, 6], first=0.0, floor=0.0, shape=(120, 120))
    assert coherence(images[0], images[1], window=Looks(3, 10)).mean() == pytest.approx(0.25, abs=0.015)
