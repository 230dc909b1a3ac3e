import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.kernels.coherence import coherence
from insarflow.kernels.multilook import multilook
from insarflow.kernels.noise import complex_noise
from insarflow.ops.presets import Settings
from insarflow.simulate import processing as steps
from insarflow.simulate.processing import PROCESSING, Processing, reads
from insarflow.types import Looks, Window

SHAPE = (230, 410)


def draw(window):
    """Two images that share half of their power, with fringes between them."""
    shared, own, other = (complex_noise(window, width=SHAPE[1], seed=2, stream=k) for k in range(3))
    x = np.arange(window.x0, window.x1)
    one = (shared + own).astype(np.complex64)
    return one, ((shared + other) * np.exp(-0.05j * x)).astype(np.complex64)


def process(shape, cells, processing):
    return steps.process(*draw(reads(shape, cells, processing).images), shape, cells, processing)


@pytest.mark.parametrize("name", [*PROCESSING, "from phase"])
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_any_window_has_the_same_bits(name, data):
    processing = Processing(Looks(1, 4), coherence="phase") if name == "from phase" else PROCESSING[name]
    rows, cols = SHAPE[0] // processing.looks.y, SHAPE[1] // processing.looks.x
    if processing.after is not None and min(rows, cols) < processing.after.patch_size:
        processing = Processing(Looks(2, 4), after=Settings(patch_size=32, alpha=0.6))
        rows, cols = SHAPE[0] // 2, SHAPE[1] // 4
    whole = process(SHAPE, Window(0, 0, rows, cols), processing)
    y, x = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    part = Window(y, x, data.draw(st.integers(1, rows - y)), data.draw(st.integers(1, cols - x)))
    for a, b in zip(process(SHAPE, part, processing), whole, strict=True):
        assert np.array_equal(a, b[part.y0 : part.y1, part.x0 : part.x1], equal_nan=True)


def test_without_a_filter_it_is_looks_of_the_product_and_of_the_sliding_coherence():
    one, other = draw(Window(0, 0, *SHAPE))
    igram, gamma = process(SHAPE, Window(0, 0, 115, 51), PROCESSING["unfiltered"])
    assert np.allclose(igram, multilook(one * np.conj(other), looks=Looks(2, 8)), atol=1e-6)
    assert np.array_equal(gamma, multilook(coherence(one, other, window=Looks(3, 10)), looks=Looks(2, 8)))


def test_the_sign_is_earlier_times_conjugate_of_later():
    igram, _ = process(SHAPE, Window(0, 0, 115, 51), PROCESSING["unfiltered"])
    steps = np.angle((igram[:, 1:] * np.conj(igram[:, :-1])).mean())
    assert steps == pytest.approx(8 * 0.05, abs=0.05)


def test_a_boxcar_is_the_mean_of_the_window_that_coherence_is_estimated_in():
    one, other = draw(Window(0, 0, *SHAPE))
    igram, gamma = process(SHAPE, Window(0, 0, SHAPE[0], 102), PROCESSING["boxcar3x10"])
    product, mean = one * np.conj(other), np.empty(SHAPE, np.complex128)
    for i in range(SHAPE[0]):
        for j in range(SHAPE[1]):
            mean[i, j] = product[max(i - 1, 0) : i + 2, max(j - 4, 0) : j + 6].mean()
    assert np.allclose(igram, mean[:, :408].reshape(SHAPE[0], 102, 4).mean(2), atol=1e-5)
    assert np.array_equal(gamma, multilook(coherence(one, other, window=Looks(3, 10)), looks=Looks(1, 4)))


def test_a_recipe_tells_of_each_filter():
    assert PROCESSING["boxcar3x10"].noted()["boxcar_before_looks"] == [3, 10]
    assert PROCESSING["isslide"].noted()["goldstein_before_looks"]["patch_size"] == 64
    assert not [key for key in PROCESSING["unfiltered"].noted() if "_looks" in key]


def test_filters_smooth_before_and_after_looks():
    rough, _ = process(SHAPE, Window(0, 0, 115, 51), PROCESSING["unfiltered"])
    smooth, _ = process(SHAPE, Window(0, 0, 115, 51), PROCESSING["isslide"])
    fringes = np.exp(0.05j * (8 * np.arange(51) + 3.5))
    inner = np.s_[20:-20, 6:-6]
    error = [np.angle(z * np.conj(fringes))[inner].std() for z in (rough, smooth)]
    assert error[1] < 0.6 * error[0]
