import pickle

import dask
import dask.array as da
import numpy as np
import pytest

from insarflow.ops.layer import RuleLayer, read_blocks, reading_of
from insarflow.ops.pick import part_of


class Counting:
    """An array that notes what is read of it."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, []

    def __getitem__(self, index):
        self.read.append(index)
        return self.values[index]


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(5, 4, 30, 20)).astype(np.float32)


def test_blocks_are_read_when_asked_for(values):
    source = Counting(values)
    array = read_blocks(source, (1, 1, 16, 16), "read")
    assert array.chunks == ((1,) * 5, (1,) * 4, (16, 14), (16, 4))
    assert source.read == []
    np.testing.assert_array_equal(array[2, 3, :10, :10].compute(scheduler="sync"), values[2, 3, :10, :10])
    assert len(source.read) == 1
    np.testing.assert_array_equal(array.compute(scheduler="sync"), values)


def test_tasks_are_made_for_the_blocks_that_are_wanted(values, monkeypatch):
    array = read_blocks(values, (1, 1, 16, 16), "read")
    layer = array.dask.layers["read"]
    assert isinstance(layer, RuleLayer)
    made = []
    rule = type(layer.rule)
    task = rule.task
    monkeypatch.setattr(rule, "task", lambda self, key: made.append(key) or task(self, key))
    dask.optimize(array[0, 0])
    assert set(made) == {("read", 0, 0, r, c) for r in (0, 1) for c in (0, 1)}
    assert len(layer) == len(set(layer)) == 80
    assert ("read", 4, 3, 1, 1) in layer
    for stranger in (("read", 5, 0, 0, 0), ("read", 0, 0), ("other", 0, 0, 0, 0), "read", ("read", 0, 0, 0, "x")):
        assert stranger not in layer
        with pytest.raises(KeyError):
            layer[stranger]


def test_a_layer_pickles(values):
    array = read_blocks(values, (1, 1, 16, 16), "read")
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(again.compute(scheduler="sync"), values)


def test_another_order_is_read_in_that_order(values, forbid_compute):
    array = read_blocks(values, (1, 1, 16, 16), "read")
    orders = [np.array([3, 0, 4, 1, 2]), np.array([2, 3, 0, 1])]
    expected = values[orders[0]][:, orders[1]]
    with forbid_compute():
        ours, theirs = part_of(array, orders), part_of(da.from_array(values, chunks=(2, 2, 16, 16)), orders)
    assert reading_of(ours) is not None
    assert reading_of(theirs) is None
    assert len(dict(dask.optimize(ours)[0].dask)) == 80
    for result in (ours, theirs):
        np.testing.assert_array_equal(result.compute(scheduler="sync"), expected)
    assert reading_of(array + 1) is None
