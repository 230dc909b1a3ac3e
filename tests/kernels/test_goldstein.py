from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.goldstein import goldstein, patch_reads, patch_starts, patch_window
from insarflow.kernels.spectrum import window_shares
from insarflow.ops.presets import PRESETS

SNAP = ("snap_legacy", "snap14")


def draw(shape, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * (0.2 * np.arange(shape[-1]) + rng.normal(0, 0.8, shape)))
    z[rng.uniform(size=shape) < missing] = np.nan
    return z.astype(np.complex64)


def draw_coherence(shape, seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (0.5 + 0.45 * np.sin(0.02 * x + 0.03 * y + seed)).astype(np.float32)


def run(preset, z, coherence=None, **changes):
    """A preset with changes, and the coherence it needs."""
    settings = {**asdict(PRESETS[preset]), **changes}
    if settings["alpha"] == "adaptive" and coherence is None:
        coherence = draw_coherence(z.shape)
    return goldstein(z, coherence, **settings)


def smooth_amplitude(amplitude, size, ends):
    """Mean over ``size * size`` bins around each bin."""
    n, half = len(amplitude), size // 2
    result = np.empty_like(amplitude)
    for i in range(n):
        for j in range(n):
            rows, cols = np.arange(i - half, i + half + 1), np.arange(j - half, j + half + 1)
            if ends == "clipped":
                rows, cols = (k[(k >= 0) & (k < n)] for k in (rows, cols))
            result[i, j] = amplitude[np.ix_(rows % n, cols % n)].mean()
    return result


def oracle(
    z, coherence=None, *, patch_size, step, alpha, min_valid=0.5, amplitude="input", alpha_range=(0.0, 1.0),
    smoothing=1, smoothing_ends="circular", window="triangular", normalise=True, edges="fill", swap_iq=False,
):  # fmt: skip
    """The filter written down plainly, in double precision, one patch after the other."""

    def starts(size):
        last = size - patch_size
        return sorted({*range(0, last + 1, step), *([last] if edges == "fill" else [])})

    valid = ~np.isnan(z)
    z = np.where(valid, z, 0).astype(np.complex128)
    total, weights = np.zeros_like(z), np.zeros(z.shape)
    n, i = patch_size, np.arange(patch_size)
    side = {
        "triangular": np.minimum(i + 1, n - i) * 2 / (n + 1),
        "triangular_snap": np.minimum(i + 0.5, n - i - 0.5) * 2 / n,
        "triangular_isce2": 1 - abs(2 * (i - n / 2) / (n + 1)),
        "flat": np.ones(n),
    }[window]
    for y in starts(z.shape[0]):
        for x in starts(z.shape[1]):
            cut, there = z[y : y + n, x : x + n], valid[y : y + n, x : x + n]
            if not there.any() or np.mean(there) < min_valid:
                continue
            exponent = alpha
            if alpha == "adaptive":
                exponent = np.clip(1 - coherence[y : y + n, x : x + n][there].mean(dtype=float), *alpha_range)
            spectrum = np.fft.fft2(1j * np.conj(cut) if swap_iq else cut)
            response = np.abs(spectrum)
            if smoothing > 1:
                response = smooth_amplitude(response, smoothing, smoothing_ends)
            patch = np.fft.ifft2(spectrum * response**exponent)
            if swap_iq:
                patch = 1j * np.conj(patch)
            total[y : y + n, x : x + n] += np.outer(side, side) * patch
            weights[y : y + n, x : x + n] += np.outer(side, side)
    covered = weights > 0
    filtered = total / np.where(covered, weights, 1) if normalise else total * n * n
    filtered = np.where(covered, filtered, z if edges == "fill" else 0)
    if amplitude != "filter":
        length = np.abs(z) if amplitude == "input" else 1
        filtered = filtered / np.where(filtered == 0, 1, np.abs(filtered)) * length
    return np.where(valid, filtered, np.nan)


def compare(result, expected, filters_own):
    """Everywhere but where the filter's own result, complex, nearly vanishes: its phase there is anybody's."""
    assert result.dtype == np.complex64
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    own = np.abs(filters_own)
    clear = own > 0.02 * np.nanmax(own)
    assert clear.mean() > 0.4
    np.testing.assert_allclose(result[clear], expected[clear], rtol=5e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_against_a_plain_loop(preset):
    z, coherence = draw((101, 138), missing=0.1), draw_coherence((101, 138))
    z[:40, :44] = np.nan
    settings = asdict(PRESETS[preset])
    expected = oracle(z, coherence, **settings)
    compare(run(preset, z, coherence), expected, oracle(z, coherence, **settings | {"amplitude": "filter"}))
    if settings["amplitude"] == "filter":
        scale = np.nanmax(np.abs(expected))
        np.testing.assert_allclose(run(preset, z, coherence) / scale, expected / scale, atol=1e-5)


@pytest.mark.parametrize("amplitude", ["input", "filter", "unit"])
@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((45, 33), {"patch_size": 16, "step": 16, "alpha": 1.0}),
        ((50, 64), {"patch_size": 32, "step": 8, "alpha": 0.37}),
        ((29, 40), {"patch_size": 16, "step": 1, "alpha": 0.8, "window": "flat"}),
        ((33, 41), {"patch_size": 16, "step": 4, "alpha": 0.6, "smoothing": 5, "normalise": False}),
        ((47, 33), {"patch_size": 16, "step": 8, "alpha": 0.5, "smoothing": 7, "smoothing_ends": "clipped"}),
        ((40, 51), {"patch_size": 16, "step": 8, "alpha": 1.0, "smoothing": 3, "swap_iq": True, "edges": "zero"}),
        ((90, 83), {"patch_size": 64, "step": 16, "alpha": "adaptive", "alpha_range": (0.3, 0.6)}),
    ],
)
def test_parameters_against_a_plain_loop(shape, settings, amplitude):
    z, coherence = draw(shape, missing=0.1), draw_coherence(shape)
    own = oracle(z, coherence, **settings, amplitude="filter")
    result = goldstein(z, coherence, **settings, amplitude=amplitude)
    compare(result, oracle(z, coherence, **settings, amplitude=amplitude), own)
    covered = ~np.isnan(z) & (own != 0)
    if amplitude == "input":
        np.testing.assert_allclose(np.abs(result[covered]), np.abs(z[covered]), rtol=2e-6)
    if amplitude == "unit":
        np.testing.assert_allclose(np.abs(result[covered]), 1, rtol=2e-6)


@pytest.mark.parametrize(("patch_size", "shape"), [(8, (11, 30)), (128, (140, 131))])
def test_smallest_and_largest_patch(patch_size, shape):
    z = draw(shape, missing=0.05)
    settings = {"patch_size": patch_size, "step": patch_size // 2, "alpha": 0.5, "amplitude": "filter"}
    expected = oracle(z, **settings)
    result = goldstein(z, **settings)
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.nanmax(np.abs(expected)))


def test_oracle_would_notice():
    z = draw((80, 80))
    base = {"patch_size": 32, "step": 16, "alpha": 0.5}
    first = oracle(z, **base)
    for change in (
        {"step": 8}, {"alpha": 0.6}, {"smoothing": 3}, {"window": "flat"}, {"window": "triangular_snap"},
        {"window": "triangular_isce2"}, {"amplitude": "filter"},
    ):  # fmt: skip
        assert np.abs(oracle(z, **base | change) - first).max() > 1e-3, change
    smooth = base | {"smoothing": 3}
    clipped = oracle(z, **smooth, smoothing_ends="clipped")
    assert np.abs(oracle(z, **smooth) - clipped).max() > 0.01
    assert np.abs(oracle(z, **smooth, smoothing_ends="clipped", swap_iq=True) - clipped).max() > 0.01


def test_the_windows_of_the_clipped_mean_at_the_spectrums_ends():
    shares = window_shares(16, 3, clipped=True)
    np.testing.assert_allclose(1 / shares[[0, 0, 5, 15], [0, 7, 7, 15]], [4, 6, 9, 4], rtol=1e-6)
    np.testing.assert_allclose(window_shares(16, 3, clipped=False), 1 / 9, rtol=1e-6)


def test_snaps_far_rows_and_columns_stay_zero_and_fill_treats_them():
    z = draw((64 + 16 + 9, 64 + 5))
    result = run("snap_legacy", z)
    assert np.all(result[80:] == 0)
    assert np.all(result[:, 64:] == 0)
    assert np.all(result[:80, :64] != 0)
    filled = run("snap_legacy", z, edges="fill")
    assert np.all(filled != 0)
    np.testing.assert_array_equal(filled[:25, :5], result[:25, :5])  # pixels that only the first patch covers


def test_images_along_leading_axes_are_filtered_one_by_one():
    z, coherence = draw((2, 3, 40, 37)), np.broadcast_to(draw_coherence((40, 37)), (2, 3, 40, 37)).copy()
    coherence[1, 2] *= 0.5
    result = goldstein(z, coherence, patch_size=16, step=8, alpha="adaptive")
    for index in np.ndindex(2, 3):
        one = goldstein(z[index], coherence[index], patch_size=16, step=8, alpha="adaptive")
        np.testing.assert_array_equal(result[index], one)


def test_alpha_zero_changes_nothing():
    z = draw((50, 41), missing=0.2)
    np.testing.assert_allclose(goldstein(z, patch_size=16, step=8, alpha=0.0), z, atol=3e-6)


@pytest.mark.parametrize("preset", PRESETS)
def test_wrapped_phase_in_wrapped_phase_out(preset):
    z = draw((83, 90), missing=0.05)
    phase = np.angle(z)
    result = run(preset, phase)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(result), np.isnan(z))
    twin = run(preset, np.exp(1j * phase).astype(np.complex64))
    clear = np.abs(twin) > 0.02 * np.nanmax(np.abs(twin))
    assert np.abs(np.angle(np.exp(1j * result[clear]) * np.conj(twin[clear]))).max() < 2e-4


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_any_brightness(scale):
    z = draw((50, 60), missing=0.05)
    bright = goldstein((z * np.float32(scale)).astype(np.complex64), patch_size=32, step=16, alpha=1.0)
    np.testing.assert_allclose(bright / scale, goldstein(z, patch_size=32, step=16, alpha=1.0), rtol=2e-4)


@given(
    angle=st.floats(-np.pi, np.pi), rest=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    preset=st.sampled_from(list(PRESETS)),
)  # fmt: skip
def test_constant_phase_is_a_fixed_point_everywhere(angle, rest, preset):
    patch = PRESETS[preset].patch_size
    z = np.full((patch + rest[0], patch + rest[1]), np.exp(1j * angle), np.complex64)
    result = run(preset, z, edges="fill", amplitude="unit")
    np.testing.assert_allclose(result, z, atol=2e-5)


@pytest.mark.parametrize("cycles", [(1, 0), (0, 3), (2, -5), (-7, 4)])
@pytest.mark.parametrize("preset", PRESETS)
def test_fringes_of_whole_cycles_in_a_patch_are_fixed(preset, cycles):
    y, x = np.mgrid[:107, :98]
    phase = 2 * np.pi * (cycles[0] * y + cycles[1] * x) / PRESETS[preset].patch_size
    z = np.exp(1j * phase).astype(np.complex64)
    result = run(preset, z, edges="fill")
    assert np.abs(np.angle(result * np.exp(-1j * phase))).max() < 1e-4


@given(
    slope=st.floats(-0.6, 0.6), axes=st.sampled_from([(1, 0), (0, 1), (1, 1), (1, -1)]),
    preset=st.sampled_from(list(PRESETS)),
)  # fmt: skip
def test_any_other_fringe_stays_nearly_where_it_is_away_from_the_border(slope, axes, preset):
    """Half a cycle beside the patch's frequencies is worst; errors of the two axes add, and ISCE2's window is skew."""
    patch = PRESETS[preset].patch_size
    y, x = np.mgrid[: 3 * patch, : 3 * patch]
    phase = slope * (axes[0] * y + axes[1] * x)
    result = run(preset, np.exp(1j * phase).astype(np.complex64), np.full(phase.shape, 0.4, np.float32))
    inner = np.s_[patch:-patch, patch:-patch]
    bound = (0.035 if preset == "isce2" else 0.03) * np.abs(axes).sum()
    assert np.abs(np.angle(result * np.exp(-1j * phase)))[inner].max() < bound


@given(angle=st.floats(-np.pi, np.pi), seed=st.integers(0, 9), preset=st.sampled_from(list(PRESETS)))
def test_offset_commutes(angle, seed, preset):
    z = draw((77, 85), seed, missing=0.05)
    turn = np.exp(1j * angle)
    before = run(preset, (z * turn).astype(np.complex64), amplitude="filter")
    after = run(preset, z, amplitude="filter") * turn
    np.testing.assert_allclose(before, after, atol=1e-5 * np.nanmax(np.abs(after)))


@given(seed=st.integers(0, 9), preset=st.sampled_from(list(PRESETS)))
def test_conjugation_commutes_unless_the_smoothing_is_clipped(seed, preset):
    z = draw((77, 85), seed, missing=0.05)
    after = np.conj(run(preset, z, amplitude="filter"))
    before = run(preset, np.conj(z), amplitude="filter")
    scale = np.nanmax(np.abs(after))
    if preset not in SNAP:
        np.testing.assert_allclose(before, after, atol=1e-5 * scale)
    else:
        assert np.nanmax(np.abs(before - after)) > 1e-3 * scale
        swap = not PRESETS[preset].swap_iq
        swapped = run(preset, np.conj(z), amplitude="filter", swap_iq=swap)
        np.testing.assert_allclose(swapped, after, atol=1e-5 * scale)


@pytest.mark.parametrize("preset", ["default", "snap14"])
def test_missing_pixels_stay_missing_and_touch_only_their_patches(preset):
    z = draw((230, 230))
    holed = z.copy()
    holed[100, 121] = np.nan
    holed[100, 122] = complex(np.nan, 1.0)
    whole, result = run(preset, z), run(preset, holed)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(holed))
    changed = (result != whole) & ~np.isnan(holed)
    size, step = PRESETS[preset].patch_size, PRESETS[preset].step
    near = np.zeros(z.shape, bool)
    for y in range(0, 230 - size, step):
        for x in range(0, 230 - size, step):
            if y <= 100 < y + size and (x <= 121 < x + size or x <= 122 < x + size):
                near[y : y + size, x : x + size] = True
    assert changed[near].any()
    assert not changed[~near].any()
    assert 0.02 < near.mean() < 0.4


def test_all_missing_stays_missing():
    z = np.full((40, 40), np.nan, np.complex64)
    assert np.isnan(goldstein(z, patch_size=16, step=8, alpha=0.5)).all()
    assert np.isnan(goldstein(z, patch_size=16, step=8, alpha=0.5, edges="zero")).all()


@pytest.mark.parametrize("min_valid", [0.125, 0.25, 0.5, 0.75, 1.0])
def test_patches_below_min_valid_are_left_alone(min_valid):
    """16 x 16 pixels in one patch: the fraction is exact."""
    count = round(256 * min_valid)
    for valid, filtered in ((count, True), (count - 1, False)):
        z = draw((16, 16))
        z.ravel()[valid:] = np.nan
        for edges, left in (("fill", z), ("zero", z * 0)):
            result = goldstein(z, patch_size=16, step=16, alpha=1.0, min_valid=min_valid, edges=edges)
            same = np.allclose(result, left, rtol=1e-6, equal_nan=True)
            assert same is not filtered


def test_coherence_that_is_none_is_refused():
    z = draw((40, 45), missing=0.1)
    z[3, 4] = np.nan
    coherence = np.full(z.shape, 0.5, np.float32)
    coherence[np.isnan(z)] = np.nan
    goldstein(z, coherence, patch_size=16, step=8, alpha="adaptive")
    z[3, 4] = 1
    for wrong in (-0.25, np.nan, 1.5):
        coherence[3, 4] = wrong
        with pytest.raises(ValueError, match=f"^coherence must be between 0 and 1 .* instead got coherence={wrong}"):
            goldstein(z, coherence, patch_size=16, step=8, alpha="adaptive")


def test_noise_is_reduced():
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:128, :128]
    phase = 0.15 * x - 0.08 * y
    z = np.exp(1j * (phase + rng.normal(0, 0.7, phase.shape))).astype(np.complex64)
    left = np.angle(goldstein(z, patch_size=32, step=16, alpha=0.5) * np.exp(-1j * phase))
    assert left.std() < 0.35
    assert abs(left.mean()) < 0.02


def test_windows_of_patches():
    for name, first, total in (("triangular", 2 / 33, 16.48), ("triangular_snap", 1 / 32, 16.0), ("flat", 1.0, 32.0)):
        window = patch_window(32, name)
        np.testing.assert_array_equal(window, window[::-1])
        assert window[0] == pytest.approx(first)
        assert window.sum() == pytest.approx(total, abs=0.01)
    np.testing.assert_allclose(patch_window(32, "triangular_snap")[:16] + patch_window(32, "triangular_snap")[16:], 1)
    assert patch_window(32, "triangular_isce2")[16] == 1


@given(rest=st.integers(0, 300), patch_size=st.sampled_from([8, 32]), step=st.sampled_from([1, 4, 8]))
def test_patches_cover_the_axis_and_stay_inside(rest, patch_size, step):
    size = patch_size + rest
    starts = patch_starts(size, patch_size, step)
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= step).all()
    assert starts[0] == 0
    assert size == starts[-1] + patch_size
    multiples = patch_starts(size, patch_size, step, "zero")
    assert size - (multiples[-1] + patch_size) == rest % step


@given(size=st.integers(16, 200), data=st.data(), edges=st.sampled_from(["fill", "zero"]))
def test_reads_are_the_patches_that_touch(size, data, edges):
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    touching = [s for s in patch_starts(size, 16, 8, edges) if s < stop and s + 16 > start]
    pixels = [start, stop, *touching, *(s + 16 for s in touching)]
    assert patch_reads(start, stop, size, patch_size=16, step=8, edges=edges) == (min(pixels), max(pixels))
