import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.features import rasterize
from shapely.geometry import box

from insarflow.learn.labels import read_labels
from insarflow.learn.rasterise import Drawing, burnt, confidence, rasterise
from insarflow.simulate.truth import ABSENT, MOVING, OPEN
from insarflow.types import Grid, Pair, Window

SHAPE = (90, 120)
GRID = Grid((500_123.4, 13.7, 0.0, 5_100_321.9, 0.0, -13.7), SHAPE, "EPSG:32632")
WHOLE = Window(0, 0, *SHAPE)
PAIR = Pair.parse("20180702_20180714")


def ground(shape):
    x, step, _, y, _, down = GRID.transform
    return shapely.transform(shape, lambda c: np.array([x, y]) + c * (step, down))


def labels_of(shapes, **columns):
    return read_labels(gpd.GeoDataFrame(columns, geometry=[ground(s) for s in shapes], crs=GRID.crs), GRID)


def blobs(seed, count=12):
    rng = np.random.default_rng(seed)
    centres, sizes = rng.uniform(-5, 125, (count, 2)), rng.uniform(2, 25, count)
    angles = np.sort(rng.uniform(0, 2 * np.pi, (count, 9)), axis=1)
    radii = rng.uniform(0.4, 1.0, (count, 9)) * sizes[:, None]
    corners = centres[:, None] + radii[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    return [p for p in map(shapely.Polygon, corners) if p.is_valid and p.intersects(box(0, 0, 120, 90))]


@st.composite
def windows(draw):
    y, x = draw(st.integers(-20, 100)), draw(st.integers(-20, 130))
    return Window(y, x, draw(st.integers(1, 80)), draw(st.integers(1, 80)))


@pytest.mark.parametrize("seed", range(4))
def test_the_pixels_that_rasterio_finds_on_the_whole_grid(seed):
    shapes = blobs(seed)
    expected = rasterize([ground(s) for s in shapes], SHAPE, transform=Affine.from_gdal(*GRID.transform), dtype="uint8")
    found = rasterise(labels_of(shapes))
    assert found.dtype == np.uint8
    assert 300 < expected.sum() < 0.9 * expected.size
    np.testing.assert_array_equal(found, expected * MOVING)


def test_the_centres_that_lie_inside():
    shapes = blobs(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    expected = shapely.contains_xy(shapely.union_all(shapes), x, y)
    np.testing.assert_array_equal(rasterise(labels_of(shapes)) == MOVING, expected)


@given(
    window=windows(),
    seed=st.integers(0, 5),
    all_touched=st.booleans(),
    border=st.integers(0, 3),
    steps=st.integers(1, 2),
)
def test_any_window_has_the_bits_of_the_whole(window, seed, all_touched, border, steps):
    shapes = blobs(seed)
    # Corners in the middle of pixels and on their edges, where rounding tells.
    shapes = [p for p in shapely.transform(shapes, lambda c: np.rint(c * steps) / steps) if p.is_valid and p.area]
    drawing = Drawing(all_touched=all_touched, border=border)
    labels = labels_of([p for p in shapes if p.intersects(box(0, 0, 120, 90))])
    found, whole = rasterise(labels, window, drawing=drawing), rasterise(labels, drawing=drawing)
    inside = window.shared(WHOLE)
    if inside is not None:
        np.testing.assert_array_equal(found[inside.within(window)], whole[inside.within(WHOLE)])


@pytest.mark.parametrize(
    ("corners", "window"),
    [
        ([(-26, 13), (46, 36), (32, -35)], Window(20, 33, 30, 30)),
        ([(6, 70), (97, 29), (42, 139)], Window(45, 60, 30, 30)),
        ([(89, 66), (50, 20), (96, 30)], Window(45, 60, 30, 30)),
    ],
)
def test_touched_pixels_do_not_depend_on_the_window_as_those_of_gdal_do(corners, window):
    shapes = [shapely.Polygon(corners)]
    place = Affine.translation(window.x0, window.y0)
    cut = rasterize(shapes, window.shape, transform=place, dtype="uint8", all_touched=True)
    at_once = rasterize(shapes, SHAPE, dtype="uint8", transform=Affine.identity(), all_touched=True)
    assert not np.array_equal(cut, at_once[window.within(WHOLE)])
    labels, drawing = labels_of(shapes), Drawing(all_touched=True)
    whole = rasterise(labels, drawing=drawing)
    np.testing.assert_array_equal(rasterise(labels, window, drawing=drawing), whole[window.within(WHOLE)])
    assert (whole != at_once * MOVING).sum() <= 2


def test_all_touched_holds_every_pixel_that_a_polygon_enters():
    shape = shapely.Polygon([(10.3, 10.2), (40.7, 22.4), (18.6, 51.3)])
    boxes = shapely.box(*(a.ravel() for a in np.meshgrid(np.arange(120), np.arange(90))), *(
        a.ravel() + 1 for a in np.meshgrid(np.arange(120), np.arange(90))
    ))  # fmt: skip
    entered = shapely.area(shapely.intersection(boxes, shape)).reshape(SHAPE) > 1e-3
    found = rasterise(labels_of([shape]), drawing=Drawing(all_touched=True)) == MOVING
    assert (found & ~entered).sum() <= 2  # GDAL's corners
    assert not (entered & ~found).any()
    assert found.sum() > (rasterise(labels_of([shape])) == MOVING).sum()


def test_a_border_is_open_on_both_sides_and_nowhere_else():
    labels = labels_of([box(20, 20, 50, 60)])
    plain, banded = rasterise(labels), rasterise(labels, drawing=Drawing(border=3))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    distance = shapely.distance(shapely.points(x, y), box(20, 20, 50, 60).exterior)
    told = np.abs(distance - 3) > 0.02  # arcs are polygons
    assert told.sum() > told.size - 20
    np.testing.assert_array_equal((banded == OPEN)[told], (distance < 3)[told])
    np.testing.assert_array_equal(banded[distance > 3.1], plain[distance > 3.1])


def test_states_by_class_confidence_status_and_pair():
    shapes = [box(10 * k, 10, 10 * k + 5, 20) for k in range(6)]
    labels = read_labels(
        gpd.GeoDataFrame(
            {
                "class": ["slide", "maybe", "slide", "slide", "slide", "slide"],
                "status": ["confirmed", "confirmed", "rejected", "confirmed", "confirmed", "confirmed"],
                "confidence": [1.0, 1.0, 1.0, 0.2, 1.0, 1.0],
                "date": [None, None, None, None, "20180702", "20180708"],
                "delay": [None, None, None, None, 12, 12],
            },
            geometry=[ground(s) for s in shapes], crs=GRID.crs,
        ),
        GRID, classes={"slide": "moving", "maybe": "open"},
    )  # fmt: skip

    def seen(**options):
        pair = options.pop("pair", PAIR)
        return rasterise(labels, pair=pair, drawing=Drawing(**options))[15, 2:60:10].tolist()

    assert seen() == [MOVING, OPEN, ABSENT, MOVING, MOVING, OPEN]
    assert seen(pair=None) == [MOVING, OPEN, ABSENT, MOVING, MOVING, MOVING]
    assert seen(elsewhen="absent", least_confidence=0.5) == [MOVING, OPEN, ABSENT, OPEN, MOVING, ABSENT]


def test_what_nobody_has_reviewed_is_open():
    shapes = [box(10, 10, 30, 30), box(40, 40, 60, 60), box(20, 20, 50, 50)]
    states = rasterise(labels_of(shapes, status=["confirmed", "rejected", "new"]))
    assert [states[k, k] for k in (5, 15, 25, 35, 55)] == [ABSENT, MOVING, MOVING, OPEN, ABSENT]


def test_a_mover_outweighs_what_is_open_or_rejected():
    shapes = [box(10, 10, 30, 30), box(20, 20, 40, 40), box(5, 5, 15, 15)]
    labels = labels_of(shapes, status=["confirmed", "rejected", "confirmed"], confidence=[0.9, 1.0, 0.1])
    states = rasterise(labels, drawing=Drawing(least_confidence=0.5))
    assert [states[k, k] for k in (7, 12, 25, 35)] == [OPEN, MOVING, MOVING, ABSENT]


def test_confidence_is_the_highest_of_the_movers_there():
    labels = labels_of([box(10, 10, 30, 30), box(20, 20, 40, 40)], confidence=[0.75, 0.25])
    window = Window(5, 5, 50, 50)
    found = confidence(labels, window)
    assert found.dtype == np.float32
    assert [found[k - 5, k - 5] for k in (6, 12, 25, 35, 45)] == [1.0, 0.75, 0.75, 0.25, 1.0]


def test_what_was_seen_rarely_weighs_less():
    shapes = [box(10, 10, 20, 20), box(30, 10, 40, 20), box(50, 10, 60, 20), box(52, 12, 70, 18)]
    labels = labels_of(shapes, confidence=[1.0, 0.5, 1.0, 1.0], repetition=[1, 3, 12, None])
    weight = confidence(labels, WHOLE, drawing=Drawing(enough=6))
    expected = np.ones(SHAPE, np.float32)
    expected[10:20, 10:20], expected[10:20, 30:40] = np.float32(1) / 6, 0.25
    np.testing.assert_array_equal(weight, expected)
    once = confidence(labels, WHOLE)
    assert {*np.unique(once).tolist()} == {0.5, 1.0}
    named = read_labels(
        gpd.GeoDataFrame({"NB": [2, 4]}, geometry=[ground(s) for s in shapes[:2]], crs=GRID.crs), GRID,
        fields={"repetition": "NB"},
    )  # fmt: skip
    assert np.unique(confidence(named, WHOLE, drawing=Drawing(enough=4))).tolist() == [0.5, 1.0]


def test_polygons_elsewhere_are_not_looked_at(monkeypatch):
    labels = labels_of([box(10, 10, 30, 30), box(60, 60, 70, 70)])
    seen = []

    def spy(shapes, window, *, all_touched=False):
        seen.append(len(shapes))
        return burnt(shapes, window, all_touched=all_touched)

    monkeypatch.setattr("insarflow.learn.rasterise.burnt", spy)
    assert rasterise(labels, Window(0, 80, 20, 20)).sum() == 0
    assert seen == []
    rasterise(labels, Window(0, 0, 20, 20))
    assert max(seen) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"border": -1}, "border must be"),
        ({"least_confidence": 2.0}, "least_confidence must be"),
        ({"elsewhen": "never"}, "elsewhen must be"),
    ],
)
def test_bad_drawings_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        Drawing(**options)
