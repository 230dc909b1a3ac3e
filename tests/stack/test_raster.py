import cloudpickle
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from insarflow.errors import ProductError
from insarflow.stack import raster
from insarflow.stack.mosaic import Mosaic
from insarflow.stack.mosaic import lazy_raster as plain_raster
from insarflow.stack.raster import Pixels, read_header
from insarflow.types import Window

VALUES = np.arange(1500, dtype=np.float32).reshape(30, 50) / 1500


def lazy_raster(header, **options):
    """One raster on its own grid."""
    shape = header.grid.shape
    array = Mosaic([(Pixels(header, **options), Window(0, 0, *shape))], shape).lazy()
    assert options or array.name == plain_raster(header).name
    return array


def test_header(tmp_path, write_tif):
    header = read_header(write_tif(tmp_path / "a.tif", VALUES, nodata=-1))
    assert header.grid.transform == (7.0, 0.001, 0.0, 46.0, 0.0, -0.001)
    assert (header.grid.shape, header.dtype, header.nodata) == ((30, 50), "<f4", -1.0)


def test_pixels_come_as_they_are(tmp_path, write_tif):
    header = read_header(write_tif(tmp_path / "a.tif", VALUES))
    np.testing.assert_array_equal(lazy_raster(header), VALUES)
    np.testing.assert_array_equal(lazy_raster(header)[3:7, 40:], VALUES[3:7, 40:])


@pytest.mark.parametrize(
    ("dtype", "nodata", "missing"),
    [
        ("float32", 0.1, ()),
        ("float32", -3.4028234663852886e38, (0.1,)),
        ("float32", np.nan, (0.1,)),
        ("int16", 3, (3.0,)),
        ("uint8", 3, (-9999.0,)),
        ("float64", None, (0.1,)),
        ("complex64", None, (0.1,)),
    ],
)
def test_missing_is_nan(tmp_path, write_tif, dtype, nodata, missing):
    values = np.ones((4, 5), dtype)
    values[1, 2] = nodata if nodata in (3, 0.1) else 0.1
    expected = values.astype(np.result_type(dtype, np.float32) if dtype != "float64" else np.float32)
    expected[1, 2] = np.nan
    found = lazy_raster(read_header(write_tif(tmp_path / "a.tif", values, nodata=nodata)), missing=missing).compute()
    assert found.dtype == (np.complex64 if dtype == "complex64" else np.float32)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert (found[~np.isnan(found)] == 1).all()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    path = tmp_path_factory.mktemp("raster") / "a.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=50,
        height=30,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(0.001, 0, 7, 0, -0.001, 46),
    ) as target:
        target.write(VALUES, 1)
    return lazy_raster(read_header(path))


@settings(deadline=None, max_examples=60)
@given(basic_indices((30, 50), allow_newaxis=False), st.integers(5, 50))
def test_any_selection(opened, index, chunk):
    np.testing.assert_array_equal(opened[index].compute(), VALUES[index])
    np.testing.assert_array_equal(opened.rechunk(chunk)[index].compute(), VALUES[index])
    np.testing.assert_array_equal(opened[::-3, [4, 2, 40]].compute(), VALUES[::-3, [4, 2, 40]])


def test_scale(tmp_path, write_tif):
    values = np.array([[0, 1, 255]], np.uint8)
    header = read_header(write_tif(tmp_path / "a.tif", values))
    np.testing.assert_allclose(lazy_raster(header, missing=(0.0,), scale=1 / 255), [[np.nan, 1 / 255, 1]], rtol=1e-6)


def test_values_that_cannot_be(tmp_path, write_tif):
    values = VALUES.copy()
    values[4, 4] = -9999
    header = read_header(write_tif(tmp_path / "a.tif", values))
    with pytest.raises(
        ProductError, match=r"^file='.*a\.tif' must hold values within \(0, 1\), instead they go from -9999"
    ):
        lazy_raster(header, limits=(0, 1)).compute()
    assert np.nanmax(lazy_raster(header, missing=(-9999.0,), limits=(0, 1))) == VALUES.max()
    write_tif(tmp_path / "b.tif", np.full((3, 4), np.nan, np.float32))
    assert np.isnan(lazy_raster(read_header(tmp_path / "b.tif"), limits=(0, 1))).all()


@pytest.mark.usefixtures("no_compute")
def test_lazy_repeatable_and_small_to_send(tmp_path, write_tif):
    header = read_header(write_tif(tmp_path / "a.tif", np.zeros((3000, 4100), np.uint8), compress="deflate"))
    assert lazy_raster(header).name == lazy_raster(read_header(header.path)).name
    assert lazy_raster(header).chunks == ((2048, 952), (2048, 2048, 4))
    assert lazy_raster(header).name != lazy_raster(header, missing=(0.0,)).name
    assert len(cloudpickle.dumps(lazy_raster(header))) < 20_000


def test_another_process_can_read(tmp_path, write_tif):
    header = read_header(write_tif(tmp_path / "a.tif", VALUES))
    np.testing.assert_array_equal(cloudpickle.loads(cloudpickle.dumps(lazy_raster(header))), VALUES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": None}, r"must have a CRS, instead got none: set it with gdal_edit"),
        ({"transform": Affine.rotation(10) @ Affine.scale(1, -1)}, r"must be north up, instead got transform=\(0\.98"),
        ({"transform": Affine.scale(2, 2)}, r"must be north up, instead got transform=\(2\.0, 0\.0, 0\.0, 0\.0, 2\.0"),
    ],
)
def test_where_it_lies_must_be_said(tmp_path, write_tif, options, message):
    with pytest.raises(ProductError, match=r"^file='.*a\.tif' " + message):
        read_header(write_tif(tmp_path / "a.tif", VALUES, **options))


def test_bands(tmp_path, write_tif):
    with pytest.raises(ProductError, match=r"^file='.*a\.tif' must have one band, instead got 2"):
        read_header(write_tif(tmp_path / "a.tif", np.stack([VALUES, VALUES])))


def test_no_geotiff(tmp_path):
    for content in (b"", b"PNG or so", b"II*\0\x08\0\0\0"):
        (tmp_path / "a.tif").write_bytes(content)
        with pytest.raises(ProductError, match=r"^file='.*a\.tif' must be a GeoTIFF, instead it cannot be opened: \S"):
            read_header(tmp_path / "a.tif")
    with pytest.raises(ProductError, match=r"^file='.*b\.tif' must be a GeoTIFF, instead it cannot be opened: \S"):
        read_header(tmp_path / "b.tif")
    (tmp_path / "c.tif").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    with pytest.raises(ProductError, match=r"^file='.*c\.tif' must be a GeoTIFF"):
        read_header(tmp_path / "c.tif")


def test_truncated_is_seen_at_once(tmp_path, write_tif):
    path = write_tif(tmp_path / "a.tif", VALUES)
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size - 100)
    with pytest.raises(
        ProductError, match=r"^file='.*a\.tif' is truncated: its last block ends at byte \d+, but it has"
    ):
        read_header(path)


def test_damage_inside_is_seen_on_reading(tmp_path, write_tif):
    path = write_tif(tmp_path / "a.tif", np.random.default_rng(0).random((300, 400)), compress="deflate")
    header = read_header(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(ProductError, match=r"^file='.*a\.tif' was changed after it was opened: open the source again"):
        lazy_raster(header).compute()
    with pytest.raises(ProductError, match=r"^file='.*a\.tif' cannot be read, it is truncated or damaged: \S"):
        lazy_raster(read_header(path)).compute()


def test_absurd_sizes(tmp_path, write_tif, monkeypatch):
    path = write_tif(tmp_path / "a.tif", VALUES)
    monkeypatch.setattr(raster, "MAX_BLOCK", 1000)
    with pytest.raises(ProductError, match=r"must have blocks of at most 1000 bytes, instead got 30 x 50: tile it"):
        read_header(path)
    monkeypatch.setattr(raster, "MAX_SIDE", 40)
    with pytest.raises(ProductError, match=r"must have at most 40 rows and columns, instead got \(30, 50\)"):
        read_header(path)
