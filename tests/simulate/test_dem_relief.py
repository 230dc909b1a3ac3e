import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from insarflow.errors import InsarError
from insarflow.simulate.dem_relief import DemRelief
from insarflow.types import Window

DEM = np.random.default_rng(0).uniform(300, 900, (9, 7)).astype(np.float32)


def spline(dem, factor, window):
    """Heights by a sum over all pixels of a mirrored DEM, each with scipy's B-spline."""
    basis = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)

    def weights(start, count, size):
        place = (np.arange(start, start + count) + 0.5) / factor - 0.5
        pixels = np.arange(-3 * size, 4 * size)
        source = np.concatenate([np.arange(size)[:: 1 if k % 2 else -1] for k in range(7)])
        out = np.zeros((count, size))
        for p, s in zip(pixels, source, strict=True):
            out[:, s] += np.nan_to_num(basis(place - p))
        return out

    return weights(window.y0, window.height, dem.shape[0]) @ dem @ weights(window.x0, window.width, dem.shape[1]).T


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_heights_are_a_cubic_spline_of_the_mirrored_dem(factor):
    window = Window(-2 * factor, -factor, 14 * factor, 10 * factor)
    relief = DemRelief.of(DEM, spacing=30.0, factor=factor)
    assert relief.spacing == 30.0 / factor
    np.testing.assert_allclose(relief.height(window), spline(DEM.astype(float), factor, window), atol=1e-3)


@settings(max_examples=25)
@given(windows, st.integers(1, 5), st.sampled_from([0.0, 12.0]))
def test_any_window_has_the_same_bits(window, factor, detail):
    relief = DemRelief.of(DEM, spacing=90.0, factor=factor, detail=detail)
    check_any_window(lambda w: (relief.height(w), *relief.slope_downhill(w)), window)


def test_a_function_is_asked_for_windows_inside():
    asked = []

    def load(window):
        asked.append(window)
        return DEM[window.within(Window(0, 0, *DEM.shape))]

    bounds = float(DEM.min()), float(DEM.max())
    relief = DemRelief.of(load, spacing=30.0, factor=4, shape=DEM.shape, bounds=bounds)
    whole = DemRelief.of(DEM, spacing=30.0, factor=4)
    for window in (Window(8, 8, 4, 4), Window(-40, 20, 90, 3)):
        np.testing.assert_array_equal(relief.height(window), whole.height(window))
    assert asked[0].height <= 5
    assert all(w.y0 >= 0 and w.x0 >= 0 and w.y1 <= 9 and w.x1 <= 7 for w in asked)


def test_heights_keep_their_bounds_and_planes_their_slope():
    rise = DemRelief.of(np.add.outer(-12.0 * np.arange(40), 9.0 * np.arange(30)), spacing=30.0, factor=3)
    south, east = rise.gradient(Window(12, 12, 90, 60))
    np.testing.assert_allclose(south, -0.4, atol=1e-4)
    np.testing.assert_allclose(east, 0.3, atol=1e-4)
    rough = DemRelief.of(DEM, spacing=30.0, factor=3, detail=40.0)
    heights = rough.height(Window(-60, -60, 160, 160))
    assert rough.low == DEM.min() - 160.0
    assert rough.low <= heights.min()
    assert heights.max() <= rough.high


def test_detail_is_small_and_as_strong_as_asked_for():
    window = Window(0, 0, 400, 400)
    smooth, rough = (DemRelief.of(DEM, spacing=90.0, factor=6, detail=d) for d in (0.0, 8.0))
    detail = rough.height(window) - smooth.height(window)
    assert detail.std() == pytest.approx(8.0, rel=0.1)
    # It is nothing that the DEM could have shown: means over five of its pixels hardly know of it.
    assert detail[:390, :390].reshape(13, 30, 13, 30).mean((1, 3)).std() < 2.5


def test_missing_heights_are_refused():
    holed = DEM.copy()
    holed[2, 3] = np.nan
    with pytest.raises(InsarError, match=r"^dem must have no missing heights, instead got 1 of 63; fill them first"):
        DemRelief.of(holed, spacing=30.0, factor=2)
    lazy = DemRelief.of(
        lambda w: holed[w.within(Window(0, 0, 9, 7))], spacing=30.0, factor=2, shape=(9, 7), bounds=(300.0, 900.0)
    )
    with pytest.raises(InsarError, match=r"^dem must have no missing heights"):
        lazy.height(Window(0, 0, 18, 14))
    assert lazy.height(Window(12, 10, 2, 2)).shape == (2, 2)


@pytest.mark.parametrize(
    ("dem", "options", "error", "message"),
    [
        (DEM, {"factor": 0}, ValueError, "factor must be a whole number of at least 1, instead got factor=0"),
        (DEM, {"factor": 2.0}, ValueError, "factor must be a whole number of at least 1, instead got factor=2.0"),
        (DEM, {"spacing": 0.0}, ValueError, "spacing must be a positive number, instead got spacing=0.0"),
        (DEM, {"detail": -1.0}, ValueError, "detail must be at least 0, instead got detail=-1.0"),
        (DEM[0], {}, TypeError, r"dem must be numbers \(y, x\), instead got float32 of shape \(7,\)"),
        (lambda w: DEM, {}, TypeError, "a dem that is a function needs shape and bounds"),
    ],
)
def test_wrong_arguments_are_named(dem, options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        DemRelief.of(dem, **{"spacing": 30.0, "factor": 2, **options})


def test_a_function_that_gives_another_shape_is_refused():
    relief = DemRelief.of(lambda w: DEM[:2], spacing=30.0, factor=2, shape=(9, 7), bounds=(300.0, 900.0))
    with pytest.raises(InsarError, match=r"^dem must give \(9, 7\) heights of Window.*instead got shape \(2, 7\)"):
        relief.height(Window(0, 0, 18, 14))
