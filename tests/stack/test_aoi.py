import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import ProductError, SelectionError
from insarflow.schema import DIMS, recipe_of
from insarflow.stack import aoi
from insarflow.stack.aoi import read_area
from insarflow.stack.store import open_stack, write_stack
from insarflow.stack.subset import subset
from insarflow.types import Window

RING = [(7.0103, 45.9802), (7.0404, 45.9763), (7.0331, 45.9951), (7.0207, 45.9882), (7.0152, 45.9967)]
OUTLINES = [
    shapely.Polygon(RING, [[(7.028, 45.982), (7.032, 45.982), (7.03, 45.986)]]),
    shapely.MultiPolygon([shapely.box(7.001, 45.985, 7.004, 45.9882), shapely.box(6.9, 45.9951, 7.0021, 46.3)]),
]


def write_outlines(path, outlines=OUTLINES, crs="EPSG:4326"):
    gpd.GeoDataFrame({"name": [f"zone {k}" for k in range(len(outlines))]}, geometry=outlines, crs=crs).to_file(path)
    return path


@pytest.fixture(scope="module", params=["a.gpkg", "a.geojson", "a.shp"])
def file(request, tmp_path_factory):
    return write_outlines(tmp_path_factory.mktemp("aoi") / request.param)


def centres_inside(ds):
    """Slow and obvious: is each pixel's centre in a polygon?"""
    x, y = np.meshgrid(ds["x"], ds["y"])
    return shapely.contains_xy(shapely.union_all(OUTLINES), x, y)


def test_images_outside_are_missing(stack, file):
    found = subset(stack, aoi=file).compute()
    cut = stack.isel(y=slice(0, 24), x=slice(0, 41))
    assert found["y"].equals(cut["y"])
    assert found["x"].equals(cut["x"])
    inside = xr.DataArray(centres_inside(cut), dims=("y", "x"))
    assert 0.2 < inside.mean() < 0.6
    for name in ("igram", "coherence"):
        np.testing.assert_array_equal(found[name], cut[name].where(inside))
    assert found["dem"].equals(cut["dem"])
    assert recipe_of(found).steps[-1] == {"operation": "subset", "aoi": file.name}


@given(st.data())
def test_any_chunking(stack_once, file_once, data):
    chunks = dict(zip(DIMS, data.draw(chunkings(stack_once["igram"].shape)), strict=True))
    expected = subset(stack_once, aoi=file_once).compute()
    assert subset(stack_once.chunk(chunks), aoi=file_once).compute().identical(expected)
    assert subset(stack_once.compute(), aoi=file_once).identical(expected)


@pytest.fixture(scope="module")
def file_once(tmp_path_factory):
    return write_outlines(tmp_path_factory.mktemp("aoi") / "once.gpkg")


@pytest.fixture(scope="module")
def stack_once():
    import rasterio

    from insarflow.stack.assemble import stack_pairs
    from insarflow.types import Grid, Pair

    grid = Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.001), (30, 50), rasterio.crs.CRS.from_epsg(4326).to_wkt())
    rng = np.random.default_rng(1)
    cells = {
        Pair.parse(name): {"igram": np.exp(1j * rng.uniform(-3, 3, grid.shape)).astype(np.complex64)}
        for name in ("20180106_20180118", "20180118_20180211")
    }
    return stack_pairs(cells, grid)


def test_lazy_and_repeatable(stack, file, forbid_compute):
    with forbid_compute():
        first, second = subset(stack, aoi=file), subset(stack, aoi=file)
    assert isinstance(first["igram"].data, da.Array)
    assert first["igram"].data.name == second["igram"].data.name


def test_with_a_bbox_and_back_from_a_store(stack, file, tmp_path):
    found = subset(stack, aoi=file, bbox=(7.0, 45.98, 7.02, 46.0), delays=[12])
    inside = centres_inside(found)
    assert np.isnan(found["coherence"].values[0, 0][~inside]).all()
    opened = open_stack(write_stack(found, tmp_path / "s.zarr"))
    np.testing.assert_array_equal(opened["coherence"], found["coherence"])


def test_another_crs(stack, tmp_path):
    moved = gpd.GeoSeries(OUTLINES, crs="EPSG:4326").segmentize(1e-4).to_crs("EPSG:32632")
    path = write_outlines(tmp_path / "utm.gpkg", list(moved), "EPSG:32632")
    found = subset(stack, aoi=path)
    expected = stack["igram"].isel(y=slice(0, 24), x=slice(0, 41))[0, 0].values
    np.testing.assert_array_equal(found["igram"][0, 0], np.where(centres_inside(found), expected, np.nan))


def test_an_edge_on_pixel_centres_is_the_same_in_every_window(grid, tmp_path):
    box = shapely.box(7.0105, 45.9805, 7.0305, 45.9905)
    area = read_area(write_outlines(tmp_path / "a.gpkg", [box]), grid)
    whole = area.inside(Window(0, 0, 30, 50))
    assert whole.sum() in range(180, 240)
    for y, x in np.ndindex(30, 50):
        assert area.inside(Window(y, x, 1, 1))[0, 0] == whole[y, x]


def test_many_threads_leave_the_warnings_alone(grid, tmp_path):
    interval = sys.getswitchinterval()
    area = read_area(write_outlines(tmp_path / "a.gpkg"), grid)
    before = list(warnings.filters)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(area.inside, [Window(0, 0, 30, 50)] * 600))
    finally:
        sys.setswitchinterval(interval)
    assert warnings.filters == before


class TestErrors:
    def test_elsewhere(self, stack, tmp_path):
        path = write_outlines(tmp_path / "a.gpkg", [shapely.box(8, 45, 8.1, 45.1)])
        with pytest.raises(SelectionError, match=r"^aoi='.*a\.gpkg' does not touch the stack, which lies within west"):
            subset(stack, aoi=path)

    def test_missing(self, stack, tmp_path):
        with pytest.raises(ProductError, match=r"^aoi='.*a\.gpkg' cannot be read: No such file or directory$"):
            subset(stack, aoi=tmp_path / "a.gpkg")

    @pytest.mark.parametrize(
        ("outlines", "message"),
        [
            ([shapely.Point(7, 46)], r"must hold polygons, instead got Point$"),
            ([*OUTLINES, shapely.LineString([(7, 46), (8, 46)])], r"must hold polygons, instead got LineString$"),
            ([shapely.Polygon()], r"must hold polygons, instead got no geometry$"),
        ],
    )
    def test_no_polygons(self, stack, tmp_path, outlines, message):
        with pytest.raises(ProductError, match=r"^aoi='.*a\.gpkg' " + message):
            subset(stack, aoi=write_outlines(tmp_path / "a.gpkg", outlines))

    @pytest.mark.filterwarnings("ignore:'crs' was not provided")
    def test_no_crs(self, stack, tmp_path):
        path = write_outlines(tmp_path / "a.shp", crs=None)
        with pytest.raises(ProductError, match=r"^aoi='.*a\.shp' must have a CRS, instead got none: set it with"):
            subset(stack, aoi=path)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.kml", b"<kml>", r"must be a GeoPackage \(\.gpkg\), GeoJSON \(\.geojson\) or Shapefile \(\.shp\)$"),
            ("a.geojson", b"<OGRVRTDataSource>", r"is not what its name says, or damaged: it begins with b'<OGRVRTD'$"),
            ("a.gpkg", b"", r"is not what its name says, or damaged: it begins with b''$"),
            ("a.gpkg", b"SQLite format 3\0" + bytes(900), r"cannot be read, it is damaged: \S"),
            ("a.geojson", b'{"type": "Feature', r"cannot be read, it is damaged: \S"),
            ("a.shp", b"\0\0\x27\x0a" + bytes(100), r"cannot be read, it is damaged: \S"),
        ],
    )
    def test_hostile(self, stack, tmp_path, name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ProductError, match=r"^aoi='.*' " + message):
            subset(stack, aoi=tmp_path / name)

    def test_absurd_size(self, stack, file, monkeypatch):
        monkeypatch.setattr(aoi, "MAX_BYTES", 10)
        with pytest.raises(ProductError, match=r"must have at most 10 bytes, instead got \d+: simplify it$"):
            subset(stack, aoi=file)

    def test_coordinates_that_have_no_place(self, stack, tmp_path):
        ring = [[0, 0], [1e308, 0], [1e308, 1e308], [0, 0]]
        feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        with pytest.raises(ProductError, match=r"^aoi='.*a\.geojson' must hold polygons on Earth, instead"):
            subset(stack, aoi=tmp_path / "a.geojson")
