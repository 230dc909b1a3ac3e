import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory.columns import TERRAIN
from insarflow.inventory.terrain import terrain_of
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

GRID = Grid((500_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (60, 70), "EPSG:32632")


@pytest.fixture(scope="module")
def slopes():
    outlines = [
        shapely.box(500_200.0, 5_099_400.0, 500_600.0, 5_099_800.0),
        shapely.box(501_000, 5_099_000, 501_200, 5_099_300),
    ]
    return gpd.GeoDataFrame({"id": [4, 2]}, geometry=outlines, crs="EPSG:32632", index=[10, 11])


def ground(dem):
    """A terrain with a satellite in the west, at an incidence of 0.6 rad."""
    y, x = np.mgrid[: GRID.shape[0], : GRID.shape[1]] * 20.0
    ds = xr.Dataset({"dem": (("y", "x"), dem(x, -y).astype(np.float32))})
    for name, value in (("los_east", -np.sin(0.6)), ("los_north", 0.0), ("los_up", np.cos(0.6))):
        ds[name] = (("y", "x"), np.full(GRID.shape, value, np.float32))
    hidden = np.zeros(GRID.shape, bool)
    hidden[:, 20:] = True
    ds["layover"], ds["shadow"] = (("y", "x"), hidden), (("y", "x"), np.zeros(GRID.shape, bool))
    return georeference(ds, GRID)


def test_a_plane_that_falls_to_the_west(slopes):
    told = terrain_of(slopes, ground(lambda east, north: 1000.0 + 0.5 * east))
    b = np.arctan(0.5)
    assert told.index.tolist() == [10, 11]
    assert list(told) == [*TERRAIN, "sensitivity"]
    assert (told.dtypes == "float32").all()
    np.testing.assert_allclose(told["elevation_m"], [1000.0 + 0.5 * 390.0, 1000.0 + 0.5 * 1090.0], atol=0.1)
    np.testing.assert_allclose(told["slope_deg"], np.degrees(b), atol=0.05)
    # Grid north is up to a degree from true north here.
    np.testing.assert_allclose(told["aspect_deg"], 270.0, atol=1.0)
    np.testing.assert_allclose(told["sensitivity"], np.cos(b) * np.sin(0.6) - np.sin(b) * np.cos(0.6), atol=1e-3)
    np.testing.assert_allclose(told["layover_fraction"], [0.5, 1.0])


def test_directions_are_averaged_as_directions(slopes):
    # A roof along the slope's middle: half of it falls to 350, half to 10 degrees.
    ridge = 500_400.0 - 500_000.0 - 10.0

    def roof(east, north):
        return 2000.0 - 0.5 * north - 0.5 * np.tan(np.radians(10.0)) * np.abs(east - ridge)

    told = terrain_of(slopes, ground(roof))
    assert min(told["aspect_deg"].iloc[0], 360.0 - told["aspect_deg"].iloc[0]) < 1.0


def test_level_ground_has_no_aspect(slopes):
    told = terrain_of(slopes, ground(lambda east, north: 0.0 * east + 5.0))
    assert told["aspect_deg"].isna().all()
    np.testing.assert_allclose(told["slope_deg"], 0.0, atol=1e-3)


def test_any_chunking_gives_the_same_numbers(slopes):
    rng = np.random.default_rng(1)
    ds = ground(lambda east, north: 300.0 * np.sin(east / 200.0) + rng.normal(0.0, 5.0, east.shape))
    expected = terrain_of(slopes, ds)
    for rows, cols in ((7, 11), (60, 20), (33, 70)):
        pd.testing.assert_frame_equal(terrain_of(slopes, ds.chunk({"y": rows, "x": cols})), expected)


def test_what_the_stack_does_not_tell_is_missing(slopes):
    ds = ground(lambda east, north: 0.2 * east)[["dem"]]
    told = terrain_of(slopes, ds)
    assert told[["layover_fraction", "sensitivity"]].isna().all().all()
    assert told["slope_deg"].notna().all()
    with pytest.raises(MissingVariableError, match="'dem'"):
        terrain_of(slopes, ds.drop_vars("dem").assign(x2=ds["dem"]))
    far = slopes.assign(geometry=slopes.geometry.translate(1e6, 0.0))
    assert terrain_of(far, ds).isna().all().all()
