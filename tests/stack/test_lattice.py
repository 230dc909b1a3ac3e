from pathlib import Path

import dask
import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from strategies import chunkings

from insarflow.errors import GridMismatchError
from insarflow.stack.lattice import unite
from insarflow.stack.mosaic import Mosaic
from insarflow.stack.raster import MAX_SIDE, Pixels, Raster, read_header
from insarflow.types import Grid, Window

CRS, OTHER_CRS = (pyproj.CRS.from_epsg(code).to_wkt() for code in (32632, 32633))


def raster(name, row, col, shape=(30, 50), step=20.0, crs=CRS):
    """The header of an image whose corner lies at (row, col) of a lattice."""
    grid = Grid((400_000 + col * 20.0, step, 0.0, 5_000_000 - row * 20.0, 0.0, -step), shape, crs)
    return Raster(Path(name), grid, "<f4", None, 1.0, 0.0, None, 1, 1)


def test_one_grid_is_that_grid():
    images = [raster("a", 3, 4), raster("b", 3, 4)]
    union = unite(images, nearest=False)
    assert union.grid == images[0].grid
    assert set(union.windows.values()) == {Window(0, 0, 30, 50)}
    assert union.shift == 0


def test_union():
    union = unite([raster("a", 5, 5), raster("b", 0, 45), raster("c", 9, -3, (40, 10))], nearest=False)
    assert union.grid.transform == (400_000 - 3 * 20, 20.0, 0.0, 5_000_000, 0.0, -20.0)
    assert union.grid.shape == (49, 98)
    assert [tuple(vars(w).values()) for w in union.windows.values()] == [
        (5, 8, 30, 50),
        (0, 48, 30, 50),
        (9, 0, 40, 10),
    ]


def test_rounding_is_not_a_shift():
    union = unite([raster("a", 0, 0), raster("b", 3.04, -7.04)], nearest=False)
    assert union.windows[raster("b", 0, 0).path] == Window(3, 0, 30, 50)
    assert union.shift == pytest.approx(0.04)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_nearest_moves_by_half_a_pixel_at_most(dy, dx):
    union = unite([raster("a", 0, 0), raster("b", 4 + dy, 9 + dx)], nearest=True)
    assert union.shift <= 0.5 + 1e-6
    place = union.windows[raster("b", 0, 0).path]
    assert abs(place.y0 - 4 - dy) <= 0.5 + 1e-6
    assert abs(place.x0 - 9 - dx) <= 0.5 + 1e-6


class TestErrors:
    @pytest.mark.parametrize("nearest", [False, True])
    @pytest.mark.parametrize(
        ("other", "message"),
        [
            (
                raster("b", 0, 0, step=20.1),
                r"file='a' with pixels of 20 x 20 and file='b' with pixels of 20\.1 x",
            ),
            (
                raster("b", 0, 0, step=1e-300),
                r"with pixels of 1e-300 x 1e-300: have them resampled with resolution=20, or",
            ),
            (
                raster("b", 0, 0, crs=OTHER_CRS),
                r"file='a' in EPSG:32632 and file='b' in EPSG:32633: have them resampled with crs='EPSG:32632', ",
            ),
        ],
    )
    def test_other_lattice(self, other, message, nearest):
        with pytest.raises(GridMismatchError, match=r"^all images must share one lattice of pixels, .*" + message):
            unite([raster("a", 0, 0), other], nearest=nearest)

    def test_between_the_pixels(self):
        with pytest.raises(
            GridMismatchError, match=r"from \(x, y\) = \(400000, 5000000\) and file='b' 0\.06 pixels off its pixels"
        ):
            unite([raster("a", 0, 0), raster("b", 0, 0.06)], nearest=False)

    @pytest.mark.parametrize(("row", "col"), [(0, 1000), (-5000, 0), (300, 300), (2 * MAX_SIDE, 0)])
    def test_two_regions(self, row, col):
        with pytest.raises(
            GridMismatchError,
            match=r"^all images must be of one region, instead got file='a' and, far .*'b'",
        ):
            unite([raster("a", 0, 0), raster("a2", 0, 10), raster("b", row, col)], nearest=False)

    def test_a_gap_between_swaths_is_fine(self):
        assert unite([raster("a", 0, 0), raster("b", 0, 150)], nearest=False).grid.shape == (30, 200)

    def test_a_crs_written_in_two_ways(self):
        written = pyproj.CRS.from_wkt(CRS).to_wkt("WKT1_GDAL")
        assert written != CRS
        assert unite([raster("a", 0, 0), raster("b", 0, 5, crs=written)], nearest=False).grid.shape == (30, 55)


PLACES = ((5, 8), (0, 20), (12, -4), (-6, 60))
SHAPE = (40, 70)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Four files with holes, some reaching beyond the grid; their values as an eager paste in order."""
    rng = np.random.default_rng(4)
    folder = tmp_path_factory.mktemp("mosaic")
    pasted = np.full(SHAPE, np.nan, np.float32)
    images = []
    for k, (row, col) in enumerate(PLACES):
        values = rng.random((20, 30), np.float32)
        values[rng.random(values.shape) < 0.3] = 0
        path = folder / f"{k}.tif"
        options = {"driver": "GTiff", "width": 30, "height": 20, "count": 1, "dtype": "float32", "crs": CRS}
        with rasterio.open(path, "w", **options, transform=Affine(20, 0, 0, 0, -20, 0)) as target:
            target.write(values, 1)
        images.append((Pixels(read_header(path), (0.0,)), Window(row, col, 20, 30)))
        for i, j in np.ndindex(values.shape):
            y, x = i + row, j + col
            if 0 <= y < SHAPE[0] and 0 <= x < SHAPE[1] and np.isnan(pasted[y, x]) and values[i, j]:
                pasted[y, x] = values[i, j]
    return images, pasted


class TestMosaic:
    def test_paste(self, parts):
        images, pasted = parts
        assert 0.3 < np.isnan(pasted).mean() < 0.7
        np.testing.assert_array_equal(Mosaic(images, SHAPE).lazy().compute(), pasted)

    @given(basic_indices(SHAPE, allow_newaxis=False, allow_ellipsis=False))
    def test_any_selection(self, parts, index):
        images, pasted = parts
        np.testing.assert_array_equal(Mosaic(images, SHAPE).lazy()[index].compute(), pasted[index])

    @given(st.data())
    def test_any_chunking(self, parts, data):
        images, pasted = parts
        chunks = data.draw(chunkings(SHAPE))
        np.testing.assert_array_equal(Mosaic(images, SHAPE).lazy().rechunk(chunks), pasted)

    def test_only_what_a_window_needs_is_read(self, parts, monkeypatch):
        images, pasted = parts
        read = []
        original = Pixels.read

        def counted(self, window):
            read.append((self.raster.path.name, window))
            return original(self, window)

        monkeypatch.setattr(Pixels, "read", counted)
        mosaic = Mosaic(images, SHAPE)
        assert np.isnan(mosaic[slice(34, 40), slice(0, 70)]).all()
        assert read == []
        np.testing.assert_array_equal(mosaic[slice(0, 4), slice(0, 55)], pasted[:4, :55])
        assert read == [("1.tif", Window(0, 0, 4, 30))]

    def test_one_task_a_block(self, parts):
        images, _ = parts
        array = Mosaic(images, (5000, 3000)).lazy()
        (optimised,) = dask.optimize(array)
        assert array.name == Mosaic(images, (5000, 3000)).lazy().name
        assert len(dict(optimised.__dask_graph__())) == 6
        assert array.name != Mosaic(images[::-1], (5000, 3000)).lazy().name
