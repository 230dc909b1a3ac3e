import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import axis_chunks

from insarflow.segment import windows_to_pixels
from insarflow.segment.sliding.window_axis import WindowAxis

BORDERS = ("flush", "drop", "published")


@st.composite
def axes(draw, longest=40):
    window, step, border = draw(st.integers(1, 9)), draw(st.integers(1, 12)), draw(st.sampled_from(BORDERS))
    return WindowAxis(draw(st.integers(window + 1, longest)), window, step, border)


def slow_map(values, y, x, rule):
    """Pixel by pixel, over all windows."""
    out = np.full((y.length, x.length), np.nan)
    for p in range(y.length):
        for q in range(x.length):
            here = [
                ((2 * (a - p) + y.window - 1) ** 2, (2 * (b - q) + x.window - 1) ** 2, values[i, j])
                for i, a in enumerate(y.starts)
                for j, b in enumerate(x.starts)
                if a <= p < a + y.window and b <= q < b + x.window
            ]
            known = [value for *_, value in here if not np.isnan(value)]
            if rule == "centre" and here:
                out[p, q] = min(here, key=lambda w: (w[0], w[1]))[2]
            elif rule != "centre" and known:
                out[p, q] = np.mean(known) if rule == "mean" else max(known)
    return out


@pytest.mark.parametrize("rule", ["centre", "mean", "max"])
@given(data=st.data(), y=axes(16))
def test_as_pixel_by_pixel(rule, data, y):
    x = WindowAxis(data.draw(st.integers(y.window + 1, 16)), y.window, y.step, y.border)
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    values = rng.uniform(size=(len(y.starts), len(x.starts)))
    values[rng.uniform(size=values.shape) < 0.3] = np.nan
    found = windows_to_pixels(values, (y.length, x.length), window=y.window, step=y.step, border=y.border, rule=rule)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_map(values, y, x, rule), atol=1e-6)


def test_the_far_border_is_covered():
    values = np.ones((3, 3))
    assert np.isfinite(windows_to_pixels(values, (28, 28))).all()
    short = windows_to_pixels(values[:2, :2], (28, 28), border="drop")
    assert np.isnan(short[27]).all()
    assert np.isfinite(short[:27, :27]).all()


def test_the_centre_of_a_window_is_its_own():
    values = np.random.default_rng(0).uniform(size=(8, 10)).astype(np.float32)
    found = windows_to_pixels(values, (39, 43))
    np.testing.assert_array_equal(found[12:27:2, 12:31:2], values)


def test_a_vote():
    values = np.array([[0.9, 0.2, 0.7]])
    found = windows_to_pixels((values > 0.5).astype(float), (3, 5), window=3, step=1, rule="mean")
    np.testing.assert_allclose(found[0], [1, 1 / 2, 2 / 3, 1 / 2, 1], rtol=1e-6)


def test_classes_are_mapped_each_by_itself():
    values = np.random.default_rng(0).uniform(size=(2, 3, 4, 5))
    found = windows_to_pixels(values, (12, 14), window=6, step=2, rule="mean")
    assert found.shape == (2, 3, 12, 14)
    np.testing.assert_array_equal(found[1, 2], windows_to_pixels(values[1, 2], (12, 14), window=6, step=2, rule="mean"))


@given(axis=axes())
def test_starts(axis):
    starts = axis.starts.tolist()
    last = axis.length - axis.window
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert starts[-1] <= last
    if axis.border == "flush":
        assert starts[-1] == last
        assert all(start % axis.step == 0 for start in starts[:-1])
    else:
        assert starts == list(range(0, last + (axis.border == "drop"), axis.step))


@given(axis=axes(), data=st.data())
def test_each_window_is_in_one_chunk(axis, data):
    pixels = data.draw(axis_chunks(axis.length, smallest=1))
    chunks = axis.chunks(pixels)
    assert sum(chunks) == len(axis.starts)
    assert min(chunks) > 0


# what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.zeros((3, 3), int), np.zeros(3)])
def test_wrong_values(values):
    with pytest.raises(
        ValueError,
        match=r"^values must be floating point of shape \(\.\.\., 3, 3\), one number per window of an image of 28 x 28 "
        r"pixels, instead got (float64|int64) of shape=\(.*\)$",
    ):
        windows_to_pixels(values, (28, 28))


def test_wrong_arguments():
    values = np.zeros((3, 3))
    with pytest.raises(TypeError, match=r"^values must be a numpy.ndarray, instead got values=\[\] \(list\)$"):
        windows_to_pixels([], (28, 28))
    with pytest.raises(ValueError, match=r"^shape must be a whole number of at least 25, instead got shape=24$"):
        windows_to_pixels(values, (24, 28))
    with pytest.raises(ValueError, match=r"^shape must be \(y, x\), instead got shape=\(1, 28, 28\)$"):
        windows_to_pixels(values, (1, 28, 28))
    with pytest.raises(ValueError, match=r"^rule must be one of \('centre', 'mean', 'max'\), instead got rule='vote'$"):
        windows_to_pixels(values, (28, 28), rule="vote")
    with pytest.raises(ValueError, match=r"^border must be one of .*, instead got border='pad'$"):
        windows_to_pixels(values, (28, 28), border="pad")
    with pytest.raises(ValueError, match=r"^step must be a whole number of at least 1, instead got step=0$"):
        windows_to_pixels(values, (28, 28), step=0)
