import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from insarflow.learn.resize import resize_matrix

SIDES = st.integers(1, 40)


@pytest.mark.parametrize(("method", "mode"), [("bilinear", "bilinear"), ("nearest", "nearest-exact")])
@given(window=SIDES, size=SIDES)
def test_as_torch_does(method, mode, window, size):
    image = np.random.default_rng(0).normal(size=(window, window))
    matrix = resize_matrix(window, size, method).astype(np.float64)
    how = {"align_corners": False} if mode == "bilinear" else {}
    expected = functional.interpolate(torch.from_numpy(image)[None, None], (size, size), mode=mode, **how)[0, 0].numpy()
    found = matrix @ image @ matrix.T
    if method == "bilinear":
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    else:
        np.testing.assert_array_equal(resize_matrix(window, size, method).sum(1), 1)
        # Half-pixel ties fall on either side in floating point: there torch's own double and float results differ.
        exact = [(2 * k + 1) * window % (2 * size) for k in range(size)]
        clear = np.array([rest not in (0,) for rest in exact])
        np.testing.assert_allclose(found[np.ix_(clear, clear)], expected[np.ix_(clear, clear)], atol=1e-12)


@given(window=SIDES, size=SIDES)
def test_area_is_the_mean_of_what_a_pixel_covers(window, size):
    line = np.random.default_rng(0).normal(size=window)
    fine = np.repeat(line, size).reshape(size, window).mean(axis=1)
    np.testing.assert_allclose(resize_matrix(window, size, "area").astype(np.float64) @ line, fine, atol=1e-5)


@pytest.mark.parametrize("method", ["bilinear", "nearest", "area"])
@given(window=SIDES, size=SIDES)
def test_weights_of_each_pixel_add_up_to_one_and_mirror(method, window, size):
    matrix = resize_matrix(window, size, method)
    assert matrix.dtype == np.float32
    assert matrix.shape == (size, window)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    if method != "nearest":  # a centre between two pixels belongs to the second
        np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-6)


@pytest.mark.parametrize("method", ["bilinear", "nearest", "area"])
def test_the_same_size_is_left_alone(method):
    np.testing.assert_array_equal(resize_matrix(25, 25, method), np.eye(25))


def test_the_methods_differ():
    found = [resize_matrix(25, 32, method) for method in ("bilinear", "nearest", "area")]
    assert all(abs(a - b).max() > 0.1 for a, b in ((found[0], found[1]), (found[0], found[2]), (found[1], found[2])))
