"""What the page tells of each slope, and what it says must be doubted."""

import numpy as np
import pytest
from reviewed import SOME, inventory_of

from insarflow.inventory.columns import COLUMNS, OUTLINE, RATE, SEEN, TERRAIN
from insarflow.plot.page_table import FLAGS, page_table

DOUBTS = ("aliased", "implausible_direction", "low_coherence", "near_edge")


def rows_of(frame):
    table = page_table(frame)
    labels = [column["label"] for column in table["columns"]]
    return [dict(zip(labels, row, strict=True)) for row in table["rows"]]


def said(frame, label):
    (column,) = [column for column in page_table(frame)["columns"] if column["label"] == label]
    return column["said"]


@pytest.fixture
def frame():
    return inventory_of().assign(**dict.fromkeys(DOUBTS, False), layover_fraction=np.float32(0.0))


def test_a_rate_that_is_aliased_is_no_plain_rate(frame):
    frame = frame.assign(aliased=[False, True, False, True], los_rate_min_mm_yr=[np.nan, 34.56789, np.nan, np.nan])
    frame["los_rate_mm_yr"] = [-12.0, -3.0, 7.0, 8.0]
    rows = rows_of(frame)
    assert [row["los rate (mm/yr)"] for row in rows] == [-12.0, 34.57, 7.0, None]
    assert said(frame, "los rate (mm/yr)") == {
        1: "at least 34.57 mm/yr, sign unsure", 3: "aliased: size and sign unsure",
    }  # fmt: skip
    assert rows[1]["los rate std (mm/yr)"] is None
    assert rows[0]["los rate std (mm/yr)"] == pytest.approx(frame["los_rate_std_mm_yr"][0], rel=1e-3)
    assert [row[FLAGS] for row in rows] == ["", "aliased", "", "aliased"]
    assert said(frame, "area (m²)") == {}


def test_each_doubt_is_a_flag(frame):
    for name, word in zip(DOUBTS, ("aliased", "uphill", "low coherence", "near edge"), strict=True):
        flagged = frame.assign(**{name: [False, True, False, False]})
        assert [row[FLAGS] for row in rows_of(flagged)] == ["", word, "", ""]
    hidden = frame.assign(layover_fraction=np.array([0.04, 0.346, 1.0, np.nan], np.float32), near_edge=True)
    assert [row[FLAGS] for row in rows_of(hidden)] == [
        "near edge", "near edge, layover 35 %", "near edge, layover 100 %", "near edge",
    ]  # fmt: skip
    (column,) = [column for column in page_table(frame)["columns"] if column["label"] == FLAGS]
    assert column["listed"]
    assert not column["number"]
    assert COLUMNS["aliased"].meaning in column["meaning"]


@pytest.mark.parametrize(
    ("columns", "flags"), [(SOME, False), (OUTLINE | SEEN, True), (OUTLINE | RATE, True), (OUTLINE | TERRAIN, True)]
)
def test_flags_are_those_that_the_table_can_tell(columns, flags):
    labels = [column["label"] for column in page_table(inventory_of(columns=columns))["columns"]]
    assert (FLAGS in labels) is flags
    assert labels[0] == "id"
    assert len(labels) == len({*labels})


def test_listed_columns_come_first_in_their_order():
    columns = page_table(inventory_of())["columns"]
    listed = [column["listed"] for column in columns]
    assert listed == sorted(listed, reverse=True)
    assert [column["label"] for column in columns][:6] == [
        "id", "status", "class", "velocity class", "los rate (mm/yr)", FLAGS,
    ]  # fmt: skip
    assert page_table(inventory_of(0))["rows"] == []
