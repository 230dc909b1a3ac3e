import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from insarflow.kernels.geometry import geodetic_to_ecef
from insarflow.kernels.geometry import line_of_sight as kernel
from insarflow.stack.geometry import LINE_OF_SIGHT, ground_point, line_of_sight
from insarflow.types import Grid

GRID = Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.001), (30, 50), "EPSG:4326")
RNG = np.random.default_rng(2)
DEM = np.where(RNG.random(GRID.shape) < 0.05, np.nan, RNG.normal(1500, 300, GRID.shape)).astype(np.float32)


def make_orbit():
    """Seven vectors of a circle over the west of the grid, going north."""
    up = geodetic_to_ecef(np.radians(45.98), np.radians(2.0), 0.0)
    up = up / np.linalg.norm(up)
    north = np.cross(np.cross(up, [0.0, 0.0, 1.0]), up)
    north /= np.linalg.norm(north)
    time = np.arange(-30.0, 31.0, 10.0)
    c, s = np.cos(1.06e-3 * time)[:, None], np.sin(1.06e-3 * time)[:, None]
    return np.column_stack([time, 7.07e6 * (c * up + s * north), 7.07e6 * 1.06e-3 * (c * north - s * up)])


ORBIT = make_orbit()


def test_is_the_kernel_at_pixel_centres():
    found = line_of_sight(da.from_array(DEM, chunks=(7, 11)), GRID, ORBIT)
    lat, lon = np.meshgrid(np.radians(GRID.y), np.radians(GRID.x), indexing="ij")
    assert tuple(found) == LINE_OF_SIGHT
    np.testing.assert_array_equal(np.stack(list(found.values())), kernel(lat, lon, DEM, ORBIT))
    assert found["los_up"].dtype == np.float32
    assert (found["los_east"].compute()[~np.isnan(DEM)] < -0.3).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(4, 30), st.integers(6, 50))
def test_knows_no_chunks(y, x):
    whole = line_of_sight(da.from_array(DEM, chunks=-1), GRID, ORBIT)
    parts = line_of_sight(da.from_array(DEM, chunks=(y, x)), GRID, ORBIT)
    for name in LINE_OF_SIGHT:
        np.testing.assert_array_equal(whole[name], parts[name])


@pytest.mark.usefixtures("no_compute")
def test_is_lazy_and_repeatable():
    names = {line_of_sight(da.from_array(DEM, chunks=9), GRID, ORBIT)["incidence"].name for _ in range(2)}
    assert len(names) == 1


def test_a_projected_grid_sees_the_same():
    utm = Grid((345_000.0, 80.0, 0.0, 5_095_000.0, 0.0, -110.0), (30, 50), "EPSG:32632")
    flat = da.full((30, 50), 800.0)
    incidence = line_of_sight(flat, utm, ORBIT)["incidence"].compute()
    lon, lat = Transformer.from_crs(32632, 4326, always_xy=True).transform(utm.x[25], utm.y[15])
    near = Grid((lon - 5e-4, 0.001, 0.0, lat + 5e-4, 0.0, -0.001), (1, 1), "EPSG:4326")
    assert incidence[15, 25] == pytest.approx(
        line_of_sight(flat[:1, :1], near, ORBIT)["incidence"].compute()[0, 0], abs=1e-6
    )
    np.testing.assert_allclose(
        ground_point(utm, 800.0), geodetic_to_ecef(np.radians(lat), np.radians(lon), 800.0), atol=1e-3
    )
