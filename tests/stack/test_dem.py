import dask.array as da
import numpy as np
import pytest
import rioxarray
import xarray as xr
from affine import Affine

from insarflow.errors import GridMismatchError, ProductError, SchemaError
from insarflow.schema import recipe_of, validate
from insarflow.stack.dem import add_dem
from insarflow.stack.georeference import georeference, grid_of
from insarflow.stack.terrain import terrain
from insarflow.types import Grid

RIOXARRAY = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
"""What opening a file with rioxarray warns of with a new version of affine."""

PLACE = Affine(0.001, 0, 7.0, 0, -0.001, 46.0)
"""Of the stack: 30 x 50 pixels."""


def plane(grid):
    """Heights that bilinear interpolation keeps exactly."""
    return 1000.0 + 3e4 * (grid.x[None] - 7.0) + 2e4 * (grid.y[:, None] - 46.0)


@pytest.fixture
def wide(tmp_path, write_tif):
    """A DEM of another lattice, as a file: a plane with a void."""
    grid = Grid((6.9937, 0.0007, 0.0, 46.0042, 0.0, -0.0006), (70, 90), "EPSG:4326")
    values = plane(grid).astype(np.float32)
    values[30, 40] = -32768
    x, dx, _, y, _, dy = grid.transform
    return write_tif(tmp_path / "wide.tif", values, transform=Affine(dx, 0, x, 0, dy, y))


def test_a_file_of_another_lattice(stack, wide, no_compute):
    added = add_dem(stack, wide)
    assert isinstance(added["dem"].data, da.Array)
    assert added["dem"].dtype == np.float32
    assert added["dem"].attrs["units"] == "m"
    assert added["dem"].encoding["grid_mapping"] == "spatial_ref"
    assert recipe_of(added).steps[-1] == {
        "operation": "add_dem", "files": ["wide.tif"], "method": "bilinear", "averaged_px": [1.667, 1.429]
    }  # fmt: skip
    validate(added)


def test_heights_are_interpolated_and_voids_are_missing(stack, wide, grid):
    dem = add_dem(stack, wide)["dem"].values
    # The void lies at row 13.6, column 21.5: around it fewer pixels count.
    around = np.zeros(grid.shape, bool)
    around[12:16, 20:24] = True
    np.testing.assert_allclose(dem[~around], plane(grid)[~around], atol=2e-2)
    assert (dem[around] > 0).any()
    assert not (dem[around] < 0).any()
    nearest = add_dem(stack, wide, method="nearest")["dem"].values
    assert np.nanmax(abs(nearest - plane(grid))) > 1.0


def test_on_its_own_lattice_it_is_as_it_is(stack, tmp_path, write_tif):
    values = np.random.default_rng(0).integers(0, 3000, (30, 50)).astype(np.int16)
    values[3, 4], values[5, 6] = -9999, 0
    dem = add_dem(stack, write_tif(tmp_path / "dem.tif", values))["dem"].values
    expected = values.astype(np.float32)
    expected[3, 4] = np.nan
    np.testing.assert_array_equal(dem, expected)


def test_tiles_and_a_dem_behind_them_fill_voids(stack, tmp_path, write_tif):
    left, right = np.full((30, 30), 100, np.int16), np.full((30, 20), 200, np.int16)
    left[2:4, 2:4] = -1
    files = [
        write_tif(tmp_path / "a_left.tif", left, nodata=-1),
        write_tif(tmp_path / "b_right.tif", right, transform=PLACE @ Affine.translation(30, 0)),
    ]
    dem = add_dem(stack, files)["dem"].values
    assert np.isnan(dem[2:4, 2:4]).all()
    assert np.isnan(dem).sum() == 4
    assert set(dem[~np.isnan(dem)]) == {100.0, 200.0}
    np.testing.assert_array_equal(add_dem(stack, str(tmp_path / "*_*.tif"))["dem"].values, dem)
    behind = write_tif(tmp_path / "coarse.tif", np.full((4, 6), 50, np.float32), transform=PLACE @ Affine.scale(10))
    assert not np.isnan(add_dem(stack, [*files, behind])["dem"]).any()
    assert (add_dem(stack, [*files, behind])["dem"].values[2:4, 2:4] == 50.0).all()


def test_what_is_missing_is_told(stack, tmp_path, write_tif):
    part = write_tif(tmp_path / "part.tif", np.ones((30, 40), np.float32))
    message = (
        r"^dem must cover the stack, which lies within 7.0000, 45.9700, 7.0500, 46.0000 degrees, instead 20.0% of the "
        r"stack's pixels lie outside it: add the tiles that are missing, or allow it with max_missing=0.2$"
    )
    with pytest.raises(GridMismatchError, match=message):
        add_dem(stack, part)
    allowed = add_dem(stack, part, max_missing=0.2)["dem"].values
    assert np.isnan(allowed[:, 40:]).all()
    assert (allowed[:, :40] == 1.0).all()
    far = write_tif(tmp_path / "far.tif", np.ones((9, 9), np.float32), transform=PLACE @ Affine.translation(900, 0))
    with pytest.raises(GridMismatchError, match=r"instead all of the stack's pixels lie outside it: .* max_missing=1$"):
        add_dem(stack, far)
    row = write_tif(tmp_path / "row.tif", np.ones((29, 50), np.float32))
    with pytest.raises(GridMismatchError, match=r"instead 3.3% of .* max_missing=0.04$"):
        add_dem(stack, row)


@RIOXARRAY
def test_a_dataarray_of_any_kind(stack, wide, grid):
    opened = rioxarray.open_rasterio(wide)
    assert opened.dims == ("band", "y", "x")
    from_file, from_array = add_dem(stack, wide)["dem"], add_dem(stack, opened)["dem"]
    np.testing.assert_allclose(from_array, from_file, atol=1e-3)
    whole = xr.Dataset({"z": (("y", "x"), np.arange(1500).reshape(30, 50))})
    declared = georeference(whole, grid)["z"].rio.write_nodata(7)
    dem = add_dem(stack, declared)["dem"].values
    assert np.isnan(dem[0, 7])
    assert np.isnan(dem).sum() == 1
    assert dem[29, 49] == 1499.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda z: z.expand_dims(band=[1, 2]),
            ValueError,
            r"^dem must be one image, instead got 2 along 'band': choose",
        ),
        (lambda z: z.astype(complex), TypeError, r"^dem must hold real numbers, instead got complex128$"),
        (lambda z: z.isel(y=0), ValueError, r"^dem must have the dimensions y and x, instead got dims=\('x',\)$"),
        (lambda z: z.drop_vars("spatial_ref"), SchemaError, r"^the dataset has no CRS: set it with ds.rio.write_crs$"),
    ],
)
def test_arrays_refused(stack, change, error, message):
    with pytest.raises(error, match=message):
        add_dem(stack, change(stack["dem"]))


def test_arguments_refused(stack, tmp_path, write_tif):
    with pytest.raises(
        ValueError, match=r"^method must be one of \('nearest', 'bilinear', 'cubic'\), instead got method='a"
    ):
        add_dem(stack, "a.tif", method="average")
    with pytest.raises(ValueError, match=r"^max_missing must be between 0 and 1, instead got max_missing=7$"):
        add_dem(stack, "a.tif", max_missing=7)
    with pytest.raises(TypeError, match=r"^ds must be an xarray.Dataset, instead got "):
        add_dem(stack["dem"], "a.tif")
    with pytest.raises(ProductError, match=r"^the source must exist, instead got source='nowhere.tif'"):
        add_dem(stack, "nowhere.tif")
    wrong = write_tif(tmp_path / "wrong.tif", np.full((30, 50), 32767, np.int16))
    with pytest.raises(ProductError, match=r"must hold values within \(-12000.0, 9000.0\), instead they go from 32767"):
        add_dem(stack, wrong)["dem"].compute()


@RIOXARRAY
def test_a_tile_of_srtm(real):
    """SRTM's own format through rioxarray: sea, voids and Vesuvius, at half its resolution."""
    tile = rioxarray.open_rasterio(real("dem-tiles") / "N40E014.hgt")
    grid = Grid((14.3, 1 / 600, 0.0, 40.9, 0.0, -1 / 600), (120, 150), "EPSG:4326")
    ds = georeference(xr.Dataset({"a": (("y", "x"), np.zeros(grid.shape))}), grid)
    dem = add_dem(ds, tile)["dem"].compute()
    assert 1100 < float(dem.max()) < 1290
    top = dem.where(dem == dem.max(), drop=True)
    np.testing.assert_allclose((float(top["y"][0]), float(top["x"][0])), (40.822, 14.426), atol=0.01)


@RIOXARRAY
def test_real_slopes_are_those_of_another_way(real):
    """Grenoble's DEM: NumPy's differences on metres of the ellipsoid agree where the ground is smooth."""
    file = real("dem-tiles") / "grenoble_copernicus_N45E005.tif"
    dem = rioxarray.open_rasterio(file).squeeze(drop=True).astype(np.float32)
    found = terrain(dem)
    latitude = np.radians(dem["y"].values)
    sine2 = 0.00669437999014 * np.sin(latitude) ** 2
    north = 6378137.0 * (1 - 0.00669437999014) / (1 - sine2) ** 1.5
    east = 6378137.0 / np.sqrt(1 - sine2) * np.cos(latitude)
    step = np.radians(grid_of(dem).transform[1])
    z = dem.values.astype(float)
    # Mean over three rows (columns) of the central difference: Evans' gradient.
    p = np.stack([np.roll(z, k, 0) for k in (-1, 0, 1)]).mean(axis=0)
    q = np.stack([np.roll(z, k, 1) for k in (-1, 0, 1)]).mean(axis=0)
    p = (np.roll(p, -1, 1) - np.roll(p, 1, 1)) / (2 * step * east[:, None])
    q = (np.roll(q, 1, 0) - np.roll(q, -1, 0)) / (2 * step * north[:, None])
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(found["slope"].values[inner], np.arctan(np.hypot(p, q))[inner], atol=2e-6)
    steep = np.hypot(p, q)[inner] > 0.01
    turned = (found["aspect"].values - np.arctan2(-p, -q))[inner][steep]
    np.testing.assert_allclose(np.exp(1j * turned), 1.0, atol=1e-4)
