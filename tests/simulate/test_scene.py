import pickle

import numpy as np
import pytest
from dask.base import tokenize
from ground_windows import check_any_window, windows
from hypothesis import given, settings

from insarflow.simulate.scene import PARTS, Scenario, Scene, refine_of
from insarflow.types import Window

PLACE = Window(-20, 10, 70, 60)
SCENARIO = Scenario(slides={"density": 0.5, "size": (60.0, 250.0), "giants": 0.0})


def draw(seed=3, **changes):
    given = {"pixel_size": 20.0, "scenario": SCENARIO}
    return Scene.draw(seed, (80, 90), **{**given, **changes})


@pytest.fixture(scope="module")
def scene():
    return draw()


def everything(scene, window, numbers=(0, 4)):
    height = scene.relief.height(window)
    bodies, look = scene.slides.bodies(window), scene.look(window, height)
    phases = [
        part.astype(np.float32)
        for number in numbers
        for part in scene.phases(number, window, height, bodies, look).values()
    ]
    quality = [scene.quality(number, window, height) for number in numbers]
    return (height, *scene.folded(window), *scene.surface(window, bodies), *phases, *quality)


@settings(max_examples=6, deadline=None)
@given(windows)
def test_any_window_has_the_same_bits(scene, window):
    check_any_window(lambda part: everything(scene, part), window)


def test_an_acquisition_is_the_same_whatever_others_are_drawn():
    both, one = everything(draw(), PLACE, (0, 7)), everything(draw(), PLACE, (7,))
    for a, b in zip(both[7 + len(PARTS) : 7 + 2 * len(PARTS)], one[7:], strict=False):
        np.testing.assert_array_equal(a, b)


def test_a_worker_gets_the_same_scene(scene):
    everything(scene, PLACE)
    again = pickle.loads(pickle.dumps(scene))
    assert again == scene
    assert len(pickle.dumps(scene)) < 20_000
    for a, b in zip(everything(again, PLACE), everything(scene, PLACE), strict=True):
        np.testing.assert_array_equal(a, b)


def test_its_name_in_a_graph_does_not_depend_on_what_was_drawn():
    fresh, used = draw(), draw()
    everything(used, PLACE)
    assert tokenize(fresh) == tokenize(used) == tokenize(pickle.loads(pickle.dumps(used)))
    assert tokenize(fresh.slides) == tokenize(used.slides)
    others = draw(4), draw(direction="descending"), draw(first_day=12.0), draw(scenario=Scenario())
    assert len({tokenize(s) for s in (fresh, *others)}) == 5


def test_another_seed_is_another_region(scene):
    other = draw(4)
    assert not np.array_equal(other.relief.height(PLACE), scene.relief.height(PLACE))
    assert not np.array_equal(other.air(0).turbulence.at(PLACE), scene.air(0).turbulence.at(PLACE))
    assert other.noise_seed != scene.noise_seed


def test_both_directions_see_the_same_ground_in_other_air(scene):
    other = draw(direction="descending")
    for name in ("relief", "slides", "cover", "look_alikes", "dem_error"):
        assert getattr(other, name) == getattr(scene, name)
    assert other.noise_seed != scene.noise_seed
    assert other.radar.viewing.heading != scene.radar.viewing.heading
    assert not np.array_equal(other.air(0).turbulence.at(PLACE), scene.air(0).turbulence.at(PLACE))
    east = [s.look(PLACE, s.relief.height(PLACE))[0].mean() for s in (scene, other)]
    # Right-looking: flying north it stands in the west.
    assert east[0] < 0 < east[1]


def test_the_ground_is_that_of_a_smaller_region_with_the_same_corner(scene):
    small = Scene.draw(3, (40, 30), pixel_size=20.0, scenario=SCENARIO)
    np.testing.assert_array_equal(small.relief.height(PLACE), scene.relief.height(PLACE))
    np.testing.assert_array_equal(small.slides.bodies(PLACE).label, scene.slides.bodies(PLACE).label)


@pytest.mark.parametrize(("pixel_size", "cells"), [(2.0, 1), (14.64, 1), (20.0, 1), (40.0, 3), (75.0, 5), (100.0, 7)])
def test_an_odd_number_of_cells_of_about_15_m(pixel_size, cells):
    assert refine_of(pixel_size) == cells
    scene = draw(pixel_size=pixel_size)
    assert scene.spacing * cells == pytest.approx(pixel_size)
    rows, cols = scene.middles(Window(2, 3, 2, 4))
    middle = cells // 2
    np.testing.assert_array_equal(rows.ravel(), [2 * cells + middle, 3 * cells + middle])
    np.testing.assert_array_equal(cols.ravel(), [k * cells + middle for k in range(3, 7)])
    assert scene.ground_of(Window(2, 3, 2, 4)) == Window(2 * cells, 3 * cells, 2 * cells, 4 * cells)


def test_pairs_of_the_wanted_delays(scene):
    assert scene.pairs(range(4), [6, 18]) == [(0, 1), (0, 3), (1, 2), (2, 3)]
    assert scene.pairs([5, 2], [18]) == [(2, 5)]


def test_days_count_from_the_first_of_january(scene):
    assert draw(first_day=1.0).day(0) == 0
    assert draw(first_day=200.0).day(3) == 199 + 18


def test_ranges_are_kept(scene):
    drawn = [Scene.draw(s, (40, 40), pixel_size=15.0, scenario=Scenario(incidence=(0.6, 0.65))) for s in range(20)]
    incidence = [s.incidence for s in drawn]
    assert 0.6 <= min(incidence) < 0.62 < 0.63 < max(incidence) <= 0.65
    assert {s.subswath for s in drawn} == {1, 2, 3}
    assert Scenario().with_density(0.125).slides["density"] == 0.125


def test_only_wanted_parts_are_drawn(scene):
    height, bodies = scene.relief.height(PLACE), scene.slides.bodies(PLACE)
    look = scene.look(PLACE, height)
    every = scene.phases(2, PLACE, height, bodies, look)
    assert tuple(every) == PARTS
    for name, part in every.items():
        (alone,) = scene.phases(2, PLACE, height, bodies, look, [name]).values()
        np.testing.assert_array_equal(alone, part)
        assert part.dtype == np.float32
