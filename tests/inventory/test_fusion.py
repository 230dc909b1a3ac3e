import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Polygon, box

from insarflow.errors import SchemaError
from insarflow.inventory.columns import COLUMNS, EDITED, OUTLINE
from insarflow.inventory.fusion import fuse

UTM = "EPSG:32632"


def table(shapes, *, ids=None, crs=UTM, **columns):
    """An inventory with the outline's columns and some more."""
    known = {
        "id": np.arange(1, len(shapes) + 1) if ids is None else ids,
        "area_m2": shapely.area(shapes),
        "probability_mean": np.full(len(shapes), 0.6, np.float32),
        "probability_max": np.full(len(shapes), 0.9, np.float32),
        "pairs": np.arange(len(shapes), dtype=np.int32),
    }
    return gpd.GeoDataFrame(known | columns, geometry=list(shapes), crs=crs)


def days(*texts):
    return pd.Series(pd.to_datetime(list(texts))).astype("datetime64[ms]")


def edits(*rows):
    return dict(zip(EDITED, map(list, zip(*rows, strict=True)), strict=True))


def by_hand(one, two, min_overlap):
    """Sources of each fused slope, by looking at every pair again and again: slow and obvious."""
    nodes = {("ascending", i): s for i, s in zip(one["id"], one.geometry, strict=True)}
    nodes |= {("descending", i): s for i, s in zip(two["id"], two.geometry, strict=True)}
    label = {node: k for k, node in enumerate(nodes)}
    changed = True
    while changed:
        changed = False
        for a, s in nodes.items():
            for b, t in nodes.items():
                shared = s.intersection(t).area
                if a[0] < b[0] and shared > 0 and shared >= min_overlap * min(s.area, t.area) and label[a] != label[b]:
                    label[a] = label[b] = min(label[a], label[b])
                    changed = True
    slopes = {}
    for node, k in label.items():
        slopes.setdefault(k, []).append(node)
    return {frozenset(members) for members in slopes.values()}


def sources(frame):
    return {
        frozenset((part.split(":")[0], int(i)) for part in text.split(";") for i in part.split(":")[1].split(","))
        for text in frame["sources"]
    }


@pytest.fixture
def chain():
    """A chain over four slopes (d1 a1 d2 a2), one that descending alone sees, and one that ascending does."""
    one = table([box(0, 0, 100, 100), box(180, 0, 300, 100), box(0, 500, 50, 550)])
    two = table([box(-50, 0, 10, 100), box(90, 0, 190, 100), box(900, 900, 950, 950)], ids=[7, 3, 9])
    return one, two


def test_a_chain_is_one_slope_and_the_largest_is_kept(chain):
    one, two = chain
    fused = fuse(one, two)
    assert fused["id"].tolist() == [1, 2, 3]
    assert fused["sources"].tolist() == ["descending:9", "ascending:3", "ascending:1,2;descending:3,7"]
    assert fused.geometry[2].equals(one.geometry[1])  # 12 000 m2, of 10 000, 10 000 and 6 000
    assert fused["pairs"].tolist() == [2, 2, 1]
    assert fused["orbit"].tolist() == ["descending", "ascending", "ascending;descending"]
    assert [c for c in fused if c != "geometry"] == [c for c in COLUMNS if c in fused]
    for name in OUTLINE:
        assert fused[name].dtype == COLUMNS[name].dtype


def test_slopes_of_one_orbit_that_overlap_stay_two(chain):
    one = table([box(0, 0, 100, 100), box(50, 0, 150, 100)])
    assert len(fuse(one, chain[1].iloc[2:])) == 3


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        (box(100, 0, 200, 100), 2),  # an edge
        (box(100, 100, 200, 200), 2),  # a point
        (box(99.99, 99.99, 200, 200), 1),
        (box(20, 20, 30, 30), 1),  # inside
        (Polygon(box(-50, -50, 150, 150).exterior.coords, [box(0, 0, 100, 100).exterior.coords]), 2),  # in its hole
    ],
)
def test_a_common_area_is_needed(shape, count):
    assert len(fuse(table([box(0, 0, 100, 100)]), table([shape]))) == count


def test_what_is_gone_joins_nothing():
    one = table([box(0, 0, 100, 100), box(500, 0, 600, 100)], activity=["gone", "faster"])
    two = table([box(50, 0, 100, 100), box(500, 0, 550, 100)], activity=["new", "steady"])
    fused = fuse(one, two)
    told = dict(zip(fused["sources"], fused["activity"], strict=True))
    assert told == {"ascending:1": "gone", "descending:1": "new", "ascending:2;descending:2": "faster"}
    assert len(fuse(one.drop(columns="activity"), two)) == 2


def test_min_overlap_is_a_share_of_the_smaller():
    one, two = table([box(0, 0, 100, 100)]), table([box(80, 0, 120, 100)])  # half of the second, a fifth of the first
    assert len(fuse(one, two, min_overlap=0.5)) == 1
    assert len(fuse(one, two, min_overlap=0.51)) == 2


rectangles = st.lists(
    st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 5)] * 2).map(lambda r: box(*r[:2], r[0] + r[2], r[1] + r[3])),
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(rectangles, rectangles, st.sampled_from([0.0, 0.3, 1.0]), st.randoms(use_true_random=False))
def test_slopes_are_those_found_by_hand_whatever_the_order(first, second, min_overlap, random):
    notes = edits(*[("confirmed", "", "Ann", f"note {k}") for k in range(len(first))]) if first else {}
    one, two = table(first, **notes), table(second)
    fused = fuse(one, two, min_overlap=min_overlap)
    assert sources(fused) == by_hand(one, two, min_overlap)
    north = shapely.bounds(fused.geometry.to_numpy())[:, 3] if len(fused) else np.empty(0)
    assert (np.diff(north) <= 0).all()
    for row in fused.itertuples():
        areas = {("ascending", i): a for i, a in zip(one["id"], one["area_m2"], strict=True)}
        areas |= {("descending", i): a for i, a in zip(two["id"], two["area_m2"], strict=True)}
        mine = next(members for members in sources(fused.loc[[row.Index]]))
        assert row.area_m2 == row.geometry.area == max(areas[member] for member in mine)
    if notes:
        assert sum(text.count("note ") for text in fused["comment"]) == len(first)
    orders = [random.sample(range(len(frame)), len(frame)) for frame in (one, two)]
    again = fuse(one.iloc[orders[0]], two.iloc[orders[1]], min_overlap=min_overlap)
    assert_geodataframe_equal(fused, again)


def test_equal_areas_keep_the_ascending_one_of_the_lower_id():
    one = table([box(10, 0, 110, 100), box(0, 0, 100, 100)], ids=[5, 4])
    two = table([box(5, 0, 105, 100)])
    assert fuse(one, two).geometry[0].equals(box(0, 0, 100, 100))


def test_times_are_of_both_and_rates_of_the_kept():
    one = table(
        [box(0, 0, 100, 100), box(0, 500, 10, 510)],
        first_seen=days("2021-05-01", "2021-05-01"),
        last_seen=days("2021-06-01", "2021-06-01"),
        inactive_since=days("2021-06-01", None),
        window_start=days("2021-01-01", "2021-01-01"),
        window_end=days("2021-12-01", "2021-12-01"),
        reliability=["low", "high"],
        los_rate_mm_yr=[-30.0, 4.0],
        aliased=[True, False],
    )
    two = table(
        [box(0, 0, 50, 50), box(0, 500, 5, 505)],
        first_seen=days("2021-04-01", "2021-06-10"),
        last_seen=days("2021-05-20", "2021-07-01"),
        inactive_since=days("2021-05-20", "2021-07-01"),
        window_start=days("2020-12-01", None),
        window_end=days("2021-11-01", "2022-01-01"),
        reliability=["medium", "low"],
    )
    fused = fuse(one, two).sort_values("area_m2", ascending=False).reset_index(drop=True)
    expected = {
        "first_seen": ["2021-04-01", "2021-05-01"],
        "last_seen": ["2021-06-01", "2021-07-01"],
        "inactive_since": ["2021-06-01", None],  # the second is still seen by the ascending orbit
        "window_start": ["2020-12-01", "2021-01-01"],
        "window_end": ["2021-12-01", "2022-01-01"],
    }
    for name, values in expected.items():
        pd.testing.assert_series_equal(fused[name], days(*values), check_names=False)
    assert fused["reliability"].tolist() == ["medium", "high"]
    assert fused["los_rate_mm_yr"].tolist() == [-30.0, 4.0]
    assert fused["aliased"].tolist() == [True, False]


def test_columns_that_one_lacks_are_empty_there_and_own_ones_stay():
    one = table([box(0, 0, 10, 10)], rate_pairs=np.array([4], np.int32), los_rate_mm_yr=[2.0], near_edge=[True])
    two = table([box(0, 50, 10, 60)], orbit=["descending 66"], village=["Xinmo"])
    fused = fuse(one, two)
    assert fused["orbit"].tolist() == ["descending 66", "ascending"]
    assert fused["rate_pairs"].tolist() == [0, 4]
    assert fused["rate_pairs"].dtype == "int32"
    assert fused["los_rate_mm_yr"].isna().tolist() == [True, False]
    assert fused["near_edge"].tolist() == [False, True]
    assert fused["near_edge"].dtype == bool
    assert fused["village"][0] == "Xinmo"
    assert pd.isna(fused["village"][1])


@pytest.mark.parametrize(
    ("kept", "other", "expected"),
    [
        (("new", "", "", ""), ("new", "", "", ""), ("new", "", "", "")),
        (("new", "", "", ""), ("rejected", "Glacier", "Ann", "snow"), ("rejected", "Glacier", "Ann", "snow")),
        (("confirmed", "", "Bob", ""), ("new", "Landslide", "", "seen"), ("confirmed", "Landslide", "Bob", "seen")),
        (
            ("confirmed", "Landslide", "Bob", "fast"),
            ("rejected", "Landslide", "Ann", "slow"),
            ("confirmed", "Landslide", "Bob", "fast; descending:1: status rejected, reviewer Ann, slow"),
        ),
        ((None, None, None, None), ("new", "", None, "note"), ("new", "", "", "note")),
        (("confirmed", "", "", "same"), ("confirmed", "", "", "same"), ("confirmed", "", "", "same")),
    ],
)
def test_what_people_wrote_is_kept(kept, other, expected):
    one = table([box(0, 0, 100, 100)], **edits(kept))
    two = table([box(0, 0, 50, 50)], **edits(other))
    fused = fuse(one, two)
    assert tuple(fused[name][0] for name in EDITED) == expected


def test_the_orbits_are_named(chain):
    one, two = chain
    fused = fuse(one.assign(orbit="ascending 15"), two.assign(orbit="descending 66", sources="old"))
    assert fused["orbit"].tolist() == ["descending 66", "ascending 15", "ascending 15;descending 66"]
    assert fused["sources"][0] == "descending:9"
    assert "orbit" not in one


def test_another_crs_is_brought_to_the_first(chain):
    one, two = (frame.set_geometry(frame.translate(5e5, 5e6)) for frame in chain)
    fused = fuse(one, two.to_crs("EPSG:4326"))
    assert fused.crs == one.crs
    assert fused["sources"].tolist() == fuse(one, two)["sources"].tolist()
    assert fused.geometry[0].equals_exact(two.geometry[2], 1e-3)


def test_nothing_and_something(chain):
    none = table([])
    assert len(fuse(none, none)) == 0
    assert set(OUTLINE) < set(fuse(none, none))
    assert fuse(none.set_crs(None, allow_override=True), chain[1])["sources"].tolist() == [
        "descending:9", "descending:7", "descending:3"
    ]  # fmt: skip
    assert fuse(chain[0], none)["sources"].tolist() == ["ascending:3", "ascending:1", "ascending:2"]


def test_attributes_that_differ_keep_two_names(chain):
    one, two = chain
    one.attrs, two.attrs = {"threshold": 0.5, "min_area": 1e4}, {"threshold": 0.4, "min_area": 1e4, "recipe": "[]"}
    assert fuse(one, two).attrs == {
        "threshold_ascending": 0.5, "threshold_descending": 0.4, "min_area": 1e4, "recipe_descending": "[]"
    }  # fmt: skip


BOW = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.set_crs(None, allow_override=True), "descending must have a CRS, instead got none"),
        (lambda f: f.drop(columns=["pairs", "area_m2"]), "instead got none named area_m2, pairs: name them as they"),
        (lambda f: f.assign(status="new"), "instead got none named class, reviewer, comment"),
        (lambda f: f.assign(id=[7, 7, 9]), "descending must have whole ids, each once, instead got id=7"),
        (lambda f: f.assign(id=[1.5, 2.5, 3.5]), "instead got id=float64"),
        (lambda f: f.set_geometry([BOW, *f.geometry[1:]]), r"must not cross itself, .*Self-intersection.* in id 7"),
        (lambda f: f.set_geometry([*f.geometry[:2], Polygon()]), "instead got none of id 9: remove it"),
        (lambda f: f.set_geometry([*f.geometry[:2], None]), "instead got none of id 9"),
        (lambda f: f.set_geometry([LineString([(0, 0), (1, 1)]), *f.geometry[1:]]), "got a LineString in id 7"),
        (lambda f: f.assign(area_m2=[1.0, -2.0, 3.0]), "must have areas above 0 m2, instead got area_m2=-2.0 in id 3"),
        (
            lambda f: f.assign(orbit="ascending 15"),
            "must be of two passes, instead got orbit='ascending 15' and orbit=",
        ),
        (lambda f: f.assign(orbit=["ascending 1", "descending 2", ""]), "it is fused already; fuse the inventories"),
        (lambda f: f.assign(pairs=["many", "2", "3"]), "descending: column pairs must hold interferograms that show"),
    ],
)
def test_bad_tables_are_named(chain, change, words):
    one = chain[0].assign(orbit="ascending 15")
    with pytest.raises(SchemaError, match=words):
        fuse(one, change(chain[1]))


def test_bad_arguments(chain):
    one, two = chain
    with pytest.raises(TypeError, match=r"ascending must be a geopandas\.GeoDataFrame, instead got DataFrame"):
        fuse(pd.DataFrame({"id": [1]}), two)
    with pytest.raises(SchemaError, match="descending must have outlines, instead got a table without geometry"):
        fuse(one, gpd.GeoDataFrame({"id": [1]}))
    with pytest.raises(SchemaError, match=r"got orbit='descending 66' and orbit='descending 66': for several orbits"):
        fuse(one.assign(orbit="descending 66"), two.assign(orbit="descending 66"))
    with pytest.raises(SchemaError, match=r"orbit='descending 66' and orbit='ascending 15': exchange them"):
        fuse(one.assign(orbit="descending 66"), two.assign(orbit="ascending 15"))
    with pytest.raises(ValueError, match="min_overlap must be between 0 and 1"):
        fuse(one, two, min_overlap=2)
    far = two.set_geometry(gpd.GeoSeries([box(0, 89, 1, 91)] * 3), crs="EPSG:4326")
    with pytest.raises(SchemaError, match=r"descending (holds coordinates that have no place|cannot be brought)"):
        fuse(one, far)
