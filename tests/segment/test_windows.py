import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.segment.windows import batches, model_reads, round_up, sub_tiles, tile_shape
from insarflow.types import Tile, Window


@given(
    start=st.integers(0, 99),
    length=st.integers(1, 50),
    rest=st.integers(0, 99),
    stride=st.sampled_from([1, 4, 8]),
    reach=st.integers(0, 60),
    parts=st.integers(1, 10),
)
@settings(deadline=None)
def test_parts_cover_the_block_and_read_enough_on_the_grid(start, length, rest, stride, reach, parts):
    stop, size = start + length, start + length + rest
    halo = round_up(reach, stride)
    lo, hi = model_reads(halo, stride)(start, stop, size)
    assert lo % stride == 0
    assert hi % stride == 0 or hi == size
    tile = Tile(Window(lo, lo, hi - lo, hi - lo), Window(start, start, length, length), (size, size))
    tile_size = parts * stride
    covered = np.zeros((length, length), int)
    for part in sub_tiles(tile, tile_size=tile_size, halo=halo, stride=stride):
        covered[part.core.within(tile.core)] += 1
        assert np.prod(part.core.shape) <= tile_size**2
        assert max(part.core.shape) <= 2 * tile_size
        for first, last, begin, end in (
            (part.read.y0, part.read.y1, part.core.y0, part.core.y1),
            (part.read.x0, part.read.x1, part.core.x0, part.core.x1),
        ):
            assert first % stride == last % stride == 0
            assert max(0, begin - reach) >= first >= lo
            assert min(size, end + reach) <= last <= round_up(hi, stride)
    assert (covered == 1).all()


def test_model_reads_by_hand():
    reads = model_reads(40, 4)
    assert reads(0, 100, 1001) == (0, 140)
    assert reads(99, 100, 1001) == (56, 140)
    assert reads(1000, 1001, 1001) == (960, 1001)


def test_rows_are_long_where_margins_cost_little():
    assert tile_shape((2048, 2048), tile_size=1024, halo=40, stride=4) == (512, 2048)
    assert tile_shape((2048, 2048), tile_size=1024, halo=112, stride=16) == (1024, 1024)
    assert tile_shape((2048, 1500), tile_size=1024, halo=40, stride=4) == (696, 1500)
    assert tile_shape((100, 90), tile_size=1024, halo=40, stride=4) == (1024, 1024)
    assert tile_shape((2048, 2048), tile_size=4, halo=0, stride=4) == (4, 4)


def test_parts_are_alike():
    tile = Tile.whole((1000, 1000))
    parts = sub_tiles(tile, tile_size=300, halo=40, stride=4)
    assert {p.core.shape for p in parts} == {(252, 252), (252, 244), (244, 252), (244, 244)}
    inner = [p.read.shape for p in parts if 0 < p.core.y0 < 700 and 0 < p.core.x0 < 700]
    assert set(inner) == {(332, 332)}


def test_batches_are_of_one_shape_and_bounded():
    tile = Tile.whole((500, 400))
    jobs = [(k, part) for part in sub_tiles(tile, tile_size=40, halo=8, stride=4) for k in range(3)]
    found = list(batches(jobs, pixels=10_000))
    assert sorted(map(id, (job for batch in found for job in batch))) == sorted(map(id, jobs))
    for batch in found:
        shapes = {part.read.shape for _, part in batch}
        assert len(shapes) == 1
        assert len(batch) * np.prod(shapes.pop()) <= 10_000
    assert max(map(len, found)) > 1
    assert all(len(batch) == 1 for batch in batches(jobs, pixels=1))
