"""How fast training patches are simulated, beside SciPy's Goldstein filter of one such patch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from benchmarks import baselines
from insarflow.kernels.noise import complex_noise
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING, reads
from insarflow.simulate.scene import Scene
from insarflow.types import Window

PATCH = 128
SIDE = 2 * PATCH
"""Pixels along a side of a scene of four acquisitions: their six pairs give 24 patches."""

PIXELS = {
    "unfiltered": 14.64, "isslide": 14.64, "looks1x4": 14.64, "boxcar3x10": 15.8, "looks5x20": 40.0, "looks4x20": 100.0,
    "looks10x40": 150.0,
}  # fmt: skip
"""Sizes of the products' pixels, m."""


@dataclass(frozen=True)
class Rate:
    """Patches a second on one core.

    Attributes
    ----------
    name
        Of the processing.
    pixel_size
        m.
    alone, scene
        Patches a second: of a pair simulated alone, and of the six pairs of a scene of four acquisitions.
    scipy
        How often a second SciPy filters the single looks of one ISSLIDE patch, measured beside it.
    """

    name: str
    pixel_size: float
    alone: float
    scene: float
    scipy: float


def rates(runs: int = 3, only: str = "", side: int = SIDE) -> Iterator[Rate]:
    """Rates of each processing."""
    filtered = _scipy()
    for name, processing in PROCESSING.items():
        if only not in name:
            continue
        pixel = PIXELS[name]
        pair, four = [(0, 2)], list(combinations(range(4), 2))
        patches = len(four) * (side / PATCH) ** 2
        alone, scene, scipy = [], [], []
        for run in range(runs + 1):
            # Scenes of their own, since what was drawn is kept.
            made = Scene.draw(run, (side, side), pixel_size=pixel)
            times = [
                _seconds(lambda: observe(made, pair, Window(0, 0, PATCH, PATCH), processing)),  # noqa: B023
                _seconds(lambda: observe(made, four, Window(0, 0, side, side), processing)),  # noqa: B023
                _seconds(filtered),
            ]
            if run:  # the first one compiles
                for seconds, found in zip(times, (alone, scene, scipy), strict=True):
                    found.append(seconds)
        yield Rate(name, pixel, 1 / median(alone), patches / median(scene), 1 / median(scipy))


def _scipy() -> Callable[[], object]:
    """SNAP's Goldstein filter of what a patch at the ISSLIDE recipe reads, by SciPy."""
    scene = Scene.draw(0, (PATCH, PATCH), pixel_size=PIXELS["isslide"])
    rows, cols = scene.middles(Window(0, 0, PATCH, PATCH))
    line, sample = scene.radar.position(rows, cols, scene.relief.height(scene.ground_of(Window(0, 0, PATCH, PATCH))))
    processing = PROCESSING["isslide"]
    y, x = line / processing.looks.y, sample / processing.looks.x
    cells = Window(int(y.min()), int(x.min()), int(np.ptp(y)) + 2, int(np.ptp(x)) + 2)
    product = reads(scene.radar.shape, cells, processing).product
    z = complex_noise(Window(0, 0, *product.shape), width=product.width, seed=1, stream=0)
    return lambda: baselines.goldstein_snap(z)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
