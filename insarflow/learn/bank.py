"""A bank of training patches from simulated scenes, passed through the same filter as real data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from insarflow.kernels.coherence import phase_coherence
from insarflow.kernels.goldstein import goldstein
from insarflow.kernels.noise import complex_noise
from insarflow.learn.phase import encode
from insarflow.simulate.scene import Scene, draw_scene, observe
from insarflow.simulate.truth import MISSING, pair_target
from insarflow.types import Looks, Recipe, Window

PATCH: Final = 128
DELAYS: Final = (6, 12, 18)
PATCHES_PER_SCENE: Final = 36
"""Four corners of the 4 + 3 + 2 pairs of five acquisitions."""

FILTER: Final = {"patch_size": 32, "step": 16, "alpha": 0.5}
RECIPE: Final = Recipe().then("goldstein", **FILTER, min_valid=0.5, amplitude="input")
"""What the embedded model's input goes through, whatever product it comes from."""

PIXEL_SIZE: Final = (10.0, 40.0)
_SCENE: Final = (256, 256)
LOOKS: Final = (Looks(1, 3), Looks(1, 4), Looks(2, 6), Looks(2, 8), Looks(3, 12))
PRODUCT_ALPHA: Final = (0.3, 0.8)
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
        How many; each gives the patches of its 6, 12 and 18 day pairs.
    seed
        Scene k is a function of ``(seed, k)``.
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
        for k, patches in enumerate(mapped(draw, range(scenes))):
            rows = slice(k * PATCHES_PER_SCENE, (k + 1) * PATCHES_PER_SCENE)
            places = 4 * k + np.arange(PATCHES_PER_SCENE) % 4
            for name, values in zip(files, (*patches, places), strict=True):
                files[name][rows] = values
            if progress is not None:
                progress(k + 1, scenes)
    for file in files.values():
        file.flush()
    return Bank.open(folder)


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
    scene = _random_scene(rng, beyond)
    pairs = scene.pairs(DELAYS)
    igrams, gammas = observe(scene, pairs)
    product = _random_product(rng)
    images, targets, delays = [], [], []
    for pair, igram, gamma in zip(pairs, igrams, gammas, strict=True):
        target = pair_target(scene, pair, gamma)
        image, target = product(igram, gamma, target)
        for y in (0, _SCENE[0] - PATCH):
            for x in (0, _SCENE[1] - PATCH):
                cut = np.s_[..., y : y + PATCH, x : x + PATCH]
                images.append(image[cut].astype(np.float16))
                targets.append(target[cut])
                delays.append(scene.days[pair[1]] - scene.days[pair[0]])
    return np.stack(images), np.stack(targets), np.array(delays, np.int16)


def filter_fingerprint() -> list[float]:
    """Phases, rad, that the model's filter gives on a fixed noisy interferogram with a hole.

    They stand in a model's card: when they change, the model no longer sees what it was trained on.
    """
    y, x = np.mgrid[:96, :96]
    noise = complex_noise(Window(0, 0, 96, 96), width=96, seed=7, stream=0)
    igram = (np.exp(1j * (0.21 * x + 0.0008 * y * y)) + 0.8 * noise).astype(np.complex64)
    igram[40:52, 30:41] = np.nan
    phase = np.angle(goldstein(igram, **FILTER))[5::17, 3::17]  # type: ignore[arg-type]
    return [round(float(p), 6) for p in phase.ravel()]


def _random_scene(rng: np.random.Generator, beyond: bool) -> Scene:
    pixel_size = float(np.exp(rng.uniform(*np.log(PIXEL_SIZE))))
    crowd = 0 if rng.random() < 0.12 else round(16 * (pixel_size / 20.0) ** 1.2 * rng.uniform(0.5, 1.5))
    return draw_scene(
        int(rng.integers(2**62)), _SCENE, pixel_size=pixel_size, looks=LOOKS[rng.integers(len(LOOKS))],
        acquisitions=5, movers=crowd, turbulence=(0.9, 1.3) if beyond else (0.1, 0.9),
        stratification=1.0 if beyond else float(rng.uniform(0.1, 0.9)), snow_chance=0.15,
    )  # fmt: skip


def _random_product(
    rng: np.random.Generator,
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """How a scene's interferograms reach the user: filtered or not, resampled or not, with or without coherence."""
    strength = rng.uniform(*PRODUCT_ALPHA) if rng.random() < 0.3 else 0.0
    stretch = rng.uniform(1.0, 2.2, 2) if rng.random() < 0.4 else np.ones(2)
    rows, cols = ((np.arange(n) / s).astype(np.intp) for n, s in zip(_SCENE, stretch, strict=True))
    from_phase = rng.random() < 0.15
    missing = _wedge(rng) if rng.random() < 0.25 else np.zeros(_SCENE, bool)

    def product(igram: np.ndarray, gamma: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if from_phase:
            gamma = phase_coherence(igram, window=Looks(5, 5))
        if strength:
            igram = goldstein(igram, patch_size=32, step=16, alpha=strength)
        igram, gamma, target = (a[np.ix_(rows, cols)].copy() for a in (igram, gamma, target))
        igram[missing], target[missing] = np.nan, MISSING
        return encode(goldstein(igram, **FILTER), gamma), target  # type: ignore[arg-type]

    return product


def _wedge(rng: np.random.Generator) -> np.ndarray:
    """The slanting edge of a swath."""
    angle, shift = rng.uniform(0, 2 * np.pi), rng.uniform(20, 110)
    y, x = np.mgrid[: _SCENE[0], : _SCENE[1]] - 127.5
    return np.asarray(y * np.sin(angle) + x * np.cos(angle) > shift)
