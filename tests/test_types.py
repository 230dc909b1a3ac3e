import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.types import Grid, Looks, Pair, Recipe, Tile, Window, parse_date, parse_delay

DAY = np.datetime64("2018-07-02", "ns")
DATES = st.dates(dt.date(1678, 1, 1), dt.date(2261, 12, 31))


@pytest.mark.parametrize(
    "value",
    [
        "20180702",
        "2018-07-02",
        "02Jul2018",
        "02JUL2018",
        dt.date(2018, 7, 2),
        dt.datetime(2018, 7, 2, 17, 5),
        np.datetime64("2018-07-02"),
        np.datetime64("2018-07-02T17:05:09.123456789"),
        pd.Timestamp("2018-07-02 17:05"),
    ],
    ids=str,
)
def test_date_in_every_form(value):
    date = parse_date(value)
    assert date == DAY
    assert date.dtype == "datetime64[ns]"


@given(day=DATES, form=st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%d%b%Y"]))
def test_date_round_trip(day, form):
    assert parse_date(day.strftime(form)) == np.datetime64(day) == parse_date(day)


@pytest.mark.parametrize(
    "value",
    [
        *("", "today", "2018070", "201811", "2018711", "20181301", "20180230", " 20180702", "2018/07/02", "00010101"),
        *(np.datetime64("NaT"), np.datetime64("0001-01-01"), dt.date(9999, 12, 31)),
    ],
    ids=str,
)
def test_date_refused(value):
    with pytest.raises(ValueError, match=r"^date must be like 20180702, .*, instead got date=" + repr(str(value))):
        parse_date(value)


@pytest.mark.parametrize("value", [20180702, None, 3.5, b"20180702"], ids=str)
def test_date_of_another_kind(value):
    with pytest.raises(TypeError, match=r"^date must be like 20180702, .*, instead got date="):
        parse_date(value)


@pytest.mark.parametrize(
    "value",
    [
        *(12, np.int16(12), "12", "12D", "12 d", "12days", dt.timedelta(days=12), np.timedelta64(12, "D")),
        *(np.timedelta64(288, "h"), np.timedelta64(12 * 86_400 * 10**9, "ns"), pd.Timedelta(days=12)),
    ],
    ids=repr,
)
def test_delay_in_every_form(value):
    delay = parse_delay(value)
    assert delay == np.timedelta64(12, "D")
    assert delay.dtype == "timedelta64[ns]"


@pytest.mark.parametrize(
    "value",
    [
        *(0, -6, 36_500, 10**30, "", "D", "-12", "12.0", "12h", "9" * 5000, np.timedelta64(-12, "D")),
        *(
            np.timedelta64("NaT"),
            np.timedelta64(1, "M"),
            np.timedelta64(36, "h"),
            dt.timedelta(hours=1),
            dt.timedelta.max,
        ),
    ],
    ids=lambda v: repr(v)[:20],
)
def test_delay_refused(value):
    with pytest.raises(ValueError, match=r"^delay must be a whole positive number of days such as 12,"):
        parse_delay(value)


@pytest.mark.parametrize("value", [12.0, True, None, np.float32(12), [12]], ids=repr)
def test_delay_of_another_kind(value):
    with pytest.raises(TypeError, match=r"^delay must be a whole positive number .* instead got delay="):
        parse_delay(value)


@given(day=DATES, days=st.integers(1, 2000))
def test_pair_round_trip(day, days):
    if day + dt.timedelta(days) > dt.date(2261, 12, 31):
        day -= dt.timedelta(days)
    pair = Pair.at(day, days)
    assert Pair.parse(pair.name) == Pair.parse(str(pair).replace("_", "-")) == pair
    assert pair.delay_days == days
    assert pair.delay == np.timedelta64(days, "D")
    assert pair.secondary - pair.reference == pair.delay


def test_pairs_sort_by_reference_then_secondary():
    names = ["20180714_20180726", "20180702_20180726", "20180702_20180714"]
    assert [p.name for p in sorted(map(Pair.parse, names))] == sorted(names)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("20180714_20180702", "a pair must be (earlier, later), instead got reference=20180714, secondary="),
        ("20180702_20180702", "a pair must be (earlier, later)"),
        ("20180702", "pair name must be like 20180702_20180714, instead got '20180702'"),
        ("20180702_20180714_x", "pair name must be like 20180702_20180714"),
        ("20180702_spam", "date must be like 20180702"),
    ],
)
def test_pair_refused(name, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}"):
        Pair.parse(name)


def test_window_cuts_itself_out():
    array = np.arange(70).reshape(7, 10)
    outer, inner = Window(2, 3, 5, 6), Window(3, 5, 2, 3)
    seen = array[outer.y0 : outer.y1, outer.x0 : outer.x1]
    np.testing.assert_array_equal(seen[inner.within(outer)], array[3:5, 5:8])
    assert inner.shape == (2, 3)


def test_tile_of_the_whole():
    tile = Tile.whole((2, 3, 5, 7))
    assert tile == Tile(Window(0, 0, 5, 7), Window(0, 0, 5, 7), (5, 7), (0, 0), (2, 3))


@given(st.data())
def test_tile_numbers_cells_as_the_whole_array_does(data):
    sizes = tuple(data.draw(st.lists(st.integers(1, 5), max_size=3)))
    starts = tuple(data.draw(st.integers(0, n - 1)) for n in sizes)
    index = tuple(data.draw(st.integers(0, n - s - 1)) for n, s in zip(sizes, starts, strict=True))
    whole = Window(0, 0, 4, 4)
    tile = Tile(whole, whole, (4, 4), starts, sizes)
    place = tuple(i + s for i, s in zip(index, starts, strict=True))
    assert tile.cell(index) == (np.ravel_multi_index(place, sizes) if sizes else 0)


def test_grid_coordinates_are_pixel_centres():
    grid = Grid((100.0, 20.0, 0.0, 500.0, 0.0, -10.0), (2, 3), "EPSG:32632")
    np.testing.assert_array_equal(grid.x, [110, 130, 150])
    np.testing.assert_array_equal(grid.y, [495, 485])


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"transform": (100.1, 20.0, 0.0, 500.0, 0.0, -20.0)}, True),
        ({"transform": (100.5, 20.0, 0.0, 500.0, 0.0, -20.0)}, False),
        ({"transform": (100.0, 20.01, 0.0, 500.0, 0.0, -20.0)}, False),
        ({"transform": (100.0, 20.0, 0.0, 500.0, 0.0, 20.0)}, False),
        ({"shape": (1000, 999)}, False),
        ({"crs": "EPSG:32633"}, False),
    ],
)
def test_grid_same_to_a_hundredth_of_a_pixel_at_both_corners(change, same):
    values = {"transform": (100.0, 20.0, 0.0, 500.0, 0.0, -20.0), "shape": (1000, 1000), "crs": "EPSG:32632"}
    assert Grid(**values).same_as(Grid(**values | change)) is same


def test_recipe_keeps_its_steps_in_order():
    recipe = Recipe().then("read", sign="flipped").then("goldstein", alpha=0.5).then("multilook", y=2, x=2)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert [s["operation"] for s in recipe.steps] == ["read", "goldstein", "multilook"]
    assert recipe.of("multilook", "read") == [recipe.steps[0], recipe.steps[2]]
    assert Recipe() == Recipe.from_json("[]")


@pytest.mark.parametrize("text", ["", "{}", "3", "[3]", "[[]]", "[" * 100_000, f"[{'9' * 5000}]", 3, None])
def test_recipe_refused(text):
    with pytest.raises(ValueError, match=r"^recipe must be a JSON list of steps, instead got") as error:
        Recipe.from_json(text)
    assert len(str(error.value)) < 200


def test_values_are_frozen():
    for value, field in ((Looks(1, 2), "y"), (Window(0, 0, 1, 1), "y0"), (Recipe(), "steps")):
        with pytest.raises(AttributeError, match="cannot assign to field"):
            setattr(value, field, 3)
