"""Mountain terrain and the geometry of the line of sight over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from insarflow.simulate.fields import power_law_field


@dataclass(frozen=True)
class Terrain:
    """Height and its slope on a grid.

    Attributes
    ----------
    height
        m, float32, ``(y, x)``.
    slope
        rad, float32.
    downhill
        Azimuth of steepest descent, rad clockwise from north, float32.
    """

    height: np.ndarray
    slope: np.ndarray
    downhill: np.ndarray


def fractal_terrain(
    rng: np.random.Generator, shape: tuple[int, int], pixel_size: float, *, relief: float = 450.0, base: float = 1900.0
) -> Terrain:
    """Mountain-like terrain: a power-law surface with sharp ridges.

    Parameters
    ----------
    shape
        ``(y, x)`` pixels; rows run from north to south.
    pixel_size
        m.
    relief
        Standard deviation of height, m.
    base
        Mean height, m.
    """
    surface = power_law_field(rng, shape, pixel_size, exponent=-4.0)
    ridges = -np.abs(power_law_field(rng, shape, pixel_size, exponent=-4.2))
    detail = power_law_field(rng, shape, pixel_size, exponent=-3.4)
    height = base + relief * (0.75 * surface + 0.6 * (ridges + 0.8) + 0.12 * detail)
    south, east = np.gradient(height, pixel_size)
    slope = np.arctan(np.hypot(south, east))
    downhill = np.arctan2(-east, south)
    return Terrain(height.astype(np.float32), slope.astype(np.float32), downhill.astype(np.float32))


def line_of_sight(incidence: np.ndarray, heading: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vector from the ground to a right-looking satellite: east, north, up.

    Parameters
    ----------
    incidence
        rad.
    heading
        Flight direction, rad clockwise from north.
    """
    sine = np.sin(incidence)
    return -sine * np.cos(heading), sine * np.sin(heading), np.cos(incidence)
