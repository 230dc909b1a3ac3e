import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import StoreError
from insarflow.stack.blocks import BlockStore

SHAPE = (60, 90)
BLOCKS = 6


def images(calls=None, fail_at=None):
    """Two images of one source, in six blocks that differ in size; block number `fail_at` to be computed fails."""
    rng = np.random.default_rng(0)
    real = rng.random(SHAPE).astype("float32")
    real[:25] = np.nan
    calls = [] if calls is None else calls

    def source(block):
        calls.append(block.shape)
        if len(calls) - 1 == fail_at:
            raise RuntimeError("no such luck")
        return block

    chunks = ((25, 35), (20, 50, 20))
    lazy = da.from_array(real, chunks=chunks, name="real").map_blocks(
        source, meta=np.empty((0, 0), "f4"), name="source"
    )
    count = da.map_blocks(lambda b: np.isnan(b).astype("int32"), lazy, dtype="int32", name="count")
    return {"real": real, "count": np.isnan(real).astype("int32")}, {"real": lazy, "count": count}


def everything(store):
    return {p.relative_to(store.path): p.read_bytes() for p in sorted(store.path.rglob("*")) if p.is_file()}


def test_blocks_read_back(tmp_path):
    expected, lazy = images()
    store = BlockStore(tmp_path / "blocks", lazy)
    assert len(store.missing()) == store.count() == BLOCKS
    store.fill()
    assert store.missing() == []
    for name, values in expected.items():
        kept = store.read(name)
        assert kept.chunks == lazy[name].chunks
        assert kept.dtype == lazy[name].dtype
        np.testing.assert_array_equal(kept.compute(), values)


def alone(source, asked):
    """Images of a block, computed from its own window of `source` and in chunks of their own."""

    def images_of(rows, cols):
        asked.append((rows, cols))
        return {"real": da.from_array(source[rows, cols], chunks=7)}

    return images_of


def test_blocks_alone_are_those_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("insarflow.stack.blocks._AT_ONCE", 4)
    expected, lazy = images(fail_at=0)
    asked = []
    store = BlockStore(tmp_path / "blocks", {"real": lazy["real"]}, alone(expected["real"], asked))
    parts = store.parts()
    assert [len(part) for part in parts] == [4, 2]
    assert store.largest() == (35, 50)
    store.fill(parts[0])
    assert len(asked) == 4
    assert store.parts() == [parts[1]]
    store.fill()
    assert len(asked) == BLOCKS
    np.testing.assert_array_equal(store.read("real").compute(), expected["real"])


def test_blocks_of_a_whole_stay_together(tmp_path, monkeypatch):
    monkeypatch.setattr("insarflow.stack.blocks._AT_ONCE", 4)
    assert [len(part) for part in BlockStore(tmp_path / "blocks", images()[1]).parts()] == [BLOCKS]


@given(chunks=chunkings(SHAPE), data=st.data())
def test_any_window_of_any_chunking(tmp_path_factory, chunks, data):
    values = np.arange(np.prod(SHAPE), dtype="float32").reshape(SHAPE)
    store = BlockStore(tmp_path_factory.mktemp("blocks"), {"a": da.from_array(values, chunks=chunks)})
    store.fill()
    (y0, y1), (x0, x1) = (sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE)
    kept = store.read("a")
    np.testing.assert_array_equal(kept[y0:y1, x0:x1:2].compute(), values[y0:y1, x0:x1:2])
    row = data.draw(st.integers(0, SHAPE[0] - 1))
    np.testing.assert_array_equal(kept[row].compute(), values[row])


@pytest.mark.parametrize("fail_at", range(BLOCKS))
def test_what_is_there_is_not_computed_again(tmp_path, fail_at):
    expected, undisturbed = images()
    whole = BlockStore(tmp_path / "whole", undisturbed)
    whole.fill()
    calls = []
    with dask.config.set(scheduler="sync"):
        store = BlockStore(tmp_path / "blocks", images(calls, fail_at)[1])
        with pytest.raises(RuntimeError, match="no such luck"):
            store.fill()
        missing = len(store.missing())
        assert missing == BLOCKS - fail_at
        calls.clear()
        again = BlockStore(tmp_path / "blocks", images(calls)[1])
        again.fill()
    assert len(calls) == missing
    assert everything(again) == everything(whole)
    np.testing.assert_array_equal(again.read("real").compute(), expected["real"])
    calls.clear()
    again.fill()
    assert calls == []


def test_half_a_block_is_no_block(tmp_path):
    _, lazy = images()
    store = BlockStore(tmp_path / "blocks", lazy)
    store.fill()
    (store.path / "count" / "c" / "1" / "2").unlink()
    assert store.missing() == [(1, 2)]


@pytest.mark.usefixtures("forbid_compute")
def test_lazy_until_filled(tmp_path):
    _, lazy = images()
    store = BlockStore(tmp_path / "blocks", lazy)
    assert len(store.missing()) == BLOCKS
    store.read("real")[3:9, 30:40]
    assert list(tmp_path.iterdir()) == []


def test_names_are_deterministic(tmp_path):
    names = {BlockStore(tmp_path / "blocks", images()[1]).read("real").name for _ in range(2)}
    assert len(names) == 1


def test_images_of_other_chunks(tmp_path):
    _, lazy = images()
    with pytest.raises(ValueError, match=r"^images must have the same chunks, instead got .*: rechunk them alike"):
        BlockStore(tmp_path, {**lazy, "count": lazy["count"].rechunk(10)})


def test_damage_and_no_place_are_one_line(tmp_path):
    _, lazy = images()
    store = BlockStore(tmp_path / "blocks", lazy)
    store.fill()
    (store.path / "real" / "c" / "0" / "0").write_bytes(b"half")
    with pytest.raises(StoreError, match=r"real is damaged: a block cannot be read .*; start anew with --overwrite"):
        store.read("real").compute()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/blocks cannot be written: "):
        BlockStore(tmp_path / "file" / "blocks", lazy).fill()


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    _, lazy = images()
    store = BlockStore(tmp_path / "blocks", lazy)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("insarflow.stack.blocks.np.full", full)
    with pytest.raises(StoreError, match=r"blocks/real cannot be written: .*No space left"):
        store.fill()
    monkeypatch.undo()
    store.fill()
    assert store.missing() == []
