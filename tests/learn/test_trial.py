from dataclasses import replace

import numpy as np
import pytest

from insarflow.learn.bank import random_scene
from insarflow.learn.phase import encode
from insarflow.learn.trial import CLASSES, DELAYS, NO_CLASS, SETTINGS, Setting, Trial, draw_trial, trial_scene
from insarflow.simulate.dem_relief import DemRelief
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.truth import ABSENT, MOVING, OPEN
from insarflow.types import Window

SMALL = Setting(PROCESSING["isslide"], 14.64, 128, 4)
SHAPE = (128, 128)


@pytest.fixture(scope="module")
def trial():
    return draw_trial(SMALL, seed=11, number=8)


def test_a_trial_has_the_stated_shapes_and_states(trial):
    assert trial.image.shape == (6, 3, *SHAPE)
    assert trial.image.dtype == np.float16
    assert trial.delay.tolist() == [6, 12, 18, 6, 12, 6]
    assert trial.target.shape == (6, *SHAPE)
    assert set(np.unique(trial.target)) == {ABSENT, MOVING, OPEN}
    assert trial.label.shape == SHAPE
    assert trial.peak.shape[0] == 6
    assert trial.label.max() <= trial.peak.shape[1]


def test_what_moves_visibly_has_a_number_and_a_class(trial):
    for pair, target in enumerate(trial.target):
        shown = {k for k, name in enumerate(trial.classes(pair), 1) if name != NO_CLASS}
        moving = set(np.unique(trial.label[target == MOVING]).tolist())
        assert moving <= shown
        assert not np.any(target[trial.label == 0])
    assert moving
    assert set(np.unique(trial.peak)) <= set(range(len(CLASSES)))


def test_images_are_those_of_the_product(trial):
    scene = trial_scene(SMALL, seed=11, number=8)
    (pair,) = observe(scene, [(0, 2)], Window(0, 0, *SHAPE), SMALL.processing)
    image = encode(pair["igram"].copy(), pair["coherence"].copy())
    np.testing.assert_array_equal(trial.image[1], image.astype(np.float16))


def test_a_trial_is_a_function_of_seed_and_number_and_reads_back(trial, tmp_path):
    trial.save(tmp_path)
    again, other = Trial.open(tmp_path), draw_trial(SMALL, seed=11, number=2)
    assert isinstance(again.image, np.memmap)
    for name in ("image", "target", "label", "peak", "delay"):
        np.testing.assert_array_equal(getattr(trial, name), getattr(again, name))
    assert not np.array_equal(trial.label, other.label)


def test_scenes_are_summers_and_lie_outside_the_training_or_inside():
    for name, setting in SETTINGS.items():
        scene = trial_scene(setting, seed=11, number=0)
        ranges = random_scene(np.random.default_rng(0), setting.pixel_size, SHAPE, beyond=setting.beyond).scenario
        assert scene.scenario.air == ranges.air
        assert setting.beyond == (name != "isslide, inside")
        assert scene.shape == (setting.side, setting.side)
        last = scene.first_day + scene.repeat_days * (setting.acquisitions - 1)
        assert 150 < scene.first_day < last < 274
        assert {scene.repeat_days * n for n in (1, 2, 3)} == set(DELAYS)


def test_at_rest_nothing_moves_nor_looks_as_if_on_the_ground_that_is_given():
    ground = DemRelief.of(np.linspace(500, 1500, 144).reshape(12, 12), spacing=146.4, factor=10)
    setting = replace(SMALL, side=96, acquisitions=2, at_rest=True)
    trial = draw_trial(setting, seed=11, number=1, relief=ground)
    assert not trial.target.any()
    assert not trial.label.any()
    assert trial.delay.tolist() == [6]
    scene = trial_scene(setting, seed=11, number=1, relief=ground)
    window = Window(0, 0, 96, 96)
    assert scene.relief is ground
    assert not scene.look_alikes.at(window, ground).any()
    np.testing.assert_allclose(np.ptp(scene.relief.height(window)), 800, atol=150)
    cos, sin = trial.image[0, 1].astype(float), trial.image[0, 2].astype(float)
    assert np.ptp(np.arctan2(sin, cos)) > 0.5


def test_area_is_in_square_kilometres():
    assert replace(SMALL, pixel_size=10.0, side=500).area == pytest.approx(25.0)
    assert 40 * SETTINGS["at rest"].area > 5_000
