import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from insarflow.errors import MissingVariableError
from insarflow.inventory import inventory
from insarflow.plot import Plot, draw_map, outlines
from insarflow.plot.frame import place_of
from insarflow.plot.outlines import draw_outlines, on_place, thin
from insarflow.workflows.map import RegionMap


@pytest.fixture(scope="session")
def found(region):
    """The stack with the truth as its probability, per pair, and the polygons in it."""
    ds, truth = region
    probability = (truth["label"] > 0).astype("float32").expand_dims(date=ds["date"], delay=ds["delay"])
    probability = probability.where(ds["valid"]).transpose("date", "delay", "y", "x")
    ds = ds.assign(probability=probability.assign_attrs(threshold=0.5).drop_vars("spatial_ref"))
    return ds, inventory(ds, min_area=0.0)


def lines(axis):
    return [c for c in axis.collections if isinstance(c, LineCollection)]


@pytest.mark.parametrize("background", [None, "probability", "dem", "phase"])
def test_polygons_are_found(found, background):
    ds, polygons = found
    axis = Plot(ds).inventory(background=background)
    big = polygons[polygons["area_m2"] >= 10_000]
    assert axis.get_title().startswith(f"{len(big)} moving slopes")
    assert len(lines(axis)[0].get_segments()) == len(big.geometry.boundary.explode())


def test_outlines_lie_where_polygons_are(found):
    ds, polygons = found
    axis = Plot(ds.drop_vars("probability")).inventory(polygons.to_crs(4326), background="dem", ax=Figure().subplots())
    drawn = lines(axis)[0].get_segments()
    for shape, line in zip(polygons.geometry, drawn, strict=True):
        np.testing.assert_allclose([*line.min(axis=0), *line.max(axis=0)], shape.bounds, atol=0.01)
    assert axis.get_xlim() == pytest.approx((330_000, 331_200))


def test_none_found(found):
    ds, polygons = found
    axis = Plot(ds).inventory(polygons[:0])
    assert axis.get_title() == "0 moving slopes"
    assert not lines(axis)


def test_only_huge_polygons_are_simplified(found, monkeypatch):
    _, polygons = found
    assert thin(polygons, 30.0) is polygons
    monkeypatch.setattr(outlines, "MOST_POINTS", 3)
    thinned = thin(polygons, 30.0)
    assert thinned.geometry.count_coordinates().sum() < polygons.geometry.count_coordinates().sum()
    assert (thinned["id"] == polygons["id"]).all()
    assert not thin(polygons, 1e6).geometry.is_empty.any()


def test_polygons_without_geometry_are_left_out(found):
    ds, polygons = found
    holes = polygons.copy()
    holes.loc[0, "geometry"] = None
    place = place_of(ds)
    assert len(on_place(holes, place)) == len(polygons) - 1
    axis = Figure().subplots()
    draw_outlines(axis, on_place(holes, place), place)
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["moving slope"]


def test_impolite(found):
    ds, polygons = found
    plain = ds.drop_vars("probability")
    with pytest.raises(MissingVariableError, match=r"plot\.inventory needs polygons, or the variable 'probability'"):
        Plot(plain).inventory()
    with pytest.raises(MissingVariableError, match=r"plot\.inventory\(background='probability'\) needs the variable"):
        Plot(plain).inventory(polygons, background="probability")
    with pytest.raises(ValueError, match=r"background must be one of \['dem', 'phase', 'probability'\], instead got"):
        Plot(ds).inventory(polygons, background="map")
    with pytest.raises(ValueError, match="threshold must be given"):
        Plot(ds.assign(probability=ds["probability"].drop_attrs())).inventory()
    with pytest.raises(TypeError, match=r"polygons must be a geopandas.GeoDataFrame, .* instead got str"):
        Plot(ds).inventory("inventory.gpkg")
    with pytest.raises(ValueError, match=r"polygons must have a CRS, instead got none: set it with polygons.set_crs"):
        Plot(ds).inventory(polygons.set_crs(None, allow_override=True))


@pytest.mark.parametrize("with_truth", [False, True])
def test_the_map_of_a_region(found, region, tmp_path, with_truth):
    ds, polygons = found
    summary = ds.insar.summarise(threshold=0.5)
    result = RegionMap(ds, summary, polygons, 0.5, ())
    draw_map(result, tmp_path / "map.png", region[1] if with_truth else None)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
