import base64
import builtins
import io
import re
from html import unescape
from html.parser import HTMLParser
from importlib import metadata

import geopandas as gpd
import numpy as np
import pytest
from matplotlib.image import imread
from shapely.geometry import box

import insarflow
from insarflow.errors import InsarError, MissingVariableError, SchemaError, UnknownPairError
from insarflow.plot import explore, offline
from insarflow.stack.labels import select_pair

pytest.importorskip("folium")

LOADING = {"script", "link", "img", "iframe", "source", "video", "object", "embed"}


class Loaded(HTMLParser):
    """What a page loads: addresses of scripts, styles, images and frames; frames inside are followed."""

    def __init__(self, page):
        super().__init__()
        self.found = re.findall(r"(?:url\(|@import|importScripts|fetch\()\s*[\"']?(https?:[^\"')]*|//[^\"')]*)", page)
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "srcdoc":
                self.found += Loaded(unescape(value)).found
            elif tag in LOADING and name in ("src", "href", "data") and not value.startswith("data:"):
                self.found.append(value)


@pytest.fixture
def polygons(ds):
    x, y = float(ds["x"][5]), float(ds["y"][20])
    frame = {
        "id": [1, 2],
        "note": ["<img src=x onerror=alert(1)>", "</script>" + 500 * "a"],
        "area_m2": [12345.6, 0.123456],
    }
    return gpd.GeoDataFrame(frame, geometry=[box(x, y, x + 200, y + 100), None], crs=32632)


def saved(page, tmp_path):
    page.save(str(tmp_path / "map.html"))
    return (tmp_path / "map.html").read_text(encoding="utf-8")


def pictures(text):
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)\",\s*\[\[", text)
    return [imread(io.BytesIO(base64.b64decode(f))) for f in found]


def test_nothing_is_loaded(ds, polygons, tmp_path):
    page = explore(ds, polygons=polygons)
    text = saved(page, tmp_path)
    assert Loaded(text).found == []
    assert Loaded(page._repr_html_()).found == []
    assert "Leaflet 1.9" in text
    assert "$(" not in text.replace(offline.leaflet()[0], "")  # jQuery is not there
    assert "tileLayer(" not in text.replace(offline.leaflet()[0], "")


def test_the_parser_finds_what_folium_loads(ds, tmp_path):
    assert any("leaflet" in address for address in Loaded(saved(explore(ds, tiles="OpenStreetMap"), tmp_path)).found)
    tiles = explore(ds, tiles="https://example.org/{z}/{x}/{y}.png")
    assert "example.org" in saved(tiles, tmp_path)


def test_layers(region, tmp_path):
    ds, truth = region
    ds = ds.assign(probability=(truth["label"] > 0).astype("float32"))
    text = saved(explore(ds, ("20210703", 12)), tmp_path)
    assert re.findall(r'"([a-z]+)" : image', text) == ["phase", "coherence", "probability"]
    assert "<b>20210703_20210715, 12 days</b>" in text
    assert "image-rendering: pixelated" in text
    images = pictures(text)
    assert len(images) == 3
    assert max(max(image.shape) for image in images) <= 1500
    assert images[0].shape[2] == 4


def test_only_colours_of_the_data(make, tmp_path):
    """Two phases give two colours: nothing is interpolated."""
    z = np.where(np.arange(30) < 15, 1, -1)[None].repeat(20, axis=0)
    (image,) = pictures(saved(explore(make({"20210703_20210709": z})), tmp_path))
    seen = np.unique(image[image[..., 3] > 0], axis=0)
    assert len(seen) == 2


def test_missing_pixels_are_clear(make, tmp_path):
    z = np.ones((20, 30), np.complex64)
    z[:, 10:] = np.nan
    (image,) = pictures(saved(explore(make({"20210703_20210709": z}, crs="EPSG:3857")), tmp_path))
    assert image[..., 3].mean() == pytest.approx(1 / 3, abs=0.05)


def test_attributes_are_text(ds, polygons, tmp_path):
    text = saved(explore(ds, polygons=polygons), tmp_path)
    assert "onerror=alert" in text
    assert "<img src=x" not in text
    assert "lt;img src=x" in text  # & is written as an escape of JSON
    assert 200 * "a" not in text
    assert "12,346" in text


def test_polygons_without_rows(ds, polygons, tmp_path):
    assert "L.geoJson" not in saved(explore(ds, polygons=polygons[1:]), tmp_path).replace(offline.leaflet()[0], "")


def test_one_interferogram(ds, tmp_path):
    one = select_pair(ds, "20210703_20210709")
    assert "<b>20210703_20210709, 6 days</b>" in saved(explore(one), tmp_path)


def test_impolite(ds, polygons, monkeypatch):
    with pytest.raises(UnknownPairError, match="20210703_20210710"):
        explore(ds, "20210703_20210710")
    with pytest.raises(MissingVariableError, match=r"explore needs one of the variables \['coherence', 'igram', 'prob"):
        explore(ds[["dem", "valid"]])
    with pytest.raises(SchemaError, match="the dataset has no CRS"):
        explore(ds.drop_vars("spatial_ref"))
    with pytest.raises(ValueError, match="opacity must be between 0 and 1, instead got opacity=2"):
        explore(ds, opacity=2)
    with pytest.raises(ValueError, match="height must be a whole number of at least 100"):
        explore(ds, height=3)
    with pytest.raises(TypeError, match=r"polygons must be a geopandas.GeoDataFrame"):
        explore(ds, polygons="inventory.gpkg")
    with pytest.raises(TypeError, match=r"explore needs an xarray.Dataset, instead got DataArray"):
        explore(ds["igram"])


def test_without_folium(ds, monkeypatch):
    load = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] in ("folium", "branca"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InsarError, match=re.escape("pip install 'insarflow[notebook]'")):
        explore(ds)


def test_without_leaflet(ds, monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(offline, "files", absent)
    offline.leaflet.cache_clear()
    with pytest.raises(InsarError, match=re.escape("pip install 'insarflow[notebook]'")):
        explore(ds)


def test_an_image_is_bounded(make, tmp_path):
    ds = make({"20210703_20210709": np.ones((40, 3100), np.complex64)})
    (image,) = pictures(saved(explore(ds), tmp_path))
    assert image.shape[1] == 1500
    assert insarflow.Pair.parse("20210703_20210709").name in saved(explore(ds), tmp_path)
