"""What the satellite's path leaves in the phase: position and tilt of an acquisition, burst edges, DEM errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb, factorial
from typing import Final, Self

import numpy as np
from scipy.optimize import brentq

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.simulate.fields import SPLINE_POWER, Field, stream_of
from insarflow.types import Window

LINE_TIME: Final = 2.0555563e-3
"""Between two lines of a burst, s."""

DOPPLER: Final = 2_200.0
"""Doppler centroid at a burst's edges, Hz: from minus to plus this along the burst, as the antenna is steered."""

STEP_PER_LINE: Final = 2 * np.pi * 2 * DOPPLER * LINE_TIME
"""Step of the phase at a burst's edge for an azimuth shift of a line, rad (56.8; 0.57 for a hundredth of a line)."""


@dataclass(frozen=True)
class Orbit:
    """Path of one acquisition.

    Attributes
    ----------
    position
        Across the line of sight, m; differences of two are perpendicular baselines.
    south, east
        Rise of the phase that orbit errors leave, rad/m.
    """

    position: float
    south: float
    east: float

    @classmethod
    def draw(
        cls,
        seed: int,
        acquisition: int,
        *,
        tube: float = 55.0,
        farthest: float = 200.0,
        ramp: float = np.pi / 100_000.0,
    ) -> Self:
        """Path of an acquisition, whatever others are drawn.

        Parameters
        ----------
        seed, acquisition
            Of the scene, at least 0, and the acquisition's number, which may be negative.
        tube, farthest
            Standard deviation and largest size of the position, m: choices, near to what Sentinel-1's pairs have.
        ramp
            Steepest ramp, rad/m: by choice half a fringe in 100 km.
        """
        rng = np.random.default_rng((seed, stream_of("orbit"), acquisition % 2**64))
        position = float(np.clip(rng.normal(0, tube), -farthest, farthest))
        steep, azimuth = ramp * rng.random(), rng.uniform(0, 2 * np.pi)
        return cls(position, float(steep * np.sin(azimuth)), float(steep * np.cos(azimuth)))

    def phase(self, window: Window, spacing: float) -> np.ndarray:
        """Phase of the ramp, rad, float32, shape ``window.shape``; 0 at the grid's corner."""
        rows = self.south * spacing * (np.arange(window.y0, window.y1) + 0.5)
        cols = self.east * spacing * (np.arange(window.x0, window.x1) + 0.5)
        phase: np.ndarray = (rows[:, None] + cols).astype(np.float32)
        return phase


@dataclass(frozen=True)
class Bursts:
    """Edges of bursts, and the steps that are left there when images are not shifted by spectral diversity.

    Attributes
    ----------
    seed
        Of the shifts.
    spacing
        Of the ground grid, m.
    heading
        Flight direction, rad clockwise from north.
    length, start
        Of a burst along the flight, m, and where one begins, m along the flight from the grid's corner.
    shift, unrest
        Largest azimuth shift of an acquisition, and how much each burst's own adds, lines.

    Notes
    -----
    A shift by the time t gives the phase ``2 pi f t``, where the Doppler centroid f goes from `-DOPPLER` to `DOPPLER`
    along each burst: a sawtooth. Shifts of acquisitions are even between minus and plus `shift`, so steps of pairs
    are up to ``2 STEP_PER_LINE (shift + unrest)``. One swath's bursts are taken for all: in others edges lie elsewhere.
    """

    seed: int
    spacing: float
    heading: float
    length: float
    start: float
    shift: float
    unrest: float

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        spacing: float,
        heading: float,
        length: float = 20_000.0,
        step: float = 0.5,
        unrest: float = 0.1,
    ) -> Self:
        """Bursts that begin anywhere.

        Parameters
        ----------
        step
            Largest step in a pair, rad; 0 where spectral diversity was used.
        unrest
            Part of it that differs from burst to burst, 0..1.
        """
        if length <= 0:
            raise ValueError(f"length must be a positive number, instead got length={length}")
        lines = 0.5 * step / STEP_PER_LINE
        return cls(
            int(rng.integers(2**63)), spacing, heading, length, float(rng.uniform(0, length)),
            lines * (1 - unrest), lines * unrest,
        )  # fmt: skip

    def along(self, window: Window) -> np.ndarray:
        """Place along the flight in bursts, float64, shape ``window.shape``: whole numbers are edges."""
        scale = self.spacing / self.length
        north, east = scale * np.cos(self.heading), scale * np.sin(self.heading)
        rows = -north * (np.arange(window.y0, window.y1) + 0.5) - self.start / self.length
        cols = east * (np.arange(window.x0, window.x1) + 0.5)
        return np.asarray(rows[:, None] + cols)

    def phase(self, acquisition: int, window: Window) -> np.ndarray:
        """Phase of an acquisition, rad, float32, shape ``window.shape``."""
        place = self.along(window)
        # A plane is lowest and highest at corners.
        corners = np.floor(place[:: max(1, len(place) - 1), :: max(1, place.shape[1] - 1)])
        first, last = int(corners.min()), int(corners.max())
        steps = STEP_PER_LINE * np.array([self.shift_of(acquisition, b) for b in range(first, last + 1)])
        if first == last:
            sawtooth = steps[0] * (place - first - 0.5)
        else:
            burst = np.floor(place)
            sawtooth = np.take(steps, (burst - first).astype(np.intp)) * (place - burst - 0.5)
        phase: np.ndarray = sawtooth.astype(np.float32)
        return phase

    def shift_of(self, acquisition: int, burst: int) -> float:
        """Azimuth shift of an acquisition in a burst, lines."""
        date = acquisition % 2**64
        whole = np.random.default_rng((self.seed, date)).uniform(-1, 1)
        own = np.random.default_rng((self.seed, date, burst % 2**64)).uniform(-1, 1)
        return float(self.shift * whole + self.unrest * own)


@dataclass(frozen=True)
class DemError:
    """DEM minus truth, which stays in the phase when the DEM's is taken off.

    Attributes
    ----------
    rms
        m.
    correlation
        Distance at which correlation has fallen to 1/e, m.
    field
        Of unit standard deviation.
    """

    rms: float
    correlation: float
    field: Field

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        spacing: float,
        rms: tuple[float, float] = (5.0, 15.0),
        correlation: tuple[float, float] = (50.0, 200.0),
    ) -> Self:
        """Errors whose numbers lie in these ranges; correlation is at least that of two cells."""
        distance = max(float(np.exp(rng.uniform(*np.log(correlation)))), 2 * spacing)
        field = Field(int(rng.integers(2**63)), "DEM error", _gains(round(distance / spacing, 3)))
        return cls(float(rng.uniform(*rms)), distance, field)

    def at(self, window: Window) -> np.ndarray:
        """Error, m, float32, shape ``window.shape``."""
        return np.float32(self.rms) * self.field.at(window)

    def phase(self, window: Window, position: float, *, slant_range: float, incidence: float) -> np.ndarray:
        """Phase of an acquisition, rad, float32, shape ``window.shape``; see `rad_per_metre` for the parameters."""
        return np.float32(rad_per_metre(position, slant_range=slant_range, incidence=incidence)) * self.at(window)


def rad_per_metre(position: float, *, slant_range: float, incidence: float) -> float:
    """Phase, rad, of a DEM that is a metre too high, in the image of an acquisition.

    Parameters
    ----------
    position
        Perpendicular, see `Orbit`, m.
    slant_range, incidence
        m and rad, of the scene: over a burst's width they hardly change.
    """
    return float(4 * np.pi / SENTINEL1_WAVELENGTH * position / (slant_range * np.sin(incidence)))


@lru_cache(maxsize=256)
def _gains(cells: float) -> tuple[float, ...]:
    """Gains of a field of unit standard deviation whose correlation falls to 1/e at a distance of some cells.

    Octaves' variances are in one ratio to the next, from one cell up to a lattice that alone would reach further.
    """
    octaves = np.arange(int(np.ceil(np.log2(cells))) + 1)
    far = _spline_correlation(cells / 2.0**octaves)

    def excess(log_ratio: float) -> float:
        shares = np.exp(log_ratio * (octaves - octaves[-1]))
        return float(far @ shares / shares.sum() - np.exp(-1))

    shares = np.exp(brentq(excess, -20.0, 20.0) * (octaves - octaves[-1]))
    return tuple(float(g) for g in np.sqrt(shares / shares.sum()) / SPLINE_POWER)


def _spline_correlation(distance: np.ndarray) -> np.ndarray:
    """Correlation of a field of cubic B-splines at a distance along an axis, in units of its lattice."""
    bases = np.maximum(distance[..., None] + 4.0 - np.arange(9), 0.0) ** 7
    return np.asarray(bases @ [(-1) ** j * comb(8, j) for j in range(9)] / factorial(7) / SPLINE_POWER)
