"""Held-out scenes on which a model is tried: a season of interferograms as it sees them, and their truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, Self, get_args

import numpy as np

from insarflow.learn.bank import REPEAT, random_scene, seen_in
from insarflow.learn.phase import encode
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING, Processing
from insarflow.simulate.relief import Relief
from insarflow.simulate.scene import Scenario, Scene
from insarflow.simulate.sights import targets
from insarflow.simulate.truth import PeakClass
from insarflow.types import Window

DELAYS: Final = (6, 12, 18)
"""Days between the acquisitions of the pairs of a trial."""

NO_CLASS: Final = "not visible"
CLASSES: Final[tuple[str, ...]] = (NO_CLASS, *get_args(PeakClass))
"""What `Trial.peak` counts in."""

_SUMMER: Final = (160, 241)
"""First acquisitions, days of the year, the last excluded: six of them end by October."""


@dataclass(frozen=True)
class Setting:
    """What kind of scenes a trial is made of.

    Attributes
    ----------
    processing
        How interferograms are made.
    pixel_size
        m.
    side
        Pixels along a side.
    acquisitions
        Of the season, 6 days apart; all pairs of 6, 12 and 18 days are formed.
    beyond
        Whether ranges lie partly outside those of the training, see `insarflow.learn.bank.random_scene`.
    at_rest
        Nothing moves, and nothing looks as if: what a model outlines there is false.
    """

    processing: Processing
    pixel_size: float
    side: int
    acquisitions: int = 6
    beyond: bool = True
    at_rest: bool = False

    @property
    def area(self) -> float:
        """Of a scene, km2."""
        return (self.side * self.pixel_size / 1000.0) ** 2


ISSLIDE_PIXEL: Final = 14.64
"""Of the interferograms of Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299, m."""

SETTINGS: Final[Mapping[str, Setting]] = {
    "isslide": Setting(PROCESSING["isslide"], ISSLIDE_PIXEL, 384),
    "isslide, inside": Setting(PROCESSING["isslide"], ISSLIDE_PIXEL, 384, beyond=False),
    "unfiltered": Setting(PROCESSING["unfiltered"], 20.0, 320),
    "phase only": Setting(replace(PROCESSING["unfiltered"], magnitude=False, coherence="phase"), 20.0, 320),
    "looks5x20": Setting(PROCESSING["looks5x20"], 40.0, 256, 4),
    "looks4x20": Setting(PROCESSING["looks4x20"], 100.0, 192, 4),
    "at rest": Setting(PROCESSING["isslide"], ISSLIDE_PIXEL, 768, 4, at_rest=True),
}
"""Kinds of scenes by name; all but the second lie partly outside the training ranges."""


@dataclass(frozen=True)
class Trial:
    """A scene in all its pairs.

    Attributes
    ----------
    image
        float16, ``(pair, 3, y, x)``: coherence, cos, sin.
    target
        uint8, ``(pair, y, x)``: see `insarflow.simulate.truth`.
    label
        int32, ``(y, x)``: number of the mover, 0 for none.
    peak
        uint8, ``(pair, mover)``: place in `CLASSES` of what the pair shows of each mover, the first that of number 1.
    delay
        int16, ``(pair,)``, days.
    """

    image: np.ndarray
    target: np.ndarray
    label: np.ndarray
    peak: np.ndarray
    delay: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> Self:
        """A trial that `save` wrote, read from disk as it is used."""
        return cls(*(np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(cls)))

    def save(self, folder: Path) -> None:
        """Write an ``.npy`` file for each field into a folder that exists."""
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    def classes(self, pair: int) -> list[str]:
        """What a pair shows of each mover, the first that of number 1."""
        return [CLASSES[k] for k in self.peak[pair].tolist()]


def draw_trial(setting: Setting, *, seed: int, number: int, relief: Relief | None = None) -> Trial:
    """Simulate a scene.

    Parameters
    ----------
    setting
        Of what kind.
    seed, number
        The scene is a function of both, of the setting and the relief. No seed of a training bank should be used.
    relief
        The ground, of the cells of a scene of this pixel size; drawn by default.

    Returns
    -------
    Trial
        Its pairs lie in the order of their acquisitions.
    """
    scene = trial_scene(setting, seed=seed, number=number, relief=relief)
    pairs = scene.pairs(range(setting.acquisitions), DELAYS)
    whole, processing = Window(0, 0, setting.side, setting.side), setting.processing
    image = np.empty((len(pairs), 3, *whole.shape), np.float16)
    observed = observe(scene, pairs, whole, processing)
    for k, pair in enumerate(observed):
        image[k] = encode(np.ascontiguousarray(pair["igram"]), np.ascontiguousarray(pair["coherence"]))
    bodies = scene.slides.bodies(scene.ground_of(whole))
    middle, n = scene.refine // 2, scene.refine
    seen = seen_in(scene, pairs, observed["igram"], processing)
    peak = [[CLASSES.index(of[m.id].peak_class or NO_CLASS) for m in bodies.movers] for of in seen]
    return Trial(
        image,
        targets(scene, pairs, whole, seen),
        np.ascontiguousarray(bodies.label[middle::n, middle::n]),
        np.array(peak, np.uint8).reshape(len(pairs), len(bodies.movers)),
        np.array([REPEAT * (j - i) for i, j in pairs], np.int16),
    )


def trial_scene(setting: Setting, *, seed: int, number: int, relief: Relief | None = None) -> Scene:
    """The scene that `draw_trial` observes: a summer."""
    rng = np.random.default_rng((seed, number))
    shape = setting.side, setting.side
    ranges = random_scene(rng, setting.pixel_size, shape, beyond=setting.beyond)
    return Scene.draw(
        ranges.seed, shape, pixel_size=setting.pixel_size, relief=relief, first_day=float(rng.integers(*_SUMMER)),
        repeat_days=REPEAT, direction=ranges.direction,
        scenario=_still(ranges.scenario) if setting.at_rest else ranges.scenario,
    )  # fmt: skip


def _still(scenario: Scenario) -> Scenario:
    """The same without movers and look-alikes."""
    alike = dict.fromkeys(("bowls", "glaciers", "fields", "snow"), 0.0)
    return replace(scenario.with_density(0.0), look_alikes={**scenario.look_alikes, **alike})
