import math

import numpy as np
import pytest

from insarflow.kernels.coherence import coherence, phase_coherence
from insarflow.types import Looks


def draw(shape, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    z[rng.uniform(size=shape) < missing] = np.nan
    return z


def around(array, row, col, window):
    """The window of a pixel: cut at the border, an even one extends further down and right."""
    top, left = row - (window.y - 1) // 2, col - (window.x - 1) // 2
    return array[max(0, top) : top + window.y, max(0, left) : left + window.x]


def oracle(a, b, window):
    out = np.full(a.shape, np.nan)
    for row, col in np.ndindex(a.shape):
        p, q = around(a, row, col, window).astype(complex), around(b, row, col, window).astype(complex)
        both = ~np.isnan(p) & ~np.isnan(q)
        power = np.sum(np.abs(p[both]) ** 2) * np.sum(np.abs(q[both]) ** 2)
        if not np.isnan(a[row, col] + b[row, col]) and power > 0:
            out[row, col] = np.abs(np.sum(p[both] * np.conj(q[both]))) / np.sqrt(power)
    return out


def phase_oracle(z, window):
    out = np.full(z.shape, np.nan)
    for row, col in np.ndindex(z.shape):
        values = around(z, row, col, window).astype(complex)
        values = values[~np.isnan(values) & (values != 0)]
        if not np.isnan(z[row, col]) and values.size:
            out[row, col] = np.abs(np.mean(values / np.abs(values)))
    return out


WINDOWS = [Looks(1, 1), Looks(3, 5), Looks(2, 4), Looks(5, 2), Looks(11, 14), Looks(30, 30)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_against_a_plain_loop(window, missing):
    a, b = draw((11, 14), 1, missing), draw((11, 14), 2, missing)
    b = (a + 0.7 * b).astype(np.complex64)
    a[3:6, 4:7] = 0  # dark water: no coherence where the window holds nothing else
    result = coherence(a, b, window=window)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, oracle(a, b, window), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_phase_only_against_a_plain_loop(window, missing):
    z = draw((11, 14), 1, missing)
    z[3:6, 4:7] = 0
    z[0, 0] = complex(np.nan, 1)
    result = phase_coherence(z, window=window)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, phase_oracle(z, window), rtol=1e-6, atol=1e-7)


def test_leading_axes():
    a, b = draw((2, 3, 9, 8), 1), draw((2, 3, 9, 8), 2)
    both, phase = coherence(a, b, window=Looks(3, 3)), phase_coherence(a, window=Looks(3, 3))
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(both[index], coherence(a[index], b[index], window=Looks(3, 3)))
        np.testing.assert_array_equal(phase[index], phase_coherence(a[index], window=Looks(3, 3)))


def test_identical_images_are_coherent_and_never_more():
    a = draw((30, 30)) * np.float32(1e3)
    for other in (a, a * np.complex64(-2.5j)):
        result = coherence(a, other, window=Looks(5, 5))
        assert result.min() > 1 - 1e-6
        assert result.max() <= 1
    assert phase_coherence(np.full((9, 9), 1e-20j, np.complex64), window=Looks(3, 3)).min() == 1


def test_bright_target_stays_in_its_window():
    a, b = draw((20, 40), 1), draw((20, 40), 2)
    before = coherence(a, b, window=Looks(3, 3))
    a[10, 20] = b[10, 20] = 1e15
    after = coherence(a, b, window=Looks(3, 3))
    changed = np.argwhere(before != after)
    assert (np.abs(changed - (10, 20)) <= 1).all()


@pytest.mark.parametrize("window", [Looks(5, 5), Looks(4, 10)])
def test_bias_of_independent_noise(window):
    looks = window.y * window.x
    a, b = draw((300, 300), 1), draw((300, 300), 2)
    inside = slice(10, -10), slice(10, -10)
    for estimate in (coherence(a, b, window=window), phase_coherence(a * np.conj(b), window=window)):
        assert estimate[inside].mean() == pytest.approx(math.sqrt(math.pi / (4 * looks)), rel=0.05)


def test_real_pair(data):
    folder = data / "amsterdam-s1-slc-pair"
    if not folder.is_dir():
        pytest.skip("real data amsterdam-s1-slc-pair not at hand")
    reference = np.load(folder / "slc_20230331_reference.npy")
    secondary = np.load(folder / "slc_20230319_secondary_coregistered.npy")
    gamma = coherence(reference, secondary, window=Looks(5, 5))
    percentiles = np.nanpercentile(gamma, [5, 25, 50, 75, 95])
    np.testing.assert_allclose(percentiles, [0.32, 0.65, 0.82, 0.91, 0.96], atol=0.01)
