import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.goldstein import goldstein, patch_reads, patch_starts


def draw(shape, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * (0.2 * np.arange(shape[-1]) + rng.normal(0, 0.8, shape)))
    z[rng.uniform(size=shape) < missing] = np.nan
    return z.astype(np.complex64)


def oracle(z, patch_size, step, alpha, min_valid=0.5, amplitude="input"):
    """The filter written down plainly, in double precision, one patch after the other."""

    def starts(size):
        last = max(0, size - patch_size)
        return sorted({*range(0, last + 1, step), last})

    z = z.astype(np.complex128)
    total, weights = np.zeros_like(z), np.zeros(z.shape)
    side = np.minimum(np.arange(1, patch_size + 1), np.arange(patch_size, 0, -1)) * 2 / (patch_size + 1)
    for y in starts(z.shape[0]):
        for x in starts(z.shape[1]):
            cut = z[y : y + patch_size, x : x + patch_size]
            rows, cols = cut.shape
            if np.isnan(cut).all() or np.mean(~np.isnan(cut)) < min_valid:
                continue
            spectrum = np.fft.fft2(np.nan_to_num(cut, nan=0), (patch_size, patch_size))
            smooth = np.fft.ifft2(spectrum * np.abs(spectrum) ** alpha)[:rows, :cols]
            weight = np.outer(side, side)[:rows, :cols]
            total[y : y + rows, x : x + cols] += weight * smooth
            weights[y : y + rows, x : x + cols] += weight
    filtered = np.divide(total, weights, out=z.copy(), where=weights > 0)
    if amplitude == "filter":
        return np.where(np.isnan(z), np.nan, filtered)
    length = np.abs(z) if amplitude == "input" else 1
    return np.where(np.isnan(z), np.nan, filtered / np.abs(filtered) * length)


@pytest.mark.parametrize("amplitude", ["input", "filter", "unit"])
@pytest.mark.parametrize(
    ("patch_size", "step", "alpha", "shape"),
    [
        (8, 4, 0.5, (29, 40)),
        (16, 16, 1.0, (45, 33)),
        (32, 8, 0.37, (50, 64)),
        (32, 16, 0.5, (20, 11)),
        (8, 1, 0.8, (11, 30)),
    ],
)
def test_against_a_plain_loop(patch_size, step, alpha, shape, amplitude):
    z = draw(shape, missing=0.1)
    result = goldstein(z, patch_size=patch_size, step=step, alpha=alpha, amplitude=amplitude)
    expected = oracle(z, patch_size, step, alpha, amplitude=amplitude)
    assert result.dtype == np.complex64
    np.testing.assert_array_equal(np.isnan(result), np.isnan(z))
    weight = np.abs(oracle(z, patch_size, step, alpha, amplitude="filter"))
    clear = weight > 0.02 * np.nanmax(weight)  # where the sum nearly vanishes its phase is anybody's
    assert clear.mean() > 0.8
    np.testing.assert_allclose(result[clear], expected[clear], rtol=5e-4)
    if amplitude == "filter":
        np.testing.assert_allclose(result, expected, atol=1e-5 * np.nanmax(weight))
    if amplitude == "input":
        np.testing.assert_allclose(np.abs(result), np.abs(z), rtol=1e-6)
    if amplitude == "unit":
        np.testing.assert_allclose(np.abs(result[~np.isnan(z)]), 1, rtol=1e-6)


def test_oracle_would_notice():
    z = draw((40, 40))
    assert np.abs(oracle(z, 16, 8, 0.5) - oracle(z, 16, 4, 0.5)).max() > 0.01
    assert np.abs(oracle(z, 16, 8, 0.5) - oracle(z, 16, 8, 0.6)).max() > 0.01


def test_images_along_leading_axes_are_filtered_one_by_one():
    z = draw((2, 3, 40, 37))
    result = goldstein(z, patch_size=16, step=8, alpha=0.5)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(result[index], goldstein(z[index], patch_size=16, step=8, alpha=0.5))


def test_alpha_zero_changes_nothing():
    z = draw((50, 41), missing=0.2)
    np.testing.assert_allclose(goldstein(z, patch_size=16, step=8, alpha=0.0), z, atol=3e-6)


@given(
    angle=st.floats(-np.pi, np.pi),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    alpha=st.floats(0, 1),
    patch_size=st.sampled_from([8, 16, 32]),
)
def test_constant_phase_is_a_fixed_point(angle, shape, alpha, patch_size):
    z = np.full(shape, np.exp(1j * angle), np.complex64)
    result = goldstein(z, patch_size=patch_size, step=patch_size // 2, alpha=alpha)
    np.testing.assert_allclose(result, z, atol=2e-5)


@pytest.mark.parametrize("cycles", [(1, 0), (0, 3), (2, -5), (-7, 4)])
def test_fringes_of_whole_cycles_in_a_patch_are_fixed(cycles):
    y, x = np.mgrid[:75, :98]
    phase = 2 * np.pi * (cycles[0] * y + cycles[1] * x) / 32
    z = np.exp(1j * phase).astype(np.complex64)
    result = goldstein(z, patch_size=32, step=16, alpha=0.5)
    assert np.abs(np.angle(result * np.exp(-1j * phase))).max() < 1e-4


@given(angle=st.floats(-np.pi, np.pi), seed=st.integers(0, 9))
def test_offset_commutes(angle, seed):
    z = draw((40, 45), seed, missing=0.05)
    turn = np.exp(1j * angle)
    before = goldstein((z * turn).astype(np.complex64), patch_size=16, step=8, alpha=0.5, amplitude="filter")
    after = goldstein(z, patch_size=16, step=8, alpha=0.5, amplitude="filter") * turn
    np.testing.assert_allclose(before, after, atol=1e-5 * np.nanmax(np.abs(after)))


@given(seed=st.integers(0, 9))
def test_conjugation_commutes(seed):
    z = draw((40, 45), seed, missing=0.05)
    options = {"patch_size": 16, "step": 8, "alpha": 0.5, "amplitude": "filter"}
    after = np.conj(goldstein(z, **options))
    np.testing.assert_allclose(goldstein(np.conj(z), **options), after, atol=1e-5 * np.nanmax(np.abs(after)))


def test_missing_pixels_stay_missing_and_touch_only_their_patches():
    z = draw((96, 96))
    holed = z.copy()
    holed[50, 41] = np.nan
    holed[50, 42] = complex(np.nan, 1.0)
    options = {"patch_size": 16, "step": 8, "alpha": 0.5}
    whole, result = goldstein(z, **options), goldstein(holed, **options)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(holed))
    changed = (result != whole) & ~np.isnan(holed)
    near = np.zeros(z.shape, bool)
    near[40:64, 32:56] = True  # the union of the patches that hold row 50 and columns 41, 42
    assert changed[near].any()
    assert not changed[~near].any()


def test_all_missing_stays_missing():
    z = np.full((40, 40), np.nan, np.complex64)
    assert np.isnan(goldstein(z, patch_size=16, step=8, alpha=0.5)).all()


@pytest.mark.parametrize("min_valid", [0.1, 0.3, 0.5, 0.7, 1.0])
def test_patches_below_min_valid_are_left_alone(min_valid):
    """10 x 10 pixels in one patch: the fraction is exact."""
    count = round(100 * min_valid)
    for valid, filtered in ((count, True), (count - 1, False)):
        z = draw((10, 10))
        z.ravel()[valid:] = np.nan
        result = goldstein(z, patch_size=16, step=16, alpha=1.0, min_valid=min_valid)
        same = np.allclose(result, z, rtol=1e-6, equal_nan=True)
        assert same is not filtered


def test_noise_is_reduced():
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:128, :128]
    phase = 0.15 * x - 0.08 * y
    z = np.exp(1j * (phase + rng.normal(0, 0.7, phase.shape))).astype(np.complex64)
    left = np.angle(goldstein(z, patch_size=32, step=16, alpha=0.5) * np.exp(-1j * phase))
    assert left.std() < 0.35
    assert abs(left.mean()) < 0.02


@given(size=st.integers(1, 300), patch_size=st.sampled_from([8, 32]), step=st.sampled_from([1, 4, 8]))
def test_patches_cover_the_axis_and_stay_inside(size, patch_size, step):
    starts = patch_starts(size, patch_size, step)
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= step).all()
    assert starts[0] == 0
    assert max(size, patch_size) == starts[-1] + patch_size


@given(size=st.integers(1, 200), data=st.data())
def test_reads_are_the_patches_that_touch(size, data):
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    touching = [s for s in patch_starts(size, 16, 8) if s < stop and s + 16 > start]
    assert patch_reads(start, stop, size, patch_size=16, step=8) == (touching[0], min(size, touching[-1] + 16))
