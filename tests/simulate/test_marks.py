from dataclasses import replace

import numpy as np
import pytest
from scenes import still
from slopes import mover

from insarflow.ops.presets import Settings
from insarflow.simulate.marks import marks
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Scene
from insarflow.simulate.slides import Slides
from insarflow.types import Window

SHAPE = (96, 96)
PAIR = (0, 2)
UNFILTERED = PROCESSING["unfiltered"]
STRONG = replace(UNFILTERED, after=Settings())
GENTLE = replace(UNFILTERED, after=Settings(alpha=0.2))


class One(Slides):
    """One mover, written by hand, wherever it is asked for."""

    def near(self, window):
        body = mover(
            south=720.0, east=720.0, half_width=HALF[0], half_length=HALF[1], margin=0.6, rim=NO_RIM, speed=0.25
        )
        return (body,) if self.density and body.window(self.spacing).shared(window) is not None else ()


HALF = (90.0, 140.0)
NO_RIM = ((0.0,) * 5, (0.0,) * 5)


@pytest.fixture(scope="module")
def scene():
    """Even, coherent ground with a narrow body in its middle."""
    ground = Scene.draw(3, SHAPE, pixel_size=15.0, scenario=still(0.8))
    slides = One(seed=0, spacing=15.0, relief=ground.relief, density=0.1)
    return replace(ground, slides=slides)


def mark(scene, peak, processing, **given):
    (body,) = scene.slides.near(Window(0, 0, *SHAPE))
    return float(marks(scene, [body], [PAIR], np.array([[peak]]), processing, **given)[0, 0])


def true_peak(scene):
    """Phase of the core, by the truth's parts."""
    window = Window(0, 0, *SHAPE)
    height, bodies = scene.relief.height(window), scene.slides.bodies(window)
    first, second = (
        scene.phases(k, window, height, bodies, scene.look(window, height), ["motion"])["motion"] for k in PAIR
    )
    return float(np.median((second - first)[bodies.profile >= 0.8]))


def test_without_a_filter_all_of_the_core_is_left(scene):
    peak = true_peak(scene)
    assert 0.8 < abs(peak) < 3.0
    assert mark(scene, peak, UNFILTERED) == pytest.approx(abs(peak), abs=0.25)


def test_a_filter_leaves_less_the_stronger_it_is(scene):
    peak = true_peak(scene)
    left = [mark(scene, peak, processing) for processing in (UNFILTERED, GENTLE, STRONG)]
    assert left[0] > left[1] > left[2]
    assert left[2] < 0.6 * left[0]


def test_the_mark_is_what_the_filtered_image_shows(scene):
    """Core against ring in the image itself: the ground is even, so nothing else is there."""
    image = observe(scene, [PAIR], Window(0, 0, *SHAPE), STRONG)["igram"][0]
    (body,) = scene.slides.near(Window(0, 0, *SHAPE))
    radius, profile = body.trace(Window(0, 0, *SHAPE), 15.0)
    unit = image / np.abs(image)
    core, ring = unit[profile >= 0.8].mean(), unit[(radius > 1.1) & (radius < np.inf)].mean()
    assert mark(scene, true_peak(scene), STRONG) == pytest.approx(abs(np.angle(core * np.conj(ring))), abs=0.15)


def test_nobody_asks_and_images_that_are_there(scene):
    (body,) = scene.slides.near(Window(0, 0, *SHAPE))
    peak = true_peak(scene)
    asked = np.array([[np.nan], [peak]])
    whole = observe(scene, [(0, 1), PAIR], Window(0, 0, *SHAPE), UNFILTERED)["igram"]
    calls = []

    def shown(pairs, window):
        calls.append(pairs)
        return whole[1:][(slice(None), *window.within(Window(0, 0, *SHAPE)))]

    left = marks(scene, [body], [(0, 1), PAIR], asked, UNFILTERED, shown)
    assert calls == [[PAIR]]
    assert np.isnan(left[0, 0])
    assert left[1, 0] == mark(scene, peak, UNFILTERED)


def test_a_mover_beyond_the_region_leaves_no_mark(scene):
    far = mover(south=-900.0, east=720.0)
    assert marks(scene, [far], [PAIR], np.array([[2.0]]), UNFILTERED)[0, 0] == 0.0
