import json
import math
from itertools import permutations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

from insarflow.errors import SchemaError
from insarflow.inventory.agreement import most_pairs, resample
from insarflow.inventory.evaluate import evaluate
from insarflow.inventory.scores import SCORES
from insarflow.learn.label_files import read_frame

UTM = "EPSG:32632"
MAOXIAN = Path(__file__).parents[3] / "shared" / "data" / "maoxian-landslide-points"


def table(*shapes, crs=UTM, **columns):
    return gpd.GeoDataFrame(columns or {"id": np.arange(1, len(shapes) + 1)}, geometry=list(shapes), crs=crs)


def squares(*places, side=100):
    return [box(x, y, x + side, y + side) for x, y in places]


def value(evaluation, name):
    return evaluation.scores[name].value


@pytest.fixture
def slopes():
    """Five slopes of a hectare each, a kilometre apart."""
    return table(*squares((0, 0), (1000, 0), (2000, 0), (3000, 0), (4000, 0)))


@pytest.fixture
def seen():
    """The first as it is, half of the second, a twentieth and a fifth of the third and fourth, and one too many."""
    return table(
        box(0, 0, 100, 100), box(1000, 0, 1100, 50), box(2000, 0, 2005, 100), box(3080, 0, 3180, 100),
        box(9000, 0, 9100, 100), id=[11, 12, 13, 14, 15],
    )  # fmt: skip


def test_scores_are_those_of_a_calculation_by_hand(slopes, seen):
    e = evaluate(seen, slopes)
    assert (e.found, e.missed, e.false) == (2, 3, 3)
    assert e.matches.values.tolist() == [[11, 1, 1.0, 1.0], [12, 2, 0.5, 0.5]]
    assert e.missed_ids == [3, 4, 5]
    assert e.false_ids == [13, 14, 15]
    assert (value(e, "precision"), value(e, "recall"), value(e, "f1")) == (0.4, 0.4, 0.4)
    assert (e.located, e.on_reference) == (3, 4)  # the twentieth lies on a slope, and does not locate it
    assert (value(e, "located"), value(e, "on_reference")) == (0.6, 0.8)
    assert (e.area_m2, e.reference_area_m2) == (35_500, 50_000)
    assert value(e, "area_precision") == pytest.approx((10_000 + 5000 + 500 + 2000) / 35_500)
    assert value(e, "area_recall") == pytest.approx(17_500 / 50_000)
    assert value(e, "area_iou") == pytest.approx(17_500 / (35_500 + 50_000 - 17_500))
    assert value(e, "area_ratio") == 0.75
    for name in SCORES[:9]:
        score = e.scores[name]
        assert score.low < score.value < score.high, name
    assert all(math.isnan(value(e, name)) for name in SCORES[9:])


def test_the_thresholds_count(slopes, seen):
    assert evaluate(seen, slopes, min_iou=0.5).found == 2
    assert evaluate(seen, slopes, min_iou=0.51).found == 1
    assert evaluate(seen, slopes, min_iou=0.05).found == 4
    assert evaluate(seen, slopes, min_cover=0.05).located == 4
    assert evaluate(seen, slopes, min_cover=0.21).located == 2


def test_a_perfect_inventory(slopes):
    e = evaluate(slopes.assign(los_rate_mm_yr=-5.0), slopes.assign(los_rate_mm_yr=-5.0))
    assert all(value(e, name) == 1.0 for name in SCORES[:9])
    assert (value(e, "rate_bias_mm_yr"), value(e, "direction")) == (0.0, 1.0)
    assert (e.missed_ids, e.false_ids, e.duplicates, e.reference_duplicates) == ([], [], 0, 0)


def test_as_many_pairs_as_can_be():
    """The closest for each outline in turn would leave the second slope without one."""
    reference = table(box(0, 0, 100, 100), box(60, 0, 160, 100))
    found = table(box(25, 0, 125, 100), box(0, 0, 90, 100))
    e = evaluate(found, reference, min_iou=0.25)
    assert e.matches[["found", "reference"]].values.tolist() == [[1, 2], [2, 1]]
    assert e.reference_duplicates == 1  # 40 of 160 m: a quarter


sizes = st.integers(1, 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), sizes, sizes)
def test_pairs_are_the_best_of_all_ways(seed, n, m):
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((n, m)) < 0.6)
    near = rng.integers(1, 100, len(rows)) / 100
    close = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), near, strict=True))
    ways = [
        [pair for pair in zip(order, range(m), strict=False) if pair in close]
        for order in permutations([*range(n), *[-1] * m], m)
    ]
    best = max((len(way), sum(close[pair] for pair in way)) for way in ways)
    chosen = most_pairs(rows, columns, near)
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen) == best[0]
    assert near[chosen].sum() == pytest.approx(best[1])


def test_duplicates_match_once_and_are_counted(slopes):
    twice = table(*squares((0, 0), (2, 0), (0, 3), (1000, 0), (1005, 0), (7000, 0), (7001, 1)))
    e = evaluate(twice, slopes)
    assert (e.found, e.missed, e.false, e.duplicates) == (2, 3, 5, 4)
    assert e.matches["iou"].tolist() == [1.0, 1.0]
    union = 100 * 100 + 2 * 100 + 3 * 100  # the corner that only two cover together is of none
    assert e.area_m2 == pytest.approx(union + 105 * 100 + (10_000 + 2 * 100 - 1))
    assert (
        value(evaluate(slopes, twice), "area_recall") == value(e, "area_precision") == pytest.approx(20_000 / e.area_m2)
    )
    assert evaluate(slopes, twice).reference_duplicates == 4


def test_what_is_gone_is_not_found(slopes, seen):
    now = seen.assign(activity=["steady", "gone", "new", "", "gone"])
    e, expected = evaluate(now, slopes), evaluate(seen.iloc[[0, 2, 3]], slopes)
    assert (e.found, e.missed, e.false, e.rejected) == (expected.found, expected.missed, expected.false, 0)
    # The truth is the truth of all time.
    assert evaluate(seen, slopes.assign(activity="gone")).found == 2


def test_rejected_rows_are_left_out(slopes, seen):
    e = evaluate(
        seen.assign(status=["confirmed", "new", None, "", "Rejected "]),
        slopes.assign(status=["confirmed", "rejected", "new", "new", "rejected"]),
    )
    assert (e.found, e.missed, e.false, e.rejected, e.reference_rejected) == (1, 2, 3, 1, 2)
    broken = seen.set_geometry([*seen.geometry[:4], Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])])
    assert evaluate(broken.assign(status=["new"] * 4 + ["rejected"]), slopes).found == 2
    none = evaluate(seen, slopes.assign(status="rejected"))
    assert (none.found, none.false, value(none, "recall"), value(none, "precision")) == (0, 5, 0.0, 0.0)


def test_outside_the_region_nothing_is_judged(slopes, seen):
    region = table(box(-10, -10, 1040, 110), box(2990, -10, 3090, 110))
    e = evaluate(seen, slopes, region=region)
    # Of the second slope 40 m of 100 lie inside: not judged, nor is what is matched to it, nor the outline itself.
    assert (e.found, e.missed, e.false) == (1, 1, 0)
    assert (e.outside, e.reference_outside) == (4, 3)
    assert e.reference_area_m2 == 10_000 + 4000 + 9000
    assert e.area_m2 == 10_000 + 2000 + 1000
    # Another CRS, with a long edge that is no straight line here.
    far = table(box(-10, -10, 100_000, 110), crs=UTM).segmentize(10).to_crs("EPSG:4326")
    assert evaluate(seen, slopes, region=gpd.GeoDataFrame(geometry=far)).found == 2


def test_what_is_matched_to_what_is_not_judged_counts_neither_way():
    reference, found = table(box(0, 0, 100, 100)), table(box(10, 0, 100, 100), box(0, 500, 100, 600))
    region = table(box(51, 0, 1000, 1000))
    assert evaluate(found, reference, region=region).to_dict()["false_ids"] == []
    e = evaluate(table(box(30, 0, 100, 100)), reference, region=region)
    assert (e.found, e.missed, e.false) == (0, 0, 0)
    alone = evaluate(table(box(30, 200, 100, 300)), reference, region=region)
    assert (alone.found, alone.missed, alone.false) == (0, 0, 1)


def test_a_region_that_only_touches_leaves_no_slivers(slopes):
    e = evaluate(slopes, slopes, region=table(box(100, 0, 1100, 100)))
    assert (e.found, e.outside, e.reference_outside) == (1, 4, 4)
    assert e.area_m2 == 10_000


def test_other_crs(slopes, seen):
    here = evaluate(seen, slopes, draws=50)
    moved = [frame.set_geometry(frame.translate(5e5, 5e6)) for frame in (seen, slopes)]
    there = evaluate(moved[0].to_crs("EPSG:4326"), moved[1], draws=50)
    degrees = evaluate(moved[0].to_crs("EPSG:4326"), moved[1].to_crs("EPSG:4258"), draws=50)
    for other in (there, degrees):
        assert other.matches[["found", "reference"]].equals(here.matches[["found", "reference"]])
        np.testing.assert_allclose(list(other.scores.values()), list(here.scores.values()), atol=1e-4)
    assert there.rules["crs"] == UTM
    assert "laea" in degrees.rules["crs"]
    # The scale of UTM at its middle is 0.9996.
    assert degrees.reference_area_m2 == pytest.approx(50_000 / 0.9996**2, rel=1e-4)
    feet = [frame.set_geometry(frame.scale(1 / 0.3048, 1 / 0.3048, origin=(0, 0)), crs="EPSG:2222") for frame in moved]
    assert evaluate(*feet, draws=1).area_m2 == pytest.approx(here.area_m2)


def test_nothing_found(slopes):
    for none in (table(), table(crs=None), slopes.iloc[:0], table(crs="EPSG:4326")):
        e = evaluate(none, slopes, rate_field=None)
        assert (e.found, e.missed, e.false, e.outlines) == (0, 5, 0, 0)
        assert [value(e, name) for name in SCORES[:8]] == [0.0] * 8
        assert math.isnan(value(e, "area_ratio"))
        assert len(e.matches) == 0
        assert json.loads(json.dumps(e.to_dict(), allow_nan=False))["scores"]["area_ratio"]["value"] is None


def test_rates_are_compared(slopes):
    found = slopes.assign(
        los_rate_mm_yr=[10.0, -20.0, 5.0, 40.0, np.nan], los_rate_std_mm_yr=[1.0, 3.0, 2.0, 1.0, 1.0],
        aliased=[False, False, False, True, False],
    )  # fmt: skip
    reference = slopes.assign(velocity=[11.0, -12.0, -1.0, -90.0, 3.0])
    e = evaluate(found, reference, rate_field="velocity")
    errors = np.array([-1.0, -8.0, 6.0])
    assert (e.compared, e.aliased) == (3, 1)
    assert value(e, "rate_bias_mm_yr") == pytest.approx(errors.mean())
    assert value(e, "rate_rms_mm_yr") == pytest.approx(np.sqrt((errors**2).mean()))
    assert value(e, "rate_within_2_std") == pytest.approx(1 / 3)
    assert value(e, "direction") == pytest.approx(2 / 3)
    assert e.rules["rate_field"] == "velocity"
    assert e.matches["reference_rate_mm_yr"].tolist() == reference["velocity"].tolist()
    same = evaluate(found, reference.rename(columns={"velocity": "los_rate_mm_yr"}))
    assert same.scores["direction"] == e.scores["direction"]
    no_std = evaluate(found.drop(columns=["los_rate_std_mm_yr", "aliased"]), reference, rate_field="velocity")
    assert no_std.compared == 4
    assert math.isnan(value(no_std, "rate_within_2_std"))


def test_right_errors_are_within_two_of_them_and_wrong_ones_are_not():
    """200 slopes whose errors are drawn from the standard deviations that are stated, and a tenth of them."""
    rng = np.random.default_rng(0)
    true, std = rng.normal(0, 30, 200), rng.uniform(0.5, 4, 200)
    shapes = squares(*[(300 * k, 0) for k in range(200)])
    reference = table(*shapes, los_rate_mm_yr=true)
    found = table(*shapes, los_rate_mm_yr=true + rng.normal(0, std) + 0.5, los_rate_std_mm_yr=std)
    e = evaluate(found, reference)
    for name, expected in (("rate_within_2_std", 0.954), ("rate_bias_mm_yr", 0.5)):
        assert e.scores[name].low < expected < e.scores[name].high, name
    boasting = evaluate(found.assign(los_rate_std_mm_yr=std / 10), reference)
    assert boasting.scores["rate_within_2_std"].high < 0.4


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Groups of known recall, drawn 120 times: about 95 % of the intervals hold it; too narrow ones would not."""
    rng = np.random.default_rng(1)
    held = 0
    for k in range(120):
        found = rng.random(60) < 0.7
        score = resample(60, lambda times, f=found: np.array([times @ f / times.sum()]), seed=k, n=200)[0]
        held += score.low <= 0.7 <= score.high
    assert 104 <= held <= 119


def test_the_same_seed_gives_the_same_intervals_whatever_the_order_of_bits(slopes, seen):
    one, again, other = (evaluate(seen, slopes, seed=seed).to_dict() for seed in (3, 3, 4))
    assert one == again
    assert one["scores"]["precision"] != other["scores"]["precision"] or one["scores"]["area_iou"] != other["scores"]


def test_slopes_that_hang_together_are_drawn_as_one():
    """Two large places, in one all is found and in the other nothing: as uncertain as two things are."""
    reference = table(*squares(*[(80 * k, 0) for k in range(20)]), *squares(*[(80 * k, 9000) for k in range(20)]))
    e = evaluate(reference.iloc[:20], reference)
    assert e.scores["recall"] == (0.5, 0.0, 1.0)
    apart = table(*squares(*[(300 * k, 0) for k in range(40)]))
    assert evaluate(apart.iloc[:20], apart).scores["recall"].low > 0.3


def test_ids_may_be_text_or_missing(slopes, seen):
    named = slopes.assign(id=list("abcde"))
    assert evaluate(seen, named).matches["reference"].tolist() == ["a", "b"]
    assert evaluate(seen.drop(columns="id"), slopes.assign(id=1)).matches[["found", "reference"]].values.tolist() == [
        [0, 0], [1, 1]
    ]  # fmt: skip


BOW = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.iloc[:0], "reference must hold polygons, instead got none"),
        (lambda f: f.set_geometry(f.centroid), "reference must hold polygons, instead got a Point in id 1, 2, 3, 4, 5"),
        (lambda f: f.set_geometry(f.boundary), "instead got a LineString in id 1, 2"),
        (lambda f: f.set_geometry([*f.geometry[:4], None]), "instead got none of id 5: remove it"),
        (lambda f: f.set_geometry([*f.geometry[:4], BOW]), r"cross itself, instead got Self-intersection.* in id 5"),
        (lambda f: f.set_crs(None, allow_override=True), "reference must have a CRS, instead got none"),
        (lambda f: f.assign(id=[1, 1, 2, 3, 4]).set_geometry([Point(0, 0)] * 5), "a Point in id 0, 1, 2, 3, 4"),
        (lambda f: f.assign(los_rate_mm_yr="fast"), "column 'los_rate_mm_yr' must hold rates in mm/yr"),
    ],
)
def test_bad_references(slopes, seen, change, words):
    with pytest.raises(SchemaError, match=words):
        evaluate(seen.assign(los_rate_mm_yr=1.0), change(slopes))


def test_bad_arguments(slopes, seen):
    for name in ("min_iou", "min_cover"):
        for bad in (0.0, 1.1, -1):
            with pytest.raises(ValueError, match=f"{name} must be a share above 0 and at most 1"):
                evaluate(seen, slopes, **{name: bad})
    with pytest.raises(TypeError, match="min_iou must be a number"):
        evaluate(seen, slopes, min_iou="much")
    with pytest.raises(TypeError, match=r"found must be a geopandas\.GeoDataFrame, instead got DataFrame"):
        evaluate(pd.DataFrame(), slopes)
    with pytest.raises(SchemaError, match="found has no column 'los_rate_mm_yr' of rates, it has id"):
        evaluate(seen, slopes.assign(v=1.0), rate_field="v")
    with pytest.raises(SchemaError, match="reference has no column 'speed' of rates, it has id, v"):
        evaluate(seen.assign(los_rate_mm_yr=1.0), slopes.assign(v=1.0), rate_field="speed")
    with pytest.raises(SchemaError, match="region must hold polygons, instead got none"):
        evaluate(seen, slopes, region=slopes.iloc[:0])
    with pytest.raises(SchemaError, match="region must hold polygons, instead got a Point in row 0"):
        evaluate(seen, slopes, region=table(Point(0, 0), name=["a"]))
    with pytest.raises(ValueError, match="draws must be a whole number of at least 1"):
        evaluate(seen, slopes, draws=0)


needs_maoxian = pytest.mark.skipif(not MAOXIAN.exists(), reason="the data of a true landslide are not here")


@pytest.fixture(scope="module")
def outline():
    return read_frame(MAOXIAN / "Maoxian_polygon.geojson")[0]


@pytest.fixture(scope="module")
def points():
    """Mean velocities (mm/yr) of the points of small baselines, positive toward the satellite."""
    lon, lat, velocity = np.loadtxt(MAOXIAN / "Maoxian_SBAS.csv", delimiter=",", skiprows=2, usecols=(0, 1, 2)).T
    return gpd.GeoDataFrame({"velocity": velocity}, geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326")


@needs_maoxian
def test_the_outline_of_a_true_landslide(outline, points):
    metres = outline.to_crs("EPSG:32648")
    assert len(points) == 608
    inside = shapely.contains(outline.geometry[0], points.geometry.to_numpy())
    assert inside.sum() == 597
    itself = evaluate(outline, outline)
    assert itself.reference_area_m2 == pytest.approx(1.53e6, rel=0.005)
    assert itself.matches["iou"].tolist() == [1.0] == evaluate(outline, outline, min_iou=1.0).matches["iou"].tolist()
    # A convex outline holds its smaller copy, so their intersection over union is the square of the factor.
    shrunk = metres.set_geometry(metres.convex_hull.scale(0.8, 0.8))
    hull = metres.set_geometry(metres.convex_hull)
    e = evaluate(shrunk, hull)
    assert e.matches["iou"].tolist() == pytest.approx([0.64])
    assert value(e, "area_ratio") == pytest.approx(0.64)
    assert (value(e, "area_precision"), value(e, "area_recall")) == pytest.approx((1.0, 0.64))
    west, _, east, _ = metres.total_bounds
    shifted = metres.set_geometry(metres.translate((east - west) * 1.01))
    assert (evaluate(shifted, outline).found, evaluate(shifted, outline).located) == (0, 0)


@needs_maoxian
def test_the_rate_of_a_true_landslide(outline, points):
    velocity = points["velocity"][shapely.contains(outline.geometry[0], points.geometry.to_numpy())]
    mean, std = velocity.mean(), velocity.std(ddof=1) / np.sqrt(len(velocity))
    assert (velocity.min(), velocity.max()) == pytest.approx((-28.5, 9.7), abs=0.05)
    found = outline.assign(los_rate_mm_yr=mean + 3.0 * std, los_rate_std_mm_yr=std)
    e = evaluate(found, outline.assign(velocity=mean), rate_field="velocity")
    assert e.compared == 1
    assert value(e, "rate_bias_mm_yr") == pytest.approx(3.0 * std)
    assert value(e, "rate_within_2_std") == 0.0
    assert value(e, "direction") == 1.0
    honest = evaluate(found.assign(los_rate_std_mm_yr=2.0 * std), outline.assign(velocity=mean), rate_field="velocity")
    assert value(honest, "rate_within_2_std") == 1.0
