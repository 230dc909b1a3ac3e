import math

import numpy as np
import pytest

from insarflow.kernels.coherence import coherence, gaussian, gaussian_reach, phase_coherence, row_grid
from insarflow.kernels.window_sums import STRIP, plan_sums
from insarflow.types import Looks, Tile, Window


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


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("window", [Looks(1, 1), Looks(3, 5), Looks(6, 2)])
def test_gaussian_against_a_plain_loop(window, missing):
    a, b = draw((11, 14), 1, missing), draw((11, 14), 2, missing)
    weights = np.outer(gaussian(window.y), gaussian(window.x))
    reach = gaussian_reach(window.y), gaussian_reach(window.x)
    p, q = (np.pad(z.astype(complex), [(n, n) for n in reach], constant_values=np.nan) for z in (a, b))
    for result, other in ((coherence(a, b, window=window, weights="gaussian"), q),
                          (phase_coherence(a, window=window, weights="gaussian"), None)):  # fmt: skip
        for row, col in np.ndindex(a.shape):
            u = p[row : row + weights.shape[0], col : col + weights.shape[1]]
            v = other[row : row + weights.shape[0], col : col + weights.shape[1]] if other is not None else None
            there = ~np.isnan(u if v is None else u + v)
            u, w = u[there], weights[there]
            if np.isnan(a[row, col]) or (v is not None and np.isnan(b[row, col])):
                assert np.isnan(result[row, col])
            elif v is None:
                assert result[row, col] == pytest.approx(abs(np.sum(w * u / abs(u))) / w.sum(), abs=1e-6)
            else:
                v = v[there]
                power = np.sum(w * abs(u) ** 2) * np.sum(w * abs(v) ** 2)
                assert result[row, col] == pytest.approx(abs(np.sum(w * u * v.conj())) / np.sqrt(power), abs=1e-6)


@pytest.mark.parametrize("window", [5, 9, 31])
def test_gaussian_has_the_noise_of_the_boxcar(window):
    assert 1 / np.sum(gaussian(window) ** 2) == pytest.approx(window, rel=0.03)
    assert gaussian_reach(window) <= window


@pytest.mark.parametrize("window", range(1, 70))
def test_plans_reach_every_window(window):
    total = 1
    for parts in plan_sums(window)[::-1]:
        total = total * parts if parts else total + 1
    assert total == window


@pytest.mark.parametrize("window", [Looks(3, 10), Looks(5, 5), Looks(7, 7), Looks(12, 23)])
def test_accuracy_behind_a_bright_target(window):
    """To 1e-7 in double precision, wherever the target lies, and a missing pixel does not poison its row."""
    a, b = draw((60, 300), 1), draw((60, 300), 2)
    b = (a + 0.5 * b).astype(np.complex64)
    a[:, 40] *= 1e6
    a[20, 100] = b[20, 100] = 1e12
    a[30, 50] = np.nan
    result = coherence(a, b, window=window)
    rows, cols = np.s_[15:45], np.s_[30:130]
    expected = oracle(a[:, :170], b[:, :170], window)[rows, cols]
    np.testing.assert_allclose(result[rows, cols], expected, rtol=1.3e-7)
    assert np.isnan(result).sum() == 1


@pytest.mark.parametrize("window", [Looks(4, 3), Looks(5, 9)])
def test_strips_do_not_show(window):
    a, b = draw((12, STRIP + 700), 1, 0.1), draw((12, STRIP + 700), 2, 0.1)
    whole = coherence(a, b, window=window)
    part = coherence(a[:, STRIP - 60 :], b[:, STRIP - 60 :], window=window)
    np.testing.assert_array_equal(whole[:, STRIP - 40 :], part[:, 20:])
    np.testing.assert_allclose(part, oracle(a[:, STRIP - 60 :], b[:, STRIP - 60 :], window), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("window", [1, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("first", range(4, 12))
def test_any_window_of_rows_gives_the_same_bits(window, first):
    a, b = draw((30, 20), 1), draw((30, 20), 2)
    size = Looks(window, 4)
    whole = coherence(a, b, window=size)
    tile = Tile(Window(first, 0, 18, 20), Window(first + 4, 0, 10, 20), (30, 20))
    part = coherence(a[first : first + 18], b[first : first + 18], window=size, tile=tile)
    np.testing.assert_array_equal(part, whole[first + 4 : first + 14])
    start = first // row_grid(window) * row_grid(window)
    alone = coherence(a[start:], b[start:], window=size)  # an image of its own, begun on the grid
    np.testing.assert_array_equal(alone[7:20], whole[start + 7 : start + 20])


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
    reference = np.load(folder / "slc_20230331_reference.npy")
    secondary = np.load(folder / "slc_20230319_secondary_coregistered.npy")
    gamma = coherence(reference, secondary, window=Looks(5, 5))
    percentiles = np.nanpercentile(gamma, [5, 25, 50, 75, 95])
    np.testing.assert_allclose(percentiles, [0.32, 0.65, 0.82, 0.91, 0.96], atol=0.01)
