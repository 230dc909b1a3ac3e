import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr

from insarflow.errors import StoreError
from insarflow.stack.export.geotiff import write_geotiff


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    coords = {"y": 5000.0 - 20.0 * np.arange(70), "x": 100.0 + 20.0 * np.arange(90)}
    real = xr.DataArray(rng.random((70, 90)).astype("float32"), coords, ("y", "x"), name="probability")
    real[:5, :7] = np.nan
    whole = xr.DataArray(rng.integers(0, 9, (70, 90)).astype("int32"), coords, ("y", "x"), name="support")
    return [i.rio.write_crs("EPSG:32632") for i in (real, whole)]


@pytest.mark.parametrize("chunks", [None, (7, 97), (64, 32)])
def test_written_images_read_back(images, tmp_path, chunks):
    files = {tmp_path / f"{i.name}.tif": i if chunks is None else i.chunk(y=chunks[0], x=chunks[1]) for i in images}
    write_geotiff(files)
    for path, image in zip(files, images, strict=True):
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(1), image.values)
            assert file.crs.to_epsg() == 32632
            assert file.transform.to_gdal() == (90.0, 20.0, 0.0, 5010.0, 0.0, -20.0)


def test_one_pass_over_what_both_are_computed_from(images, tmp_path):
    calls = []

    def source(block):
        calls.append(block.shape)
        return block

    shared = da.from_array(images[0].values, chunks=(70, 90)).map_blocks(source, meta=np.empty((0, 0), "float32"))
    write_geotiff(
        {tmp_path / "a.tif": images[0].copy(data=shared), tmp_path / "b.tif": images[0].copy(data=shared + 1)}
    )
    assert calls == [(70, 90)]


@pytest.mark.parametrize("chunks", [(400, 500), (1300, 100)])
@pytest.mark.parametrize("span", [512, 1024])
def test_same_image_same_bytes(tmp_path, monkeypatch, chunks, span):
    monkeypatch.setattr("insarflow.stack.export.geotiff._SPAN", span)
    coords = {"y": -20.0 * np.arange(1300), "x": 20.0 * np.arange(1100)}
    values = np.random.default_rng(0).random((1300, 1100)).astype("float32")
    image = xr.DataArray(values, coords, ("y", "x"), name="probability").rio.write_crs("EPSG:32632")
    write_geotiff({tmp_path / "whole.tif": image})
    with rasterio.Env(GDAL_CACHEMAX=1):
        write_geotiff({tmp_path / "chunks.tif": image.chunk(y=chunks[0], x=chunks[1])})
    assert (tmp_path / "chunks.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    with rasterio.open(tmp_path / "chunks.tif") as file:
        np.testing.assert_array_equal(file.read(1), values)


def test_a_failure_leaves_no_file(images, tmp_path):
    def burst(block):
        raise RuntimeError("no such luck")

    lazy = da.from_array(images[0].values, chunks=(70, 90)).map_blocks(burst, meta=np.empty((0, 0), "float32"))
    with pytest.raises(RuntimeError, match="no such luck"):
        write_geotiff({tmp_path / "a.tif": images[1], tmp_path / "b.tif": images[0].copy(data=lazy)})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="GeoTIFF files cannot be written"):
        write_geotiff({tmp_path / "nowhere" / "a.tif": images[0]})
