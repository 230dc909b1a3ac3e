"""Velocity classes at every threshold, and speeds down the slope with their signs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.inventory.columns import DOWNSLOPE
from insarflow.inventory.velocity import VELOCITY_CLASSES, downslope_rates, velocity_class

NAN = np.nan


def label(rate, std=0.1, *, aliased=False, bound=NAN):
    return str(velocity_class(np.array([rate]), np.array([std]), np.array([aliased]), np.array([bound]))[0])


@pytest.mark.parametrize(
    ("rate", "name"),
    [
        (0, "<1 cm/yr"),
        (9.99, "<1 cm/yr"),
        (10, "1-3 cm/yr"),
        (30, "3-10 cm/yr"),
        (99.9, "3-10 cm/yr"),
        (100, "10-30 cm/yr"),
        (300, "30-100 cm/yr"),
        (999, "30-100 cm/yr"),
        (1000, ">100 cm/yr"),
        (5000, ">100 cm/yr"),
    ],
)
def test_thresholds_are_those_of_rgik_for_either_sign(rate, name):
    assert label(rate) == label(-rate) == name
    assert name in VELOCITY_CLASSES


def test_an_unsure_rate_has_no_class():
    assert label(25, 12) == "1-3 cm/yr"
    assert label(20, 12) == "undefined"
    assert label(NAN, NAN) == label(20, NAN) == "undefined"
    assert label(2000, 500) == ">100 cm/yr"


@pytest.mark.parametrize(
    ("bound", "name"),
    [(0, "undefined"), (9, "undefined"), (10, ">1 cm/yr"), (99, ">3 cm/yr"), (150, ">10 cm/yr"), (300, ">30 cm/yr"),
     (1200, ">100 cm/yr"), (NAN, "undefined")],
)  # fmt: skip
def test_of_an_aliased_rate_only_the_bound_counts(bound, name):
    assert label(5, 0.1, aliased=True, bound=bound) == name
    assert label(NAN, NAN, aliased=True, bound=bound) == name


@settings(deadline=None)
@given(slow=st.floats(0, 3000), more=st.floats(0, 3000))
def test_faster_is_never_a_slower_class(slow, more):
    order = ("undefined", *VELOCITY_CLASSES)
    assert order.index(label(slow)) <= order.index(label(slow + more))


def series(*values):
    return pd.Series(values, pd.Index(5 + np.arange(len(values)), name="id"), "float64")


def test_down_the_slope():
    rate, std = series(-30, 30, -30, 30, 30, NAN, -30), series(4, 4, 4, 4, 4, NAN, 20)
    part = series(-0.5, 0.5, 0.5, 0.1, NAN, 0.5, 0.5)
    table = downslope_rates(rate, std, part)
    assert {k: str(v) for k, v in table.dtypes.items()} == {k: v.dtype for k, v in DOWNSLOPE.items()}
    assert table.index.equals(rate.index)
    np.testing.assert_allclose(table["downslope_rate_mm_yr"], [60, 60, -60, NAN, NAN, NAN, -60])
    np.testing.assert_allclose(table["downslope_rate_std_mm_yr"], [8, 8, 8, NAN, NAN, NAN, 40])
    assert table["implausible_direction"].tolist() == [False, False, True, False, False, False, False]
    np.testing.assert_allclose(table["sensitivity"], part, rtol=1e-6)


def test_no_sensitivity_tells_nothing_whatever_is_asked():
    table = downslope_rates(series(30), series(1), series(0), min_sensitivity=0.0)
    assert table["downslope_rate_mm_yr"].isna().all()
    assert len(downslope_rates(series(), series(), series())) == 0


@settings(deadline=None)
@given(speed=st.floats(-500, 500), part=st.floats(0.2, 1), sign=st.sampled_from([-1, 1]))
def test_projects_back_to_the_line_of_sight(speed, part, sign):
    rate = series(speed * part * sign)
    table = downslope_rates(rate, series(1.0), series(part * sign))
    np.testing.assert_allclose(table["downslope_rate_mm_yr"], [speed], atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(1), series(1), series(1)), TypeError, r"^rate must be a pandas.Series, instead got ndarray"),
        ((series(1), series(1).reset_index(drop=True), series(1)), ValueError, r"^std must be on the index of rate"),
        ((series(1), series(-1), series(1)), ValueError, r"^std must not be negative, instead got std=-1"),
        ((series(1), series(1), series(-1.5)), ValueError, r"^sensitivity must be between -1 and 1, .*=-1.5"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        downslope_rates(*arguments)


def test_wrong_limits_and_lengths_are_named():
    with pytest.raises(ValueError, match=r"^min_sensitivity must be between 0 and 1, .*min_sensitivity=2"):
        downslope_rates(series(1), series(1), series(1), min_sensitivity=2)
    with pytest.raises(
        ValueError, match=r"^std must be one-dimensional and as long as rate_mm_yr, .*\(2,\) beside \(1,"
    ):
        velocity_class(np.zeros(1), np.zeros(2), np.zeros(1, bool), np.zeros(1))
