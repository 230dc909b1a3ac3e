import pickle
from functools import partial
from operator import attrgetter
from types import SimpleNamespace

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow.ops.fold import AT_ONCE, Field, Tree, fold, groups_of
from insarflow.ops.layer import read_blocks


class Total:
    """A part: sum, and number of images in it."""

    def __init__(self, total, count):
        self.total, self.count = total, count


def _images(images, *, factor):
    blocks = [factor * np.prod(one, axis=0) for one in images]
    return Total(sum(blocks[1:], start=blocks[0]), len(blocks))


def _merge(parts):
    assert 1 < len(parts) <= AT_ONCE
    return Total(sum((p.total for p in parts[1:]), start=parts[0].total), sum(p.count for p in parts))


def _finish(part, shape):
    return Total(np.full(shape, np.nan), 0) if part is None else part


def _count(part):
    return np.full(part.total.shape, part.count)


def totals(arrays, along, present=None):
    """Sums of products of images along some axes, and their number."""
    groups = groups_of(arrays[0].shape[:-2], along, present)
    tree = Tree()
    roots = [
        tree.root(_finish, tree.reduce(_merge, tree.images(partial(_images, factor=1.5), g)) if g else None)
        for g in groups.values()
    ]
    kept = [n for axis, n in enumerate(arrays[0].shape[:-2]) if axis not in along]
    fields = {"total": Field(attrgetter("total"), "float64"), "count": Field(_count, "int64")}
    return fold(tree, np.array(roots).reshape(kept), *arrays, fields=fields, name="totals")


@given(st.data())
def test_sums_are_the_oracles_in_any_chunks(data):
    shape = (5, 3, 9, 11)
    one, two = (np.random.default_rng(k).normal(size=shape) for k in (0, 1))
    present = np.array(data.draw(st.lists(st.booleans(), min_size=15, max_size=15))).reshape(5, 3)
    along = data.draw(st.sampled_from([(0,), (1,), (0, 1)]))
    eager = totals([one, two], along, present)
    there = np.where(present[..., None, None], 1.5 * one * two, 0).sum(along)
    number = present.sum(along)
    np.testing.assert_array_equal(eager["count"], np.broadcast_to(np.expand_dims(number, (-2, -1)), there.shape))
    np.testing.assert_allclose(
        eager["total"], np.where(np.expand_dims(number, (-2, -1)) > 0, there, np.nan), atol=1e-12
    )
    cuts = lazy(one, data.draw(chunkings(shape))), lazy(two, data.draw(chunkings(shape)))
    result = totals(cuts, along, present)
    assert result["total"].chunks[-2:] == cuts[0].chunks[-2:]
    for name, array in eager.items():
        np.testing.assert_array_equal(result[name].compute(), array)


def test_what_is_read_is_read_once_and_by_the_step_that_adds_it():
    values = np.random.default_rng(0).normal(size=(7, 2, 8, 8))
    reads = []

    class Source:
        shape, dtype = values.shape, values.dtype

        def __getitem__(self, index):
            reads.append(index)
            return values[index]

    present = np.ones((7, 2), bool)
    present[3] = present[5, 1] = False
    result = totals([read_blocks(Source(), (1, 1, 4, 8), "read")], (0,), present)["total"]
    assert reads == []
    tasks = dict(dask.optimize(result)[0].dask)
    # For 6 and 5 images: 2 steps of images, 1 merge, and root and field, which dask makes one; in each of two blocks.
    assert len(tasks) == 2 * 2 * 4
    np.testing.assert_array_equal(result.compute(), totals([values], (0,), present)["total"])
    assert len(reads) == 2 * present.sum()
    assert {i[0].start for i in reads} == set(np.flatnonzero(present.any(axis=1)))


def test_graph_is_small_to_send_and_the_same_again():
    values = np.zeros((40, 20, 8, 8))
    one, two = (totals([lazy(values, (1, 1, 4, 4))], (0, 1))["total"] for _ in range(2))
    assert one.name == two.name
    graph = dict(one.dask)
    largest = max(len(pickle.dumps(task)) for key, task in graph.items() if str(key[0]).startswith("totals"))
    assert largest < 3000
    assert one.name != totals([lazy(values, (1, 1, 4, 4))], (0, 1), np.eye(40, 20, dtype=bool))["total"].name


def test_groups():
    present = np.array([[True, False], [True, True]])
    assert groups_of((2, 2), (0,), present) == {(0,): [(0, 0), (1, 0)], (1,): [(1, 1)]}
    assert groups_of((2, 2), (0, 1), None) == {(): [(0, 0), (0, 1), (1, 0), (1, 1)]}
    assert groups_of((2,), (0,), np.array([False, False])) == {(): []}


def test_errors_of_steps_are_raised():
    def fail(images):
        raise ValueError("no")

    tree = Tree()
    root = tree.root(_finish, tree.reduce(_merge, tree.images(fail, [(0,)])))
    for array in (np.zeros((1, 3, 3)), lazy(np.zeros((1, 3, 3)), 3)):
        with pytest.raises(ValueError, match=r"^no$"):
            np.asarray(fold(tree, np.array(root), array, fields={"x": Field(SimpleNamespace, "int")}, name="x")["x"])
