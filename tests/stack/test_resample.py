"""Images of mixed CRS, extent and registration on one grid, against a phase field that is known everywhere."""

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from pyproj import Transformer

from insarflow.errors import GridMismatchError, SelectionError
from insarflow.kernels.phase import phasor
from insarflow.schema import VARIABLES, recipe_of
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.crs import parse_crs
from insarflow.stack.georeference import georeference
from insarflow.stack.raster import Pixels, read_header
from insarflow.stack.resample import Resampled, chunk_side, resample_dataset
from insarflow.stack.store import append_stack, build_stack, open_stack, write_stack
from insarflow.types import Grid, Pair

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


def away_from_edges(phase):
    """Pixels with all neighbours at hand: nearer to a hole or an edge, values are taken from one side."""
    there = ~np.isnan(phase)
    return there & (xr.DataArray(there.astype(float)).rolling(dim_0=5, dim_1=5, center=True).min().values == 1)


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"grid": "union"}, 0.006),
        ({"grid": "union", "method": "cubic"}, 0.0012),
        ({"crs": 4326}, 0.004),
        ({"crs": "utm", "resolution": (10, 15)}, 0.004),
        ({"crs": "EPSG:32633", "resolution": 20}, 0.006),
        ({"grid": "intersection", "resolution": 45}, 0.004),
        ({"grid": "union", "method": "nearest"}, 0.4),
    ],
)
def test_truth(product, options, bound):
    """Largest error of the phase (rad) away from edges; at edges at most the change over half a pixel."""
    found = errors(open_stack(product, **options))
    assert set(found) == set(PLACES)
    worst = 0.0
    for phase, coherence in found.values():
        inner = away_from_edges(phase)
        assert inner.sum() > 1000
        worst = max(worst, np.abs(phase[inner]).max())
        assert np.nanmax(np.abs(phase)) < 0.4
        assert np.abs(coherence[inner]).max() < 0.05 * bound
    assert bound / 3 < worst < bound


def test_the_hole_stays_where_it_is(product):
    phase, _ = errors(open_stack(product, crs="utm", resolution=10))["20200101_20200113"]
    x, y = centres(PLACES["20200101_20200113"][1], (150, 180), UTM)
    grid = open_stack(product, crs="utm", resolution=10)
    hole = np.isnan(phase[grid.indexes["y"].get_indexer([y[50, 60] + 5], "nearest")[0]])
    xs = grid["x"].values[hole]
    inside = xs[(xs > x[50, 40]) & (xs < x[50, 80])]
    assert (inside.min(), inside.max()) == (x[40, 50] - 5, x[40, 69] + 5)


class TestLazy:
    def test_only_headers_are_read_and_a_block_is_a_task(self, product, forbid_compute):
        with forbid_compute():
            ds = open_stack(product, crs="utm", resolution=1.9)
        assert ds["igram"].data.numblocks == (4, 1, 2, 2)
        # One task a block and pair, and dask's other name for it.
        assert len(dict(dask.optimize(ds["igram"].data)[0].__dask_graph__())) == 2 * 4 * 4
        assert ds["igram"].data.name == open_stack(product, crs="utm", resolution=1.9)["igram"].data.name
        assert (
            ds["igram"].data.name != open_stack(product, crs="utm", resolution=1.9, method="cubic")["igram"].data.name
        )

    def test_only_the_window_that_is_needed_is_read(self, product, monkeypatch):
        parts = [Pixels(read_header(product / "20200125_20200206_phase.tif"))]
        grid = Grid((400_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), (150, 180), parse_crs(UTM))
        image = Resampled(parts, grid, name="igram", method="bilinear", wrapped=True)
        read = []
        original = Pixels.read

        def counted(self, window):
            read.append(window)
            return original(self, window)

        monkeypatch.setattr(Pixels, "read", counted)
        assert len(dict(image.lazy().__dask_graph__())) == 1
        assert not np.isnan(image[70:80, 70:90]).any()
        assert len(read) == 1
        assert max(read[0].shape) < 80

    @settings(max_examples=8)
    @given(basic_indices((300, 330), allow_newaxis=False, allow_ellipsis=False), st.sampled_from(["bilinear", "cubic"]))
    def test_any_selection(self, product, index, method):
        parts = [Pixels(read_header(product / "20200125_20200206_phase.tif"))]
        grid = Grid((400_000.0, 11.0, 0.0, 5_000_000.0, 0.0, -11.0), (300, 330), parse_crs(UTM))
        image = Resampled(parts, grid, name="igram", method=method, wrapped=True)
        np.testing.assert_array_equal(
            image[index] if isinstance(index, tuple) else image[index, :], whole(image)[index]
        )

    def test_a_coarse_grid_is_cut_into_smaller_blocks(self, product):
        ds = open_stack(product, crs="utm", resolution=600)
        assert ds.sizes["y"] < 10
        grid = Grid((4e5, 600.0, 0.0, 5e6, 0.0, -600.0), (3000, 3000), parse_crs(UTM))
        fine = Grid((4e5, 20.0, 0.0, 5e6, 0.0, -20.0), (90_000, 90_000), parse_crs(UTM))
        assert chunk_side([fine], grid) == 64
        assert chunk_side([], grid) == 2048


def whole(image, known={}):  # noqa: B006
    return known.setdefault(image.identity, image[:, :])


class TestWithoutInterpolation:
    def test_one_lattice_is_not_touched(self, folder):
        plain, union = open_stack(folder), open_stack(folder, grid="union")
        xr.testing.assert_identical(plain.compute(), union.compute())

    def test_intersection(self, tmp_path, write_tif):
        rng = np.random.default_rng(4)
        values = rng.uniform(-3, 3, (2, 30, 50)).astype(np.float32)
        for k, name in enumerate(("20200101_20200113", "20200113_20200125")):
            place = Affine(0.001, 0, 7.0 + 0.005 * k, 0, -0.001, 46.0 + 0.003 * k)
            write_tif(tmp_path / f"{name}_phase.tif", values[k], transform=place)
        ds = open_stack(tmp_path, grid="intersection")
        expected = values[0, :27, 5:], values[1, 3:, :45]
        for found, truth in zip((ds["igram"][k, 0] for k in range(2)), expected, strict=True):
            np.testing.assert_array_equal(found, phasor(truth))
        assert [s["operation"] for s in recipe_of(ds).steps] == ["read", "subset"]
        assert recipe_of(ds).of("subset")[0]["grid"] == "intersection"
        far = Affine(0.001, 0, 7.05, 0, -0.001, 46)
        write_tif(tmp_path / "20200201_20200213_phase.tif", values[0], transform=far)
        with pytest.raises(GridMismatchError, match=r"^all images must have pixels in common for grid='intersection'"):
            open_stack(tmp_path, grid="intersection")

    def test_images_on_the_lattice_of_a_grid_to_copy(self, folder):
        plain = open_stack(folder)
        like = plain.isel(y=slice(4, 20), x=slice(10, 60))
        same = open_stack(folder, grid=like)
        np.testing.assert_array_equal(same["igram"], like["igram"])
        assert not recipe_of(same).of("resample")


class TestRegistration:
    """A file says that its corner is a pixel's middle (GMT, RasterPixelIsPoint): the same field is read."""

    @pytest.mark.parametrize("point", [False, True])
    def test_point_and_area(self, tmp_path, write_tif, point):
        for name, shift in (("20200101_20200113", 0.0), ("20200113_20200125", 10.0)):
            place = Affine(20, 0, 400_000 + shift, 0, -20, 5_000_000 + shift)
            x, y = centres(place, (120, 120), UTM)
            path = write_tif(
                tmp_path / f"{name}_phase.tif", wrapped(field(x, y)).astype(np.float32), crs=UTM, transform=place
            )
            if point:
                with rasterio.open(path, "r+") as file:
                    file.update_tags(AREA_OR_POINT="Point")
                    file.transform = place
        with pytest.raises(
            GridMismatchError, match=r"0\.5 pixels off its pixels: have them resampled with grid='union'"
        ):
            open_stack(tmp_path)
        ds = open_stack(tmp_path, grid="union")
        x, y = np.meshgrid(ds["x"], ds["y"])
        for k in range(2):
            phase = np.angle(ds["igram"][k, 0] * np.exp(-1j * field(x, y)))
            assert np.abs(phase[away_from_edges(phase)]).max() < 0.006


class TestLike:
    def test_a_raster_a_store_a_dataset_and_a_grid_are_one(self, product, tmp_path, write_tif):
        place = Affine(30, 0, 400_600, 0, -25, 4_999_700)
        tif = write_tif(tmp_path / "like.tif", np.zeros((3, 70, 80), np.uint8), crs=UTM, transform=place)
        grid = Grid(place.to_gdal(), (70, 80), UTM)
        first = open_stack(product, grid=grid)
        store = write_stack(first, tmp_path / "s.zarr")
        for like in (tif, str(store), first, first["igram"]):
            xr.testing.assert_identical(open_stack(product, grid=like), first)
        assert recipe_of(first).of("resample")[0] == {
            "operation": "resample",
            "method": "bilinear",
            "grid": "like",
            "crs": UTM,
            "resolution": [25.0, 30.0],
            "least_weight": 0.5,
            "averaged_px": [pytest.approx(1.27, abs=0.03), pytest.approx(1.54, abs=0.03)],
            "files": 8,
        }
        for phase, _ in errors(first).values():
            assert np.abs(phase[away_from_edges(phase)]).max() < 0.03

    def test_pairs_beside_it_are_left_out(self, product, tmp_path):
        grid = Grid((400_000.0, 10.0, 0.0, 5_000_190.0, 0.0, -10.0), (18, 30), UTM)
        ds = open_stack(product, grid=grid)
        assert "20200101_20200113" not in ds.insar.pairs.index
        assert build_stack(product, tmp_path / "s.zarr", grid=grid).exists()
        with pytest.raises(SelectionError, match=r"^grid must lie where the images are, instead no image touches it, "):
            open_stack(product, grid=Grid((500_000.0, 10.0, 0.0, 5e6, 0.0, -10.0), (20, 30), UTM))

    def test_rows_from_south_to_north(self, product):
        up = Grid((400_600.0, 20.0, 0.0, 4_998_000.0, 0.0, 20.0), (60, 60), UTM)
        down = Grid((400_600.0, 20.0, 0.0, 4_999_200.0, 0.0, -20.0), (60, 60), UTM)
        rising, falling = (open_stack(product, grid=g).compute() for g in (up, down))
        assert rising["y"][0] < rising["y"][-1]
        xr.testing.assert_allclose(rising["igram"].sortby("y", ascending=False), falling["igram"], atol=1e-5)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    rng = np.random.default_rng(2)
    grid = Grid((400_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), (150, 180), parse_crs(UTM))
    x, y = np.meshgrid(grid.x, grid.y)
    phase = field(x, y)
    images = {
        "igram": np.exp(1j * phase),
        "unwrapped": phase + 2 * np.pi * (x > 401_500),
        "coherence": smooth(x, y),
    }
    cells = {
        Pair.parse(n): {k: v.astype(VARIABLES[k].dtype) for k, v in images.items()}
        for n in ("20200101_20200113", "20200113_20200206")
    }
    static = {"dem": rng.normal(0, 1, x.shape).astype(np.float32), "water": x > 402_000}
    ds = stack_pairs(cells, grid, static=static, attrs={"wavelength": 0.055}).chunk(y=64, x=50)
    return ds, write_stack(ds, tmp_path_factory.mktemp("store") / "s.zarr")


class TestStore:
    """A store is resampled block by block as files are."""

    def test_truth(self, stores):
        ds = open_stack(stores[1], crs=4326, resolution=(0.00018, 0.00025))
        assert isinstance(ds["igram"].data, da.Array)
        assert ds["valid"].values.sum() == 2
        for phase, coherence in errors(ds).values():
            inner = away_from_edges(phase)
            assert np.abs(phase[inner]).max() < 0.01
            assert np.abs(coherence[inner]).max() < 0.001
        place = Affine.from_gdal(*map(float, ds["spatial_ref"].attrs["GeoTransform"].split()))
        x, y = centres(place, (ds.sizes["y"], ds.sizes["x"]), 4326)
        there = ds["igram"][0, 0].notnull().values
        np.testing.assert_array_equal(ds["water"].values[there], (x > 402_000)[there])
        # Whole cycles are kept, and nothing between them is made up at the jump.
        cycles = ((ds["unwrapped"][0, 0].values - field(x, y)) / (2 * np.pi))[
            away_from_edges(np.where(there, 0, np.nan))
        ]
        assert np.abs(cycles - np.round(cycles)).max() < 0.01
        assert set(np.round(cycles).astype(int)) == {0, 1}

    def test_any_chunks(self, stores):
        grids = [Grid((399_900.0, 13.0, 0.0, 5_000_100.0, 0.0, -17.0), (230, 270), parse_crs(UTM))]
        grids.append(Grid((7.7251, 0.0003, 0.0, 45.1503, 0.0, -0.0002), (160, 170), parse_crs(4326)))
        for grid in grids:
            one, many = (
                resample_dataset(stores[0].chunk(y=y, x=x), grid, method="cubic").compute()
                for y, x in ((150, 180), (61, 83))
            )
            xr.testing.assert_identical(one, many)

    def test_graph(self, stores, forbid_compute):
        with forbid_compute():
            ds = open_stack(stores[1], crs="EPSG:32633")
        assert ds["igram"].data.numblocks == (2, 2, 1, 1)
        (image,) = dask.optimize(ds["igram"].data)
        assert len(dict(image.__dask_graph__())) <= 2 * (2 + 1) + 2

    def test_its_own_grid_is_no_work(self, stores):
        plain = open_stack(stores[1])
        assert open_stack(stores[1], grid="union")["igram"].data.name == plain["igram"].data.name
        shifted = open_stack(stores[1], grid=plain.isel(y=slice(7, 80), x=slice(3, None)))
        np.testing.assert_array_equal(shifted["igram"], plain["igram"][:, :, 7:80, 3:])
        np.testing.assert_array_equal(shifted["dem"], plain["dem"][7:80, 3:])


def test_build_and_subset(product, tmp_path):
    west, south, east, north = 7.735, 45.13, 7.75, 45.14
    path = build_stack(
        product, tmp_path / "s.zarr", crs="utm", resolution=20, bbox=(west, south, east, north), end="2020-01-31"
    )
    ds = open_stack(path)
    assert list(ds.insar.pairs.index) == ["20200101_20200113", "20200113_20200125"]
    assert ds.rio.crs.to_epsg() == 32632
    assert (ds["x"].values[0] % 20, ds["y"].values[0] % 20) == (10, 10)
    assert {"resample", "subset"} <= {step["operation"] for step in recipe_of(ds).steps}
    for phase, _ in errors(ds).values():
        assert np.abs(phase[away_from_edges(phase)]).max() < 0.006


def test_append_on_the_grid_of_a_store(product, tmp_path):
    names = sorted(PLACES)
    first, others = ([str(product / f"{n}_*.tif") for n in part] for part in (names[:1], names[1:]))
    path = build_stack(first, tmp_path / "s.zarr")
    with pytest.raises(GridMismatchError, match=r"^what is appended must lie on the grid of the store"):
        append_stack(others[:1], path)
    assert [pair.name for pair in append_stack(others, path, grid=path)] == names[1:]
    for phase, _ in errors(open_stack(path)).values():
        assert np.abs(phase[away_from_edges(phase)]).max() < 0.006


def test_terrain_heights_come_along(product, tmp_path, write_tif):
    for path in product.iterdir():
        (tmp_path / path.name).hardlink_to(path)
    place = Affine(0.0003, 0, 7.70, 0, -0.0003, 45.17)
    x, y = centres(place, (200, 300), 4326)
    heights = (1000 + 0.1 * (x - 400_000) - 0.2 * (y - 5_000_000)).astype(np.float32)
    write_tif(tmp_path / "dem.tif", heights, transform=place)
    ds = open_stack(tmp_path, crs="utm", resolution=30)
    xx, yy = np.meshgrid(ds["x"], ds["y"])
    np.testing.assert_allclose(ds["dem"], 1000 + 0.1 * (xx - 400_000) - 0.2 * (yy - 5_000_000), atol=0.05)
    assert recipe_of(ds).of("resample_dem")


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
def test_azimuths_are_interpolated_as_directions(method):
    grid = Grid((400_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), (20, 24), parse_crs(UTM))
    aspect = np.where(np.arange(24) % 2, 0.2, 2 * np.pi - 0.2) + np.zeros((20, 1))
    ds = georeference(xr.Dataset({"aspect": (("y", "x"), aspect.astype(np.float32))}), grid)
    between = Grid((400_030.0, 20.0, 0.0, 4_999_990.0, 0.0, -20.0), (10, 12), parse_crs(UTM))
    found = resample_dataset(ds, between, method=method)["aspect"].values
    away = 0.0 if method != "nearest" else 0.2
    np.testing.assert_allclose(abs(np.angle(np.exp(1j * found))), away, atol=1e-5)
    assert ((found >= 0) & (found < np.float32(2 * np.pi))).all()
