import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from insarflow.errors import SchemaError
from insarflow.stack.georeference import georeference, grid_of
from insarflow.types import Grid


def on(grid):
    return georeference(xr.Dataset({"dem": (("y", "x"), np.zeros(grid.shape))}), grid)


@settings(deadline=None, max_examples=25)
@given(
    st.floats(-180, 180),
    st.floats(1e-5, 0.01),
    st.floats(-90, 90),
    st.floats(1e-5, 0.01),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_grid_comes_back_exactly(x, dx, y, dy, height, width):
    grid = Grid((x, dx, 0.0, y, 0.0, -dy), (height, width), "EPSG:4326")
    found = grid_of(on(grid))
    assert (found.transform, found.shape) == (grid.transform, grid.shape)
    assert "WGS 84" in found.crs


def test_grid_of_a_part(grid):
    part = grid_of(on(grid).isel(y=slice(3, 4), x=slice(5, 20, 3)))
    np.testing.assert_allclose(part.transform, (7.004, 0.003, 0, 45.997, 0, -0.001), atol=1e-12)
    assert part.shape == (1, 5)


def test_the_names_others_look_for(grid):
    ds = on(grid)
    assert ds["spatial_ref"].attrs["GeoTransform"] == "7.0 0.001 0.0 46.0 0.0 -0.001"
    assert (ds["y"].attrs["standard_name"], ds["x"].attrs["standard_name"]) == ("latitude", "longitude")
    assert ds.rio.crs.to_epsg() == 4326


@pytest.mark.parametrize("epsg", [4326, 32632])
def test_as_rioxarray_does_it(grid, epsg):
    grid = Grid(grid.transform, grid.shape, CRS.from_epsg(epsg).to_wkt())
    image = (("y", "x"), np.zeros(grid.shape), {"grid_mapping": "old", "units": "m"})
    ds = xr.Dataset({"dem": image, "valid": ("date", [True])}, attrs={"track": 1})
    expected = ds.assign_coords(y=("y", grid.y), x=("x", grid.x)).rio.write_crs(grid.crs, "spatial_ref")
    expected = expected.rio.write_transform(Affine.from_gdal(*grid.transform)).rio.write_coordinate_system()
    found = georeference(ds, grid)
    xr.testing.assert_identical(found, expected)
    for name in expected.variables:
        assert found[name].encoding == expected[name].encoding
    assert found.encoding == expected.encoding
    assert ds["dem"].attrs["grid_mapping"] == "old"
    assert "grid_mapping" not in ds["dem"].encoding
    found["spatial_ref"].attrs.clear()
    assert georeference(ds, grid)["spatial_ref"].attrs == expected["spatial_ref"].attrs


def test_no_grid(grid):
    ds = on(grid)
    with pytest.raises(
        ValueError, match=r"^the dataset must have the grid's size \(y, x\) = \(30, 50\), instead got \(30, 3\)"
    ):
        georeference(ds.isel(x=slice(3)), grid)
    with pytest.raises(SchemaError, match=r"^a grid needs coordinate values along 'x'"):
        grid_of(ds.drop_vars("x"))
    with pytest.raises(SchemaError, match=r"^the dataset has no CRS: set it with ds\.rio\.write_crs"):
        grid_of(ds.drop_vars("spatial_ref"))
    with pytest.raises(SchemaError, match=r"^x must be evenly spaced, instead its steps go from 0\.00\d+ to 0\.00\d+"):
        grid_of(ds.isel(x=[0, 1, 5]))
    del ds["spatial_ref"].attrs["GeoTransform"]
    with pytest.raises(SchemaError, match=r"^y must have a step other than 0"):
        grid_of(ds.isel(y=[2]))
