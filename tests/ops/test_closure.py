import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import closure_phase, residue_count
from insarflow.ops.layer import read_blocks
from insarflow.types import Pair

DAY = np.timedelta64(1, "D")


def _stack(dates, delays, shape=(6, 7), seed=0):
    """Random interferograms of days 0, 1, ... and delays in days, with missing pixels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(len(dates), len(delays), *shape, 2)).astype("float32").view("complex64")[..., 0]
    z[rng.random(z.shape) < 0.1] = np.nan
    coords = {
        "date": np.datetime64("2020-01-01", "ns") + np.array(dates) * DAY,
        "delay": (np.array(delays) * DAY).astype("timedelta64[ns]"),
    }
    return xr.Dataset({"igram": (("date", "delay", "y", "x"), z)}, coords)


def oracle(ds):
    """Every three pairs of the stack that make a triangle, by trying all."""
    valid = ds["valid"].values if "valid" in ds else np.ones((ds.sizes["date"], ds.sizes["delay"]), bool)
    at = {Pair.at(ds["date"].values[i], ds["delay"].values[j]): (i, j) for i, j in np.argwhere(valid).tolist()}
    z = ds["igram"].values.astype(complex)
    found = {}
    for a in at:
        for b in at:
            for c in at:
                if a.secondary == b.reference and c.reference == a.reference and c.secondary == b.secondary:
                    found[a.reference, b.reference, c.secondary] = np.angle(z[at[a]] * z[at[b]] * z[at[c]].conj())
                    found[a.reference, b.reference, c.secondary][np.isnan(z[at[a]] * z[at[b]] * z[at[c]])] = np.nan
    return found


@given(st.data())
def test_all_triangles_and_no_other(data):
    dates = sorted(data.draw(st.sets(st.integers(0, 8), min_size=1, max_size=5)))
    delays = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True))
    ds = _stack(dates, delays)
    exists = data.draw(st.lists(st.booleans(), min_size=len(dates) * len(delays), max_size=len(dates) * len(delays)))
    ds = ds.assign(valid=(("date", "delay"), np.array(exists).reshape(len(dates), len(delays))))
    expected = oracle(ds)
    cut = ds.assign(igram=(ds["igram"].dims, lazy(ds["igram"].values, data.draw(chunkings(ds["igram"].shape)))))
    if not expected:
        with pytest.raises(ValueError, match=r"^closure_phase needs three pairs of three days, instead got "):
            closure_phase(cut)
        return
    eager, result = closure_phase(ds), closure_phase(cut).compute(scheduler="sync")
    xr.testing.assert_identical(xr.DataArray(result), xr.DataArray(eager))
    days = list(zip(*(eager[n].values for n in ("first", "second", "third")), strict=True))
    assert set(days) == set(expected)
    assert len(days) == len(expected)
    for k, day in enumerate(days):
        np.testing.assert_array_equal(np.isnan(eager[k]), np.isnan(expected[day]))
        turned = np.angle(np.exp(1j * (eager.values[k] - expected[day])))
        np.testing.assert_allclose(np.nan_to_num(turned), 0, atol=1e-6)


class Unread:
    """A source that nobody may read."""

    def __init__(self, shape):
        self.shape, self.dtype = shape, np.dtype("complex64")

    def __getitem__(self, index):
        raise AssertionError(f"read at {index}")


@pytest.fixture
def sparse():
    """40 dates by 20 delays, of which the first three exist; four blocks an interferogram."""
    valid = np.zeros((40, 20), bool)
    valid[:, :3] = True
    coords = {
        "date": np.datetime64("2018-01-01", "ns") + 6 * np.arange(40) * DAY,
        "delay": (6 * np.arange(1, 21) * DAY).astype("timedelta64[ns]"),
    }
    source = read_blocks(Unread((40, 20, 4096, 4096)), (1, 1, 2048, 2048), "unread")
    return xr.Dataset({"igram": (("date", "delay", "y", "x"), source), "valid": (("date", "delay"), valid)}, coords)


def _tasks(array):
    return len(dict(dask.optimize(array)[0].dask))


def test_the_graph_is_of_triplets_alone(sparse, forbid_compute):
    with forbid_compute():
        closed = closure_phase(sparse)
    triplets = sum(1 for i in range(40) for a in (1, 2, 3) for b in (1, 2, 3) if a + b <= 3 and i + a < 40)
    assert closed.sizes == {"triplet": triplets, "y": 4096, "x": 4096}
    assert not any(layer.is_materialized() for layer in closed.data.dask.layers.values())
    assert _tasks(closed.data) == 4 * triplets  # each reads three windows and writes one
    assert _tasks(closed.isel(triplet=slice(0, 2)).data) <= 2 * 4 * 2


def test_counts_are_of_present_cells_alone(sparse, forbid_compute):
    with forbid_compute():
        count = residue_count(sparse)
    assert not any(layer.is_materialized() for layer in count.data.dask.layers.values())
    assert _tasks(count.data) == 120 * 4 + 800  # and a zero for each cell without an interferogram
    assert _tasks(count.data[0, :1]) <= 4 + 2
    assert _tasks(count.data[0, 5:6]) <= 2
    zeros = count.isel(delay=slice(3, None)).compute(scheduler="sync")
    assert zeros.shape == (40, 17)
    assert (zeros.dtype, int(zeros.max())) == (np.int64, 0)


@given(st.data())
def test_counts_do_not_depend_on_chunks(data):
    shape = (3, 2, 17, 23)
    rng = np.random.default_rng(1)
    z = np.exp(1j * rng.uniform(-3, 3, shape)).astype("complex64")
    z[rng.random(shape) < 0.05] = np.nan
    valid = np.array(data.draw(st.lists(st.booleans(), min_size=6, max_size=6))).reshape(3, 2)
    z[~valid] = np.nan
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset({"igram": (dims, z), "valid": (dims[:2], valid)})
    expected = np.zeros((3, 2), np.int64)
    for index in np.ndindex(3, 2):
        p = np.angle(z[index].astype(complex))
        loop = [p[:-1, :-1], p[:-1, 1:], p[1:, 1:], p[1:, :-1]]
        turns = sum(np.angle(np.exp(1j * (b - a))) for a, b in zip(loop, [*loop[1:], loop[0]], strict=True))
        expected[index] = np.count_nonzero(np.rint(np.nan_to_num(turns) / (2 * np.pi)))
    np.testing.assert_array_equal(residue_count(ds), expected)
    cut = ds.assign(igram=(dims, lazy(z, data.draw(chunkings(shape, single_pixels=True)))))
    result = residue_count(cut)
    assert result.chunks is not None
    np.testing.assert_array_equal(result.compute(scheduler="sync"), expected)


def test_dimensions_are_told():
    ds = _stack([0, 1], [1, 2])
    with pytest.raises(
        ValueError, match=r"^closure_phase needs igram with date and delay, instead got dims=\('date', "
    ):
        closure_phase(ds.isel(delay=0))
    with pytest.raises(TypeError, match=r"^igram must be complex64, instead got complex128"):
        closure_phase(ds.astype("complex128"))
    with pytest.raises(ValueError, match=r"instead got (\d{8}_\d{8}, ){6}\.\.\.$"):
        closure_phase(_stack(range(10), [3]))
