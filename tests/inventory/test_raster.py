import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory.raster import rate_image
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

GRID = Grid((500_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (40, 50), "EPSG:32632")


@pytest.fixture
def like():
    return georeference(xr.Dataset({"probability": (("y", "x"), np.zeros(GRID.shape, np.float32))}), GRID)[
        "probability"
    ]


@pytest.fixture
def slopes():
    outlines = [
        shapely.box(500_100, 5_099_500, 500_300, 5_099_900),
        shapely.box(500_200, 5_099_600, 500_600, 5_099_700),
    ]
    outlines.append(shapely.box(500_800, 5_099_300, 500_900, 5_099_400))
    return gpd.GeoDataFrame(
        {"id": [2, 1, 3], "los_rate_mm_yr": [-50.0, 20.0, np.nan]}, geometry=outlines, crs="EPSG:32632"
    )


def test_each_pixel_has_the_rate_of_its_slope(like, slopes):
    image = rate_image(slopes, like)
    expected = np.full(GRID.shape, np.nan, np.float32)
    expected[15:20, 10:30] = 0.02
    expected[5:25, 5:15] = -0.05
    np.testing.assert_array_equal(image.values, expected)
    assert image.attrs["units"] == "m yr-1"
    lazy = rate_image(slopes.to_crs("EPSG:32631").iloc[::-1], like.chunk({"y": 7, "x": 13}))
    assert lazy.chunks is not None
    # Through another zone and back, edges move by less than a micrometre, so no pixel changes sides.
    np.testing.assert_array_equal(lazy.values, expected)


def test_without_slopes_all_is_missing(like, slopes):
    assert np.isnan(rate_image(slopes.iloc[:0], like)).all()
    with pytest.raises(MissingVariableError, match="no column 'los_rate_mm_yr'"):
        rate_image(slopes.drop(columns="los_rate_mm_yr"), like)
