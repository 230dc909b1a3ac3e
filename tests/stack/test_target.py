import numpy as np
import pytest
import rasterio
import xarray as xr

from insarflow.errors import GridMismatchError, ProductError, SchemaError
from insarflow.stack.crs import parse_crs
from insarflow.stack.mesh import full_turn
from insarflow.stack.target import bounds_on, parse_target, target_grid
from insarflow.types import Grid, Window

UTM, DEGREES = parse_crs(32632), parse_crs(4326)


def grid(row=0, col=0, shape=(30, 50), step=20.0, crs=UTM):
    return Grid((400_000 + col * 20.0, step, 0.0, 5_000_000 - row * 20.0, 0.0, -step), shape, crs)


def wanted(*grids, **options):
    target = parse_target(*(options.get(name) for name in ("grid", "resolution", "crs", "method")))
    return target_grid(target, {f"file={str(k)!r}": g for k, g in enumerate(grids)})


class TestGrid:
    def test_nothing_asked_for(self):
        assert parse_target(None, None, None, None) is None

    def test_union_and_intersection_on_the_first_lattice(self):
        images = grid(), grid(row=10.5, col=-3.25)
        union = wanted(*images, grid="union")
        assert union.transform == (400_000 - 4 * 20, 20.0, 0.0, 5_000_000, 0.0, -20.0)
        assert union.shape == (41, 54)
        inner = wanted(*images, grid="intersection")
        assert inner.transform == (400_000, 20.0, 0.0, 5_000_000 - 11 * 20, 0.0, -20.0)
        assert inner.shape == (19, 46)
        assert wanted(*images, crs=32632, resolution=20) == union

    def test_another_size_begins_at_multiples_of_it(self):
        found = wanted(grid(row=0.3), resolution=(30, 15))
        assert (found.transform[0] % 15, found.transform[3] % 30) == (0, 0)
        assert found.transform[0] <= 400_000 < found.transform[0] + 15
        assert found.transform[3] >= 5_000_000 - 6 > found.transform[3] - 30
        assert found.shape == (21, 68)

    def test_another_crs_keeps_the_ground_of_a_pixel(self):
        found = wanted(grid(), crs="EPSG:4326")
        dx, dy = found.transform[1], -found.transform[5]
        assert dx == dy == pytest.approx(np.sqrt(20 / 111_150 * 20 / 78_600), rel=0.01)
        assert len(f"{dx:.8g}") <= 9
        assert found.crs == DEGREES
        assert wanted(found, crs="utm").transform[1] == pytest.approx(20, abs=0.1)

    @pytest.mark.parametrize(
        ("x", "y", "code"), [(7.7, 45, 32632), (-99, 19, 32614), (178, -40, 32760), (180, 1, 32601)]
    )
    def test_utm(self, x, y, code):
        found = wanted(Grid((x, 1e-4, 0.0, y, 0.0, -1e-4), (30, 50), DEGREES), crs=" UTM", resolution=10)
        assert found.crs == parse_crs(code)

    def test_across_the_antimeridian(self):
        """Two images of one region, named by degrees that differ by a full turn."""
        east = Grid((179.0, 0.01, 0.0, 1.0, 0.0, -0.01), (100, 150), DEGREES)
        west = Grid((-180.5, 0.01, 0.0, 1.0, 0.0, -0.01), (100, 150), DEGREES)
        found = wanted(east, west, grid="union")
        assert found.shape == (100, 200)
        assert bounds_on(west, found) == Window(0, 50, 100, 150)
        assert full_turn(DEGREES) == pytest.approx(360)


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"method": "cubic"}, ValueError, r"^method must go with grid, resolution or crs, instead got method='cu"),
            ({"grid": "union", "method": "sinc"}, ValueError, r"^method must be one of .*, instead got method='sinc'"),
            ({"grid": 3}, TypeError, r"^grid must be 'union', 'intersection', a raster, .*instead got grid=3 \(int\)"),
            ({"grid": "/no.tif"}, ValueError, r"^grid must be .*instead got grid='/no\.tif', which does not exist"),
            ({"grid": grid(), "crs": 4326}, ValueError, r"^crs must not go with a grid to copy, .*crs=4326"),
            ({"grid": grid(), "resolution": 3}, ValueError, r"^resolution must not go with a grid to copy"),
            ({"grid": grid(shape=(2**20, 2**20))}, ValueError, r"^grid must have 1 to 17179869184 pixels, instead g"),
            ({"grid": grid(step=0.0)}, ValueError, r"^grid must have pixels with a place and a size, instead"),
            ({"resolution": 0}, ValueError, r"^resolution must be one number above 0, or \(y, x\), .*resolution=0"),
            ({"resolution": (1, 2, 3)}, ValueError, r"^resolution must be one number above 0, or \(y, x\)"),
            ({"resolution": "20"}, TypeError, r"^resolution must be a number, instead got resolution='20'"),
            ({"resolution": float("nan")}, ValueError, r"^resolution must be finite, instead got resolution=nan"),
            ({"crs": 99999}, ValueError, r"^crs must be a map projection .*instead got crs=99999, which PROJ does not"),
            ({"crs": "EPSG:5773"}, ValueError, r"^crs must be a map projection or degrees, .*\(Vertical CRS\)"),
            ({"crs": True}, TypeError, r"^crs must be a map projection .*instead got crs=True \(bool\)"),
            (
                {"resolution": 1e-9},
                ValueError,
                r"^resolution must give a grid of at most 17179869184 pixels and 4194304 a side, instead got "
                r"resolution=\(1e-09, 1e-09\), which takes 6e\+11 rows x 1e\+12 columns \(in EPSG:32632\): 0\.0059 "
                r"or more is possible$",
            ),
            (
                {"crs": "+proj=ortho +lat_0=-45 +lon_0=-170"},
                GridMismatchError,
                r"^crs must be defined where the images",
            ),
        ],
    )
    def test_what_makes_no_sense(self, options, error, message):
        with pytest.raises(error, match=message):
            wanted(grid(), **options)

    def test_images_far_apart(self):
        with pytest.raises(
            GridMismatchError, match=r"^all images must be of one region, instead got file='0' and, far "
        ):
            wanted(grid(), grid(row=2000.5), grid="union")
        with pytest.raises(
            GridMismatchError, match=r"^all images must be of one region, of at most .*instead 2 images"
        ):
            wanted(grid(), grid(row=2e7), grid="union")
        with pytest.raises(GridMismatchError, match=r"^all images must have pixels in common .*: use grid='union'"):
            wanted(grid(), grid(row=40), grid="intersection")

    def test_utm_at_the_pole(self):
        polar = Grid((-1e4, 100.0, 0.0, 1e4, 0.0, -100.0), (200, 200), parse_crs(3413))
        with pytest.raises(GridMismatchError, match=r"^crs='utm' must be for images between 80 degrees south and 84"):
            wanted(polar, crs="utm")

    def test_a_raster_to_copy_must_have_a_place(self, tmp_path, write_tif):
        path = tmp_path / "a.tif"
        options = {"driver": "GTiff", "width": 3, "height": 3, "count": 1, "dtype": "uint8"}
        with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path, "w", **options) as file:
            file.write(np.zeros((3, 3), np.uint8), 1)
        with pytest.raises(ProductError, match=r"^file='.*a\.tif' must have a CRS, instead got none"):
            wanted(grid(), grid=path)
        (tmp_path / "b.tif").write_text("no")
        with pytest.raises(ProductError, match=r"^file='.*b\.tif' must be a GeoTIFF, instead it cannot be opened"):
            wanted(grid(), grid=tmp_path / "b.tif")
        with pytest.raises(SchemaError, match=r"^the dataset has no CRS: set it with ds\.rio\.write_crs"):
            wanted(grid(), grid=xr.Dataset(coords={"y": [2.0, 1.0], "x": [1.0, 2.0]}))
