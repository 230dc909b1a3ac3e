from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.simulate import scene as module
from insarflow.simulate.atmosphere import atmosphere
from insarflow.simulate.cover import wet_snow
from insarflow.simulate.scene import draw_scene, observe
from insarflow.simulate.truth import ABSENT, MOVING, OPEN, RIM_PHASE, VISIBLE_COHERENCE, VISIBLE_PHASE, pair_target
from insarflow.types import Looks

TO_PHASE = 4 * np.pi / SENTINEL1_WAVELENGTH


def quiet(seed, shape=(128, 128), **options):
    """A scene without weather or snow."""
    return draw_scene(seed, shape, turbulence=(0.0, 0.0), stratification=0.0, snow_chance=0.0, **options)


def noiseless(scene):
    """The same scene with ground that never changes."""
    ones = np.ones_like(scene.cover.first)
    return replace(scene, cover=replace(scene.cover, first=ones, floor=ones), quality=np.ones_like(scene.quality))


@pytest.fixture(scope="module")
def scene():
    return draw_scene(3, (96, 112), acquisitions=4, movers=8)


def test_same_seed_same_scene(scene):
    again = draw_scene(3, (96, 112), acquisitions=4, movers=8)
    np.testing.assert_array_equal(scene.range_phase, again.range_phase)
    np.testing.assert_array_equal(scene.movers.label, again.movers.label)
    for a, b in zip(observe(scene, [(0, 1)]), observe(again, [(0, 1)]), strict=True):
        np.testing.assert_array_equal(a, b)
    other = draw_scene(4, (96, 112), acquisitions=4, movers=8)
    assert not np.array_equal(scene.terrain.height, other.terrain.height)
    assert not np.array_equal(observe(scene, [(0, 1)])[0], observe(replace(scene, seed=4), [(0, 1)])[0])


def test_shapes_and_types(scene):
    igram, gamma = observe(scene, [(0, 1), (1, 3)])
    assert igram.shape == gamma.shape == (2, 96, 112)
    assert (igram.dtype, gamma.dtype) == (np.complex64, np.float32)
    assert not np.isnan(igram).any()
    assert gamma.min() >= 0
    assert gamma.max() <= 1
    assert scene.range_phase.shape == scene.quality.shape == (4, 96, 112)
    np.testing.assert_array_equal(scene.days, [0, 6, 12, 18])


def test_pairs_by_delay(scene):
    assert scene.pairs([6]) == [(0, 1), (1, 2), (2, 3)]
    assert scene.pairs([12, 18]) == [(0, 2), (0, 3), (1, 3)]
    assert scene.pairs([7]) == []


def test_result_does_not_depend_on_the_tiles(scene, monkeypatch):
    whole = observe(scene, [(0, 2)])
    for side in (96, 37, 10):
        monkeypatch.setattr(module, "TILE", side)
        for a, b in zip(observe(scene, [(0, 2)]), whole, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)


def test_phase_is_range_of_the_later_less_that_of_the_earlier(scene):
    still = noiseless(scene)
    igram, gamma = observe(still, [(0, 1), (1, 3)])
    for z, (i, j) in zip(igram, [(0, 1), (1, 3)], strict=True):
        left = np.angle(z * np.exp(-1j * (still.range_phase[j] - still.range_phase[i])))
        assert np.abs(np.median(left)) < 0.01
        assert np.quantile(np.abs(left), 0.9) < 0.1
    assert np.median(gamma) > 0.97


def test_noise_free_phases_close(scene):
    """At single look they close to rounding; looks average phases within a pixel, which closes nearly."""
    still = noiseless(scene)
    for looks, limit in ((Looks(1, 1), 1e-5), (Looks(2, 8), 0.02)):
        (a, b, c), _ = observe(replace(still, looks=looks), [(0, 1), (1, 2), (0, 2)])
        closure = np.abs(np.angle(a * b * np.conj(c)))
        assert np.quantile(closure, 0.9) < limit
    (a, b, c), _ = observe(scene, [(0, 1), (1, 2), (0, 2)])
    assert np.quantile(np.abs(np.angle(a * b * np.conj(c))), 0.9) > 0.02  # with noise they do not


def shifts(seed):
    """Sign of motion, seen phase against the surroundings and true phase of each mover that is clear to see."""
    scene = quiet(seed, movers=10, acquisitions=4)
    label, rate = scene.movers.label, scene.movers.rate
    for pair in ((0, 1), (0, 3)):
        days = scene.days[pair[1]]
        (igram,), (gamma,) = observe(scene, [pair])
        for number, peak in enumerate(scene.peak_phase(days), start=1):
            body = label == number
            core = body & (np.abs(rate) > 0.7 * np.abs(rate[body]).max())
            around = ndimage.binary_dilation(body, iterations=6) & (label == 0)
            if 0.9 < peak < 2.6 and core.sum() >= 8 and gamma[core].mean() > 0.4:
                seen = np.angle(igram[core].sum() * np.conj(igram[around].sum()))
                yield np.sign(rate[body].sum()), seen, -TO_PHASE * rate[core].mean() * days / 365.25


def test_mover_toward_the_satellite_has_negative_phase():
    toward = away = 0
    for seed in range(12):
        for sign, seen, true in shifts(seed):
            assert np.sign(seen) == -sign
            assert seen == pytest.approx(true, abs=0.6)
            toward, away = toward + (sign > 0), away + (sign < 0)
        if min(toward, away) >= 3:
            break
    assert min(toward, away) >= 3


def test_observed_coherence_follows_the_cover():
    scene = quiet(2, movers=0)
    cover = scene.cover
    for pair, days in (((0, 1), 6), ((0, 5), 30)):
        expected = cover.floor + (cover.first - cover.floor) * np.exp(-days / cover.decay_days)
        observed = observe(scene, [pair])[1][0]
        clear = expected > 0.5
        assert clear.mean() > 0.1
        assert (observed - expected)[clear].mean() == pytest.approx(0, abs=0.04)
        smooth = [ndimage.uniform_filter(v, 7) for v in (observed, expected)]
        assert np.corrcoef(smooth[0].ravel(), smooth[1].ravel())[0, 1] > 0.9
    assert observe(scene, [(0, 1)])[1].mean() > observe(scene, [(0, 5)])[1].mean()


def test_wet_snow_spoils_all_pairs_of_its_date(scene):
    quality = np.ones_like(scene.quality)
    quality[1, :, :56] = 0
    spoiled = replace(scene, quality=quality)
    gamma = observe(spoiled, [(0, 1), (1, 2), (0, 2)])[1]
    assert gamma[0, :, :50].mean() < 0.35
    assert gamma[1, :, :50].mean() < 0.35
    assert gamma[2, :, :50].mean() > gamma[0, :, :50].mean() + 0.1


def test_snow_lies_high(scene):
    rng = np.random.default_rng(0)
    assert (wet_snow(rng, scene.terrain, 20.0, chance=0.0) == 1).all()
    quality = wet_snow(rng, scene.terrain, 20.0, chance=1.0)
    assert quality.dtype == np.float32
    assert quality.min() >= 0
    assert quality.max() <= 1
    high = scene.terrain.height > np.quantile(scene.terrain.height, 0.9)
    assert quality[high].mean() < quality[~high].mean()


def test_cover_is_a_possible_coherence(scene):
    cover = scene.cover
    assert cover.floor.min() >= 0
    assert (cover.first >= cover.floor).all()
    assert cover.first.max() <= 1
    assert cover.decay_days.min() > 0
    fast = scene.movers.speed > 0.3
    near = ndimage.binary_dilation(fast, iterations=8) & (scene.movers.speed == 0)
    assert fast.any()
    assert cover.decay_days[fast].mean() < cover.decay_days[near].mean()


def test_atmosphere_follows_height_and_turbulence():
    height = np.linspace(0, 2000, 128 * 128).reshape(128, 128)
    slopes = []
    for seed in range(60):
        air = atmosphere(np.random.default_rng(seed), height, 80.0, turbulence=0.0, stratification=2.0)
        assert air.dtype == np.float32
        slopes.append(np.polyfit(height.ravel() / 1000, air.ravel(), 1)[0])
    assert np.std(slopes) == pytest.approx(2.0, rel=0.35)
    flat = np.zeros((128, 128))
    spread = [
        atmosphere(np.random.default_rng(s), flat, 80.0, turbulence=t, stratification=1.0).std()
        for t in (0.2, 5.0)
        for s in range(8)
    ]
    assert np.mean(spread[8:]) == pytest.approx(5.0, rel=0.15)
    assert np.mean(spread[:8]) < 1.0


def test_target_against_a_loop(scene):
    pair = (0, 3)
    gamma = observe(scene, [pair])[1][0]
    target = pair_target(scene, pair, gamma)
    assert target.dtype == np.uint8
    movers, kinds = scene.movers, set()
    for row, col in np.ndindex(movers.label.shape):
        number = movers.label[row, col]
        expected = ABSENT
        if number:
            body = movers.label == number
            phase = TO_PHASE * np.abs(movers.rate) * 18 / 365.25
            visible = phase[body].max() >= VISIBLE_PHASE and gamma[body].mean() >= VISIBLE_COHERENCE
            expected = MOVING if visible and phase[row, col] >= RIM_PHASE else OPEN
        assert target[row, col] == expected
        kinds.add(expected)
    assert kinds == {ABSENT, MOVING, OPEN}
