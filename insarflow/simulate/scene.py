"""A simulated region: interferogram stack and truth, consistent in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from dask.threaded import get

from insarflow.constants import DAYS_PER_YEAR, SENTINEL1_WAVELENGTH
from insarflow.kernels.coherence import coherence
from insarflow.kernels.multilook import multilook
from insarflow.kernels.speckle import speckle
from insarflow.simulate.atmosphere import atmosphere
from insarflow.simulate.cover import Cover, land_cover, wet_snow
from insarflow.simulate.fields import power_law_field
from insarflow.simulate.movers import Movers, place_movers
from insarflow.simulate.terrain import Terrain, fractal_terrain, line_of_sight
from insarflow.types import Looks, Window

COHERENCE_WINDOW = Looks(3, 10)
SINGLE_LOOKS = Looks(2, 8)
SLANT_RANGE = 850_000.0
TILE = 256


@dataclass(frozen=True)
class Scene:
    """All that is drawn before noise: terrain, movers, cover and each acquisition's phase.

    Attributes
    ----------
    pixel_size
        m.
    looks
        Single-look samples per pixel.
    days
        Acquisition times, days from the first, float64 ascending.
    baselines
        Perpendicular position of each acquisition, m.
    incidence
        rad.
    heading
        rad clockwise from north.
    range_phase
        float32, ``(acquisition, y, x)``: ``4 pi / wavelength`` times the extra path, rad.
    quality
        float32, ``(acquisition, y, x)``; see `insarflow.kernels.speckle`.
    """

    seed: int
    pixel_size: float
    looks: Looks
    days: np.ndarray
    baselines: np.ndarray
    incidence: float
    heading: float
    terrain: Terrain
    movers: Movers
    cover: Cover
    range_phase: np.ndarray
    quality: np.ndarray

    def pairs(self, delays: Sequence[int]) -> list[tuple[int, int]]:
        """Acquisition numbers (earlier, later) of all pairs with one of these delays in days."""
        wanted = {int(d) for d in delays}
        return [(i, j) for i, j in combinations(range(self.days.size), 2) if int(self.days[j] - self.days[i]) in wanted]

    def peak_phase(self, days: float) -> np.ndarray:
        """Each mover's largest interferometric phase over `days`, rad, shape ``(movers.count,)``."""
        return 4 * np.pi / SENTINEL1_WAVELENGTH * self.movers.peak_rate() * days / DAYS_PER_YEAR


def draw_scene(
    seed: int,
    shape: tuple[int, int],
    *,
    pixel_size: float = 20.0,
    looks: Looks = SINGLE_LOOKS,
    acquisitions: int = 8,
    repeat_days: int = 6,
    movers: int = 12,
    turbulence: tuple[float, float] = (0.2, 0.9),
    stratification: float = 0.6,
    snow_chance: float = 0.1,
) -> Scene:
    """Draw a region of `shape` ``(y, x)`` pixels and `acquisitions` images every `repeat_days` days."""
    rng = np.random.default_rng(seed)
    side_km = max(shape) * pixel_size / 1000.0
    # Relief grows with the region as its slopes stay the same, up to that of a mountain range.
    terrain = fractal_terrain(rng, shape, pixel_size, relief=rng.uniform(450, 750) * min(side_km / 10.0, 1.5) ** 0.8)
    incidence = float(np.radians(rng.uniform(31, 45)))
    heading = float(np.radians(rng.choice([-12.0, 192.0])))
    los = line_of_sight(np.asarray(incidence), heading)
    bodies = place_movers(rng, terrain, los, pixel_size, count=movers)
    days = repeat_days * np.arange(acquisitions, dtype=np.float64)
    baselines = rng.normal(0, 55.0, acquisitions)
    # DEM minus truth: its phase is left in when the DEM's is removed.
    height_error = 6.0 * power_law_field(rng, shape, pixel_size, exponent=-2.5)
    to_phase = 4 * np.pi / SENTINEL1_WAVELENGTH
    phase = np.empty((acquisitions, *shape), np.float32)
    quality = np.empty((acquisitions, *shape), np.float32)
    for i in range(acquisitions):
        air = atmosphere(
            rng, terrain.height, pixel_size, turbulence=rng.uniform(*turbulence), stratification=stratification
        )
        topographic = to_phase * baselines[i] * height_error / (SLANT_RANGE * np.sin(incidence))
        phase[i] = air + topographic - to_phase * bodies.rate * days[i] / DAYS_PER_YEAR
        quality[i] = wet_snow(rng, terrain, pixel_size, chance=snow_chance)
    cover = land_cover(rng, terrain, bodies, pixel_size)
    return Scene(seed, pixel_size, looks, days, baselines, incidence, heading, terrain, bodies, cover, phase, quality)


def observe(scene: Scene, pairs: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Interferograms and coherence of some pairs, noise included, tile by tile on dask's threads.

    Returns
    -------
    igram, coherence
        complex64 and float32, each ``(pair, y, x)``: single-look images are drawn, multiplied and averaged as a
        processor would; coherence is the mean over a pixel of the sliding 3 x 10 single-look estimate.
    """
    height, width = scene.terrain.height.shape
    igram = np.empty((len(pairs), height, width), np.complex64)
    gamma = np.empty((len(pairs), height, width), np.float32)
    tiles = [
        Window(y0, x0, min(TILE, height - y0), min(TILE, width - x0))
        for y0 in range(0, height, TILE)
        for x0 in range(0, width, TILE)
    ]
    fill = partial(_observe_tile, scene, pairs, igram, gamma)
    # A graph, so that whoever watches dask sees the progress; these threads share the arrays they fill.
    get({("observe", k): (fill, tile) for k, tile in enumerate(tiles)}, [("observe", k) for k in range(len(tiles))])
    return igram, gamma


def _observe_tile(
    scene: Scene, pairs: Sequence[tuple[int, int]], igram: np.ndarray, gamma: np.ndarray, core: Window
) -> None:
    height, width = scene.terrain.height.shape
    top, left = min(2, core.y0), min(2, core.x0)
    bottom, right = min(2, height - core.y1), min(2, width - core.x1)
    window = Window(core.y0 - top, core.x0 - left, core.height + top + bottom, core.width + left + right)
    cut = window.within(Window(0, 0, height, width))
    images = speckle(
        scene.cover.first[cut], scene.cover.floor[cut], scene.cover.decay_days[cut],
        np.ascontiguousarray(scene.quality[(slice(None), *cut)]), scene.days,
        looks=scene.looks, window=window, width=width, seed=scene.seed,
    )  # fmt: skip
    for image, phase in zip(images, scene.range_phase, strict=True):
        image *= np.exp(-1j * _spread(phase[cut], scene.looks))
    inner = core.within(window)
    target = core.within(Window(0, 0, height, width))
    for k, (i, j) in enumerate(pairs):
        product = images[i] * np.conj(images[j])
        igram[k][target] = multilook(product, looks=scene.looks)[inner]
        estimate = coherence(images[i], images[j], window=COHERENCE_WINDOW)
        gamma[k][target] = multilook(estimate, looks=scene.looks)[inner]


def _spread(cells: np.ndarray, looks: Looks) -> np.ndarray:
    """Cell-centre values interpolated linearly to single-look samples, float32."""

    def along(values: np.ndarray, n: int) -> np.ndarray:
        place = np.clip((np.arange(values.shape[0] * n) + 0.5) / n - 0.5, 0, values.shape[0] - 1)
        low = np.minimum(place.astype(np.intp), max(values.shape[0] - 2, 0))
        part = (place - low).astype(np.float32)[:, None]
        high = np.minimum(low + 1, values.shape[0] - 1)
        spread: np.ndarray = values[low] * (1 - part) + values[high] * part
        return spread

    return along(along(cells, looks.y).T, looks.x).T
