import math

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from pyproj import CRS, Geod

from insarflow.errors import SchemaError
from insarflow.plot.frame import figure_size, frame, place_of, round_length
from insarflow.stack.georeference import georeference
from insarflow.types import Grid


def somewhere(shape, epsg, x, y, step):
    grid = Grid((x, step, 0.0, y, 0.0, -step), shape, CRS.from_epsg(epsg).to_wkt())
    return georeference(xr.Dataset({"a": (("y", "x"), np.zeros(shape))}), grid)


def test_degrees_have_a_true_aspect():
    place = place_of(somewhere((100, 100), 4326, 7.0, 60.05, 0.001))
    assert place.labels == ("latitude (°)", "longitude (°)")
    assert place.aspect == pytest.approx(1 / math.cos(math.radians(60.0)), rel=0.01)
    along_x = Geod(ellps="WGS84").inv(7.0, 60.0, 7.001, 60.0)[2]
    assert place.metre == pytest.approx(0.001 / along_x, rel=1e-3)


@pytest.mark.parametrize(("epsg", "labels", "metre"), [
    (32632, ("northing (m)", "easting (m)"), 1.0),
    (2263, ("northing (US survey foot)", "easting (US survey foot)"), 3.2808),
])  # fmt: skip
def test_projected(epsg, labels, metre):
    place = place_of(somewhere((10, 20), epsg, 3e5, 2e5, 20.0))
    assert place.labels == labels
    assert place.metre == pytest.approx(metre, rel=1e-4)
    assert place.aspect == pytest.approx(1.0)
    assert place.tall == pytest.approx(0.5)


def test_no_place_counts_pixels():
    place = place_of(xr.Dataset({"a": (("y", "x"), np.zeros((3, 4)))}))
    assert (place.labels, place.metre, place.origin) == (("row", "column"), None, (0.0, 0.0))


def test_no_pixels():
    with pytest.raises(SchemaError, match=r"a picture needs pixels along 'y' and 'x', instead got sizes=\{'date': 2\}"):
        place_of(xr.Dataset(coords={"date": [1, 2]}))


@pytest.mark.parametrize("span", [0.4, 3.0, 29.9, 30.0, 1234.0, 6e5])
def test_scale_bars_are_round(span):
    length = round_length(span)
    assert span / 9 < length <= span / 3 * 1.01
    assert length / 10 ** math.floor(math.log10(length) + 1e-9) == pytest.approx(
        round(length / 10 ** math.floor(math.log10(length) + 1e-9))
    )


def test_scale_bar_and_north():
    ds = somewhere((50, 100), 32632, 3e5, 5e6, 20.0)
    axis = Figure().subplots()
    axis.imshow(np.zeros((50, 100)))
    frame(axis, place_of(ds))
    (bar,) = [a for a in axis.artists if isinstance(a, AnchoredSizeBar)]
    assert bar.size_bar.get_children()[0].get_width() == pytest.approx(500.0)
    assert bar.txt_label.get_text() == "500 m"
    assert axis.get_xlabel() == "easting (m)"
    assert len(axis.artists) == 2  # the other one is north


@pytest.mark.parametrize("shape", [(100, 100), (20_000, 20_000), (5000, 20), (20, 5000), (1, 1)])
@pytest.mark.parametrize("panels", [(1, 1), (1, 3), (6, 3)])
def test_figures_have_sensible_sizes(shape, panels):
    place = place_of(xr.Dataset({"a": (("y", "x"), np.broadcast_to(0.0, shape))}))
    width, height = figure_size(place, *panels)
    assert 1.5 < width < 20
    assert 1.5 < height < 30
