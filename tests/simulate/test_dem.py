import numpy as np
import pytest
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr

from insarflow.errors import InsarError
from insarflow.simulate.dem import relief_of
from insarflow.simulate.stack import simulate_stack
from insarflow.types import Window


def dem(pixel=45.0, shape=(50, 60), crs="EPSG:32633", down=None):
    y = 5_100_000.0 - (pixel if down is None else down) * (np.arange(shape[0]) + 0.5)
    x = 400_000.0 + pixel * (np.arange(shape[1]) + 0.5)
    rng = np.random.default_rng(1)
    rough = np.cumsum(np.cumsum(rng.normal(0, 1, shape), 0), 1)
    heights = xr.DataArray((1500 + 3 * rough).astype(np.float32), {"y": y, "x": x}, ("y", "x"))
    return heights.rio.write_crs(crs)


def test_relief_is_that_of_the_dem():
    given = dem()
    relief, grid = relief_of(given, 3)
    assert grid.shape == (50, 60)
    assert grid.transform == pytest.approx((400_000.0, 45.0, 0.0, 5_100_000.0, 0.0, -45.0))
    assert relief.spacing == pytest.approx(15.0)
    middle = relief.height(Window(0, 0, 150, 180))[1::3, 1::3]
    inner = np.s_[3:-3, 3:-3]
    # Smoothed by the spline, which knows no more than the DEM.
    assert np.abs(middle - given.values)[inner].mean() < 0.1 * given.values[inner].std()
    assert np.corrcoef(middle[inner].ravel(), given.values[inner].ravel())[0, 1] > 0.99


def test_a_stack_lies_on_the_grid_of_its_dem():
    given = dem()
    stack, truth = simulate_stack((7, 7), pixel_size=99.0, dem=given, acquisitions=2, delays=[6], movers=1)
    assert (stack.sizes["y"], stack.sizes["x"]) == (50, 60)
    np.testing.assert_allclose(stack.y, given.y)
    np.testing.assert_allclose(stack.x, given.x)
    np.testing.assert_allclose(truth.x, given.x)
    assert "32633" in stack.spatial_ref.attrs["crs_wkt"]
    # What it is off by is the error that a DEM has, whose phase is left in pairs.
    off = (stack["dem"].values - given.values)[5:-5, 5:-5]
    assert 2 < off.std() < 20


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ones((5, 5)), TypeError, r"^dem must be a DataArray of heights in m, instead got ndarray"),
        (
            dem(pixel=0.001, crs="EPSG:4326"),
            InsarError,
            r"^dem must have square pixels in metres, instead got steps of 0.001 and 0.001: reproject it first",
        ),
        (dem(down=20.0), InsarError, r"^dem must have square pixels in metres, instead got steps of 45 and 20"),
        (dem().where(dem().x > 400_100), InsarError, r"^dem must have no missing heights, instead got 100 of 3000"),
        (dem().drop_vars("spatial_ref"), InsarError, "CRS"),
    ],
)
def test_what_is_no_dem_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        relief_of(given, 0)
