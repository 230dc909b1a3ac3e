"""Slopes keep their ids, and what people wrote, from one inventory to the next."""

from itertools import permutations

import geopandas as gpd
import geopandas.testing
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from insarflow.errors import SchemaError
from insarflow.inventory.activity import moving
from insarflow.inventory.columns import COLUMNS, EDITED, OUTLINE, RATE, SEEN, TRACK
from insarflow.inventory.matching import match
from insarflow.inventory.tracks import track

UTM = "EPSG:32632"


def box(x, y, width=10, height=10):
    """A polygon on a lattice of 20 m, of 10 by 10 pixels by default."""
    return shapely.box(5e5 + 20 * x, 5.1e6 - 20 * (y + height), 5e5 + 20 * (x + width), 5.1e6 - 20 * y)


def measured(*outlines, rates=None, std=2.0, aliased=False):
    """What a program finds: outlines, and rates if they are given."""
    count = len(outlines)
    table = {
        "id": np.arange(1, count + 1),
        "area_m2": [one.area for one in outlines],
        "probability_mean": np.full(count, 0.8, np.float32),
        "probability_max": np.full(count, 0.9, np.float32),
        "pairs": np.full(count, 3, np.int32),
    }
    if rates is not None:
        table |= {
            "los_rate_mm_yr": np.array(rates, float),
            "los_rate_std_mm_yr": np.broadcast_to(std, count).astype(float),
            "rate_delay_days": np.full(count, 6, np.int32),
            "rate_pairs": np.full(count, 3, np.int32),
            "aliased": np.broadcast_to(aliased, count).copy(),
            "los_rate_min_mm_yr": np.full(count, np.nan),
            "velocity_class": "",
        }
    frame = gpd.GeoDataFrame(table, geometry=list(outlines), crs=UTM)
    frame.attrs = {"threshold": 0.5}
    return frame


def first(*outlines, **more):
    return track(measured(*outlines, **more), None)[0]


def by_id(frame, column):
    return dict(zip(frame["id"].tolist(), frame[column].tolist(), strict=True))


A, B, C = box(0, 0), box(30, 0), box(0, 30)


def test_a_first_inventory_is_all_new():
    frame, changes = track(measured(A, B, rates=[20, -30]), None)
    assert frame["id"].tolist() == [1, 2]
    assert frame["status"].tolist() == frame["activity"].tolist() == ["new", "new"]
    assert frame["previous_rate_mm_yr"].isna().all()
    assert [name for name in COLUMNS if name in frame] == [*frame.columns[:-1]]
    assert {*OUTLINE, *EDITED, *RATE, *TRACK} == {*frame.columns} - {"geometry"}
    assert {name: str(frame[name].dtype) for name in COLUMNS if name in frame and COLUMNS[name].dtype != "str"} == {
        name: COLUMNS[name].dtype for name in COLUMNS if name in frame and COLUMNS[name].dtype != "str"
    }
    assert frame.attrs == {"threshold": 0.5, "last_id": 2}
    assert (changes.any, changes.new, changes.faster, changes.slower, changes.gone) == (True, [1, 2], [], [], [])


def test_ids_stay_whatever_the_order_in_which_slopes_are_found():
    before = first(A, B, C)
    frame, changes = track(measured(C, box(1, 0), box(50, 50), B), before)
    assert by_id(frame, "geometry") == {1: box(1, 0), 2: B, 3: C, 4: box(50, 50)}
    assert by_id(frame, "activity") == {1: "unknown", 2: "unknown", 3: "unknown", 4: "new"}
    assert changes.new == [4]


def test_what_is_lost_stays_and_comes_back_under_its_id():
    before = first(A, B, rates=[20, -30])
    before.loc[1, "comment"] = "seen from the road"
    frame, changes = track(measured(A, rates=[20]), before)
    assert by_id(frame, "activity") == {1: "steady", 2: "gone"}
    assert by_id(frame, "geometry")[2] == B
    assert (changes.gone, changes.new) == ([2], [])
    assert by_id(frame, "previous_rate_mm_yr") == {1: 20, 2: -30}
    still, changes = track(measured(A, C, rates=[20, 5]), frame)
    assert by_id(still, "activity") == {1: "steady", 2: "gone", 3: "new"}
    assert (changes.gone, changes.new) == ([], [3])
    back, changes = track(measured(A, box(30, 1), rates=[20, -90]), still)
    assert by_id(back, "activity") == {1: "steady", 2: "new", 3: "gone"}
    assert by_id(back, "comment")[2] == "seen from the road"
    assert (changes.gone, changes.new) == ([3], [2])


def test_ids_are_never_given_twice():
    before = first(A, B, C)
    gone = track(measured(A), before)[0]
    assert track(measured(A, box(60, 60)), gone)[0]["id"].tolist() == [1, 2, 3, 4]
    deleted = gone[gone["id"] < 2]
    deleted.attrs = gone.attrs
    assert track(measured(A, box(60, 60)), deleted)[0]["id"].tolist() == [1, 4]
    # As metadata of a layer are read: text.
    deleted.attrs = {"last_id": "7"}
    assert track(measured(A, box(60, 60)), deleted)[0]["id"].tolist() == [1, 8]


def test_of_a_split_the_largest_part_keeps_the_id_and_of_a_merge_the_largest_slope():
    whole = first(box(0, 0, 20, 10), B)
    parts, changes = track(measured(box(0, 0, 7, 10), box(8, 0, 12, 10), B), whole)
    assert by_id(parts, "geometry") == {1: box(8, 0, 12, 10), 2: B, 3: box(0, 0, 7, 10)}
    assert changes.new == [3]
    merged, changes = track(measured(box(0, 0, 20, 10), B), parts)
    assert by_id(merged, "activity") == {1: "unknown", 2: "unknown", 3: "gone"}
    assert by_id(merged, "geometry")[1] == box(0, 0, 20, 10)
    assert changes.gone == [3]
    # Split anew, both parts are who they were.
    again, changes = track(measured(box(0, 0, 7, 10), box(8, 0, 12, 10), B), merged)
    assert by_id(again, "geometry") == by_id(parts, "geometry")
    assert changes.new == [3]


def test_a_slope_that_grows_keeps_its_id_and_what_people_wrote():
    before = first(box(10, 10, 2, 2), B)
    before["status"] = "confirmed"
    frame, changes = track(measured(box(0, 0, 29, 30), B), before)
    assert by_id(frame, "status") == {1: "confirmed", 2: "confirmed"}
    assert by_id(frame, "geometry") == {1: box(0, 0, 29, 30), 2: B}
    assert not changes.any
    # And one that shrinks.
    assert track(measured(box(10, 10, 2, 2), B), frame)[0]["id"].tolist() == [1, 2]
    # But not what only grazes it.
    assert track(measured(box(11, 8, 30, 3), B), before)[1].new == [3]


def test_what_a_slope_swallows_besides_is_gone_into_it():
    before = first(box(0, 0, 12, 10), box(15, 0, 4, 4), box(25, 20, 4, 4))
    before.loc[1, "comment"] = "was alone"
    _, changes = track(measured(box(0, 0, 20, 10)), before)
    assert [(one.id, one.kind, one.note) for one in changes.slopes] == [(2, "gone", "merged into 1"), (3, "gone", "")]
    assert changes.to_dict()["gone"][0]["note"] == "merged into 1"
    # Of equals it is the one that people confirmed.
    before = first(box(0, 0), box(10, 0))
    before.loc[1, "status"] = "confirmed"
    frame, changes = track(measured(box(0, 0, 20, 10)), before)
    assert by_id(frame, "activity") == {1: "gone", 2: "unknown"}
    assert changes.slopes[0].note == "merged into 2"


@pytest.mark.parametrize(
    ("then", "now", "std", "kind"),
    [
        (20, 30, 2.0, "faster"),
        (-20, -30, 2.0, "faster"),
        (30, 20, 2.0, "slower"),
        (20, 25.4, 2.0, "steady"),  # within twice the error of the difference, 5.66
        (20, 25.8, 2.0, "faster"),
        (100, 115, 2.0, "steady"),  # beyond the error, but by less than a fifth
        (0, 10, 2.0, "faster"),
        (3, -12, 2.0, "faster"),
        (20, -19, 2.0, "steady"),  # as fast, the other way
        (np.nan, 30, 2.0, "unknown"),
        (20, np.nan, 2.0, "unknown"),
        (20, 30, np.nan, "unknown"),
    ],
)
def test_activity(then, now, std, kind):
    before = first(A, rates=[then])
    frame, changes = track(measured(A, rates=[now], std=std), before)
    assert frame["activity"].tolist() == [kind]
    assert changes.any == (kind in ("faster", "slower"))
    if changes.any:
        told = changes.to_dict()[kind][0]
        assert (told["id"], told["kind"], told["los_rate_mm_yr"], told["previous_rate_mm_yr"]) == (1, kind, now, then)
        assert told["area_m2"] == 40_000.0
        assert (told["longitude"], told["latitude"]) == pytest.approx((9.001, 46.05), abs=0.01)


def trends(*rows):
    """Rates lately and before, with their errors, by the ids of `measured`."""
    return pd.DataFrame(rows, index=np.arange(1, len(rows) + 1), columns=["rate", "std", "rate_before", "std_before"])


def test_what_is_faster_lately_is_told_once_with_the_rates_of_both_times():
    before = first(A, B, C, rates=[20, 20, 20])
    now = measured(A, B, C, rates=[22, 20, 20])
    lately = trends((50, 3, 20, 2), (21, 3, 20, 2), (np.nan, np.nan, 20, 2))
    frame, changes = track(now, before, trend=lately)
    assert frame["activity"].tolist() == ["faster", "steady", "unknown"]
    assert frame["previous_rate_mm_yr"].tolist() == [20, 20, 20]
    assert frame["los_rate_mm_yr"].tolist() == [22, 20, 20]
    assert [(o.id, o.los_rate_mm_yr, o.los_rate_std_mm_yr, o.previous_rate_mm_yr) for o in changes.slopes] == [
        (1, 50, 3, 20)
    ]
    still, changes = track(now, frame, trend=lately)
    assert (still["activity"].tolist()[0], changes.any) == ("faster", False)
    # Whatever the order in which they are found.
    assert track(now[::-1], before, trend=lately[::-1])[1].faster == [1]


def inactive_since(frame, *days):
    """`frame` with the columns of persistence, and since when its slopes do not move."""
    for name, column in SEEN.items():
        frame[name] = np.zeros(len(frame), column.dtype) if column.dtype != "str" else ""
    return frame.assign(inactive_since=np.array(days, "datetime64[ms]"))


def test_what_has_stopped_is_gone_and_new_when_it_moves_again():
    before = track(inactive_since(measured(A, B, rates=[20, 30]), "NaT", "NaT"), None)[0]
    stopped = inactive_since(measured(A, B, C, rates=[18, 30, 9]), "2021-06-01", "NaT", "2020-01-01")
    frame, changes = track(stopped, before)
    # Also measured still; what stopped before anybody knew of it is no news.
    assert (by_id(frame, "activity"), changes.gone) == ({1: "gone", 2: "steady", 3: "gone"}, [1])
    assert (changes.any, by_id(frame, "los_rate_mm_yr")[1]) == (True, 18)
    assert np.isnan(changes.slopes[0].los_rate_mm_yr)
    assert moving(frame).tolist() == [False, True, False]
    frame, changes = track(stopped, frame)
    assert not changes.any
    frame, changes = track(inactive_since(measured(A, B, rates=[18, 30]), "NaT", "NaT"), frame)
    assert (changes.new, by_id(frame, "activity")[1], changes.gone) == ([1], "new", [])


def test_outlines_of_people_stay_and_what_is_not_wanted_is_not_new():
    before = first(A, B, rates=[20, 30])
    frame, changes = track(measured(box(2, 2), box(31, 0), C, rates=[1, 2, 3]), before, by_hand=[1], wanted=[1, 2])
    assert by_id(frame, "geometry") == {1: A, 2: box(31, 0)}
    assert by_id(frame, "los_rate_mm_yr") == {1: 1, 2: 2}
    assert (changes.new, frame.attrs["by_hand"]) == ([], [1])


def test_an_aliased_rate_tells_nothing():
    assert track(measured(A, rates=[90], aliased=True), first(A, rates=[20]))[0]["activity"].tolist() == ["unknown"]
    assert track(measured(A, rates=[90]), first(A, rates=[20], aliased=True))[0]["activity"].tolist() == ["unknown"]


def test_changes_are_plain():
    _, changes = track(measured(A), None)
    assert changes.to_dict()["new"][0]["los_rate_mm_yr"] is None
    assert set(changes.to_dict()) == {"new", "faster", "slower", "gone"}
    assert not track(measured(A), first(A))[1].any


def with_drawn(frame, outline, **said):
    """A row that somebody drew: nothing in it but what they wrote."""
    table = {name: [*frame[name].tolist(), said.get(name)] for name in frame.columns.drop("geometry")}
    return gpd.GeoDataFrame(table, geometry=[*frame.geometry, outline], crs=frame.crs)


def edited():
    """Two slopes and what people did: edits, columns of their own, a polygon drawn by hand."""
    frame = first(A, B, rates=[20, 30])
    frame["class"] = ["Rock glacier", ""]
    frame["status"] = ["confirmed", "rejected"]
    frame["reviewer"] = ["M. Muster", ""]
    frame["comment"] = ["über die Strasse; größer", ""]
    frame["houses"] = [3, 0]
    frame["visited"] = [True, False]
    return with_drawn(frame, C, comment="drawn by hand")


def test_edits_are_carried_through_three_updates():
    now = edited()
    for round_, outlines in enumerate([(A, B), (B, box(1, 1)), (box(2, 2), box(50, 50))]):
        now, changes = track(measured(*outlines, rates=[20, 30]), now)
        assert by_id(now, "comment") | {4: ""} == {1: "über die Strasse; größer", 2: "", 3: "drawn by hand", 4: ""}
        assert by_id(now, "status") | {4: "new"} == {1: "confirmed", 2: "rejected", 3: "new", 4: "new"}
        assert by_id(now, "class")[1] == "Rock glacier"
        assert by_id(now, "reviewer")[1] == "M. Muster"
        assert now.loc[:1, "houses"].tolist() == [3, 0]
        assert now.loc[:1, "visited"].tolist() == [True, False]
        assert 3 not in changes.gone
        assert by_id(now, "activity")[3] == "unknown"
        assert by_id(now, "area_m2")[3] == pytest.approx(40_000, rel=2e-3)
        if round_ == 2:
            assert by_id(now, "activity")[2] == "gone"
            assert (changes.gone, changes.new) == ([], [4])


def test_a_drawn_slope_is_measured_once_it_is_found():
    frame, changes = track(measured(A, box(1, 31), rates=[20, 7]), edited())
    assert by_id(frame, "geometry")[3] == C
    assert by_id(frame, "area_m2")[3] == pytest.approx(C.area, rel=2e-3)
    assert frame.attrs["by_hand"] == [3]
    assert by_id(frame, "los_rate_mm_yr")[3] == 7
    assert by_id(frame, "comment")[3] == "drawn by hand"
    assert changes.new == [3]


def test_a_rejected_slope_is_not_reported():
    before = first(A, B, rates=[20, 30])
    before["status"] = "rejected"
    frame, changes = track(measured(A, rates=[90]), before)
    assert frame["activity"].tolist() == ["faster", "gone"]
    assert not changes.any
    frame, changes = track(measured(A, B, rates=[90, 30]), frame)
    assert frame["status"].tolist() == ["rejected"] * 2
    assert not changes.any


def test_of_equal_outlines_the_first_goes_on():
    before = first(A, B)
    twice = before.iloc[[0, 1, 0]].reset_index(drop=True)
    twice["id"] = [5, 2, 1]
    frame, _ = track(measured(A, B), twice)
    assert by_id(frame, "activity") == {1: "unknown", 2: "unknown", 5: "gone"}


def test_any_order_of_rows_gives_the_same():
    found, before = measured(A, box(2, 3), B, box(5, 0, 3, 3), rates=[1, 2, 3, 4]), edited()
    expected, changes = track(found, before)
    for order in permutations(range(3)):
        frame, same = track(found.sample(frac=1, random_state=len(order)), before.iloc[list(order)])
        geopandas.testing.assert_geodataframe_equal(frame, expected)
        assert same.to_dict() == changes.to_dict()


def test_another_crs_is_brought_to_the_stacks():
    before = first(A, B).to_crs("EPSG:4326")
    frame, _ = track(measured(A), before)
    assert frame.crs == UTM
    assert by_id(frame, "activity") == {1: "unknown", 2: "gone"}
    assert shapely.equals_exact(by_id(frame, "geometry")[2], B, tolerance=1e-3)


def test_nothing_found_and_nothing_before():
    empty = measured()
    frame, changes = track(empty, None)
    assert len(frame) == 0
    assert not changes.any
    frame, changes = track(empty, first(A))
    assert frame["activity"].tolist() == ["gone"]
    assert changes.gone == [1]
    assert track(measured(A), track(empty, None)[0])[1].new == [1]


def test_groups_that_one_of_both_lacks_are_missing_numbers():
    frame, _ = track(measured(A), first(A, B, rates=[20, 30]))
    assert frame["los_rate_mm_yr"].isna().tolist() == [True, False]
    assert frame["aliased"].dtype == bool
    assert frame["activity"].tolist() == ["unknown", "gone"]
    plain = measured(A)  # of a version before there was anything to edit
    assert track(measured(A, rates=[3]), plain)[0]["status"].tolist() == ["new"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": ["id"]}, r"must have the columns id, instead got area_m2, .*geometry: give them back their names"),
        ({"rename": {"comment": "Kommentar"}}, r"must have the columns comment, instead got id, .*Kommentar"),
        ({"rename": {"area_m2": "area"}}, "must have the columns area_m2, instead got id, area,"),
        ({"id": [3, 3]}, "id must be of one row only, instead got id=3 more than once: leave that of a copied row"),
        ({"id": [1.5, 2]}, r"id must be a whole number or empty, instead got id=.*1.5.* in row 1"),
        ({"id": ["one", 2]}, r"id must be a number or empty, instead got id='one' in row 1"),
        ({"id": [-4, 2]}, "id must be a whole number from 1, or empty, instead got id=-4"),
        ({"status": ["ok", "new"]}, "status must be new, confirmed, rejected, instead got 'ok' of id=1: choose one"),
        ({"geometry": [None, B]}, r"each row must have a polygon, instead got none in row 1 \(id=1\): draw"),
        ({"geometry": [A, B.centroid]}, r"each row must have a polygon, instead got Point in row 2 \(id=2\)"),
        ({"area_m2": ["large", 1]}, "area_m2 must be a number or empty, instead got area_m2='large' in row 1"),
    ],
)
def test_what_is_no_inventory_any_more_is_refused(change, message):
    before = first(A, B)
    if "drop" in change:
        before = before.drop(columns=change["drop"])
    elif "rename" in change:
        before = before.rename(columns=change["rename"])
    else:
        ((name, values),) = change.items()
        before = before.drop(columns=name) if name != "geometry" else before
        before = before.assign(**{name: values}) if name != "geometry" else before.set_geometry(values, crs=UTM)
    with pytest.raises(SchemaError, match=message):
        track(measured(A, B), before)


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match=r"^found must be a geopandas.GeoDataFrame, instead got DataFrame"):
        track(pd.DataFrame(), None)
    with pytest.raises(TypeError, match=r"^before must be a geopandas.GeoDataFrame, instead got list"):
        track(measured(A), [])
    with pytest.raises(ValueError, match=r"^min_overlap must be above 0 and at most 1, instead got min_overlap=0"):
        track(measured(A), None, min_overlap=0)
    with pytest.raises(SchemaError, match=r"^found must have the columns id, .*instead got columns id, geometry"):
        track(measured(A)[["id", "geometry"]], None)
    with pytest.raises(SchemaError, match=r"^the edited inventory must have a CRS, instead got none"):
        track(measured(A), first(A).set_crs(None, allow_override=True))


def test_a_crossed_outline_of_a_hand_is_matched_and_kept():
    bow = shapely.Polygon([(5e5, 5.1e6), (500_200, 5_099_800), (500_200, 5.1e6), (5e5, 5_099_800)])
    before = first(A).set_geometry([bow], crs=UTM)
    assert track(measured(A), before)[0]["activity"].tolist() == ["unknown"]
    assert track(measured(B), before)[0].geometry[0] == bow


places = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(2, 8)] * 2)


@given(st.lists(places, max_size=4), st.lists(places, max_size=4))
def test_the_assignment_is_the_best_of_all(found, before):
    """Tried one by one."""
    new, old = (np.array([box(*at) for at in boxes], object) for boxes in (found, before))
    chosen = match(new, old, min_overlap=0.3)

    def overlap(i, j):
        common = new[i].intersection(old[j]).area
        return common / new[i].union(old[j]).area if common >= 0.3 * min(new[i].area, old[j].area) else -1.0

    def total(assignment):
        return sum(overlap(i, j) for j, i in enumerate(assignment) if i >= 0)

    numbers = [*range(len(new)), *[-1] * len(old)]
    best = max(map(total, set(permutations(numbers, len(old)))))
    assert total(chosen) == pytest.approx(best, abs=1e-6)
    assert len(set(chosen[chosen >= 0])) == (chosen >= 0).sum()
    assert all(overlap(i, j) > 0 for j, i in enumerate(chosen) if i >= 0)
