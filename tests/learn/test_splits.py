import functools

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt
from shapely.geometry import box

from insarflow.errors import ProductError, SelectionError
from insarflow.learn.leakage import leakage_report, shared
from insarflow.learn.patch_index import as_table, starts
from insarflow.learn.splits import Split, split_by_acquisition, split_by_region, split_by_time
from insarflow.types import Grid, Pair

SHAPE = (120, 160)
GRID = Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), SHAPE, "EPSG:32632")
DAYS = [np.datetime64("2018-07-02", "ns") + np.timedelta64(6 * k, "D") for k in range(10)]


def index_of(patch=20, step=10, apart=(1, 2)):
    """A table as of a grid of patches in all pairs of successive days, or every other one."""
    return _made(patch, step, apart).copy()


@functools.cache
def _made(patch, step, apart):
    rows = []
    for k in apart:
        for one, two in zip(DAYS, DAYS[k:], strict=False):
            pair = Pair(one, two)
            names = pair.name.split("_")
            rows += [
                {"date": one, "delay": two - one, "pair": pair.name, "reference": names[0], "secondary": names[1],
                 "y": y, "x": x, "height": patch, "width": patch, "positive": 0.1, "rejected": 0.0, "valid": 1.0}
                for y in starts(SHAPE[0], patch, step) for x in starts(SHAPE[1], patch, step)
            ]  # fmt: skip
    return as_table(rows)


def ground(shape):
    return shapely.transform(shape, lambda c: np.array([5e5, 5.1e6]) + c * (20.0, -20.0))


def zone(*shapes):
    return gpd.GeoDataFrame(geometry=[ground(s) for s in shapes], crs=GRID.crs)


def held(rows):
    """Pixels of the ground that rows hold, drawn one by one."""
    out = np.zeros(SHAPE, bool)
    for y, x, height, width in rows[["y", "x", "height", "width"]].drop_duplicates().to_numpy():
        out[y : y + height, x : x + width] = True
    return out


def gap(train, test):
    """Pixels between two sets, pixel by pixel."""
    steps = distance_transform_cdt(~held(train), metric="chessboard")
    return max(int(steps[held(test)].min()) - 1, 0)


def images(rows):
    return {*rows["reference"], *rows["secondary"]}


@given(left=st.integers(0, 130), top=st.integers(0, 90), buffer=st.integers(0, 25))
def test_a_held_out_region_is_as_far_away_as_asked(left, top, buffer):
    index = index_of(apart=(9,))
    split = split_by_region(index, zone(box(left, top, left + 30, top + 30)), GRID, buffer=buffer)
    middles = split.test["x"] + 10, split.test["y"] + 10
    assert middles[0].between(left, left + 30).all()
    assert middles[1].between(top, top + 30).all()
    assert not (held(split.train) & held(split.test)).any()
    assert gap(split.train, split.test) >= buffer
    assert leakage_report(split.train, split.test, buffer=buffer).split.distance == gap(split.train, split.test)
    assert len(split.train) + len(split.test) + sum(split.dropped.values()) == len(index)
    # No patch is dropped without need.
    dropped = index.drop(split.train.index).drop(split.test.index)
    for k in range(0, len(dropped), 9):
        one = dropped[k : k + 1]
        assert (held(one) & held(split.test)).any() or gap(one, split.test) < buffer


def test_a_region_may_be_a_file_of_several_polygons(tmp_path):
    zone(box(0, 0, 30, 30), box(100, 80, 140, 120)).to_file(tmp_path / "zone.gpkg")
    split = split_by_region(index_of(), tmp_path / "zone.gpkg", GRID, buffer=5)
    assert {(0, 0), (100, 140 - 20)} <= set(zip(split.test["y"], split.test["x"], strict=True))
    with pytest.raises(ProductError, match="cannot be read"):
        split_by_region(index_of(), tmp_path / "none.gpkg", GRID, buffer=5)


def test_times_share_no_radar_image():
    index = index_of()
    split = split_by_time(index, "2018-08-01")
    assert max(images(split.train)) < "20180801" <= min(images(split.test))
    crossing = index[(index["reference"] < "20180801") & (index["secondary"] >= "20180801")]
    assert list(split.dropped.values()) == [len(crossing)]
    assert crossing["pair"].nunique() == 3
    assert len(split.train) + len(split.test) + len(crossing) == len(index)


@given(share=st.floats(0.25, 0.6), seed=st.integers(0, 50))
def test_acquisitions_share_no_radar_image(share, seed):
    index = index_of(patch=60, step=60)
    split = split_by_acquisition(index, share, seed=seed)
    assert not images(split.train) & images(split.test)
    assert len(images(split.test)) == round(share * 10)
    assert len(split.train) + len(split.test) + sum(split.dropped.values()) == len(index)
    assert split.test.equals(split_by_acquisition(index, share, seed=seed).test)


def test_acquisitions_by_name():
    split = split_by_acquisition(index_of(), ["20180702", "2018-07-08"])
    assert images(split.test) == {"20180702", "20180708"}
    assert split.dropped == {"with a radar image of each set": 3 * 165}
    with pytest.raises(SelectionError, match="must be days of acquisitions, instead got 20180703: there are 20180702"):
        split_by_acquisition(index_of(), ["20180703"])
    with pytest.raises(ValueError, match=r"test must be between 0 and 1, .*instead got test=1\.5"):
        split_by_acquisition(index_of(), 1.5)
    with pytest.raises(TypeError, match="test must be a share or a list of days, instead got test='20180702'"):
        split_by_acquisition(index_of(), "20180702")


def test_two_splits_together_share_neither_ground_nor_images():
    index = index_of()
    region = split_by_region(index, zone(box(0, 0, 60, 60)), GRID, buffer=10)
    both = region.also(split_by_time(index, "2018-08-01"))
    report = leakage_report(both.train, both.test, buffer=10)
    assert not report.shares_ground
    assert not report.shares_acquisitions
    assert report.split.pairs == ()
    assert leakage_report(region.train, region.test, buffer=10).shares_acquisitions
    assert len(both.train) + len(both.test) + sum(both.dropped.values()) == len(index)


def test_a_zone_and_acquisitions_are_held_out_in_one_call():
    index = index_of()
    square = zone(box(0, 0, 60, 60))
    alone = split_by_region(index, square, GRID, buffer=10)
    both = split_by_region(index, square, GRID, buffer=10, acquisitions=0.4, seed=2)
    report = leakage_report(both.train, both.test, buffer=10)
    assert not report.shares_ground
    assert not report.shares_acquisitions
    assert leakage_report(alone.train, alone.test, buffer=10).shares_acquisitions
    expected = alone.also(split_by_acquisition(index, 0.4, seed=2))
    assert both.train.equals(expected.train)
    assert both.test.equals(expected.test)
    assert len(both.train) + len(both.test) + sum(both.dropped.values()) == len(index)
    named = split_by_region(index, square, GRID, buffer=10, acquisitions=["2018-07-02", "2018-07-08"])
    assert images(named.test) == {"20180702", "20180708"}
    with pytest.raises(SelectionError, match=r"^test must be days of acquisitions, instead got 20180703"):
        split_by_region(index, square, GRID, buffer=10, acquisitions=["20180703"])


def test_a_third_part_is_split_off_what_is_trained_on():
    index = index_of()
    two = split_by_region(index, zone(box(0, 0, 60, 60)), GRID, buffer=10, acquisitions=0.3)
    three = two.validating(split_by_acquisition(two.train, 0.4))
    assert three.test.equals(two.test)
    sides = [three.train, three.validation, three.test]
    for k, one in enumerate(sides):
        for other in sides[k + 1 :]:
            assert not leakage_report(one, other).shares_acquisitions
    assert gap(three.validation, three.test) >= 10
    assert sum(map(len, sides)) + sum(three.dropped.values()) == len(index)
    left = three.also(split_by_region(index, zone(box(0, 0, 60, 60)), GRID, buffer=40))
    assert len(left.validation) < len(three.validation)
    assert gap(left.validation, left.test) >= 40
    assert sum(map(len, (left.train, left.validation, left.test))) + sum(left.dropped.values()) == len(index)
    with pytest.raises(ValueError, match=r"^again must be a split of this one's train into two"):
        two.validating(split_by_acquisition(index, 0.4))


def test_all_members_of_a_series_count_as_shown():
    index = index_of(patch=60, step=60, apart=(1,))
    names = sorted({*index["pair"]})
    near = {name: " ".join(names[max(k - 1, 0) : k + 2]) for k, name in enumerate(names)}
    series = index.assign(members=index["pair"].map(near))
    split = split_by_acquisition(series, ["20180819", "20180825", "20180813", "20180807"])
    shown = [
        {a for name in side["members"] for a in name.replace("_", " ").split()} for side in (split.train, split.test)
    ]
    assert not shown[0] & shown[1]
    plain = split_by_acquisition(index, ["20180819", "20180825", "20180813", "20180807"])
    assert len(split.train) < len(plain.train)
    # By the pairs alone nothing would be shared, and yet it would leak.
    leaking = series.loc[plain.train.index], series.loc[plain.test.index]
    assert not leakage_report(plain.train, plain.test).shares_acquisitions
    assert leakage_report(*leaking).shares_acquisitions
    assert leakage_report(*leaking).split.pairs != ()
    assert not leakage_report(split.train, split.test).shares_acquisitions


@pytest.mark.parametrize("seed", range(3))
def test_what_is_shared_is_what_a_count_one_by_one_finds(seed):
    index = index_of(patch=20, step=20, apart=(1, 3))
    rng = np.random.default_rng(seed)
    index["y"] += rng.integers(0, 3, len(index))
    index = index[index["y"] <= 100]
    chosen = index.sample(60, random_state=seed)
    train, test = chosen[:45], chosen[45:]
    found = shared(train, test)
    assert found.pixels == (held(train) & held(test)).sum() > 0
    assert set(found.acquisitions) == images(train) & images(test)
    assert set(found.pairs) == {*train["pair"]} & {*test["pair"]}
    assert found.patches_over == sum((held(test[k : k + 1]) & held(train)).any() for k in range(15)) > 0
    assert found.distance == 0
    assert found.patches == (45, 15)


def test_the_report_shows_what_a_naive_split_would_share():
    index = index_of()
    split = split_by_time(index, "2018-08-01")
    report = leakage_report(split.train, split.test, buffer=7)
    assert report.shares_ground
    assert not report.shares_acquisitions
    assert len(report.naive.acquisitions) == 10
    assert len(report.naive.pairs) == 17 - 3
    assert report.naive.patches[1] == round(0.2 * (len(split.train) + len(split.test)))
    text = str(report)
    assert "radar images in both" in text
    assert text.endswith("ground: shared, or closer than the buffer of 7 pixels\nradar images: not shared")
    assert report.table().loc["radar images in both"].tolist() == ["0", "10"]
    assert report.table().loc["patches to train on / to test on", "split"] == f"{len(split.train)} / {len(split.test)}"
    assert str(leakage_report(split.train, split.test, buffer=7)) == text


def test_distances_and_the_buffer():
    index = index_of(patch=20, step=20, apart=(1,))
    here, there = index[index["x"] == 0], index[index["x"] == 60]
    near = leakage_report(here, there, buffer=41)
    assert near.split.distance == 40
    assert near.shares_ground
    assert "ground: not shared, but closer than the buffer of 41 pixels" in str(near)
    assert not leakage_report(here, there, buffer=40).shares_ground
    assert "ground: not shared, nor closer" in str(leakage_report(here, there, buffer=40))
    empty = leakage_report(here, there[:0])
    assert empty.split.distance is None
    assert not empty.shares_ground
    with pytest.raises(ValueError, match="buffer must be"):
        leakage_report(here, there, buffer=-1)


def test_a_side_without_patches_or_movers_is_refused():
    index = index_of()
    with pytest.raises(SelectionError, match=r"^the set to test on has no patch \(left out: none\)"):
        split_by_time(index, "2019-01-01")
    with pytest.raises(SelectionError, match=r"^the set to train on has no patch \(left out: .* within 500 pixels"):
        split_by_region(index, zone(box(0, 0, 60, 60)), GRID, buffer=500)
    index["positive"] = np.where(index["x"] < 80, 0.2, 0.0)
    with pytest.raises(SelectionError, match=r"^the set to test on has no mover in its \d+ patches \(left out: "):
        split_by_region(index, zone(box(120, 60, 160, 120)), GRID, buffer=5)
    with pytest.raises(SelectionError, match="the set to train on has no patch"):
        Split(pd.DataFrame(columns=index.columns), index)
