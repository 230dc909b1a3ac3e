"""Whether another process sees the same files: told without reading a pixel."""

import os
import pickle
import shutil

import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr

from insarflow.stack.location import Folder
from insarflow.stack.mosaic import Mosaic
from insarflow.stack.raster import Pixels, read_header
from insarflow.stack.store import open_stack, write_stack
from insarflow.stack.witness import witnesses
from insarflow.types import Window


@pytest.fixture
def store(stack, tmp_path):
    write_stack(stack, tmp_path / "stack.zarr")
    return open_stack(tmp_path / "stack.zarr")


def test_a_store(store, tmp_path, forbid_compute):
    with forbid_compute():
        (found,) = witnesses(store)
    assert found.where == Folder(tmp_path / "stack.zarr")
    elsewhere = pickle.loads(pickle.dumps(found))
    assert elsewhere.problem() is None
    shutil.move(tmp_path / "stack.zarr", tmp_path / "moved")
    (tmp_path / "stack.zarr").symlink_to(tmp_path / "moved")
    assert elsewhere.problem() is None
    os.utime(tmp_path / "moved" / "zarr.json", ns=(0, 0))
    source = f"source={str(tmp_path / 'stack.zarr')!r}"
    assert elsewhere.problem() == f"{source} is of another time or size"
    (tmp_path / "stack.zarr").unlink()
    assert elsewhere.problem() == f"{source} cannot be seen (FileNotFoundError)"


def raster(path):
    profile = {"driver": "GTiff", "width": 5, "height": 4, "count": 1, "dtype": "float32", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", **profile, transform=rasterio.Affine(20, 0, 5e5, 0, -20, 5e6)) as file:
        file.write(np.ones((1, 4, 5), np.float32))
    return Mosaic([(Pixels(read_header(path)), Window(0, 0, 4, 5))], (4, 5)).lazy()


def test_files_of_a_product(tmp_path, forbid_compute):
    paths = [tmp_path / f"{k}.tif" for k in range(5)]
    images = da.stack([raster(path) for path in paths])
    ds = xr.Dataset(dict.fromkeys(("a", "b"), (("pair", "y", "x"), images)))
    with forbid_compute():
        found = witnesses(ds)
    assert [one.problem() for one in found] == [None] * len(found)
    assert 1 <= len(found) <= 2
    assert {one.where for one in found} <= {*paths}
    for path in paths:
        path.unlink()
    assert found[0].problem() == f"source={str(found[0].where)!r} cannot be seen (FileNotFoundError)"


def test_what_is_in_memory(store):
    assert witnesses(store.load()) == ()
