import datetime as dt

import numpy as np
import pandas as pd
import pytest

from insarflow.errors import SchemaError, UnknownPairError
from insarflow.stack.labels import cell_of, pair_of, pairs_of, select_pair
from insarflow.types import Pair

NAME = "20180106_20180118"


@pytest.mark.parametrize(
    "label",
    [
        (NAME,),
        ("20180106-20180118",),
        ("2018-01-06_2018-01-18",),
        (Pair.parse(NAME),),
        (("20180106", 12),),
        (("06Jan2018", "12D"),),
        ("20180106", 12),
        ("2018-01-06", "12 days"),
        (dt.date(2018, 1, 6), dt.timedelta(12)),
        (pd.Timestamp("2018-01-06"), pd.Timedelta("12D")),
        (np.datetime64("2018-01-06"), np.timedelta64(12, "D")),
    ],
    ids=str,
)
def test_all_ways_to_name_a_pair(stack, label):
    assert pair_of(stack, *label).name == NAME


def test_coordinates_of_the_stack_name_a_pair(stack):
    assert pair_of(stack, stack["date"][0], stack["delay"][0]).name == NAME
    assert pair_of(stack, (stack["date"][0], stack["delay"][0])).name == NAME


def test_selected_pair_is_the_cell(stack):
    for pair in pairs_of(stack):
        one = select_pair(stack, pair)
        i, j = cell_of(stack, pair)
        np.testing.assert_array_equal(one["igram"].values, stack["igram"].values[i, j])
        assert one["igram"].dims == ("y", "x")
        assert one.attrs["pair"] == pair.name
        assert one["date"].values == pair.reference
        assert "valid" not in one
        np.testing.assert_array_equal(one["dem"].values, stack["dem"].values)
    assert float(select_pair(stack, NAME)["perpendicular_baseline"]) == -31.5


def test_nothing_is_computed(stack, no_compute):
    assert select_pair(stack, NAME)["igram"].chunks is not None


def test_a_lazy_valid_is_not_computed(stack, no_compute):
    assert len(pairs_of(stack.assign(valid=stack["valid"].chunk()))) == 4


def test_pairs_are_those_that_exist(stack):
    assert [p.name for p in pairs_of(stack)] == ["20180106_20180118", "20180106_20180130", "20180118_20180130"]


def test_a_wrong_pair_lists_the_nearest(stack):
    nearest = "20180118_20180130, 20180106_20180130, 20180106_20180118"
    message = (
        rf"^interferogram 20180118_20180211 \(24 days\) is not in the stack, which holds 3: nearest are {nearest}$"
    )
    with pytest.raises(UnknownPairError, match=message):
        pair_of(stack, "20180118_20180211")
    with pytest.raises(LookupError, match="nearest are 20180106_20180118"):
        pair_of(stack, "20180106", 9)
    with pytest.raises(UnknownPairError, match=r"nearest is 20180106_20180118$"):
        pair_of(stack.isel(date=[0], delay=[0]), "20180118_20180130")
    with pytest.raises(UnknownPairError, match=r"holds none$"):
        pair_of(stack.assign(valid=stack["valid"] & False), NAME)


@pytest.mark.parametrize(
    ("label", "error", "words"),
    [
        ((0,), TypeError, "ds.isel"),
        (((0, 0),), TypeError, "date must be like 20180702"),
        ((NAME, 0), ValueError, "date must be like"),
        (("20180106",), ValueError, "instead got '20180106'"),
        (("20180118_20180106",), ValueError, "swap the dates"),
        (("20180106", "twelve"), ValueError, "delay must be"),
        ((None,), TypeError, "instead got None"),
        ((["a"],), TypeError, r"instead got \['a'\]"),
    ],
)
def test_what_is_no_name_is_said(stack, label, error, words):
    with pytest.raises(error, match=words):
        pair_of(stack, *label)


def test_a_dataset_without_dates_is_no_stack(stack):
    with pytest.raises(SchemaError, match=r"^a stack must have 'date' and 'delay'"):
        pair_of(stack.isel(date=0), NAME)
