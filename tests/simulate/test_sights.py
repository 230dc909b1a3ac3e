import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import still

from insarflow.simulate import sights as module
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Scenario, Scene
from insarflow.simulate.sights import TrueCoherence, sights, targets
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN
from insarflow.types import Window

PAIRS = [(0, 1), (0, 3), (2, 3)]
PRODUCT = PROCESSING["unfiltered"]
WHOLE = Window(0, 0, 110, 120)


@pytest.fixture(scope="module")
def scene():
    scenario = Scenario(
        slides={"density": 1.2, "size": (60.0, 180.0), "giants": 0.0, "speed": (0.02, 2.0)},
        cover={"bare_chance": 1.0},
    )
    return Scene.draw(8, (110, 120), pixel_size=20.0, scenario=scenario)


@pytest.fixture(scope="module")
def movers(scene):
    return scene.slides.near(scene.ground_of(WHOLE))


@pytest.fixture(scope="module")
def found(scene, movers):
    return sights(scene, movers, PAIRS, PRODUCT)


@pytest.fixture(scope="module")
def whole(scene, found):
    return targets(scene, PAIRS, WHOLE, found)


def test_there_are_all_states(found):
    assert {s.state for seen in found for s in seen.values()} == {"visible", "hidden", "resting"}


def test_a_mover_is_seen_alike_alone_and_among_others(scene, movers, found, monkeypatch):
    for mover in movers:
        alone = sights(scene, [mover], PAIRS[1:2], PRODUCT)
        assert repr(alone[0][mover.id]) == repr(found[1][mover.id])
    for common in (None, Window(-60, -60, 240, 250)):
        monkeypatch.setattr(module, "_common", lambda *_, common=common: common)
        assert repr(sights(scene, movers, PAIRS[:2], PRODUCT)) == repr(found[:2])


def test_no_mover(scene):
    assert sights(scene, (), PAIRS, PRODUCT) == [{}, {}, {}]


@settings(max_examples=5, deadline=None)
@given(y=st.integers(0, 80), x=st.integers(0, 90), height=st.integers(1, 30), width=st.integers(1, 30))
def test_targets_of_any_window_have_the_same_bits(scene, found, whole, y, x, height, width):
    part = Window(y, x, height, width)
    alone = targets(scene, PAIRS[1:], part, found[1:])
    np.testing.assert_array_equal(alone, whole[(slice(1, None), *part.within(WHOLE))])


def test_targets_tell_the_states_of_movers(scene, movers, found, whole):
    label = scene.slides.bodies(scene.ground_of(WHOLE)).label
    for seen, target in zip(found, whole, strict=True):
        assert target.dtype == np.uint8
        assert not (target == MISSING).any()
        assert (target[label == 0] == ABSENT).all()
        for k, one in enumerate(seen.values(), 1):
            allowed = {"visible": {MOVING, OPEN}, "hidden": {OPEN}, "resting": {ABSENT}}[one.state]
            assert set(np.unique(target[label == k])) <= allowed


@settings(max_examples=5, deadline=None)
@given(y=st.integers(0, 60), x=st.integers(0, 60), height=st.integers(1, 30), width=st.integers(1, 30))
def test_true_coherence_is_a_function_of_place_and_pair(scene, y, x, height, width):
    outer, part = TrueCoherence.of(scene, Window(-5, -5, 100, 100)), Window(y, x, height, width)
    own = TrueCoherence.of(scene, part)
    for pair in PAIRS:
        np.testing.assert_array_equal(own.at(pair), outer.at(pair, part))


def test_true_coherence_is_what_the_ground_keeps():
    place = Window(5, 5, 30, 40)
    flat = Scene.draw(1, (60, 60), pixel_size=15.0, scenario=still(0.7))
    np.testing.assert_allclose(TrueCoherence.of(flat, place).at((0, 5)), 0.7, atol=1e-6)
    fading = Scene.draw(1, (60, 60), pixel_size=15.0, scenario=still(0.7, cover={"bare_chance": 1.0}))
    gamma = TrueCoherence.of(fading, place)
    surface = fading.surface(place, fading.slides.bodies(place))
    decayed = surface.floor + (surface.first - surface.floor) * np.exp(-30 / surface.decay_days)
    np.testing.assert_allclose(gamma.at((1, 6)), decayed, rtol=1e-5)


def test_there_is_no_coherence_in_layover_and_shadow():
    steep = Scene.draw(2, (60, 60), pixel_size=15.0, scenario=still(0.7, relief=2500.0))
    place = Window(0, 0, 60, 60)
    layover, shadow = steep.folded(place)
    assert layover.any()
    assert not (layover | shadow).all()
    np.testing.assert_array_equal(np.isnan(TrueCoherence.of(steep, place).at((0, 1))), layover | shadow)
