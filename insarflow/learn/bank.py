"""A bank of training patches from simulated scenes, processed as real data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from insarflow.learn.phase import encode
from insarflow.ops.presets import Settings
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING, Processing
from insarflow.simulate.scene import Scenario, Scene
from insarflow.simulate.sights import sights, targets
from insarflow.simulate.truth import MISSING, MOVING, Sight
from insarflow.types import Recipe, Window

PATCH: Final = 128
PATCHES_PER_SCENE: Final = 24
"""Four corners of the six pairs of four acquisitions."""

FEW: Final = 30
"""Pixels of visible movers from which a patch counts as one with movers."""

REPEAT: Final = 6
"""Days between acquisitions."""

_DATES: Final = 4
_LONGEST_DELAY: Final = 48
DELAYS: Final = tuple(range(REPEAT, _LONGEST_DELAY + 1, REPEAT))

RECIPE: Final = Recipe()
"""What the embedded model's input goes through, whatever product it comes from: nothing.

A Goldstein filter of 32 pixels and exponent 0.5 leaves a quarter of the phase of a slope 250 m wide in pixels of 15 m,
and less than half of what an earlier filter left: what it takes, no network finds again. Noise it can average itself.
"""

_SCENE: Final = (256, 256)

_PRODUCTS: Final = {"isslide": 0.45, "unfiltered": 0.3, "looks1x4": 0.12, "looks5x20": 0.09, "looks4x20": 0.04}
"""Kinds of products, and how often each is drawn."""

PIXELS: Final = {
    "isslide": (12.0, 20.0), "unfiltered": (12.0, 30.0), "looks1x4": (10.0, 18.0), "looks5x20": (30.0, 60.0),
    "looks4x20": (60.0, 100.0),
}  # fmt: skip
"""Sizes of their pixels, m."""

PIXEL_SIZE: Final = (10.0, 100.0)
LOOKS: Final = tuple(PROCESSING[name].looks for name in _PRODUCTS)
PRODUCT_ALPHA: Final = (0.3, 1.0)
"""Strengths of the filter that some products went through before."""


@dataclass(frozen=True)
class Bank:
    """Patches of many scenes.

    Attributes
    ----------
    image
        float16, ``(patch, 3, PATCH, PATCH)``: coherence, cos, sin.
    target
        uint8, ``(patch, PATCH, PATCH)``: see `insarflow.simulate.truth`.
    delay
        int16, ``(patch,)``, days.
    place
        int32, ``(patch,)``: patches of one number show the same ground in different pairs.
    """

    image: np.ndarray
    target: np.ndarray
    delay: np.ndarray
    place: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> Bank:
        """A bank that `generate` wrote, read from disk as it is used."""
        return cls(*(np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(cls)))

    def at(self, patches: np.ndarray | slice) -> Bank:
        """Some of the patches."""
        return Bank(self.image[patches], self.target[patches], self.delay[patches], self.place[patches])


def generate(
    folder: Path,
    scenes: int,
    *,
    seed: int,
    first: int = 0,
    beyond: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Bank:
    """Simulate scenes and write their patches to `folder`.

    Parameters
    ----------
    folder
        Made if missing; gets one ``.npy`` file for each field of `Bank`.
    scenes
        How many; each gives the patches of the pairs of four dates within 48 days.
    seed
        Scene k is a function of ``(seed, k)``.
    first
        Number of the first scene.
    beyond
        Draw the atmosphere outside the training range (for tests of a model).
    workers
        Processes; the result does not depend on their number.
    progress
        Called with (scenes done, scenes wanted).
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = scenes * PATCHES_PER_SCENE
    shapes = {"image": (count, 3, PATCH, PATCH), "target": (count, PATCH, PATCH), "delay": (count,), "place": (count,)}
    kinds = {"image": np.float16, "target": np.uint8, "delay": np.int16, "place": np.int32}
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kinds[name], shape)
        for name, shape in shapes.items()
    }
    draw = partial(scene_patches, seed, beyond=beyond)
    with _mapper(workers) as mapped:
        for k, patches in enumerate(mapped(draw, range(first, first + scenes))):
            rows = slice(k * PATCHES_PER_SCENE, (k + 1) * PATCHES_PER_SCENE)
            places = 4 * k + np.arange(PATCHES_PER_SCENE) % 4
            for name, values in zip(files, (*patches, places), strict=True):
                files[name][rows] = values
            if progress is not None:
                progress(k + 1, scenes)
    for file in files.values():
        file.flush()
    return Bank.open(folder)


def balanced(bank: Bank, *, seed: int) -> np.ndarray:
    """Numbers, ascending, of all patches in which at least `FEW` pixels move visibly, and of as many others.

    Most patches hold no visible mover; a network that sees them as often as they are learns little else for long.
    """
    moving = np.array([np.count_nonzero(target == MOVING) >= FEW for target in bank.target])
    with_movers, others = np.flatnonzero(moving), np.flatnonzero(~moving)
    rng = np.random.default_rng((seed, len(moving)))
    chosen = rng.choice(others, min(len(others), len(with_movers)), replace=False)
    return np.sort(np.concatenate((with_movers, chosen)))


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool.map


def scene_patches(seed: int, number: int, *, beyond: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All patches ``(image, target, delay)`` of one random scene, corner after corner of each pair; see `Bank`."""
    rng = np.random.default_rng((seed, number))
    processing, pixel_size = random_product(rng)
    scene = random_scene(rng, pixel_size, _SCENE, beyond=beyond)
    dates = np.sort(rng.choice(_LONGEST_DELAY // REPEAT + 1, _DATES, replace=False)).tolist()
    pairs = list(combinations(dates, 2))
    whole = Window(0, 0, *_SCENE)
    missing = _wedge(rng) if rng.random() < 0.25 else np.zeros(_SCENE, bool)
    observed = observe(scene, pairs, whole, processing)
    states = targets(scene, pairs, whole, seen_in(scene, pairs, observed["igram"], processing))
    images, found, delays = [], [], []
    for (i, j), pair, target in zip(pairs, observed, states, strict=True):
        igram, gamma = pair["igram"].copy(), pair["coherence"].copy()
        igram[missing], target[missing] = np.nan, MISSING
        image = encode(igram, gamma)
        for y in (0, _SCENE[0] - PATCH):
            for x in (0, _SCENE[1] - PATCH):
                cut = np.s_[..., y : y + PATCH, x : x + PATCH]
                images.append(image[cut].astype(np.float16))
                found.append(target[cut])
                delays.append(REPEAT * (j - i))
    return np.stack(images), np.stack(found), np.array(delays, np.int16)


def seen_in(
    scene: Scene, pairs: Sequence[tuple[int, int]], igrams: np.ndarray, processing: Processing
) -> list[dict[int, Sight]]:
    """What interferograms of a whole scene, complex64 ``(pair, y, x)``, show of its movers, by id, for each pair."""

    def shown(some: Sequence[tuple[int, int]], window: Window) -> np.ndarray:
        cut = window.within(Window(0, 0, *scene.shape))
        return np.stack([igrams[pairs.index(pair)][cut] for pair in some])

    movers = scene.slides.near(scene.ground_of(Window(0, 0, *scene.shape)))
    return sights(scene, movers, pairs, processing, shown)


def random_product(rng: np.random.Generator) -> tuple[Processing, float]:
    """How interferograms reach the user, and the pixel size, m: what processors and archives give."""
    name = str(rng.choice(list(_PRODUCTS), p=np.array(list(_PRODUCTS.values()))))
    processing = PROCESSING[name]
    low, high = PIXELS[name]
    pixel_size = float(np.exp(rng.uniform(*np.log((low, high)))))
    if name == "unfiltered" and rng.random() < 0.4:
        processing = replace(processing, after=Settings(alpha=float(rng.uniform(*PRODUCT_ALPHA))), magnitude=False)
    if name in ("unfiltered", "looks1x4") and rng.random() < 0.25:
        processing = replace(processing, coherence="phase")
    return processing, pixel_size


def random_scene(rng: np.random.Generator, pixel_size: float, shape: tuple[int, int], *, beyond: bool = False) -> Scene:
    """A region whose ground, air and movers are drawn from the training ranges; `beyond`: rougher air, other speeds."""
    coarse = max(pixel_size / 20.0, 1.0) ** 0.5
    crowd = 0.0 if rng.random() < 0.1 else float(rng.uniform(0.25, 0.5)) / coarse**2
    likely = rng.random(4) < 0.35
    alike = dict(zip(("bowls", "glaciers", "fields", "snow"), (0.15, 0.3, 0.3, 0.3) * likely, strict=True))
    scenario = Scenario(
        relief={"relief": (200.0, 800.0) if beyond else (250.0, 700.0)},
        slides={
            "density": crowd, "size": (110.0 * coarse, 500.0 * coarse), "largest": 900.0 * coarse, "giants": 0.08,
            "speed": (0.2, 2.5) if beyond else (0.25, 2.0), "creep": (0.2, 1.5) if beyond else (0.25, 1.2),
            "habits": (0.4, 0.3, 0.15, 0.15) if beyond else (0.55, 0.25, 0.1, 0.1),
        },
        cover={"tree_line": (1_300.0, 2_100.0), "forest_share": (0.1, 0.6), "bare_chance": 0.3},
        look_alikes=alike,
        air={
            "turbulence": (0.6, 1.1) if beyond else (0.1, 0.8), "stratification": 0.9 if beyond else 0.6,
            "wave_chance": 0.4 if beyond else 0.2,
        },
        dem_error={"rms": (4.0, 18.0) if beyond else (5.0, 15.0)},
        orbit={"tube": 70.0 if beyond else 55.0},
        incidence=(0.5, 0.82) if beyond else (0.54, 0.78),
    )  # fmt: skip
    # Surveys look at summers; the rest of the year is there to be told from them.
    summer = rng.random() < 0.75
    first_day = float(rng.integers(150, 270) if summer else rng.integers(1, 366))
    return Scene.draw(
        int(rng.integers(2**62)), shape, pixel_size=pixel_size, first_day=first_day,
        direction="ascending" if rng.random() < 0.5 else "descending", scenario=scenario,
    )  # fmt: skip


def _wedge(rng: np.random.Generator) -> np.ndarray:
    """The slanting edge of a swath."""
    angle, shift = rng.uniform(0, 2 * np.pi), rng.uniform(20, 110)
    y, x = np.mgrid[: _SCENE[0], : _SCENE[1]] - 127.5
    return np.asarray(y * np.sin(angle) + x * np.cos(angle) > shift)
