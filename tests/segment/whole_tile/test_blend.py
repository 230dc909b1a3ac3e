import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import axis_chunks

from insarflow.segment.whole_tile.blend import (
    BlendLayout,
    blend_block,
    blend_layout,
    blend_reads,
    blend_weights,
    windows_touching,
)
from insarflow.segment.windows import round_up
from insarflow.types import Window

SIDES = st.integers(1, 90)
GRIDS = st.sampled_from([(1, 2), (1, 7), (4, 8), (4, 20), (8, 40), (3, 9)])  # stride, window


def probabilities(window):
    """What a network gives for a window: other values in each window, also where windows overlap."""
    return np.random.default_rng((window.y0, window.x0)).random(window.shape, np.float32)


def predict(windows):
    return map(probabilities, windows)


def windows_of(layout):
    return [Window(y, x, *layout.size) for y in layout.rows for x in layout.columns]


def oracle(layout):
    """The whole region, pixel by pixel, with weights by their definition."""
    (height, width), every = layout.size, windows_of(layout)
    given = [probabilities(w) for w in every]
    out = np.empty(layout.shape)
    for y, x in np.ndindex(layout.shape):
        total = weight = 0.0
        for w, p in zip(every, given, strict=True):
            if w.y0 <= y < w.y1 and w.x0 <= x < w.x1:
                away_y, away_x = (
                    (y - w.y0 - (height - 1) / 2) / (height / 8),
                    (x - w.x0 - (width - 1) / 2) / (width / 8),
                )
                g = max(1e-3, math.exp(-(away_y**2 + away_x**2) / 2))
                total, weight = total + g * p[y - w.y0, x - w.x0], weight + g
        out[y, x] = total / weight
    return out


@pytest.mark.parametrize(
    ("shape", "window", "stride"),
    [((40, 61), 16, 4), ((9, 50), 16, 4), ((17, 17), 16, 4), ((16, 16), 16, 4), ((30, 25), 7, 1)],
)
def test_is_the_weighted_mean_of_all_windows(shape, window, stride):
    layout = blend_layout(shape, window=window, stride=stride)
    whole = blend_block(Window(0, 0, *shape), layout, predict)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, oracle(layout), rtol=1e-6)


@given(data=st.data(), shape=st.tuples(SIDES, SIDES), grid=GRIDS)
def test_blocks_have_the_bits_of_the_whole_region(data, shape, grid):
    stride, window = grid
    layout = blend_layout(shape, window=window, stride=stride)
    whole = blend_block(Window(0, 0, *shape), layout, predict)
    rows, columns = (data.draw(axis_chunks(n)) for n in shape)
    y = 0
    for height in rows:
        x = 0
        for width in columns:
            core = Window(y, x, height, width)
            assert np.array_equal(blend_block(core, layout, predict), whole[y : y + height, x : x + width])
            x += width
        y += height


@given(size=st.integers(1, 500), grid=GRIDS)
def test_windows_are_spread_evenly_over_the_region(size, grid):
    stride, window = grid
    layout = blend_layout((size, 1), window=window, stride=stride)
    whole, (length, _), rows = round_up(size, stride), layout.size, np.array(layout.rows)
    assert length == min(window, whole)
    assert rows[0] == 0
    assert rows[-1] + length == whole
    assert (rows % stride == 0).all()
    gaps = np.diff(rows)
    assert len(rows) == 1 or 0 < gaps.min() <= gaps.max() <= min(window // 2, gaps.min() + stride)
    wanted = math.ceil((whole - length) / (window // stride // 2 * stride)) + 1  # no more than half a window asks for
    assert len(rows) == wanted


@given(data=st.data(), shape=st.tuples(SIDES, SIDES), grid=GRIDS)
def test_a_block_reads_its_windows_and_no_more(data, shape, grid):
    stride, window = grid
    layout = blend_layout(shape, window=window, stride=stride)
    y0, x0 = (data.draw(st.integers(0, n - 1)) for n in shape)
    core = Window(y0, x0, data.draw(st.integers(1, shape[0] - y0)), data.draw(st.integers(1, shape[1] - x0)))
    touching = windows_touching(core, layout)
    assert touching == [w for w in windows_of(layout) if w.shared(core)]
    reads = blend_reads(window, stride)
    rows = min(w.y0 for w in touching), min(shape[0], max(w.y1 for w in touching))
    columns = min(w.x0 for w in touching), min(shape[1], max(w.x1 for w in touching))
    assert reads(core.y0, core.y1, shape[0]) == rows
    assert reads(core.x0, core.x1, shape[1]) == columns


def test_windows_that_agree_stay_as_they_are():
    layout = blend_layout((100, 70), window=24, stride=8)
    image = np.random.default_rng(0).random((104, 72), np.float32)
    core = Window(13, 5, 80, 65)
    out = blend_block(core, layout, lambda windows: (image[w.y0 : w.y1, w.x0 : w.x1] for w in windows))
    np.testing.assert_allclose(out, image[13:93, 5:70], rtol=1e-6)


def test_missing_is_missing_in_the_windows_that_hold_it():
    layout = blend_layout((20, 4), window=8, stride=4)

    def with_a_hole(windows):
        for window in windows:
            probability = probabilities(window)
            if window.y0 == 4:
                probability[2, 1] = np.nan
            yield probability

    assert np.argwhere(np.isnan(blend_block(Window(0, 0, 20, 4), layout, with_a_hole))).tolist() == [[6, 1]]


def test_weights_by_hand():
    weights = blend_weights((16, 8))
    assert weights.shape == (16, 8)
    assert weights[7, 3] == pytest.approx(math.exp(-0.5 * (0.5 / 2) ** 2 - 0.5 * 0.5**2))
    assert weights[4, 3] == pytest.approx(math.exp(-0.5 * (3.5 / 2) ** 2 - 0.5 * 0.5**2))
    assert weights[0, 0] == weights.min() == 1e-3
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 1.0


def test_layout_by_hand():
    assert blend_layout((33, 5), window=16, stride=4) == BlendLayout((33, 5), (16, 8), (0, 8, 12, 20), (0,))


@pytest.mark.parametrize("shape", [(0, 5), (5,), (1, 2, 3)])
def test_shapes_of_no_region(shape):
    with pytest.raises(ValueError, match=r"^shape must be the \(y, x\) size of a region of pixels, instead got shape="):
        blend_layout(shape, window=16, stride=4)


@pytest.mark.parametrize("window", [0, 4, 18])
def test_windows_off_the_stride(window):
    message = rf"^window must be a multiple of the network's stride 4, at least twice, instead got window={window}$"
    with pytest.raises(ValueError, match=message):
        blend_layout((50, 50), window=window, stride=4)
    with pytest.raises(ValueError, match=message):
        blend_reads(window, 4)


def test_stride_of_nothing():
    with pytest.raises(ValueError, match=r"^stride must be 1 or more, instead got stride=0$"):
        blend_layout((50, 50), window=16, stride=0)


@pytest.mark.parametrize("core", [Window(0, 0, 0, 5), Window(-1, 0, 5, 5), Window(45, 0, 6, 5), Window(60, 60, 5, 5)])
def test_cores_outside(core):
    layout = blend_layout((50, 50), window=16, stride=4)
    with pytest.raises(
        ValueError, match=r"^core must be a window of pixels of the region \(50, 50\), instead got core=Window\(y0="
    ):
        blend_block(core, layout, predict)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda windows: [probabilities(w) for w in windows[1:]], r"3"),
        (lambda windows: [probabilities(w) for w in windows * 2], r"number 5 of shape=\(16, 16\)"),
        (lambda windows: [probabilities(w)[1:] for w in windows], r"number 1 of shape=\(15, 16\)"),
        (lambda windows: [probabilities(w)[None] for w in windows], r"number 1 of shape=\(1, 16, 16\)"),
    ],
)
def test_predictions_of_other_windows(function, found):
    layout = blend_layout((24, 24), window=16, stride=4)
    with pytest.raises(ValueError, match=rf"^predict must give 4 arrays of shape \(16, 16\), instead got {found}$"):
        blend_block(Window(0, 0, 24, 24), layout, function)
