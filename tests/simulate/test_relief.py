import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings

from insarflow.simulate.relief import FractalRelief, Relief
from insarflow.types import Window

ALPINE = FractalRelief.of_seed(4, spacing=20.0, relief=600.0)


class Plane(Relief):
    """Rises 0.3 m/m to the north and 0.4 m/m to the east."""

    spacing, low, high = 20.0, -1e5, 1e5

    def height(self, window):
        y, x = np.mgrid[window.y0 : window.y1, window.x0 : window.x1] + 0.5
        return (20.0 * (-0.3 * y + 0.4 * x)).astype(np.float32)


def degrees(relief, count=6):
    parts = [relief.slope_downhill(Window(2000 * k, -900 * k, 150, 150))[0] for k in range(count)]
    return np.degrees(np.array(parts))


@settings(max_examples=20)
@given(windows)
def test_any_window_has_the_same_bits(window):
    check_any_window(lambda w: (ALPINE.height(w), *ALPINE.gradient(w), *ALPINE.slope_downhill(w)), window)


def test_slope_and_direction_of_a_plane():
    slope, downhill = Plane().slope_downhill(Window(-3, 4, 5, 6))
    np.testing.assert_allclose(slope, np.arctan(0.5), rtol=1e-4)
    # Down is to the south and west.
    np.testing.assert_allclose(downhill, np.arctan2(-0.4, -0.3), atol=1e-4)


def test_surface_is_height_and_gradient():
    window = Window(7, -9, 20, 30)
    height, south, east = ALPINE.surface(window)
    np.testing.assert_array_equal(height, ALPINE.height(window))
    np.testing.assert_array_equal((south, east), ALPINE.gradient(window))
    np.testing.assert_allclose(south[1:-1], np.gradient(height.astype(float), 20.0, axis=0)[1:-1], atol=1e-4)


def test_alpine_slopes_are_steep_and_valley_floors_flat():
    slopes = degrees(ALPINE, 16)
    assert 21 < np.median(slopes[slopes > 5]) < 30
    assert np.percentile(slopes, 99) < 65
    assert 0.02 < np.mean(slopes < 3) < 0.5


@pytest.mark.parametrize(("relief", "low", "high"), [(150.0, 3, 11), (20.0, 0.3, 2)])
def test_hills_and_plains_by_parameter(relief, low, high):
    assert low < np.median(degrees(FractalRelief.of_seed(4, spacing=20.0, relief=relief, floor=-5.0))) < high


def test_slopes_are_in_proportion_to_relief():
    low, high = (np.tan(np.radians(degrees(FractalRelief.of_seed(1, spacing=20.0, relief=r)))) for r in (200.0, 400.0))
    np.testing.assert_allclose(2 * low, high, rtol=2e-2, atol=2e-3)


def test_valleys_are_filled():
    """With a floor nothing is lower than without, most is nearly as high, and what was low is level."""
    window = Window(0, 0, 400, 400)
    open_, filled = (FractalRelief.of_seed(2, spacing=40.0, floor=f) for f in (-5.0, -0.5))
    before, after = open_.height(window), filled.height(window)
    assert np.all(after >= before - 1.0)
    low = before < np.quantile(before, 0.15)
    assert np.median(filled.slope_downhill(window)[0][low]) < 0.4 * np.median(open_.slope_downhill(window)[0][low])


@pytest.mark.parametrize("seed", range(4))
def test_heights_never_leave_their_bounds_and_come_near(seed):
    relief = FractalRelief.draw(np.random.default_rng(seed), spacing=200.0)
    heights = relief.height(Window(-1000, 300, 700, 700))
    assert relief.low <= heights.min() < relief.low + 0.8 * relief.relief
    assert relief.high - 0.8 * relief.relief < heights.max() <= relief.high


def test_relief_at_large_is_what_was_asked_for():
    relief = FractalRelief.of_seed(3, spacing=200.0, relief=600.0, floor=-5.0)
    heights = relief.height(Window(0, 0, 1000, 1000))
    assert 400 < heights.std() < 700
    assert heights.mean() == pytest.approx(relief.base, abs=150)


@pytest.mark.parametrize("name", ["spacing", "relief", "longest"])
def test_numbers_that_are_not_positive_are_refused(name):
    with pytest.raises(ValueError, match=rf"^{name} must be a positive number, instead got {name}=-1"):
        FractalRelief.of_seed(1, **{"spacing": 20.0, name: -1})
