"""Images of mixed CRS, extent and registration on one grid, against a phase field that is known everywhere."""

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from pyproj import Transformer

import insarflow
from insarflow.errors import GridMismatchError, SelectionError
from insarflow.schema import recipe_of
from insarflow.stack.mesh import Positions
from insarflow.stack.raster import Pixels, read_header
from insarflow.stack.resample import Resampled
from insarflow.stack.store import build_stack, open_stack, write_stack
from insarflow.types import Grid

UTM = "EPSG:32632"
PLACES = {
    "20200101_20200113": (UTM, Affine(20, 0, 400_000, 0, -20, 5_000_000), (150, 180)),
    "20200113_20200125": (UTM, Affine(20, 0, 400_410, 0, -20, 5_000_190), (150, 180)),
    "20200125_20200206": ("EPSG:4326", Affine(0.00025, 0, 7.7255, 0, -0.00018, 45.1505), (170, 180)),
    "20200206_20200218": ("EPSG:32633", Affine(25, 0, -72_500, 0, -25, 5_025_000), (140, 160)),
}
"""Pairs by CRS, corner and shape: the second is half a pixel off the first, the others are in other CRSs."""


def field(x, y):
    """Phase in radians at UTM coordinates: fringes of 300 m and more, over pi."""
    u, v = (x - 400_000) / 1000, (y - 5_000_000) / 1000
    return 9 * np.sin(1.3 * u + 0.4) * np.cos(1.1 * v) + 4 * u - 3 * v


def smooth(x, y):
    """A coherence."""
    return 0.5 + 0.4 * np.sin((x - 400_000) / 700) * np.cos((y - 5_000_000) / 900)


def centres(transform, shape, crs):
    """UTM coordinates of pixel centres."""
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform.a * cols + transform.c, transform.e * rows + transform.f
    return Transformer.from_crs(crs, UTM, always_xy=True).transform(x, y)


def wrapped(phase):
    return np.angle(np.exp(1j * phase))


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """Wrapped phase and coherence of one field, as each of PLACES sees it; a hole of 20 x 20 pixels in the first."""
    root = tmp_path_factory.mktemp("mixed")
    for name, (crs, transform, shape) in PLACES.items():
        x, y = centres(transform, shape, crs)
        images = {"phase": wrapped(field(x, y)), "coh": smooth(x, y)}
        for role, values in images.items():
            if name == "20200101_20200113":
                values[40:60, 50:70] = -9999
            height, width = shape
            options = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "float32"}
            path = root / f"{name}_{role}.tif"
            with rasterio.open(path, "w", **options, crs=crs, transform=transform, nodata=-9999) as file:
                file.write(values.astype(np.float32), 1)
    return root


def errors(ds):
    """Of each pair: phase and coherence minus the truth at the pixels' centres, NaN where missing."""
    grid = Affine.from_gdal(*map(float, ds["spatial_ref"].attrs["GeoTransform"].split()))
    x, y = centres(grid, (ds.sizes["y"], ds.sizes["x"]), ds.rio.crs)
    found = {}
    for name in ds.insar.pairs.index:
        pair = ds.insar.pair(name).compute()
        found[name] = np.angle(pair["igram"] * np.exp(-1j * field(x, y))), pair["coherence"].values - smooth(x, y)
        np.testing.assert_array_equal(np.isnan(found[name][0]), np.isnan(found[name][1]))
    return found


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"grid": "union"}, 0.01),
        ({"grid": "union", "method": "cubic"}, 0.002),
        ({"crs": 4326}, 0.012),
        ({"crs": "utm", "resolution": (10, 15)}, 0.01),
        ({"crs": "EPSG:32633", "resolution": 20}, 0.01),
        ({"grid": "intersection", "resolution": 45}, 0.06),
    ],
)
def test_truth(product, options, bound):
    ds = open_stack(product, **options)
    for name, (phase, coherence) in errors(ds).items():
        there = ~np.isnan(phase)
        # Half a pixel around holes and edges values are taken from one side.
        inner = there & ~np.isnan(xr.DataArray(phase).rolling(dim_0=5, dim_1=5, center=True).mean().values)
        print(
            options,
            name,
            there.mean(),
            np.abs(phase[inner]).max(),
            np.abs(phase[there]).max(),
            np.abs(coherence[inner]).max(),
        )
