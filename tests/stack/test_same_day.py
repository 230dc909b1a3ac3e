import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import insarflow
from insarflow.errors import SchemaError, UnknownPairError
from insarflow.stack.same_day import same_end, same_start
from insarflow.types import Grid, Pair

DAYS = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(6, "D")
PAIRS = [Pair(a, b) for k, a in enumerate(DAYS) for b in DAYS[k + 1 : k + 4]]


def _stack(pairs):
    rng = np.random.default_rng(0)
    grid = Grid((7e5, 10.0, 0.0, 5.2e6, 0.0, -10.0), (12, 16), "EPSG:32632")
    cells = {
        pair: {"igram": da.from_array(np.exp(1j * rng.normal(size=grid.shape)).astype("complex64"), chunks=8)}
        for pair in pairs
    }
    baselines = {pair: float(k) for k, pair in enumerate(pairs)}
    return insarflow.stack_pairs(cells, grid, static={"dem": np.ones(grid.shape, "float32")}, baselines=baselines)


@given(st.sets(st.sampled_from(PAIRS), min_size=1), st.sampled_from(DAYS), st.booleans())
def test_all_of_a_day_and_no_other(pairs, day, starts):
    ds = _stack(sorted(pairs))
    function, own, other = (same_start, "reference", "secondary") if starts else (same_end, "secondary", "reference")
    expected = sorted((p for p in pairs if getattr(p, own) == day), key=lambda p: p.delay)
    if not expected:
        with pytest.raises(UnknownPairError, match=rf"^no interferogram {'begins' if starts else 'ends'} on 2020-"):
            function(ds, day)
        return
    found = function(ds, str(day)[:10])
    assert found["igram"].dims == ("delay", "y", "x")
    assert found["igram"].chunks[0] == (1,) * len(expected)
    assert found["pair"].values.tolist() == [p.name for p in expected]
    assert found["delay"].values.tolist() == [p.delay.item() for p in expected]
    assert found[own].ndim == 0
    assert found[own].values == day
    assert found[other].dims == ("delay",)
    np.testing.assert_array_equal(found["date"], found["reference"])
    assert found["dem"].dims == ("y", "x")
    assert "valid" not in found
    with dask.config.set(scheduler="sync"):
        for pair in expected:
            one = ds.insar.pair(pair)
            np.testing.assert_array_equal(found["igram"].sel(delay=pair.delay), one["igram"])
            assert float(found["perpendicular_baseline"].sel(delay=pair.delay)) == float(one["perpendicular_baseline"])


def test_named_delays_must_be_there(forbid_compute):
    ds = _stack([p for p in PAIRS if p.name != "20200101_20200113"])
    with forbid_compute():
        found = same_start(ds, "20200101", ["18D", 6])
    assert found["secondary"].values.astype("datetime64[D]").astype(str).tolist() == ["2020-01-07", "2020-01-19"]
    with pytest.raises(
        UnknownPairError, match=r"^no interferogram of 12 days begins on 2020-01-01: those that do have 6, 18 days$"
    ):
        same_start(ds, "20200101", [6, 12, 18])
    with pytest.raises(
        UnknownPairError, match=r"^no interferogram of 24 days ends on 2020-01-31: those that do have 6, "
    ):
        same_end(ds, "20200131", [24])


def test_operations_and_pictures_take_it():
    found = same_end(_stack(PAIRS), DAYS[3])
    filtered = insarflow.goldstein(found, patch_size=8, step=4)
    assert filtered["igram"].dims == ("delay", "y", "x")
    assert filtered["pair"].values.tolist() == found["pair"].values.tolist()
    with dask.config.set(scheduler="sync"):
        panels = insarflow.phase(found).plot(col="delay")
    assert len(panels.axs.flat) == 3


def test_other_cells_are_not_in_the_graph():
    ds = _stack(PAIRS)
    graph = dict(dask.optimize(same_start(ds, DAYS[0])["igram"])[0].__dask_graph__())
    assert len(graph) <= 3 * 4 * 4


def test_mistakes_are_told():
    ds = _stack(PAIRS)
    with pytest.raises(
        UnknownPairError,
        match=r"^no interferogram begins on 2020-01-02: the nearest days on which one does are 2020-01-01, 2020",
    ):
        same_start(ds, "20200102")
    with pytest.raises(TypeError, match=r"^date must be like 20180702"):
        same_start(ds, 3)
    with pytest.raises(TypeError, match=r"^delays must be several"):
        same_end(ds, DAYS[1], 12)
    with pytest.raises(SchemaError, match=r"^a stack must have dimensions"):
        same_end(ds.isel(delay=0), DAYS[1])
    none = ds.assign(valid=xr.zeros_like(ds["valid"]))
    with pytest.raises(UnknownPairError, match=r"^no interferogram begins on 2020-01-01: the stack holds none$"):
        same_start(none, DAYS[0])
