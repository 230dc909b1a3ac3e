import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.errors import SchemaError
from insarflow.inventory.zones import BAND, MOST_STEPS, places
from insarflow.types import Grid, Window

GRID = Grid((500_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -10.0), (120, 90), "EPSG:32632")


def table(*outlines):
    return gpd.GeoDataFrame({"id": range(1, len(outlines) + 1)}, geometry=list(outlines), crs="EPSG:32632")


def disc(row, col, radius):
    """A circle of so many metres around the middle of a pixel."""
    return shapely.Point(500_010.0 + 20.0 * col, 5_099_995.0 - 10.0 * row).buffer(radius, quad_segs=32)


def centres(window):
    y = 5_099_995.0 - 10.0 * np.arange(window.y0, window.y1)
    x = 500_010.0 + 20.0 * np.arange(window.x0, window.x1)
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)


def nearest(pixels, others):
    return np.sqrt(((pixels[:, None] - others[None]) ** 2).sum(-1)).min(1)


@settings(max_examples=15, deadline=None)
@given(row=st.integers(20, 90), col=st.integers(15, 70), radius=st.integers(4, 17).map(lambda r: 10.0 * r + 3.3))
def test_inside_ring_and_core_are_those_of_distances(row, col, radius):
    slope = disc(row, col, radius)
    (place,) = places(table(slope), GRID)
    zone, points = place.zone(), centres(place.window)
    inside = shapely.contains_xy(slope, points[:, 1], points[:, 0])
    assert zone.inside.tolist() == np.flatnonzero(inside).tolist()
    out, deep = nearest(points[~inside], points[inside]), nearest(points[inside], points[~inside])
    # The grid is measured on the ellipsoid, the oracle in the projection: those at the very limit are nobody's.
    ring = np.flatnonzero(~inside)[(out > 40.0 * 1.001) & (out < 200.0 * 0.999)]
    near = np.flatnonzero(~inside)[(out > 40.0 * 0.999) & (out < 200.0 * 1.001)]
    assert set(ring.tolist()) <= set(zone.ring.tolist()) <= set(near.tolist())
    assert zone.steps == np.clip(int(deep.max() / 20.0), 1, MOST_STEPS)
    if zone.steps > 1:
        assert deep[zone.step >= zone.core].min() >= 0.45 * deep.max()
        assert (np.diff(zone.step[np.argsort(deep)]) >= 0).mean() > 0.95
    assert not set(zone.band.tolist()) & set(zone.inside.tolist())


def test_a_neighbour_is_no_stable_ground():
    a, b = disc(50, 40, 100.0), disc(50, 52, 60.0)
    alone, beside = places(table(a), GRID)[0].zone(), places(table(a, b), GRID)[0].zone()
    lost = set(alone.ring.tolist()) - set(beside.ring.tolist())
    points = centres(places(table(a), GRID)[0].window)
    assert lost
    within = b.buffer(20.0)
    assert all(within.contains(shapely.Point(points[k][::-1])) for k in lost)


def test_what_the_grid_cuts_is_told():
    edge, middle = (place.zone() for place in places(table(disc(2, 40, 100.0), disc(60, 40, 100.0)), GRID))
    assert edge.cut
    assert not middle.cut
    assert edge.window.y0 == 0
    touching = shapely.box(500_200.0, 5_099_500.0, 500_400.0, 5_100_000.0 - 10.0 * BAND)
    assert not places(table(touching), GRID)[0].zone().cut


def test_a_slope_outside_the_grid_has_no_place():
    far, empty = disc(1000, 40, 100.0), shapely.Polygon()
    assert places(table(far, empty), GRID) == [None, None]


def test_a_slope_thinner_than_a_pixel_has_the_pixels_that_it_touches():
    thin = shapely.box(500_201.0, 5_099_501.0, 500_205.0, 5_099_509.0)
    zone = places(table(thin), GRID)[0].zone()
    assert len(zone.inside) == 1
    assert (zone.steps, zone.core) == (1, 0)


def test_degrees_and_another_crs_give_the_same_pixels():
    slope = table(disc(60, 40, 103.3))
    here, there = places(slope, GRID)[0], places(slope.to_crs("EPSG:4326"), GRID)[0]
    shift = Window(0, 0, *GRID.shape)
    assert here.window == there.window != shift
    np.testing.assert_array_equal(here.zone().inside, there.zone().inside)


def test_a_table_without_crs_is_refused():
    slopes = gpd.GeoDataFrame({"id": [1]}, geometry=[disc(60, 40, 50.0)])
    with pytest.raises(SchemaError, match=r"must have a CRS, instead got none: name it with frame\.set_crs"):
        places(slopes, GRID)
