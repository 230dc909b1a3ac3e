from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from insarflow.kernels.coherence import coherence
from insarflow.kernels.impulse import taps
from insarflow.kernels.noise import mix, stream_key
from insarflow.kernels.single_look import BRANCHES, MARGIN, THERMAL_POWER, _key, single_looks
from insarflow.types import Looks, Window

CELLS = (12, 15)
BRIGHT = 1 / (1 + THERMAL_POWER)  # coherence that the receiver's noise leaves


def draw(
    numbers, *, window=None, first=0.9, floor=0.3, decay=20.0, phase=0.0, quality=1.0, weight=(1.0, 0.0, 0.0),
    seed=1, repeat_days=6.0, subswath=2, row=3.0, col=4.0,
):  # fmt: skip
    """Images; each parameter is a number, or an array of its ground raster or of the samples seen."""
    window, n = window or Window(7, -3, 120, 700), len(numbers)
    seen = (BRANCHES, window.height + 2 * MARGIN, window.width + 2 * MARGIN)
    weights = np.reshape(np.float32(weight), (BRANCHES, 1, 1)) if np.ndim(weight) == 1 else weight
    row, col, weights = (np.broadcast_to(np.float32(v), seen) for v in (row, col, weights))
    first, floor, decay = (np.broadcast_to(np.float32(v), CELLS) for v in (first, floor, decay))
    stacks = [np.reshape(np.float32(v), (-1, 1, 1)) if np.ndim(v) == 1 else np.float32(v) for v in (phase, quality)]
    phase, quality = (np.broadcast_to(v, (n, *CELLS)) for v in stacks)
    return single_looks(
        numbers, row=row, col=col, weight=weights, first=first, floor=floor, decay_days=decay, phase=phase,
        quality=quality, repeat_days=repeat_days, window=window, seed=seed, subswath=subswath,
    )  # fmt: skip


def correlation(a, b):
    a, b = a.astype(complex), b.astype(complex)
    return np.mean(a * np.conj(b)) / np.sqrt(np.mean(np.abs(a) ** 2) * np.mean(np.abs(b) ** 2))


# --- a slow oracle -----------------------------------------------------------------------------------------------


def white(seed, number, kind, window):
    """Unit circular Gaussian numbers of a window by the book."""
    key = stream_key(int(stream_key(seed, 0x51C)), 8 * number + kind)
    out = np.empty(window.shape, complex)
    for r, c in np.ndindex(window.shape):
        bits = int(mix(key, np.uint64(((window.y0 + r) * 2**32 + window.x0 + c) % 2**64)))
        high, low = bits >> 32, bits & 0xFFFFFFFF
        radius = np.sqrt(-np.log(((high >> 1) + 0.5) / 2**31)) * (-1) ** (high & 1)
        out[r, c] = radius * np.exp(1j * np.pi * (low - 2**32 * (low >= 2**31)) / 2**32)
    return out


def wandering(number, rho, noise, span=128):
    """An Ornstein-Uhlenbeck process at one time, from the ends of ever shorter bridges."""
    left = number - number % span
    before = noise(0)
    for k in range(span, left + 1, span):
        before = rho**span * before + np.sqrt(1 - rho ** (2 * span)) * noise(k)
    if left == number:
        return before
    after = rho**span * before + np.sqrt(1 - rho ** (2 * span)) * noise(left + span)
    right = left + span
    while True:
        middle = (left + right) // 2
        r, s = rho ** (middle - left), rho ** (right - middle)
        rest = 1 - (r * s) ** 2
        value = (r * (1 - s * s) * before + s * (1 - r * r) * after) / rest
        value = value + np.sqrt((1 - r * r) * (1 - s * s) / rest) * noise(middle)
        if middle == number:
            return value
        left, right = (middle, right) if number > middle else (left, middle)
        before, after = (value, after) if number > middle else (before, value)


def bilinear(values, y, x):
    y, x = np.clip(y, 0, values.shape[0] - 1), np.clip(x, 0, values.shape[1] - 1)
    i, j = np.minimum(y.astype(int), values.shape[0] - 2), np.minimum(x.astype(int), values.shape[1] - 2)
    u, v = y - i, x - j
    upper, lower = (values[i + k, j] * (1 - v) + values[i + k, j + 1] * v for k in (0, 1))
    return upper * (1 - u) + lower * u


def expected_image(number, k, scene, repeat_days, window, seed, subswath):
    outer = Window(window.y0 - MARGIN, window.x0 - MARGIN, window.height + 2 * MARGIN, window.width + 2 * MARGIN)
    image = np.sqrt(THERMAL_POWER) * 0j
    lost = np.full(outer.shape, THERMAL_POWER)
    for b in range(BRANCHES):
        y, x, w = (scene[name][b].astype(float) for name in ("row", "col", "weight"))
        y, x = np.where(w > 0, y, 0), np.where(w > 0, x, 0)
        near = (np.clip(np.floor(v + 0.5).astype(int), 0, n - 1) for v, n in zip((y, x), CELLS, strict=True))
        near = tuple(near)
        first, floor, decay, q = (scene[name].astype(float) for name in ("first", "floor", "decay_days", "quality"))
        first, floor, decay, q = first[near], floor[near], decay[near], q[k][near]
        u = wandering(number, np.exp(-repeat_days / decay), lambda step, b=b: white(seed, step, b, outer))
        signal = np.sqrt(q * floor) * white(seed, 0, 3 + b, outer) + np.sqrt(q * (first - floor)) * u
        image = image + w * np.exp(-1j * bilinear(scene["phase"][k].astype(float), y, x)) * signal
        lost += w * w * (1 - q * first)
    image = image + np.sqrt(lost) * white(seed, number, 6, outer)
    for axis, side in enumerate(taps(subswath).astype(float)):
        kernel = np.concatenate([side[:0:-1], side])
        image = np.apply_along_axis(np.convolve, axis, image, kernel, "valid")
    return image


def folded_scene(window, count, seed=0):
    """Ground of every kind, seen by up to three branches, with shadow; what has no meaning is NaN."""
    rng = np.random.default_rng(seed)
    seen = (BRANCHES, window.height + 2 * MARGIN, window.width + 2 * MARGIN)
    weight = rng.uniform(0.2, 2, seen) * (rng.random(seen) < np.reshape([0.8, 0.3, 0.05], (3, 1, 1)))
    row, col = (np.where(weight > 0, rng.uniform(-1, n + 1, seen), np.nan) for n in CELLS)
    first = rng.uniform(0.3, 1, CELLS)
    scene = {"row": row, "col": col, "weight": weight, "first": first, "floor": first * rng.random(CELLS)}
    scene["decay_days"] = np.exp(rng.uniform(0, 8, CELLS))
    scene["phase"], scene["quality"] = rng.uniform(-60, 60, (count, *CELLS)), rng.random((count, *CELLS))
    return {name: array.astype(np.float32) for name, array in scene.items()}


@pytest.mark.parametrize("subswath", [1, 3])
def test_images_are_those_of_the_formulas(subswath):
    window, numbers = Window(-20, 500, 3, 9), [5, 0, 261, 128]
    scene = folded_scene(window, len(numbers))
    images = single_looks(numbers, **scene, repeat_days=6.0, window=window, seed=9, subswath=subswath)
    assert images.dtype == np.complex64
    for k, number in enumerate(numbers):
        np.testing.assert_allclose(images[k], expected_image(number, k, scene, 6.0, window, 9, subswath), atol=1e-3)


# --- laws --------------------------------------------------------------------------------------------------------

WHOLE, NUMBERS = Window(-5, -30, 20, 640), (0, 1, 2, 7, 40, 130)


@lru_cache(maxsize=1)
def whole():
    scene = folded_scene(WHOLE, len(NUMBERS), seed=3)
    return scene, single_looks(NUMBERS, **scene, repeat_days=12.0, window=WHOLE, seed=4, subswath=2)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_window_and_any_acquisitions_give_the_same_bits(data):
    scene, images = whole()
    y0, x0 = data.draw(st.integers(0, WHOLE.height - 1)), data.draw(st.integers(0, WHOLE.width - 1))
    height, width = data.draw(st.integers(1, WHOLE.height - y0)), data.draw(st.integers(1, WHOLE.width - x0))
    order = data.draw(st.lists(st.integers(0, len(NUMBERS) - 1), max_size=6))
    part = dict(scene)
    for name in ("row", "col", "weight"):
        part[name] = scene[name][:, y0 : y0 + height + 2 * MARGIN, x0 : x0 + width + 2 * MARGIN]
    part["phase"], part["quality"] = scene["phase"][order], scene["quality"][order]
    window = Window(WHOLE.y0 + y0, WHOLE.x0 + x0, height, width)
    numbers = [NUMBERS[k] for k in order]
    found = single_looks(numbers, **part, repeat_days=12.0, window=window, seed=4, subswath=2)
    np.testing.assert_array_equal(found, images[order, y0 : y0 + height, x0 : x0 + width])


def test_a_seed_and_an_acquisition_have_numbers_of_their_own():
    images = [*draw([0, 1], first=0.0, floor=0.0), *draw([0], first=0.0, floor=0.0, seed=2)]
    images += [*draw([0], first=0.0, floor=0.0, window=Window(8, -3, 120, 700))]
    for i in range(len(images)):
        for j in range(i):
            assert abs(correlation(images[i], images[j])) < (0.02 if (i, j) != (3, 0) else 0.7)
    assert correlation(images[0][1:], images[3][:-1]) == pytest.approx(1)


def test_no_two_numbers_come_from_the_same_hash():
    keys = {_key(seed, number, kind) for seed in range(3) for number in range(300) for kind in range(7)}
    assert len(keys) == 3 * 300 * 7
    places = (np.arange(-150, 150)[:, None] * 2**32 + np.arange(-150, 150)).astype(np.uint64)
    with np.errstate(over="ignore"):
        bits = [mix.py_func(key, places).ravel() for key in sorted(keys)[::700]]
    assert np.unique(bits).size == len(bits) * places.size


def test_a_place_that_is_no_number_reads_the_first_cell():
    ground = np.zeros(CELLS)
    ground[0, 0] = 1.0
    images = draw([0, 1], first=1.0, floor=ground, row=np.nan, col=np.nan, decay=0.1)
    assert abs(correlation(*images)) > 0.98


# --- statistics --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "floor", "decay"), [(0.9, 0.3, 20.0), (0.7, 0.0, 200.0), (1.0, 0.0, 2000.0), (0.5, 0.5, 5.0)]
)
def test_coherence_over_all_dates(first, floor, decay):
    numbers = np.array([0, 1, 2, 3, 5, 20, 63, 64, 150])
    images = draw(numbers, first=first, floor=floor, decay=decay)
    expected = floor + (first - floor) * np.exp(-6.0 * np.abs(np.subtract.outer(numbers, numbers)) / decay)
    expected[np.diag_indices(len(numbers))] = 1 / BRIGHT
    flat = images.reshape(len(numbers), -1).astype(complex)
    # 84,000 samples of which every third or so is independent: five deviations.
    np.testing.assert_allclose(flat @ flat.conj().T / flat.shape[1], expected, atol=0.03)


def test_coherence_is_the_same_of_images_drawn_one_by_one():
    one, other, later = (draw([i], first=0.8, floor=0.2, decay=30.0)[0] for i in (0, 1, 9))
    assert abs(correlation(one, other)) == pytest.approx(BRIGHT * (0.2 + 0.6 * np.exp(-0.2)), abs=0.02)
    assert abs(correlation(one, later)) == pytest.approx(BRIGHT * (0.2 + 0.6 * np.exp(-1.8)), abs=0.02)


def test_quality_takes_signal_from_its_acquisition_alone():
    images = draw([0, 1, 2], first=0.9, floor=0.9, quality=[1.0, 0.25, 1.0])
    assert abs(correlation(images[0], images[2])) == pytest.approx(BRIGHT * 0.9, abs=0.02)
    assert abs(correlation(images[0], images[1])) == pytest.approx(BRIGHT * 0.45, abs=0.02)
    np.testing.assert_allclose(np.mean(np.abs(images) ** 2, axis=(1, 2)), 1 / BRIGHT, atol=0.03)


def test_intensity_is_exponential_and_the_phase_is_anything():
    image = draw([3])[0][::9, ::9].ravel()
    assert kstest(np.abs(image) ** 2 * BRIGHT, "expon").pvalue > 0.001
    assert kstest(np.angle(image), "uniform", (-np.pi, 2 * np.pi)).pvalue > 0.001


def test_shadow_is_dark_and_coherent_with_nothing():
    images = draw([0, 1], first=1.0, floor=1.0, weight=(0.0, 0.0, 0.0), row=np.nan, col=np.nan)
    np.testing.assert_allclose(np.mean(np.abs(images) ** 2, axis=(1, 2)), THERMAL_POWER, rtol=0.03)
    assert abs(correlation(*images)) < 0.02
    assert abs(correlation(*draw([0, 1], first=1.0, floor=1.0))) == pytest.approx(BRIGHT, abs=0.001)
    assert abs(correlation(*draw([0, 1], first=1.0, floor=1.0, weight=(3.0, 0.0, 0.0)))) > 0.998


def test_positive_phase_of_a_pair_is_a_later_image_farther_away():
    earlier, later = draw([0, 1], first=1.0, floor=1.0, phase=[0.0, 1.0])
    assert np.angle(correlation(earlier, later)) == pytest.approx(1.0, abs=0.01)
    assert np.angle(correlation(earlier, draw([0], first=1.0, floor=1.0)[0])) == pytest.approx(0, abs=1e-6)


def test_phase_keeps_its_fractions_of_many_turns():
    turns = 2 * np.pi * np.array([0, 20, -15])
    images = draw([0, 1, 2], first=1.0, floor=1.0, phase=turns + np.array([0, 0.3, 0.3]))
    for image in images[1:]:
        assert np.angle(correlation(images[0], image)) == pytest.approx(0.3, abs=5e-3)


def test_folded_ground_adds_its_power_and_loses_coherence_where_its_phases_part():
    seen = {"first": 1.0, "floor": 1.0, "weight": (1.0, 1.0, 0.0), "col": np.reshape([2.0, 9.0, 0.0], (3, 1, 1))}
    near, far = np.zeros(CELLS), np.where(np.arange(CELLS[1]) > 5, 2.0, 0.0) * np.ones(CELLS)
    images = draw([0, 1], phase=np.stack([near, near]), **seen)
    np.testing.assert_allclose(np.mean(np.abs(images) ** 2, axis=(1, 2)), 2 + THERMAL_POWER, rtol=0.03)
    assert abs(correlation(*images)) > 0.99
    parted = correlation(*draw([0, 1], phase=np.stack([near, far]), **seen))
    assert abs(parted) == pytest.approx(np.cos(1.0), abs=0.03)
    assert np.angle(parted) == pytest.approx(1.0, abs=0.05)


def test_bias_of_the_sliding_estimate_is_that_of_a_real_sensor():
    for subswath, expected in ((1, 0.237), (2, 0.250), (3, 0.264)):
        images = draw([0, 1], first=0.0, floor=0.0, subswath=subswath)
        found = coherence(*images, window=Looks(3, 10))[5:-5, 10:-10].mean()
        assert found == pytest.approx(expected, abs=0.008)


# --- what does not fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"row": np.zeros((3, 4, 4), np.float32)},
            r"^row must be of shape \(3, 17, 18\), instead got shape=\(3, 4, 4\)",
        ),
        (
            {"phase": np.zeros((1, *CELLS), np.float32)},
            r"^phase must be of shape \(2, 12, 15\), instead got shape=\(1,",
        ),
        ({"decay_days": np.ones((2, 2), np.float32)}, r"^decay_days must be of shape \(12, 15\), instead got"),
        ({"first": np.ones((0, 2), np.float32)}, r"^first must be a ground raster .* instead got shape=\(0, 2\)"),
        ({"repeat_days": 0.0}, r"^repeat_days must be a positive number of days, instead got repeat_days=0.0"),
        ({"subswath": 4}, r"^subswath must be 1, 2 or 3"),
        ({"numbers": [0, -1]}, r"^numbers must be 0 or more, instead got numbers=\[0, -1\]: count from"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    window = Window(0, 0, 1, 2)
    given_ = {
        "numbers": [0, 1],
        **folded_scene(window, 2),
        "repeat_days": 6.0,
        "window": window,
        "seed": 0,
        "subswath": 2,
    }
    with pytest.raises(ValueError, match=message):
        single_looks(**(given_ | change))


def test_numbers_that_are_not_whole():
    with pytest.raises(TypeError, match=r"^numbers must be a sequence of whole numbers, instead got numbers=\[0.5\]"):
        draw([0.5])
