"""Land cover as the radar feels it: how fast the ground's echo changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from insarflow.simulate.fields import power_law_field, smoothstep
from insarflow.simulate.movers import Movers
from insarflow.simulate.terrain import Terrain


@dataclass(frozen=True)
class Cover:
    """Parameters of `insarflow.kernels.speckle`, each float32 ``(y, x)``."""

    first: np.ndarray
    floor: np.ndarray
    decay_days: np.ndarray


def land_cover(rng: np.random.Generator, terrain: Terrain, movers: Movers, pixel_size: float) -> Cover:
    """Bare rock and debris high up, forest and meadows below and in patches; fast ground changes sooner."""
    shape = terrain.height.shape
    patches = power_law_field(rng, shape, pixel_size, exponent=-2.4)
    low = (np.median(terrain.height) - 150.0 - terrain.height) / 500.0
    green = smoothstep(0.5 + 0.9 * low + 0.35 * patches + rng.normal(0, 0.25))
    texture = 0.05 * power_law_field(rng, shape, pixel_size, exponent=-1.6)
    floor = np.clip((1 - green) * rng.uniform(0.45, 0.75) + green * rng.uniform(0.0, 0.15) + texture, 0.0, 0.85)
    first = np.clip((1 - green) * rng.uniform(0.88, 0.97) + green * rng.uniform(0.5, 0.75) + texture, 0.05, 0.98)
    decay = (1 - green) * rng.uniform(25, 90) + green * rng.uniform(5, 14)
    haste = 1.0 + movers.speed / 0.5
    parts = np.maximum(first, floor), floor / haste, decay / haste
    return Cover(*(p.astype(np.float32) for p in parts))


def wet_snow(rng: np.random.Generator, terrain: Terrain, pixel_size: float, *, chance: float) -> np.ndarray:
    """Quality of one acquisition, float32 ``(y, x)``, 0..1: patches of wet snow above a line lose their echo."""
    quality = np.ones(terrain.height.shape, np.float32)
    if rng.random() < chance:
        line = np.quantile(terrain.height, rng.uniform(0.5, 0.9))
        patches = power_law_field(rng, terrain.height.shape, pixel_size, exponent=-2.6)
        snow = smoothstep((terrain.height - line) / 150.0 + 0.8 * patches)
        quality -= rng.uniform(0.5, 1.0) * snow.astype(np.float32)
    return np.clip(quality, 0.0, 1.0)
