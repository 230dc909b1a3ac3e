import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.stack.export.pyramid import level_count, overviews


def oracle(values, side):
    """Mean over blocks, pixel by pixel; the phase of it if complex."""
    height, width = (-(-n // side) for n in values.shape)
    out = np.full((height, width), np.nan)
    for i in range(height):
        for j in range(width):
            block = values[i * side : (i + 1) * side, j * side : (j + 1) * side].ravel()
            block = block[np.isfinite(block)]
            if block.size:
                mean = block.astype(complex if np.iscomplexobj(block) else float).mean()
                out[i, j] = np.angle(mean) if np.iscomplexobj(block) else mean
    return out


def phasors(seed, shape, missing=0.2):
    rng = np.random.default_rng(seed)
    values = (rng.uniform(0.5, 2, shape) * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))).astype(np.complex64)
    values[rng.random(shape) < missing] = np.nan
    return values


def apart(a, b):
    """How far two phases are apart; 0 where both are missing."""
    assert np.array_equal(np.isnan(a), np.isnan(b))
    return np.nan_to_num(np.abs(np.angle(np.exp(1j * (a - b))))).max()


@given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
def test_each_level_is_the_mean_over_its_blocks(seed, height, width, levels):
    values = phasors(seed, (height, width))
    for level, image in enumerate(overviews(values, levels), start=1):
        assert image.dtype == np.float32
        assert apart(image, oracle(values, 2**level)) < 1e-4
    for level, image in enumerate(overviews(values.real.copy(), levels), start=1):
        np.testing.assert_allclose(image, oracle(values.real, 2**level), rtol=1e-6, atol=1e-6)


@given(st.integers(0, 99), st.integers(1, 3))
def test_windows_of_whole_blocks_give_the_bits_of_the_whole(seed, levels):
    values = phasors(seed, (37, 51))
    whole = list(overviews(values, levels))
    for y in range(0, 37, 16):
        for x in range(0, 51, 24):
            part = values[y : y + 16, x : x + 24]
            for level, image in enumerate(overviews(part, levels), start=1):
                here = whole[level - 1][y >> level :, x >> level :][: image.shape[0], : image.shape[1]]
                np.testing.assert_array_equal(image, here)


def test_no_fringe_is_invented():
    """A fringe every 5 pixels wraps inside blocks of 2 and 4: overviews keep its phase, averaged radians do not."""
    ramp = 2 * np.pi / 5 * np.arange(400)[None, :] * np.ones((8, 1))
    values = np.exp(1j * ramp).astype(np.complex64)
    for level, image in enumerate(overviews(values, 2), start=1):
        side = 2**level
        middle = 2 * np.pi / 5 * (side * np.arange(400 // side) + (side - 1) / 2)
        true = np.angle(np.exp(1j * middle))[None, :] * np.ones((8 // side, 1))
        assert apart(image, true) < 1e-4
        radians = np.angle(values).reshape(8 // side, side, 400 // side, side).mean((1, 3))
        assert np.abs(np.angle(np.exp(1j * (radians - true)))).max() > 1.0


def test_phasors_that_cancel_have_no_phase():
    """A fringe every 2 pixels: their sum is 0, whose angle would be a measurement of 0."""
    values = np.exp(1j * np.pi * np.arange(64)).astype(np.complex64)[None, :] * np.ones((4, 1), np.complex64)
    first, second = overviews(values, 2)
    assert np.isnan(first).all()
    assert np.isnan(second).all()


def test_flags_and_counts_are_rounded_means():
    flags = np.array([[True, True, False, False], [True, False, False, True]])
    (level,) = overviews(flags, 1)
    np.testing.assert_array_equal(level, np.array([[1, 0]], np.uint8))
    (level,) = overviews(np.array([[2**24 + 1, 2**24 + 1]], np.int32), 1)
    assert (level.dtype, level[0, 0]) == (np.int32, 2**24 + 1)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
def test_bits_and_labels_are_never_mixed(height, width, levels):
    values = np.random.default_rng(0).choice([1, 2, 9], (height, width)).astype(np.uint8)
    for level, image in enumerate(overviews(values, levels), start=1):
        blocks = oracle(values, 2**level)
        assert image.shape == blocks.shape
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, values[:: 2**level, :: 2**level])


@pytest.mark.parametrize("size", [1, 511, 512, 513, 5000, 2**20])
def test_the_last_level_fits_into_a_tile(size):
    levels = level_count((7, size), 512)
    assert -(-size >> levels) <= 512
    assert levels == 0 or -(-size >> (levels - 1)) > 512


def test_numbers_that_name_something_are_not_averaged():
    """Between components 1 and 3 there need not be a 2."""
    values = np.array([[1, 3, 5], [3, 3, 9], [7, 7, 2]], np.uint16)
    first, second = overviews(values, 2)
    assert first.dtype == np.uint16
    assert first.tolist() == [[1, 5], [7, 2]]
    assert second.tolist() == [[1]]
