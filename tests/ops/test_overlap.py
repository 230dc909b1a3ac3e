import threading
from functools import partial

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow.ops.overlap import halo_reads, map_overlap, map_windows
from insarflow.types import Tile, Window


def box_sum(*windows, tile, depth, factor=1.0):
    """Sum over a square of side ``2 * depth + 1``, cut at the array's border, of all arrays."""
    total = sum(w.astype(np.float64) for w in windows) * factor
    out = np.zeros((*total.shape[:-2], *tile.core.shape))
    rows, cols = tile.core.within(tile.read)
    for row in range(rows.start, rows.stop):
        for col in range(cols.start, cols.stop):
            cut = total[..., max(0, row - depth) : row + depth + 1, max(0, col - depth) : col + depth + 1]
            out[..., row - rows.start, col - cols.start] = cut.sum(axis=(-2, -1))
    return out


def whereabouts(*windows, tile):
    """The tile itself, checked against the window: the input holds its own pixel numbers."""
    (window,) = windows
    assert window.shape[-2:] == tile.read.shape
    rows, cols = np.mgrid[tile.read.y0 : tile.read.y1, tile.read.x0 : tile.read.x1]
    for index in np.ndindex(window.shape[:-2]):
        expected = (tile.cell(index) * tile.shape[0] + rows) * tile.shape[1] + cols
        np.testing.assert_array_equal(window[index], expected)
    inner = tile.core.within(tile.read)
    return window[..., inner[0], inner[1]]


def numbers(shape):
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape)


def random(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(np.float32)


@given(st.data())
def test_any_chunks_give_what_the_whole_array_gives(data):
    lead = data.draw(st.lists(st.integers(1, 3), max_size=2))
    shape = (*lead, data.draw(st.integers(1, 23)), data.draw(st.integers(1, 19)))
    depth = data.draw(st.integers(0, 25))
    array = random(shape)
    chunks = data.draw(chunkings(shape, single_pixels=True))
    expected = box_sum(array, tile=Tile.whole(shape), depth=depth, factor=2.0)
    run = partial(box_sum, depth=depth)
    result = map_overlap(run, lazy(array, chunks), depth=depth, dtype="float64", factor=2.0)
    assert result.chunks == chunks
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result.compute(), expected)
    np.testing.assert_array_equal(map_overlap(run, array, depth=depth, dtype="float64", factor=2.0), expected)


@pytest.mark.parametrize("side", [7, 97, 500])
def test_chunks_that_once_broke_something(side):
    array = numbers((2, 98, 127))
    result = map_overlap(whereabouts, lazy(array, (1, side, side)), depth=(16, 3), dtype="int64")
    np.testing.assert_array_equal(result.compute(), array)


def test_last_chunk_of_one_pixel_with_a_wide_halo():
    array = numbers((41, 61))
    result = map_overlap(whereabouts, lazy(array, ((20, 20, 1), (60, 1))), depth=30, dtype="int64")
    np.testing.assert_array_equal(result.compute(), array)


@given(st.data())
def test_true_positions_are_passed(data):
    shape = (2, 3, 29, 31)
    chunks = data.draw(chunkings(shape))
    align = data.draw(st.sampled_from([1, 4, 8]))
    depth = data.draw(st.tuples(st.integers(0, 12), st.integers(0, 12)))
    result = map_overlap(whereabouts, lazy(numbers(shape), chunks), depth=depth, align=align, dtype="int64")
    np.testing.assert_array_equal(result.compute(), numbers(shape))


@given(st.data())
def test_several_arrays_each_in_its_own_chunks(data):
    shape = (2, 17, 23)
    arrays = [random(shape, seed) for seed in range(3)]
    cut = [lazy(a, data.draw(chunkings(shape))) for a in arrays[:2]]
    run = partial(box_sum, depth=2)
    result = map_overlap(run, *cut, arrays[2], depth=2, dtype="float64")
    assert result.chunks == cut[0].chunks
    np.testing.assert_array_equal(result.compute(), box_sum(*arrays, tile=Tile.whole(shape), depth=2))


def coarse(window, *, tile, looks):
    """Block sums: an output of another size than its input."""
    top, left = tile.core.y0 * looks - tile.read.y0, tile.core.x0 * looks - tile.read.x0
    rows, cols = tile.core.shape
    cut = window[..., top : top + rows * looks, left : left + cols * looks]
    return cut.reshape(*cut.shape[:-2], rows, looks, cols, looks).sum(axis=(-3, -1))


@given(st.data())
def test_windows_of_another_relation(data):
    shape = (2, 21, 35)
    array = random(shape)
    chunks = data.draw(chunkings(shape))
    out_chunks = data.draw(chunkings((7, 11)))

    def reads(start, stop, size):
        return start * 3, stop * 3

    options = {"reads": (reads, reads), "out_chunks": out_chunks, "dtype": "float32", "looks": 3}
    expected = array[:, :21, :33].reshape(2, 7, 3, 11, 3).sum(axis=(2, 4))
    result = map_windows(coarse, lazy(array, chunks), **options)
    assert result.chunks == (chunks[0], *out_chunks)
    np.testing.assert_array_equal(result.compute(), expected)
    np.testing.assert_array_equal(map_windows(coarse, array, **options), expected)


def test_eager_input_is_one_eager_call():
    calls = []

    def record(window, *, tile):
        calls.append(tile)
        return window

    array = numbers((2, 5, 6))
    result = map_overlap(record, array, depth=1, dtype="float32")
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.float32
    assert calls == [Tile(Window(0, 0, 5, 6), Window(0, 0, 5, 6), (5, 6), (0,), (2,))]


@given(
    lead=st.lists(st.integers(0, 4), max_size=2).map(tuple),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    part=st.integers(3, 30),
)
def test_parts_in_memory_are_those_of_the_whole(lead, shape, part):
    array = numbers((*lead, *shape))
    whole = map_overlap(partial(box_sum, depth=3), array, depth=3, dtype="float64")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("insarflow.ops.overlap.PART", part)
        result = map_overlap(partial(box_sum, depth=3), array, depth=3, dtype="float64")
    np.testing.assert_array_equal(result, whole)


@pytest.mark.parametrize(("lead", "shape"), [((), (64, 64)), ((7,), (16, 16)), ((2, 3), (40, 10))])
def test_parts_know_their_place(lead, shape, monkeypatch):
    monkeypatch.setattr("insarflow.ops.overlap.PART", 16)
    array = numbers((*lead, *shape))
    np.testing.assert_array_equal(map_overlap(whereabouts, array, depth=3, dtype="int64"), array)


def test_parts_are_worked_on_by_several_threads(monkeypatch):
    monkeypatch.setattr("insarflow.ops.overlap.PART", 8)
    together = threading.Barrier(2, timeout=30)

    def wait(window, *, tile):
        together.wait()
        return window

    with dask.config.set(scheduler="threads", num_workers=2):
        map_overlap(wait, np.zeros((16, 8)), depth=0, dtype="float64")

    def here(window, *, tile):
        assert threading.current_thread() is threading.main_thread()
        return window

    with dask.config.set(scheduler="sync"):
        map_overlap(here, np.zeros((16, 8)), depth=0, dtype="float64")
    map_windows(here, np.zeros((16, 8)), reads=(halo_reads(0), halo_reads(0)), dtype="float64", parts=False)


def test_an_error_in_a_part_is_raised(monkeypatch):
    monkeypatch.setattr("insarflow.ops.overlap.PART", 8)

    def fail(window, *, tile):
        raise ZeroDivisionError(tile.core.y0)

    with pytest.raises(ZeroDivisionError):
        map_overlap(fail, np.zeros((64, 64)), depth=0, dtype="float64")


def test_one_task_per_output_block():
    array = da.zeros((2, 3, 400, 500), chunks=(1, 1, 90, 77))
    result = map_overlap(partial(box_sum, depth=40), array, depth=40, dtype="float64")
    layer = result.dask.layers[result.name]
    assert len(layer) == array.npartitions == result.npartitions
    assert len(result.dask) == 2 * array.npartitions


def test_building_is_lazy(forbid_compute):
    array = da.zeros((90, 90), chunks=30)
    with forbid_compute():
        result = map_overlap(partial(box_sum, depth=4), array, array + 1, depth=4, dtype="float64")
    assert isinstance(result, da.Array)


def test_names_are_deterministic():
    array = da.zeros((90, 90), chunks=30)

    def name(depth=4, chunks=30, dtype="float64", align=1, **options):
        run = partial(box_sum, depth=1)
        cut = da.zeros((90, 90), chunks=chunks)
        return map_overlap(run, cut, depth=depth, dtype=dtype, align=align, **options).name

    assert name() == name()
    others = [name(depth=5), name(chunks=45), name(dtype="float32"), name(align=7), name(factor=2.0), name(factor=2)]
    assert len({name(), *others}) == 7
    assert map_overlap(whereabouts, array, depth=0, dtype="int64").name.startswith("whereabouts-")


def test_graph_travels_and_is_small():
    """What a scheduler sends: functions by name, no data, the parameters once and not per block."""
    array = da.zeros((30, 4000, 4000), chunks=(1, 500, 500))
    big = np.zeros(100_000)
    result = map_overlap(weigh, array, depth=20, dtype="float64", weights=big)
    layer = dict(result.dask.layers[result.name])
    assert len(layer) == 30 * 64
    assert len(cloudpickle.dumps(layer)) < big.nbytes + 1200 * len(layer)
    corner = map_overlap(weigh, da.ones((40, 40), chunks=20), depth=3, dtype="float64", weights=np.ones(2))
    np.testing.assert_array_equal(cloudpickle.loads(cloudpickle.dumps(corner)).compute(), np.full((40, 40), 2.0))


def weigh(window, *, tile, weights):
    rows, cols = tile.core.within(tile.read)
    return window[..., rows, cols] * weights.sum()


def test_survives_dask_optimisation_and_slicing():
    array = numbers((40, 50))
    result = map_overlap(whereabouts, lazy(array, 13), depth=5, dtype="int64")
    np.testing.assert_array_equal((result + 1)[3:17, 40:].compute(), array[3:17, 40:] + 1)
    (optimised,) = dask.optimize(result)
    np.testing.assert_array_equal(optimised.compute(), array)


def test_only_the_blocks_asked_for_are_read():
    seen = []

    def read(block, block_info=None):
        seen.append(block_info[0]["chunk-location"])
        return block

    array = da.zeros((100, 100), chunks=10).map_blocks(read, dtype="float64", meta=np.empty((0, 0)))
    map_overlap(partial(box_sum, depth=3), array, depth=3, dtype="float64")[:10, :10].compute()
    assert sorted(set(seen)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_empty_chunks_are_dropped():
    array = numbers((16, 9))
    cut = da.from_array(array, chunks=((8, 0, 8), (0, 9)))
    result = map_overlap(whereabouts, cut, depth=0, dtype="int64")
    assert result.chunks == ((8, 8), (9,))
    np.testing.assert_array_equal(result.compute(), array)


def test_no_cells():
    array = da.zeros((0, 8, 9), chunks=(1, 4, 9))
    assert map_overlap(whereabouts, array, depth=2, dtype="int64").compute().shape == (0, 8, 9)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"^arrays must have one shape, instead got \[\(3, 4\), \(3, 5\)\]$"):
        map_overlap(box_sum, np.zeros((3, 4)), da.zeros((3, 5)), depth=1, dtype="float64")


@given(st.data())
def test_halo(data):
    size = data.draw(st.integers(1, 60))
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    depth, align = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 9))
    first, last = halo_reads(depth, align)(start, stop, size)
    assert first % align == 0
    assert max(0, start - depth) - align < first <= max(0, start - depth)
    assert last == min(size, stop + depth)


@pytest.mark.parametrize(("depth", "error"), [(-1, ValueError), (1.5, TypeError), (None, TypeError), (True, TypeError)])
def test_wrong_depth(depth, error):
    with pytest.raises(error, match=r"^depth must be a whole number of at least 0"):
        map_overlap(np.negative, np.ones((4, 4)), depth=depth, dtype="f8")


def test_values_of_cells_and_one_image_for_all():
    shape = (3, 2, 9, 11)
    rng = np.random.default_rng(0)
    array, field, numbers = rng.normal(size=shape), rng.normal(size=shape[2:]), rng.normal(size=(3, 2, 1))
    present = np.array([[True, False], [True, True], [False, True]])

    def block(window, flat, *, number, text, tile):
        assert window.shape[:-2] == number.shape[:-1] == text.shape
        assert flat.shape == window.shape[-2:]
        assert all(word == f"{i + tile.cells[0]}{j + tile.cells[1]}" for (i, j), word in np.ndenumerate(text))
        return (window + flat + number[..., None])[(..., *tile.core.within(tile.read))]

    wanted = np.where(present[..., None, None], array + field + numbers[..., None], np.nan)
    names = np.array([[f"{i}{j}" for j in range(2)] for i in range(3)])
    for one, other, values in (
        (array, field, numbers),
        (lazy(array, (1, 1, 4, 5)), field, numbers),
        (lazy(array, (2, 2, 4, 5)), lazy(field, 6), lazy(numbers, 1)),
        (array, field, lazy(numbers, (3, 1, 1))),
    ):
        result = map_overlap(
            block, one, other, depth=1, dtype="float64", present=present, per_cell={"number": values, "text": names}
        )
        np.testing.assert_array_equal(np.asarray(result), wanted)
    single = map_overlap(
        lambda window, *, number, tile: window + number, field, depth=0, dtype="float64",
        per_cell={"number": np.array(2.0)},
    )  # fmt: skip
    np.testing.assert_array_equal(single, field + 2)
