"""Summary over the pairs: equal to a slow loop, the same bits for any chunking, a few blocks in memory."""

import threading
import weakref
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.inventory.summary import summarise
from insarflow.stack.georeference import georeference
from insarflow.types import Grid, Recipe

THRESHOLD = 0.6
SHAPE = (5, 3, 9, 11)


def stack(data, valid=None, **attrs):
    n_date, n_delay, *size = data.shape
    ds = xr.Dataset(
        {"probability": (("date", "delay", "y", "x"), data, {"threshold": 0.4})},
        coords={
            "date": np.datetime64("2020-01-01", "ns") + np.arange(n_date) * np.timedelta64(6, "D"),
            "delay": np.arange(1, n_delay + 1) * np.timedelta64(6, "D").astype("timedelta64[ns]"),
        },
        attrs=attrs,
    )
    if valid is not None:
        ds["valid"] = (("date", "delay"), valid)
    return georeference(ds, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), tuple(size), "EPSG:32632"))


def drawn_probability(seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    data = rng.uniform(0, 1, shape).astype(np.float32)
    data[rng.uniform(0, 1, shape) < 0.3] = np.nan
    data[:, :, 0, 0] = np.nan
    data[:, 1, 2, 2] = np.nan
    return data


def oracle(data, threshold):
    """Pixel by pixel, with lists."""
    probability = np.full(data.shape[2:], np.nan, np.float32)
    support = np.zeros(data.shape[2:], np.int32)
    for y, x in np.ndindex(*data.shape[2:]):
        means = []
        for delay in range(data.shape[1]):
            known = [float(p) for p in data[:, delay, y, x] if not np.isnan(p)]
            support[y, x] += sum(p >= float(np.float32(threshold)) for p in known)
            if known:
                means.append(sum(known) / len(known))
        if means:
            probability[y, x] = max(means)
    return probability, support


def _forbidden(*args, **kwargs):
    raise AssertionError("this must not compute")


def test_equals_the_oracle():
    data = drawn_probability()
    summary = summarise(stack(data), threshold=THRESHOLD)
    probability, support = oracle(data, THRESHOLD)
    assert summary["probability"].dtype == np.float32
    assert summary["support"].dtype == np.int32
    np.testing.assert_array_equal(summary["probability"], probability)
    np.testing.assert_array_equal(summary["support"], support)
    assert np.isnan(probability[0, 0])
    assert len(np.unique(support)) > 5


def test_support_is_counted_at_the_peak():
    data = drawn_probability()
    summary = summarise(stack(data), threshold=THRESHOLD, peak=0.9)
    np.testing.assert_array_equal(summary["probability"], oracle(data, THRESHOLD)[0])
    np.testing.assert_array_equal(summary["support"], oracle(data, 0.9)[1])
    assert (summary["support"].attrs["threshold"], summary["support"].attrs["peak"]) == (THRESHOLD, 0.9)
    with pytest.raises(ValueError, match=r"^peak must be at least the threshold 0.7, instead got peak=0.5"):
        summarise(stack(data), threshold=0.7, peak=0.5)


@st.composite
def splits(draw, size):
    edges = [0, *sorted(draw(st.sets(st.integers(1, size - 1)))), size]
    return tuple(b - a for a, b in pairwise(edges))


@settings(max_examples=30, deadline=None)
@given(chunks=st.tuples(*map(splits, SHAPE)), seed=st.integers(0, 1000))
def test_any_chunking_gives_the_same_bits(chunks, seed):
    data = drawn_probability(seed)
    expected = summarise(stack(data), threshold=THRESHOLD)
    with dask.config.set(scheduler=_forbidden):
        summary = summarise(stack(da.from_array(data, chunks=chunks)), threshold=THRESHOLD)
    assert summary["probability"].chunks == summary["support"].chunks == chunks[2:]
    xr.testing.assert_identical(summary.compute(scheduler="sync"), expected)


@pytest.mark.parametrize("lazy", [False, True])
def test_absent_cells_are_not_visited(lazy):
    # The absent cells hold what would show: a probability of 1.
    data = np.full(SHAPE, 0.2, np.float32)
    valid = np.zeros(SHAPE[:2], bool)
    valid[1, 0] = valid[4, 2] = True
    data[~valid] = 1.0
    seen = []

    def watch(block, block_info=None):
        seen.append(tuple(block_info[0]["chunk-location"][:2]))
        return block

    source = da.from_array(data, chunks=(1, 1, -1, -1)).map_blocks(watch, dtype=np.float32, meta=np.empty((0,) * 4))
    summary = summarise(stack(source if lazy else data, valid), threshold=0.1).compute()
    assert (summary["support"] == 2).all()
    assert (summary["probability"] == np.float32(0.2)).all()
    assert sorted(seen) == ([(1, 0), (4, 2)] if lazy else [])


def test_a_lazy_valid_stays_lazy_and_changes_nothing():
    data = drawn_probability()
    valid = np.ones(SHAPE[:2], bool)
    valid[2, 1] = False
    data[2, 1] = np.nan
    ds = stack(da.from_array(data, chunks=(1, 1, 4, 4)), da.from_array(valid))
    with dask.config.set(scheduler=_forbidden):
        summary = summarise(ds, threshold=THRESHOLD)
    xr.testing.assert_identical(summary.compute(), summarise(stack(data, valid), threshold=THRESHOLD))


@pytest.mark.parametrize("lazy", [False, True])
def test_without_a_pair_nothing_is_known(lazy):
    data = drawn_probability()
    source = da.from_array(data, chunks=4) if lazy else data
    summary = summarise(stack(source, np.zeros(SHAPE[:2], bool)), threshold=THRESHOLD).compute()
    assert np.isnan(summary["probability"]).all()
    assert (summary["support"] == 0).all()


def test_laziness_follows_the_input():
    data = drawn_probability()
    assert isinstance(summarise(stack(data), threshold=THRESHOLD)["probability"].data, np.ndarray)
    lazy = summarise(stack(da.from_array(data)), threshold=THRESHOLD)
    assert isinstance(lazy["probability"].data, da.Array)
    assert isinstance(lazy["support"].data, da.Array)


def test_graph_grows_with_pairs_and_blocks_and_is_always_the_same():
    def tasks(n_date, size):
        source = da.zeros((n_date, 3, size, size), chunks=(1, 1, 4, 4), dtype=np.float32)
        graph = dict(summarise(stack(source), threshold=THRESHOLD)["probability"].data.dask)
        return set(graph) - set(source.dask)

    few, many, wide = tasks(16, 12), tasks(64, 12), tasks(16, 24)
    # Per block and delay 4 + 1 sums and the mean; per block one fold of the delays, the root and the result.
    assert len(few) == 9 * (3 * (4 + 1 + 1) + 3)
    assert len(many) == 9 * (3 * (16 + 4 + 1 + 1) + 3)
    assert len(wide) == 4 * len(few)
    assert few == tasks(16, 12)


@pytest.mark.parametrize(("scheduler", "n_date", "limit"), [("sync", 16, 6), ("sync", 256, 6), ("threads", 256, 16)])
def test_memory_does_not_grow_with_the_number_of_pairs(scheduler, n_date, limit):
    alive = peak = 0
    lock = threading.RLock()

    def gone():
        nonlocal alive
        with lock:
            alive -= 1

    def load(block_id=None):
        nonlocal alive, peak
        block = np.full((1, 1, 64, 64), 0.5, np.float32)
        weakref.finalize(block, gone)
        with lock:
            alive += 1
            peak = max(peak, alive)
        return block

    source = da.map_blocks(
        load, chunks=((1,) * n_date, (1,), (64,), (64,)), dtype=np.float32, meta=np.empty((0,) * 4, np.float32)
    )
    summary = summarise(stack(source), threshold=THRESHOLD)
    with dask.config.set(scheduler=scheduler, num_workers=2):
        dask.compute(summary["probability"].data, summary["support"].data)
    assert 0 < peak <= limit


@pytest.mark.parametrize("value", [1.5, -0.5, np.inf, -np.inf])
def test_values_outside_0_to_1_are_refused(value):
    data = drawn_probability()
    data[3, 1, 5, 5] = value
    with pytest.raises(SchemaError, match=rf"^probability must be within 0..1, instead got {value}: divide per cent"):
        summarise(stack(da.from_array(data, chunks=4)), threshold=THRESHOLD).compute()


def test_crs_coordinates_attributes_and_recipe_are_carried():
    ds = stack(drawn_probability(), recipe=Recipe().then("segment", model="default").to_json(), wavelength=0.055)
    summary = summarise(ds, threshold=THRESHOLD)
    assert summary.rio.crs.to_epsg() == 32632
    assert set(summary.coords) == {"y", "x", "spatial_ref"}
    assert summary["y"].identical(ds["y"])
    assert summary.attrs["wavelength"] == 0.055
    expected = Recipe().then("segment", model="default").then("summarise", threshold=THRESHOLD, peak=THRESHOLD)
    assert Recipe.from_json(summary.attrs["recipe"]) == expected
    assert summary["probability"].attrs["threshold"] == 0.4
    assert summary["support"].attrs["threshold"] == THRESHOLD
    for name in ("probability", "support"):
        assert summary[name].rio.grid_mapping == "spatial_ref"
    assert "summarise" not in ds.attrs["recipe"]


def test_a_grid_mapping_that_is_a_variable_becomes_a_coordinate():
    ds = stack(drawn_probability()).rename(spatial_ref="crs").reset_coords("crs")
    ds["probability"].encoding = {}
    ds["probability"].attrs["grid_mapping"] = "crs"
    summary = summarise(ds, threshold=THRESHOLD)
    assert summary["support"].rio.crs.to_epsg() == 32632


@pytest.mark.parametrize(
    ("change", "threshold", "error", "message"),
    [
        (lambda ds: ds["probability"], 0.5, TypeError, r"^summarise needs an xarray.Dataset, instead got DataArray"),
        (lambda ds: ds.drop_vars("probability"), 0.5, MissingVariableError, r"^summarise needs the variable 'prob"),
        (lambda ds: ds.isel(date=0), 0.5, SchemaError, r"^probability must have dims \('date', 'delay', 'y', 'x'\)"),
        (lambda ds: ds.astype(float), 0.5, TypeError, r"^probability must be float32, instead got float64"),
        (lambda ds: ds.isel(y=slice(0)), 0.5, ValueError, r"^probability must hold pixels"),
        (lambda ds: ds, 1.0, ValueError, r"^threshold must be a probability between 0 and 1, both excluded, .*=1.0"),
        (lambda ds: ds, 0, ValueError, r"^threshold must be a probability between 0 and 1, both excluded, .*=0"),
        (lambda ds: ds, None, TypeError, r"^threshold must be a number, instead got threshold=None"),
    ],
)
def test_wrong_arguments_are_named(change, threshold, error, message):
    ds = stack(da.from_array(drawn_probability()))
    with dask.config.set(scheduler=_forbidden), pytest.raises(error, match=message):
        summarise(change(ds), threshold=threshold)
