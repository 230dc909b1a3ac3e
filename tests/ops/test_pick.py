import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow.ops.layer import read_blocks, reading_of
from insarflow.ops.overlap import map_overlap
from insarflow.ops.pick import part_of, pick, without
from insarflow.types import Window

SHAPE = (4, 3, 21, 18)


class Counting:
    """An array that notes which cells are read of it."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.seen = values, values.shape, values.dtype, []

    def __getitem__(self, index):
        assert all(isinstance(part, int) or part.stop - part.start <= self.shape[k] for k, part in enumerate(index))
        self.seen.append(tuple(part.start if isinstance(part, slice) else part for part in index[:2]))
        return self.values[index]


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@st.composite
def orders(draw):
    """Some positions along date and delay, in any order."""
    return [np.array(draw(st.permutations(range(n)))[: draw(st.integers(1, n))]) for n in SHAPE[:2]]


@st.composite
def windows(draw):
    (y0, y1), (x0, x1) = (
        sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in SHAPE[2:]
    )
    return Window(y0, x0, y1 - y0, x1 - x0)


def _blur(window, *, tile):
    """Differences between a pixel and those around it, cut at the border of the whole."""
    padded = np.pad(window, [(0, 0)] * (window.ndim - 2) + [(1, 1)] * 2, mode="edge")
    mean = sum(padded[..., a : a + window.shape[-2], b : b + window.shape[-1]] for a in range(3) for b in range(3))
    return mean[(..., *tile.core.within(tile.read))].astype(np.float32)


@given(st.data())
def test_a_part_is_what_numpy_takes(values, data):
    order, window = data.draw(orders()), data.draw(windows())
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12))).reshape(SHAPE[:2])
    expected = np.where(keep[..., None, None], values, np.nan).astype(np.float32)
    np.testing.assert_array_equal(without(values, keep), expected)
    chunks = data.draw(chunkings(SHAPE))
    cells = [cell for cell in np.ndindex(*SHAPE[:2]) if data.draw(st.booleans())] or [(1, 1)]
    part = expected[np.ix_(*order)][(..., *window.within(Window(0, 0, *SHAPE[2:])))]
    for array in (lazy(values, chunks), read_blocks(values, (1, 1, *chunks[2:]), "values")):
        kept = without(array, keep)
        one, other = part_of(kept, order, window), without(part_of(array, order, window), keep[np.ix_(*order)])
        seen = map_overlap(_blur, one, depth=1, dtype="float32")
        assert one.shape == other.shape == part.shape
        with dask.config.set(scheduler="sync"):
            np.testing.assert_array_equal(pick(kept, cells), expected[tuple(np.transpose(cells))])
            for result in (one, other, pickle.loads(pickle.dumps(one))):
                np.testing.assert_array_equal(result, part)
            np.testing.assert_array_equal(seen, map_overlap(_blur, part, depth=1, dtype="float32"))


def test_what_is_read_is_still_read_by_who_needs_it(values):
    source = Counting(values)
    array = read_blocks(source, (1, 1, 8, 8), "counted")
    keep = np.ones(SHAPE[:2], bool)
    keep[2, 1] = False
    part = part_of(without(array, keep), [np.array([2, 0]), np.array([1, 2])], Window(3, 5, 14, 9))
    assert reading_of(part) is not None
    assert part.chunks[2:] == ((5, 8, 1), (3, 6))
    work = map_overlap(_blur, part, depth=2, dtype="float32")
    graph = dict(dask.optimize(work)[0].dask)
    assert len(graph) == 4 * 6
    work.compute(scheduler="sync")
    assert set(source.seen) == {(2, 2), (0, 1), (0, 2)}


def test_blocks_of_others_are_passed_on(values):
    array = da.from_array(values, chunks=(1, 1, 8, 8)).map_blocks(np.negative)
    whole = part_of(array, [np.array([3, 1]), np.arange(3)])
    assert not any(layer.is_materialized() for layer in [whole.dask.layers[whole.name]])
    graph = dict(dask.optimize(whole[:1, :1])[0].dask)
    assert len(graph) <= 2 * 9
    block = part_of(array, [np.arange(4), np.arange(3)], Window(8, 8, 8, 8))
    assert block.chunks[2:] == ((8,), (8,))
    np.testing.assert_array_equal(block.compute(scheduler="sync"), -values[..., 8:16, 8:16])


def test_static_images_have_parts(values):
    array = read_blocks(values[0, 0], (8, 8), "static")
    part = part_of(array, [], Window(1, 2, 10, 11))
    np.testing.assert_array_equal(part.compute(scheduler="sync"), values[0, 0, 1:11, 2:13])


def test_same_input_same_names(values):
    array = read_blocks(values, (1, 1, 8, 8), "values")
    keep = np.eye(4, 3, dtype=bool)
    assert without(array, keep).name == without(array, keep.copy()).name != without(array, ~keep).name
    order = [np.array([1]), np.array([2])]
    names = {
        part_of(array, order).name,
        part_of(array, order, Window(0, 0, 9, 9)).name,
        part_of(array, order[::-1]).name,
    }
    assert len(names) == 3
    assert part_of(array, order).name == part_of(array, [o.copy() for o in order]).name


def test_asking_for_what_is_absent_reads_nothing(values):
    source = Counting(values)
    keep = np.zeros(SHAPE[:2], bool)
    keep[0, 0] = True
    negative = read_blocks(source, (1, 1, 8, 8), "counted").map_blocks(np.negative)
    absent = map_overlap(_blur, negative, depth=1, dtype="float32", present=keep)[1]
    assert len(dict(dask.optimize(absent)[0].dask)) <= 2 * 3 * 9
    assert np.isnan(absent.compute(scheduler="sync")).all()
    assert source.seen == []
