"""Polygons: the same table for any chunking, equal to a whole-image oracle."""

from itertools import pairwise

import dask
import dask.array as da
import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio.features
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from insarflow.errors import ProductWarning, SchemaError
from insarflow.inventory import polygons
from insarflow.inventory.polygons import vectorise
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

COLUMNS = {
    "id": "int64",
    "area_m2": "float64",
    "probability_mean": "float32",
    "probability_max": "float32",
    "pairs": "int32",
    "geometry": "geometry",
}


def field(data, step=20.0, crs="EPSG:32632", origin=(500_000.0, 5_100_000.0), y_step=None):
    y_step = -step if y_step is None else y_step
    grid = Grid((origin[0], step, 0.0, origin[1], 0.0, y_step), data.shape, crs)
    return georeference(xr.Dataset({"probability": (("y", "x"), data)}), grid)["probability"]


def drawing(text):
    """Probability 0.9 where the drawing has a mark."""
    return np.array([[0.9 if c == "#" else 0.1 for c in line] for line in text.split()], np.float32)


SHAPES = {
    "snake": drawing("######### ........# ######### #........ ######### ........# #########"),
    "spiral": drawing("######### ........# #######.# #.....#.# #.###.#.# #.#...#.# #.#####.# #.......# #########"),
    "rings": drawing("######### #.......# #.#####.# #.#...#.# #.#.#.#.# #.#...#.# #.#####.# #.......# #########"),
    "diagonals": drawing("#.#.#.#.# .#.#.#.#. #.#.#.#.# .#.#.#.#."),
    "u": drawing("##...##.# ##...##.# ##...##.# #######.. #######.#"),
    "corner": drawing("#####.... #...#.... #...##### #####...# ....#...# ....#####"),
    "self": drawing(".####.... ##..#.... #..##.... ##.#..... .##.####. ..#.#..#. ..##.###. ...###..."),
    "holes": drawing("######### #.#.#.#.# ######### ##.#.#.## #########"),
    "full": drawing("######### ######### #########"),
    "points": drawing("#.......# ......... ....#.... ......... #.......#"),
}


@st.composite
def splits(draw, size):
    """Chunks of an axis: any sizes, ones and ragged ends among them."""
    if draw(st.booleans()):
        return (draw(st.integers(1, size)),)
    cuts = sorted(draw(st.sets(st.integers(1, size - 1), max_size=size - 1))) if size > 1 else []
    edges = [0, *cuts, size]
    return tuple(b - a for a, b in pairwise(edges))


def chunked(data, y, x):
    return da.from_array(data, chunks=(y if len(y) > 1 else y[0], x if len(x) > 1 else x[0]))


def assert_same_bytes(frame, reference):
    assert frame.geometry.to_wkb().tolist() == reference.geometry.to_wkb().tolist()
    assert frame.drop(columns="geometry").equals(reference.drop(columns="geometry"))
    assert dict(frame.dtypes.astype(str)) == dict(reference.dtypes.astype(str)) == COLUMNS


def oracle(probability, support, threshold):
    """Per component of the whole image: outline in pixels, mean, highest, pairs; in order of first pixels."""
    labels, n = ndimage.label(probability >= np.float32(threshold))
    outlines = {
        int(value): shapely.geometry.shape(outline)
        for outline, value in rasterio.features.shapes(labels.astype(np.int32), mask=labels > 0, connectivity=4)
    }
    assert len(outlines) == n
    first = {k: np.flatnonzero(labels == k)[0] for k in outlines}
    for k in sorted(outlines, key=first.__getitem__):
        values = probability[labels == k].astype(np.float64)
        yield outlines[k], values.mean(), values.max(), support[labels == k].max()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), density=st.floats(0.2, 0.9))
def test_equals_the_whole_image_oracle(data, seed, density):
    shape = data.draw(st.tuples(st.integers(2, 24), st.integers(2, 24)))
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0, 1, shape).astype(np.float32)
    probability[rng.uniform(0, 1, shape) < 0.05] = np.nan
    support = rng.integers(1, 50, shape).astype(np.int32)
    threshold = 1.0 - density
    blocks = chunked(probability, data.draw(splits(shape[0])), data.draw(splits(shape[1])))
    counts = chunked(support, data.draw(splits(shape[0])), data.draw(splits(shape[1])))
    where = field(blocks)
    frame = vectorise(where, where.copy(data=counts), threshold=threshold, min_area=0)
    expected = list(oracle(probability, support, threshold))
    assert len(frame) == len(expected)
    assert frame["id"].tolist() == list(range(1, len(expected) + 1))
    assert shapely.is_valid(frame.geometry.array).all()
    for row, (outline, mean, highest, pairs) in zip(frame.itertuples(), expected, strict=True):
        in_crs = shapely.transform(outline, lambda c: np.array([500_000.0, 5_100_000.0]) + c * (20.0, -20.0))
        assert row.geometry.equals(in_crs)
        assert len(row.geometry.interiors) == len(in_crs.interiors)
        assert row.probability_mean == pytest.approx(mean, rel=1e-6)
        assert row.probability_max == np.float32(highest)
        assert row.pairs == pairs
    assert_same_bytes(frame, vectorise(field(probability), where.copy(data=support), threshold=threshold, min_area=0))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=st.sampled_from(sorted(SHAPES)))
def test_any_chunking_gives_the_same_bytes(data, shape):
    probability = SHAPES[shape]
    blocks = chunked(probability, data.draw(splits(probability.shape[0])), data.draw(splits(probability.shape[1])))
    reference = vectorise(field(probability), threshold=0.5, min_area=0)
    assert_same_bytes(vectorise(field(blocks), threshold=0.5, min_area=0), reference)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_drawn_shapes_equal_the_oracle_with_chunks_of_one(shape):
    probability = SHAPES[shape]
    frame = vectorise(field(da.from_array(probability, chunks=1)), threshold=0.5, min_area=0)
    expected = list(oracle(probability, np.ones_like(probability), 0.5))
    assert len(frame) == len(expected) == ndimage.label(probability > 0.5)[1]
    for found, (outline, *_) in zip(frame.geometry, expected, strict=True):
        in_crs = shapely.transform(outline, lambda c: np.array([500_000.0, 5_100_000.0]) + c * (20.0, -20.0))
        assert found.is_valid
        assert found.equals(in_crs)


def test_blocks_of_an_array_in_memory_join_as_chunks_do(monkeypatch):
    reference = [vectorise(field(p), threshold=0.5, min_area=0) for p in SHAPES.values()]
    monkeypatch.setattr(polygons, "_EAGER_BLOCK", 2)
    with dask.config.set(scheduler=_forbidden):
        for probability, expected in zip(SHAPES.values(), reference, strict=True):
            assert_same_bytes(vectorise(field(probability), threshold=0.5, min_area=0), expected)


def test_a_component_that_touches_itself_at_a_corner_has_simple_rings():
    # The hole's lower right corner is also the outline's: one valid shell, one hole, no ring meets itself.
    probability = drawing("####. #..#. #..## ###.# ..###")
    for chunk in (1, 2, 3, 5):
        frame = vectorise(field(da.from_array(probability, chunks=chunk)), threshold=0.5, min_area=0)
        (polygon,) = frame.geometry
        assert polygon.is_valid
        assert len(polygon.interiors) == 2
        for ring in (polygon.exterior, *polygon.interiors):
            assert ring.is_simple
            corners = np.array(ring.coords)
            turns = np.diff(np.vstack([corners, corners[1]]), axis=0)
            assert ((turns[:-1] == 0).any(axis=1) & (turns[:-1] * turns[1:] == 0).all(axis=1)).all()


def test_pixels_that_meet_at_a_corner_only_are_apart():
    frame = vectorise(field(SHAPES["diagonals"]), threshold=0.5, min_area=0)
    assert len(frame) == 18
    assert all(len(p.exterior.coords) == 5 for p in frame.geometry)


@pytest.mark.parametrize("chunk", [7, 97, 500])
def test_400_squares_in_degrees_are_400_polygons(chunk):
    probability = np.zeros((500, 500), np.float32)
    for row in range(2, 500, 25):
        for col in range(3, 500, 25):
            probability[row : row + 10, col : col + 10] = 0.8
    where = field(da.from_array(probability, chunks=chunk), 1 / 4320, "EPSG:4326", (-99.1 / 3, 19.3))
    frame = vectorise(where, threshold=0.5, min_area=0)
    assert len(frame) == 400
    assert all(len(p.exterior.coords) == 5 and not p.interiors for p in frame.geometry)
    assert_same_bytes(frame, vectorise(where.compute(), threshold=0.5, min_area=0))


@pytest.mark.parametrize("origin", [(500_000.0, 5_100_000.0), (780_000.0, 5_100_000.0), (300_000.0, 1_000_000.0)])
def test_area_of_a_square_in_utm_is_that_on_the_ellipsoid(origin):
    probability = np.zeros((14, 14), np.float32)
    probability[2:12, 2:12] = 0.9
    (area,) = vectorise(field(probability, 20.0, origin=origin), threshold=0.5)["area_m2"]
    utm = pyproj.Proj("EPSG:32632")
    longitude, latitude = utm(origin[0] + 140.0, origin[1] - 140.0, inverse=True)
    assert area == pytest.approx(200.0**2 / utm.get_factors(longitude, latitude).areal_scale, rel=1e-7)


def zone_area(south, north, width):
    """Area of the ellipsoid between two parallels and two meridians (degrees), in closed form."""
    a, f = 6_378_137.0, 1 / 298.257223563
    e = np.sqrt(f * (2 - f))
    s = np.sin(np.radians([south, north]))
    q = s / (1 - (e * s) ** 2) + np.arctanh(e * s) / e
    return np.radians(width) * a**2 * (1 - f) ** 2 / 2 * (q[1] - q[0])


@pytest.mark.parametrize("latitude", [0.1, 45.0, -70.0])
def test_area_of_a_square_in_degrees_is_that_on_the_ellipsoid(latitude):
    step = 1 / 3600
    probability = np.zeros((14, 14), np.float32)
    probability[2:12, 2:12] = 0.9
    frame = vectorise(field(probability, step, "EPSG:4326", (7.0, latitude)), threshold=0.5)
    north = latitude - 2 * step
    (area,) = frame["area_m2"]
    assert area == pytest.approx(zone_area(north - 10 * step, north, 10 * step), rel=1e-7)
    geod, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(frame.geometry[0])
    assert area == pytest.approx(geod, rel=1e-9)


def test_holes_do_not_count_as_area():
    probability = np.full((12, 12), 0.9, np.float32)
    whole = vectorise(field(probability), threshold=0.5)["area_m2"][0]
    probability[3:9, 4:8] = 0.0
    holed = vectorise(field(da.from_array(probability, chunks=5)), threshold=0.5)["area_m2"][0]
    assert holed / whole == pytest.approx(1 - 24 / 144, rel=1e-6)


def test_small_polygons_are_left_out_and_the_rest_is_numbered():
    probability = np.zeros((20, 20), np.float32)
    probability[0, 3] = probability[2:7, 2:7] = probability[10:16, 0:6] = 0.9
    frame = vectorise(field(probability), threshold=0.5)
    assert frame["id"].tolist() == [1, 2]
    assert (frame["area_m2"] > 10_000).all()
    limit = frame["area_m2"].min()
    assert len(vectorise(field(probability), threshold=0.5, min_area=limit)) == 2
    assert len(vectorise(field(probability), threshold=0.5, min_area=np.nextafter(limit, 1e9))) == 1


def test_polygons_are_ordered_by_first_pixel_and_wind_as_geojson_asks():
    probability = drawing("...#.. .#.#.. .#...# ....##")
    for y_step in (-20.0, 20.0):
        frame = vectorise(field(da.from_array(probability, chunks=2), y_step=y_step), threshold=0.5, min_area=0)
        assert [int((p.bounds[0] - 500_000) // 20) for p in frame.geometry] == [3, 1, 4]
        assert all(p.exterior.is_ccw for p in frame.geometry)


def test_a_south_up_grid_gives_the_same_places():
    probability = SHAPES["self"]
    north_up = field(probability)
    south_up = north_up.isel(y=slice(None, None, -1))
    a, b = (vectorise(p, threshold=0.5, min_area=0).geometry[0] for p in (north_up, south_up))
    assert a.equals(b)


def test_nan_is_below_every_threshold():
    probability = np.full((6, 6), np.nan, np.float32)
    probability[2, 2:4] = 0.9
    assert len(vectorise(field(probability), threshold=0.5, min_area=0)) == 1


def test_the_threshold_itself_is_inside():
    probability = np.full((6, 6), 0.7, np.float32)
    assert len(vectorise(field(probability), threshold=0.7, min_area=0)) == 1


def test_an_empty_inventory_has_the_same_columns():
    frame = vectorise(field(da.zeros((30, 40), chunks=7, dtype=np.float32)), threshold=0.5)
    assert isinstance(frame, gpd.GeoDataFrame)
    assert dict(frame.dtypes.astype(str)) == COLUMNS
    assert len(frame) == 0
    assert frame.crs == "EPSG:32632"


def test_threshold_min_area_and_recipe_are_kept():
    probability = field(SHAPES["full"]).assign_attrs(recipe='[{"step": "segment"}]')
    frame = vectorise(probability, threshold=0.5, min_area=7)
    assert frame.attrs == {"threshold": 0.5, "min_area": 7.0, "recipe": '[{"step": "segment"}]'}


def test_every_block_is_computed_once_and_nothing_before():
    calls = []

    def count(block, block_info=None):
        calls.append(tuple(block_info[0]["chunk-location"]))
        return block

    blocks = da.from_array(SHAPES["spiral"], chunks=3)
    counted = blocks.map_blocks(count, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    where = field(counted)
    assert calls == []
    vectorise(where, (where > 0.5).astype(np.int32), threshold=0.5, min_area=0)
    assert sorted(calls) == [(i, j) for i in range(3) for j in range(3)]


def test_empty_chunks_are_passed_over():
    probability = SHAPES["snake"]
    blocks = da.from_array(probability, chunks=((3, 0, 4), (0, 5, 4)))
    assert blocks.chunks == ((3, 0, 4), (0, 5, 4))
    assert_same_bytes(
        vectorise(field(blocks), threshold=0.5, min_area=0), vectorise(field(probability), threshold=0.5, min_area=0)
    )


def _forbidden(*args, **kwargs):
    raise AssertionError("this must not compute")


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, 50, float("nan"), float("inf")])
def test_threshold_outside_0_to_1_is_refused(threshold):
    with dask.config.set(scheduler=_forbidden), pytest.raises(ValueError, match=r"^threshold must be "):
        vectorise(field(da.zeros((4, 4), dtype=np.float32)), threshold=threshold)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda p: {"probability": p.data}, TypeError, r"^probability must be an xarray.DataArray, instead got"),
        (lambda p: {"probability": p.astype(float)}, TypeError, r"^probability must be float32, instead got float64"),
        (lambda p: {"probability": p.expand_dims("date")}, SchemaError, r"^probability must have dims \('y', 'x'\)"),
        (lambda p: {"probability": p[:0]}, ValueError, r"^probability must hold pixels, instead got shape \(0, 9\)"),
        (lambda p: {"probability": p.drop_vars("spatial_ref")}, SchemaError, r"no CRS: set it with ds.rio.write_crs"),
        (lambda p: {"probability": p.drop_vars("y")}, SchemaError, r"needs coordinate values along 'y'"),
        (lambda p: {"probability": p * 100}, SchemaError, r"^probability must be within 0..1, instead got 90"),
        (lambda p: {"support": p}, SchemaError, r"^support must hold whole numbers \(int32\) .* compute both with"),
        (lambda p: {"support": (p > 0.5)[1:].astype(int)}, SchemaError, r"^support must hold whole numbers"),
        (lambda p: {"support": [1]}, TypeError, r"^support must be an xarray.DataArray or None, instead got list"),
        (lambda p: {"min_area": -1}, ValueError, r"^min_area must be 0 m\^2 or more, instead got min_area=-1"),
        (lambda p: {"min_area": "big"}, TypeError, r"^min_area must be a number, instead got min_area='big'"),
        (lambda p: {"threshold": True}, TypeError, r"^threshold must be a number, instead got threshold=True"),
        (lambda p: {"threshold": "0.5"}, TypeError, r"^threshold must be a number, instead got threshold='0.5'"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    probability = field(SHAPES["snake"])
    arguments = {"probability": probability, "threshold": 0.5, **change(probability)}
    with pytest.raises(error, match=message):
        vectorise(**arguments)


def test_a_local_crs_is_refused():
    local = 'LOCAL_CS["here",UNIT["metre",1]]'
    probability = field(SHAPES["full"], crs=local)
    with pytest.raises(SchemaError, match=r"^the CRS must have an ellipsoid to measure areas on, instead got"):
        vectorise(probability, threshold=0.5)


def test_places_outside_the_crs_are_refused():
    probability = field(SHAPES["full"], origin=(5e9, 5e12))
    with pytest.raises(SchemaError, match=r"^y and x must lie where the CRS .* is defined"):
        vectorise(probability, threshold=0.5)


def test_a_map_that_knows_nothing_is_told():
    nothing = np.full((5, 7), np.nan, np.float32)
    with pytest.warns(ProductWarning, match="no pixel has a probability: the inventory is empty"):
        assert len(vectorise(field(nothing).chunk({"x": 3}), threshold=0.5)) == 0
    known = nothing.copy()
    known[2, 5] = 0.1
    assert len(vectorise(field(known).chunk({"x": 3}), threshold=0.5)) == 0
