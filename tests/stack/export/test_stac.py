import json

import numpy as np
import pytest
from pyproj import CRS

from insarflow.stack.export.footprint import footprint
from insarflow.stack.export.layers import stack_of
from insarflow.stack.export.stac import EXTENSIONS, write_catalogue
from insarflow.types import Grid

WORDS = {
    "insar": {"reference_datetime", "secondary_datetime", "temporal_baseline", "perpendicular_baseline"},
    "sar": {"center_frequency", "frequency_band", "looks_azimuth", "looks_range"},
    "sat": {"orbit_state", "relative_orbit"},
    "view": {"incidence_angle", "azimuth"},
    "proj": {"code", "shape", "transform"},
}


@pytest.fixture(scope="module")
def catalogue(wide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stac")
    return folder, [json.loads(path.read_text()) for path in write_catalogue(stack_of(wide), folder, name="valley")]


def test_one_item_an_interferogram(catalogue):
    folder, (collection, *items) = catalogue
    assert [item["id"] for item in items] == ["20180106_20180118", "20180106_20180130", "20180118_20180130"]
    assert (collection["type"], collection["stac_version"], collection["id"]) == ("Collection", "1.1.0", "valley")
    links = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    assert [json.loads((folder / href).read_text()) for href in links] == items
    for item in items:
        assert (item["type"], item["stac_version"], item["collection"]) == ("Feature", "1.1.0", "valley")
        assert {link["rel"]: link["href"] for link in item["links"]} == dict.fromkeys(
            ("root", "parent", "collection"), "./collection.json"
        )


def test_words_are_those_of_the_extensions(catalogue):
    properties = catalogue[1][2]["properties"]
    for prefix, words in WORDS.items():
        assert {key.split(":")[1] for key in properties if key.startswith(f"{prefix}:")} == words
    assert catalogue[1][2]["stac_extensions"] == list(EXTENSIONS.values())
    wanted = {
        "datetime": "2018-01-18T00:40:21.125Z",
        "start_datetime": "2018-01-06T00:40:21.500Z",
        "end_datetime": "2018-01-30T00:40:20.750Z",
        "insar:reference_datetime": "2018-01-06T00:40:21.500Z",
        "insar:secondary_datetime": "2018-01-30T00:40:20.750Z",
        "insar:temporal_baseline": 24,
        "insar:perpendicular_baseline": 12.25,
        "sar:frequency_band": "C",
        "sar:looks_azimuth": 2,
        "sar:looks_range": 8,
        "sat:orbit_state": "ascending",
        "sat:relative_orbit": 5,
        "platform": "sentinel-1a",
        "constellation": "sentinel-1",
        "gsd": 20.0,
        "proj:code": "EPSG:32632",
        "proj:shape": [530, 610],
        "proj:transform": [20.0, 0.0, 330_000.0, 0.0, -20.0, 4_990_000.0],
    }
    assert wanted.items() <= properties.items()
    assert properties["sar:center_frequency"] == pytest.approx(299.792458 / 55.5, rel=1e-6)
    # The satellite lies at azimuth 1.75 rad counted anti-clockwise, and looks the other way.
    assert properties["view:azimuth"] == pytest.approx(180 - np.degrees(1.75), abs=0.01)
    assert properties["view:incidence_angle"] == pytest.approx(np.degrees(0.6 + 1e-4 * 305), abs=0.01)
    assert properties["insarflow:recipe"][0]["product"] == "made up"


def test_assets_are_the_files(wide, catalogue):
    collection, item, *_ = catalogue[1]
    names = {layer.word: f"./{layer.name}.tif" for group in stack_of(wide).groups() for layer in group if layer.pair}
    assert set(item["assets"]) == set(names) == {"phase", "coherence", "unwrapped"}
    phase = item["assets"]["phase"]
    assert phase["href"] == "./20180106_20180118_phase.tif"
    assert phase["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert (phase["roles"], phase["data_type"], phase["unit"], phase["nodata"]) == (
        ["data", "phase"], "float32", "rad", "nan"
    )  # fmt: skip
    assert item["assets"]["unwrapped"]["roles"] == ["data", "unwrapped_phase"]
    assert collection["assets"]["dem"]["href"] == "./dem.tif"
    assert collection["assets"]["dem"]["proj:code"] == "EPSG:32632"
    assert "nodata" not in collection["assets"]["water"]
    assert collection["stac_extensions"] == [EXTENSIONS["proj"]]
    assert collection["extent"]["temporal"]["interval"] == [["2018-01-06T00:40:21.500Z", "2018-01-30T00:40:20.750Z"]]
    assert collection["extent"]["spatial"]["bbox"] == [item["bbox"]]


def test_the_footprint_holds_every_corner(wide, catalogue):
    item = catalogue[1][1]
    (ring,) = item["geometry"]["coordinates"]
    lon, lat = np.transpose(ring)
    assert ring[0] == ring[-1]
    assert np.sum(lon[:-1] * lat[1:] - lon[1:] * lat[:-1]) > 0  # counter-clockwise
    assert item["bbox"] == pytest.approx([lon.min(), lat.min(), lon.max(), lat.max()])
    assert wide.rio.transform_bounds("EPSG:4326", densify_pts=200) == pytest.approx(item["bbox"], abs=1e-5)


def test_a_footprint_is_cut_at_the_antimeridian():
    grid = Grid((179.5, 0.1, 0.0, 10.0, 0.0, -0.1), (10, 12), CRS.from_epsg(4326).to_wkt())
    geometry, box = footprint(grid)
    assert geometry["type"] == "MultiPolygon"
    lon = np.array([lon for (ring,) in geometry["coordinates"] for lon, _ in ring])
    assert np.abs(lon).max() == 180
    assert sorted({round(float(v), 6) for v in lon}) == [-180.0, -179.3, 179.5, 180.0]
    assert box == pytest.approx([179.5, 9.0, -179.3, 10.0])


def test_the_whole_earth_has_a_footprint():
    geometry, box = footprint(Grid((-180.0, 1.0, 0.0, 80.0, 0.0, -1.0), (160, 360), CRS.from_epsg(4326).to_wkt()))
    assert sorted(geometry["coordinates"][0][:-1]) == [[-180, -80], [-180, 80], [180, -80], [180, 80]]
    assert box == [-180, -80, 180, 80]


def test_what_is_not_known_is_left_out(stack, tmp_path):
    bare = stack.drop_vars(["perpendicular_baseline", "dem", "water"]).assign_attrs(wavelength=None)
    bare = bare.rio.write_crs("+proj=laea +lat_0=46 +lon_0=7")
    collection, item, *_ = [json.loads(p.read_text()) for p in write_catalogue(stack_of(bare), tmp_path, name="x")]
    assert item["stac_extensions"] == [EXTENSIONS["insar"], EXTENSIONS["proj"]]
    assert item["properties"]["proj:code"] is None
    assert item["properties"]["proj:wkt2"].startswith("PROJCRS")
    assert item["properties"]["start_datetime"] == "2018-01-06T00:00:00.000Z"
    assert "assets" not in collection
