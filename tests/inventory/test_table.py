"""The inventory of a stack."""

import dask.array as da
import geopandas.testing
import numpy as np
import pytest
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory import inventory, summarise
from insarflow.inventory.columns import OUTLINE
from insarflow.stack.georeference import georeference
from insarflow.types import Grid


@pytest.fixture
def ds():
    """Three dates, two delays; a fast slope seen in every 6-day pair, a slow one in two of the 12-day pairs."""
    data = np.full((3, 2, 30, 40), 0.05, np.float32)
    data[:, 0, 3:9, 4:10] = 0.9
    data[0, 1, 15:22, 20:31] = 0.7
    data[1, 1, 15:22, 20:31] = 0.8
    data[2, 1] = np.nan
    stack = xr.Dataset(
        {"probability": (("date", "delay", "y", "x"), da.from_array(data, chunks=(1, 1, 8, 13)), {"threshold": 0.6})},
        coords={
            "date": np.array(["2020-01-01", "2020-01-07", "2020-01-13"], "datetime64[ns]"),
            "delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]"),
        },
    )
    return georeference(stack, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (30, 40), "EPSG:32632"))


def test_inventory_of_a_stack(ds):
    frame = inventory(ds)
    assert frame["id"].tolist() == [1, 2]
    assert frame["pairs"].tolist() == [3, 2]
    np.testing.assert_allclose(frame["area_m2"], [36 * 400, 77 * 400], rtol=1e-3)
    np.testing.assert_allclose(frame["probability_mean"], [0.9, 0.75])
    np.testing.assert_allclose(frame["probability_max"], [0.9, 0.75])
    assert frame.geometry[0].bounds == (500_080.0, 5_099_820.0, 500_200.0, 5_099_940.0)
    assert frame.crs == "EPSG:32632"
    assert frame.attrs["threshold"] == 0.6
    assert '"summarise"' in frame.attrs["recipe"]


def test_a_summary_gives_the_same_inventory(ds):
    of_summary = inventory(summarise(ds, threshold=0.6))
    geopandas.testing.assert_geodataframe_equal(of_summary, inventory(ds, measured=False))
    outlines = [*OUTLINE, "geometry"]
    geopandas.testing.assert_geodataframe_equal(of_summary[outlines], inventory(ds)[outlines])
    assert len(inventory(ds, threshold=0.8)) == 1
    # A summary brings its own threshold.
    assert len(inventory(summarise(ds, threshold=0.8))) == 1


def test_without_a_threshold_the_way_out_is_named(ds):
    del ds["probability"].attrs["threshold"]
    with pytest.raises(ValueError, match=r"^threshold must be given, .* write threshold=0.5"):
        inventory(ds)
    assert len(inventory(ds, threshold=0.6)) == 2


@pytest.mark.parametrize(("stored", "error"), [(7.0, ValueError), ("high", TypeError)])
def test_a_damaged_stored_threshold_is_refused(ds, stored, error):
    ds["probability"].attrs["threshold"] = stored
    with pytest.raises(error, match=r"^threshold must be a "):
        inventory(ds)


def test_a_threshold_other_than_that_of_the_support_is_refused(ds):
    with pytest.raises(ValueError, match=r"^threshold must be the one that support was counted with, 0.6, instead got"):
        inventory(summarise(ds, threshold=0.6), threshold=0.5)


def test_an_outline_counts_if_some_interferogram_is_sure_in_it(ds):
    ds["probability"].attrs["peak"] = 0.85
    frame = inventory(ds)
    assert frame["pairs"].tolist() == [3]
    assert (frame.attrs["threshold"], frame.attrs["peak"]) == (0.6, 0.85)
    geopandas.testing.assert_geodataframe_equal(
        inventory(summarise(ds, threshold=0.6, peak=0.85)), inventory(ds, measured=False)
    )
    # The mean of the slow slope is 0.75, one of its interferograms has 0.8.
    assert len(inventory(ds, peak=0.8)) == 2
    # The model's peak belongs to the model's threshold.
    assert len(inventory(ds, threshold=0.65)) == 2
    assert len(inventory(ds, threshold=0.65, peak=0.85)) == 1
    with pytest.raises(ValueError, match=r"^peak must be at least the threshold 0.6, instead got peak=0.5"):
        inventory(ds, peak=0.5)
    with pytest.raises(ValueError, match=r"^peak must be the one that support was counted with, 0.85, instead got"):
        inventory(summarise(ds, threshold=0.6, peak=0.85), peak=0.9)


def test_missing_variables_are_named(ds):
    with pytest.raises(MissingVariableError, match=r"^inventory needs the variable 'probability'"):
        inventory(ds.drop_vars("probability"))
    with pytest.raises(
        MissingVariableError, match=r"^inventory of one map needs .* with ds.isel\(date=\[0\], delay=\[0\]\)"
    ):
        inventory(summarise(ds, threshold=0.6).drop_vars("support"))
