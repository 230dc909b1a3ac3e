import dask
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

import insarflow
from insarflow.ops.cells import missing_block, nan_of, present_cells
from insarflow.ops.layer import read_blocks
from insarflow.ops.overlap import map_overlap

OPERATIONS = {
    "goldstein": {"patch_size": 16, "step": 8},
    "goldstein baran03": {"patch_size": 16, "step": 8, "preset": "baran03"},
    "multilook": {"y": 2, "x": 3},
    "coherence": {"window": 3},
    "coherence unbiased": {"window": 3, "bias": "touzi"},
    "add_offset": {"angle": 1.0},
    "add_ramp": {"slope_y": 0.1, "slope_x": 0.2},
    "conjugate": {},
    "decorrelate": {"factor": 0.5, "looks": 4, "seed": 1},
    "add_turbulence": {"std": 0.5, "seed": 1},
    "add_stratified": {"rad_per_km": 1.0},
    "deramp": {},
    "reference": {},
    "remove_stratified": {},
    "phase": {},
    "amplitude": {},
    "phase_std": {"looks": 4.0},
    "residues": {},
}


def _apply(name, ds):
    return getattr(insarflow, name.split()[0])(ds, **OPERATIONS[name])


class Forbidding:
    """An array of which some cells must not be read."""

    def __init__(self, values, present):
        self.values, self.present = values, present
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, index):
        assert self.present[index[:2]].all(), f"an absent cell is read at {index}"
        return self.values[index]


def _from_store(ds, side=24):
    """`ds` as from a store: lazy, its absent cells not to be read."""
    present = ds["valid"].values
    images = {
        name: ds[name].copy(data=read_blocks(Forbidding(ds[name].values, present), (1, 1, side, side), f"read-{name}"))
        for name in ("igram", "coherence")
    }
    return ds.assign(images)


def _from_tasks(ds, side=24):
    """`ds` as from a product: lazy, the task of an absent cell fails."""
    present = ds["valid"].values

    def fail(block, block_info=None):
        (date, _), (delay, _) = block_info[0]["array-location"][:2]
        assert present[date, delay], f"an absent cell is computed: {date, delay}"
        return block

    images = {
        name: ds[name].copy(data=lazy(ds[name].values, (1, 1, side, side)).map_blocks(fail, dtype=ds[name].dtype))
        for name in ("igram", "coherence")
    }
    return ds.assign(images)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("source", [_from_store, _from_tasks])
def test_absent_cells_are_not_touched_and_bits_stay(name, source, stack, forbid_compute):
    lazy_stack = source(stack)
    with forbid_compute():
        result = _apply(name, lazy_stack)
    if isinstance(result, xr.DataArray):
        result, other, expected = (
            part.to_dataset(name="result")
            for part in (result, _apply(name, stack), _apply(name, stack.drop_vars("valid")))
        )
    else:
        changed = [n for n in result if n not in lazy_stack or result[n].data is not lazy_stack[n].data]
        result = result[changed]
        other, expected = _apply(name, stack), _apply(name, stack.drop_vars("valid"))
    for ours in (result.compute(), other):
        for variable in result:
            assert ours[variable].dtype == expected[variable].dtype
            np.testing.assert_array_equal(ours[variable].values, expected[variable].values)


@given(st.data())
def test_function_sees_present_cells_only(data):
    shape = (3, 2, 9, 11)
    present = np.array(data.draw(st.lists(st.booleans(), min_size=6, max_size=6))).reshape(3, 2)
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    array[~present] = np.nan
    seen = []

    def double(window, *, tile):
        indices = np.ndindex(window.shape[:2])
        seen.extend(tuple(a + b for a, b in zip(tile.cells, index, strict=True)) for index in indices)
        assert tile.cells_shape == (3, 2)
        return 2 * window[(..., *tile.core.within(tile.read))]

    for source in (array, lazy(array, data.draw(chunkings(shape)))):
        seen.clear()
        result = np.asarray(map_overlap(double, source, depth=1, dtype="float32", present=present))
        assert set(seen) == set(map(tuple, np.argwhere(present).tolist()))
        np.testing.assert_array_equal(result, 2 * array)
    with pytest.raises(ValueError, match=r"^present must have the shape \(3, 2\), instead got shape=\(6,\)"):
        map_overlap(double, array, depth=1, dtype="float32", present=present.ravel())


def _tasks(array):
    return len(dict(dask.optimize(array)[0].dask))


class Counted(Callback):
    """Names of the tasks that were run."""

    def __init__(self):
        self.keys = []

    def _pretask(self, key, *_):
        self.keys.append(key)


def test_two_inputs_take_one_task_a_block():
    shape = (54, 200, 200)
    images = [
        xr.DataArray(read_blocks(np.ones(shape, "complex64") * k, (1, 40, 40), f"image-{k}"), dims=("pair", "y", "x"))
        for k in (1, 2)
    ]
    gamma = xr.DataArray(read_blocks(np.ones(shape, "float32"), (1, 40, 40), "gamma"), dims=("pair", "y", "x"))
    for result in (
        insarflow.coherence(*images, window=5),
        insarflow.goldstein(images[0], preset="baran03", coherence=gamma),
    ):
        assert result.data.npartitions == 54 * 25
        assert _tasks(result.data) == 54 * 25


def test_a_pair_of_images_takes_one_task_a_block():
    shape = (54, 200, 200)
    images = [
        xr.DataArray(read_blocks(np.ones(shape, "complex64") * k, (1, 40, 40), f"image-{k}"), dims=("pair", "y", "x"))
        for k in (1, 2)
    ]
    pair = insarflow.interferogram(*images, looks=2)
    assert _tasks(pair["igram"].data) == 2 * 54 * 25  # the second takes igram, not coherence, out of the two
    graph = dict(dask.optimize(pair)[0].__dask_graph__())
    assert len(graph) == 3 * 54 * 25
    assert sum(1 for key in graph if key[0].startswith("interferogram")) == 54 * 25


def test_graph_is_of_present_cells(stack):
    ds = _from_store(stack)
    with Counted() as run:
        insarflow.goldstein(ds, patch_size=16, step=8)["igram"].compute()
    work = [key for key in run.keys if str(key[0]).startswith("goldstein")]
    assert len(work) == 4 * 6  # a task a block, those of the absent cell of nothing but NaN
    assert not any(str(key[0]).startswith("read") for key in run.keys)


def test_same_input_same_names(stack):
    one, two = (insarflow.goldstein(_from_store(stack), patch_size=16, step=8)["igram"].data.name for _ in range(2))
    other = insarflow.goldstein(
        _from_store(stack.assign(valid=stack["valid"] & (stack["date"] == stack["date"][0]))), patch_size=16, step=8
    )
    assert one == two != other["igram"].data.name


def test_what_is_known_of_cells(stack):
    np.testing.assert_array_equal(present_cells(stack, "igram"), [[True, True], [True, False]])
    np.testing.assert_array_equal(
        present_cells(stack.transpose("y", "x", "delay", "date"), "igram"), stack["valid"].values.T
    )
    np.testing.assert_array_equal(present_cells(stack.isel(date=1), "coherence"), [True, False])
    assert present_cells(stack.isel(date=[0]), "igram") is None  # nothing is absent
    assert present_cells(stack["igram"], "igram") is None
    assert present_cells(stack.drop_vars("valid"), "igram") is None
    assert present_cells(stack.chunk(), "igram") is None
    assert present_cells(stack, "dem") is None
    assert present_cells(stack.assign(weight=stack["coherence"]), "weight") is None


def test_what_missing_is():
    assert np.isnan(missing_block((2, 3), np.dtype("float32"))).all()
    both = missing_block((1,), np.dtype("complex64"))
    assert np.isnan(both.real).all()
    assert np.isnan(both.imag).all()
    assert not missing_block((2,), np.dtype("int8")).any()
    assert not missing_block((2,), np.dtype(bool)).any()
    assert np.isnat(nan_of(np.dtype("datetime64[ns]")))
    assert missing_block((1000, 1000), np.dtype("complex64")).base.nbytes == 8


def test_user_variables_keep_their_values_where_nothing_is(stack):
    weights = stack["coherence"].fillna(0.5)
    coarse = insarflow.multilook(stack.assign(weight=weights), y=1, x=1)
    np.testing.assert_array_equal(coarse["weight"].values, weights.values)
