"""Moving slopes: where they are and how fast they slide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from insarflow.simulate.fields import smoothstep
from insarflow.simulate.terrain import Terrain


@dataclass(frozen=True)
class Movers:
    """Moving slopes on a grid.

    Attributes
    ----------
    label
        int32, ``(y, x)``: 0 where stable, else the mover's number from 1.
    rate
        float32, ``(y, x)``: speed along the line of sight, m/yr, positive toward the satellite.
    speed
        float32, ``(y, x)``: speed down the slope, m/yr.
    """

    label: np.ndarray
    rate: np.ndarray
    speed: np.ndarray

    @property
    def count(self) -> int:
        """Number of movers."""
        return int(self.label.max())

    def peak_rate(self) -> np.ndarray:
        """Each mover's largest absolute speed along the line of sight, m/yr, shape ``(count,)``."""
        peak = np.zeros(self.count + 1)
        np.maximum.at(peak, self.label.ravel(), np.abs(self.rate).ravel())
        return peak[1:]


def place_movers(
    rng: np.random.Generator,
    terrain: Terrain,
    los: tuple[np.ndarray, np.ndarray, np.ndarray],
    pixel_size: float,
    *,
    count: int,
    size: tuple[float, float] = (90.0, 600.0),
    speed: tuple[float, float] = (0.05, 1.5),
) -> Movers:
    """Place sliding bodies on slopes, apart from each other.

    Parameters
    ----------
    terrain
        Where they slide.
    los
        Unit vector from the ground to the satellite (east, north, up), each ``(y, x)`` or a number.
    pixel_size
        m.
    count
        Number wanted; fewer where no room is found.
    size
        Range of the half width across the slope and half length along it, m (drawn log-uniform).
    speed
        Range of the highest speed down the slope, m/yr (drawn log-uniform).

    Notes
    -----
    Each body is an ellipse elongated down the slope with an uneven rim; its speed falls smoothly from a plug in the
    middle to zero at the rim. All of it slides in one direction, that of its middle.
    """
    shape = terrain.height.shape
    label = np.zeros(shape, np.int32)
    rate = np.zeros(shape, np.float32)
    along = np.zeros(shape, np.float32)
    keep_out = np.zeros(shape, bool)
    steep = np.argwhere((terrain.slope > np.radians(9)) & (terrain.slope < np.radians(45)))
    number = 0
    for _ in range(30 * count if len(steep) else 0):
        if number == count:
            break
        row, col = steep[rng.integers(len(steep))]
        half_width = float(np.exp(rng.uniform(*np.log(size)))) * 0.75
        half_length = half_width * rng.uniform(1.1, 2.4)
        azimuth, slope = float(terrain.downhill[row, col]), float(terrain.slope[row, col])
        window, radius = _ellipse(rng, shape, (row, col), half_width / pixel_size, half_length / pixel_size, azimuth)
        inside = radius < 1.0
        if inside.sum() < 12 or keep_out[window][radius < 1.5].any():
            continue
        number += 1
        keep_out[window] |= radius < 1.5
        label[window][inside] = number
        profile = smoothstep((1.0 - radius[inside]) / rng.uniform(0.5, 0.95)) * np.exp(rng.uniform(*np.log(speed)))
        direction = (np.sin(azimuth) * np.cos(slope), np.cos(azimuth) * np.cos(slope), -np.sin(slope))
        view = sum(s * np.broadcast_to(u, shape)[row, col] for s, u in zip(direction, los, strict=True))
        along[window][inside] = profile
        rate[window][inside] = profile * view
    return Movers(label, rate, along)


def _ellipse(
    rng: np.random.Generator,
    shape: tuple[int, int],
    centre: tuple[int, int],
    half_width: float,
    half_length: float,
    azimuth: float,
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Window around a body, and in it the distance from its middle: 1 on the (uneven) rim."""
    reach = int(np.ceil(2.2 * half_length))
    (row, col), (height, width) = centre, shape
    rows, cols = (max(0, row - reach), min(height, row + reach + 1)), (max(0, col - reach), min(width, col + reach + 1))
    window = slice(*rows), slice(*cols)
    y, x = np.mgrid[window]
    north, east = row - y, x - col
    down = east * np.sin(azimuth) + north * np.cos(azimuth)
    across = east * np.cos(azimuth) - north * np.sin(azimuth)
    turn = np.arctan2(across / half_width, down / half_length)
    rim = 1.0 + sum(rng.normal(0, 0.16 / k) * np.cos(k * turn + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 4, 5))
    return window, np.hypot(across / half_width, down / half_length) / np.maximum(rim, 0.4)
