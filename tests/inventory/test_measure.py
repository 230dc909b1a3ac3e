"""Everything a stack tells of slopes; a simulated season against its truth."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from insarflow.inventory.columns import COLUMNS, DOWNSLOPE, EDITED, OUTLINE, RATE, SEEN, SOURCE, TERRAIN
from insarflow.inventory.measure import measure
from insarflow.inventory.table import inventory
from insarflow.ops.downslope import sensitivity
from insarflow.ops.terrain import LINE_OF_SIGHT
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

SHAPE = (90, 100)
GRID = Grid((500_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), SHAPE, "EPSG:32632")
WAVELENGTH = 0.0555
RATES = np.array([-60.0, 25.0])
"""Of the two slopes along the line of sight, mm/yr."""


@pytest.fixture(scope="module")
def stack():
    """Six acquisitions with air of their own; two slopes on a plane that falls to the west."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bodies = [np.hypot(y - 30, x - 30) < 12, np.hypot(y - 60, x - 75) < 9]
    motion = sum(body * rate for body, rate in zip(bodies, RATES, strict=True)) * 1e-3
    days = 6 * np.arange(6)
    igram = np.full((5, 3, *SHAPE), np.nan, np.complex64)
    probability = np.full(igram.shape, np.nan, np.float32)
    for i in range(5):
        for k in range(min(3, 5 - i)):
            years = (days[i + k + 1] - days[i]) / 365.25
            phase = -4.0 * np.pi / WAVELENGTH * motion * years + rng.normal(0.0, 0.3, SHAPE)
            igram[i, k] = np.exp(1j * (phase + rng.uniform(-3.0, 3.0)))
            probability[i, k] = np.where(sum(bodies) > 0, 0.9 if k or i < 3 else 0.2, 0.05)
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset(
        {"igram": (dims, igram), "probability": (dims, probability)},
        coords={
            "date": np.datetime64("2021-07-03", "ns") + (days[:5] * np.timedelta64(1, "D")).astype("m8[ns]"),
            "delay": np.array([6, 12, 18], "m8[D]").astype("m8[ns]"),
        },
        attrs={"wavelength": WAVELENGTH, "pass": "descending", "relative_orbit": 66},
    )
    ds["coherence"] = ds["probability"].copy(data=np.where(np.isnan(probability), np.nan, 0.8).astype(np.float32))
    ds["valid"] = (dims[:2], ~np.isnan(probability[..., 0, 0]))
    ds["dem"] = (dims[2:], (2000.0 + 0.4 * 20.0 * x).astype(np.float32))
    for name, value in zip(LINE_OF_SIGHT, (np.sin(0.6), 0.0, np.cos(0.6)), strict=True):
        ds[name] = (dims[2:], np.full(SHAPE, value, np.float32))
    return georeference(ds, GRID)


def test_a_full_stack_fills_every_group_in_the_order_of_a_file(stack):
    slopes = inventory(stack, threshold=0.5)
    assert len(slopes) == 2
    groups = OUTLINE | EDITED | SEEN | RATE | TERRAIN | DOWNSLOPE | SOURCE
    assert list(slopes) == [name for name in COLUMNS if name in groups] + ["geometry"]
    assert {name: str(slopes[name].dtype) for name in groups} == {name: c.dtype for name, c in groups.items()}
    assert slopes["status"].tolist() == ["new", "new"]
    assert slopes["orbit"].tolist() == ["descending 66"] * 2
    assert slopes["repetition"].tolist() == ["6:3/5;12:4/4;18:3/3"] * 2
    assert slopes["pairs"].tolist() == [10, 10]
    assert slopes["near_edge"].tolist() == [False, False]
    miss = (slopes["los_rate_mm_yr"] - RATES) / slopes["los_rate_std_mm_yr"]
    assert (abs(miss) < 3.0).all()
    assert (abs(slopes["los_rate_mm_yr"] - RATES) < 5.0).all()
    assert not slopes["aliased"].any()


def test_motion_down_the_slope_and_its_direction(stack):
    slopes = inventory(stack, threshold=0.5)
    shape = {name: stack[name] for name in LINE_OF_SIGHT}
    plane = (
        stack[[]]
        .assign(shape)
        .assign(
            slope=xr.full_like(stack["los_up"], np.arctan(0.4)), aspect=xr.full_like(stack["los_up"], np.radians(270.0))
        )
    )
    part = float(sensitivity(plane).mean())
    np.testing.assert_allclose(slopes["sensitivity"], part, atol=0.02)
    np.testing.assert_allclose(
        slopes["downslope_rate_mm_yr"], slopes["los_rate_mm_yr"] / slopes["sensitivity"], rtol=1e-5
    )
    # The satellite is in the east and the ground falls to the west: the second one would slide uphill.
    assert slopes["implausible_direction"].tolist() == [False, True]


def test_any_chunking_gives_the_same_table(stack):
    expected = inventory(stack, threshold=0.5, low=0.3, simplify=0.8, smooth=1, fill_holes=1e4)
    for chunks in (
        {"y": 17, "x": 23},
        {"y": 90, "x": 100},
        {"y": 1, "x": 100},
        {"date": 5, "y": 40, "x": 40},
        {"y": 64, "x": 9},
    ):
        lazy = inventory(stack.chunk(chunks), threshold=0.5, low=0.3, simplify=0.8, smooth=1, fill_holes=1e4)
        assert lazy.to_wkb().equals(expected.to_wkb())


def test_groups_follow_from_what_is_there(stack):
    bare = inventory(stack[["probability", "valid"]], threshold=0.5)
    assert {*SEEN} <= {*bare}
    assert not {*RATE, *TERRAIN, *DOWNSLOPE} & {*bare}
    assert bare["coherence_mean"].isna().all()
    still = inventory(stack.drop_attrs(deep=False).drop_vars("dem").assign_attrs(recipe="[]"), threshold=0.5)
    assert not {*RATE, *TERRAIN, *DOWNSLOPE} & {*still}
    blind = inventory(stack.drop_vars("los_up"), threshold=0.5)
    assert {*RATE, *TERRAIN} <= {*blind}
    assert not {*DOWNSLOPE} & {*blind}


def test_outlines_that_people_drew_are_measured_and_their_words_kept(stack):
    drawn = inventory(stack, threshold=0.5)[["id", "geometry"]].assign(comment="mine", place="above the hut")
    drawn.geometry = drawn.buffer(-30.0)
    told = measure(drawn.iloc[::-1], stack, threshold=0.5)
    assert told["id"].tolist() == [2, 1]
    assert told["comment"].tolist() == ["mine", "mine"]
    assert told["place"].tolist() == ["above the hut"] * 2
    assert "area_m2" not in told
    np.testing.assert_allclose(told["los_rate_mm_yr"], RATES[::-1], atol=5.0)
    assert list(told)[-2:] == ["place", "geometry"]


def test_an_empty_inventory_has_all_columns(stack):
    empty = inventory(stack, threshold=0.95)
    assert len(empty) == 0
    assert list(empty) == list(inventory(stack, threshold=0.5))
    assert pd.api.types.is_datetime64_any_dtype(empty["first_seen"])
