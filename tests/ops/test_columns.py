import pickle
import threading

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow.ops.columns import Field, cut, map_columns
from insarflow.ops.layer import read_blocks
from insarflow.ops.pick import part_of

SHAPE = (4, 3, 23, 37)
CELLS = np.array([[0, 1], [2, 0], [2, 2], [3, 1]])
FIELDS = (Field((4,), "float32"), Field((), "float64"), Field((2, 5), "int16"))


def mixture(pairs, dates, plane, pixel, *, factor):
    """Three results of which each needs all inputs."""
    assert (pairs.ndim, dates.ndim, plane.ndim, pixel.shape) == (3, 3, 2, (4, 1, 1))
    first = ((pairs - pixel) * factor + plane).astype(np.float32)
    total = sum(k * date for k, date in enumerate(dates, 1)) + sum(pairs.astype(float))
    return first, total, np.rint(np.stack([[plane] * 5, [total] * 5])).astype(np.int16)


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    pairs = rng.normal(size=SHAPE).astype(np.float32)
    return pairs, rng.normal(size=(5, *SHAPE[2:])), rng.normal(size=SHAPE[2:]), pairs[:, :, 4:5, 7:8]


def expected():
    pairs, dates, plane, pixel = arrays()
    return mixture(pairs[tuple(CELLS.T)], dates, plane, pixel[tuple(CELLS.T)], factor=2.0)


class Store:
    """An array that notes which windows are read, and refuses cells without an interferogram."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, []

    def __getitem__(self, index):
        if len(index) == 4:
            cell = [part.start if isinstance(part, slice) else part for part in index[:2]]
            assert cell in CELLS.tolist()
        self.read.append(index)
        return self.values[index]


@given(st.data())
def test_any_chunks_and_any_limit_give_what_the_whole_array_gives(data):
    limit = data.draw(st.sampled_from([1_500, 10_000, 10**9]))
    kinds = [data.draw(st.sampled_from(["eager", "blocks", "stored"])) for _ in range(3)]
    inputs = []
    for kind, array in zip(kinds, arrays(), strict=False):
        chunks = data.draw(chunkings(array.shape))
        inputs.append(
            array if kind == "eager" else lazy(array, chunks) if kind == "blocks" else read_blocks(array, chunks, "s")
        )
    results = map_columns(mixture, *inputs, arrays()[3], fields=FIELDS, cells=CELLS, limit=limit, factor=2.0)
    assert all(isinstance(r, da.Array) == (set(kinds) != {"eager"}) for r in results)
    for field, result, wanted in zip(FIELDS, dask.compute(*results), expected(), strict=True):
        assert (result.dtype, result.shape) == (field.dtype, (*field.lead, *SHAPE[2:]))
        np.testing.assert_array_equal(result, wanted.astype(field.dtype))


def test_stored_arrays_are_read_by_windows_and_only_where_there_is_a_pair():
    pairs, dates, plane, pixel = arrays()
    store = Store(pairs)
    stored = read_blocks(store, (1, 1, 16, 32), "s")
    results = map_columns(mixture, stored, dates, plane, pixel, fields=FIELDS, cells=CELLS, limit=128 * 200, factor=2.0)
    assert store.read == []
    for result, wanted, field in zip(dask.compute(*results), expected(), FIELDS, strict=True):
        np.testing.assert_array_equal(result, wanted.astype(field.dtype))
    rows, cols = results[0].chunks[1:]
    assert (rows, cols) == ((8, 8, 7), (16, 16, 5))
    assert len(store.read) == len(CELLS) * len(rows) * len(cols)
    assert {(i[2].stop - i[2].start, i[3].stop - i[3].start) for i in store.read} == {
        (h, w) for h in (8, 7) for w in (16, 5)
    }


def test_all_results_of_a_window_come_from_one_run():
    runs = []

    def counted(pairs):
        runs.append(pairs.shape)
        return pairs[0], pairs[1]

    results = map_columns(
        counted, lazy(arrays()[0], (1, 1, 23, 20)), fields=(Field((), "f4"), Field((), "f4")), cells=CELLS
    )
    dask.compute(*results)
    assert sorted(runs) == [(4, 23, 17), (4, 23, 20)]


def test_a_window_of_a_derived_array_names_only_what_it_needs():
    made = []
    source = da.map_blocks(lambda b: made.append(b.shape) or b, lazy(arrays()[0], (1, 1, 10, 37)), dtype="f4", meta=b"")
    (first,) = map_columns(lambda pairs: (pairs[0],), source, fields=(Field((), "f4"),), cells=CELLS)
    first[:5].compute()
    assert made == [(1, 1, 10, 37)] * len(CELLS)


def test_reordered_and_deep_blocks():
    pairs = arrays()[0]
    order = np.array([2, 0, 3, 1])
    stored = part_of(read_blocks(pairs, (1, 1, 23, 37), "s"), [order, np.arange(3)])
    deep = read_blocks(pairs[order], (3, 2, 23, 37), "d")
    for array in (stored, deep):
        (result,) = map_columns(lambda p: (p,), array, fields=(Field((4,), "f4"),), cells=CELLS)
        np.testing.assert_array_equal(result, pairs[order][tuple(CELLS.T)])


def test_eager_uses_several_threads_and_raises():
    together = threading.Barrier(2, timeout=20)

    def meeting(pairs):
        together.wait()
        return (pairs[0],)

    pairs = np.zeros((4, 3, 64, 64), np.float32)
    with dask.config.set(scheduler="threads", num_workers=2):
        map_columns(meeting, pairs, fields=(Field((), "f4"),), cells=CELLS, limit=20 * 64 * 64)
    with pytest.raises(ZeroDivisionError):
        map_columns(lambda p: 1 // 0, pairs, fields=(Field((), "f4"),), cells=CELLS)


def test_graph_is_named_for_its_content_pickles_and_stays_lazy(forbid_compute):
    pairs, dates, plane, pixel = arrays()

    def run(factor):
        with forbid_compute():
            stored = read_blocks(pairs, (1, 1, 16, 16), "s")
            return map_columns(mixture, stored, dates, plane, pixel, fields=FIELDS, cells=CELLS, factor=factor)

    assert [a.name for a in run(2.0)] == [a.name for a in run(2.0)]
    assert not {a.name for a in run(2.0)} & {a.name for a in run(3.0)}
    again = pickle.loads(pickle.dumps(run(2.0)[1]))
    np.testing.assert_array_equal(again, expected()[1])


def test_planes_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"^arrays must have one \(y, x\), instead got \[\(23, 37\), \(23, 36\)\]$"):
        map_columns(mixture, arrays()[0], arrays()[2][:, 1:], fields=FIELDS, cells=CELLS)


def test_cut():
    assert cut((10, 3), 4) == (4, 4, 2, 3)
