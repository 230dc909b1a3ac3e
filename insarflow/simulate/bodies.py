"""Moving bodies: what each is, how it lies and how it moves; and those of a window, as rasters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from insarflow.constants import DAYS_PER_YEAR
from insarflow.kernels.bodies import add_body, trace_body
from insarflow.simulate.activity import Activity
from insarflow.types import Window

Kind = Literal["Landslide", "Rock glacier", "Unknown"]

RIM_BOUND: Final = 1.35
"""No rim lies farther out than this, in half widths and half lengths."""

REACH: Final = 1.5
"""Ground about a body where no other moves, in its half widths and half lengths."""

HASTE_SPEED: Final = 0.5
"""Speed, m/yr, that doubles the loss of coherence, and beyond which the surface breaks up."""

_BREAK_UP = 10.0
_WAVES = 5


@dataclass(frozen=True)
class Mover:
    """A slope that moves.

    Attributes
    ----------
    id
        The same in any window, positive.
    kind
        Landslide, Rock glacier or Unknown.
    confidence
        Of whoever says what it is, 0..1.
    south, east
        Of its middle, m from the north-west corner of the region.
    height
        Mean height, m.
    azimuth
        Where it slides, rad clockwise from north.
    slope
        rad below the horizon.
    half_width, half_length
        Across and down the slope, m.
    margin
        Width of the slow margin around the core, in radii.
    lobes
        Depth (0 for none) and number per half length of the slower furrows across.
    rim
        Cosine and sine parts of the rim's waves, see `insarflow.kernels.bodies.add_body`.
    speed
        Mean speed down the slope of its core over the first year, m/yr.
    activity
        How that changes in time.
    """

    id: int
    kind: Kind
    confidence: float
    south: float
    east: float
    height: float
    azimuth: float
    slope: float
    half_width: float
    half_length: float
    margin: float
    lobes: tuple[float, float]
    rim: tuple[tuple[float, ...], tuple[float, ...]]
    speed: float
    activity: Activity

    def position(self, day: float) -> float:
        """Metres that the core has moved down the slope since day 0 (a 1 January): negative before it."""
        return self.speed / DAYS_PER_YEAR * self.activity.progress(day)

    def moved(self, day0: float, day1: float) -> float:
        """Metres that the core moves down the slope between two days."""
        return self.position(day1) - self.position(day0)

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector of its motion: east, north, up."""
        level = math.cos(self.slope)
        return math.sin(self.azimuth) * level, math.cos(self.azimuth) * level, -math.sin(self.slope)

    def support(self, azimuth: float) -> float:
        """Farthest that the ellipse of its half width and half length goes in a direction, m."""
        turn = azimuth - self.azimuth
        return math.hypot(self.half_length * math.cos(turn), self.half_width * math.sin(turn))

    def window(self, spacing: float, *, reach: float = RIM_BOUND) -> Window:
        """Cells that the body may touch; with `reach` in half widths and half lengths, those that far out."""
        rows, cols = reach * self.support(0.0), reach * self.support(math.pi / 2)
        y0, x0 = (math.floor(v / spacing - 0.5) for v in (self.south - rows, self.east - cols))
        y1, x1 = (math.ceil(v / spacing + 0.5) for v in (self.south + rows, self.east + cols))
        return Window(y0, x0, y1 - y0, x1 - x0)

    @cached_property
    def numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Shape and rim as `insarflow.kernels.bodies` takes them."""
        shape = (
            self.south, self.east, math.cos(self.azimuth), math.sin(self.azimuth), self.half_width, self.half_length,
            self.margin, *self.lobes, REACH,
        )  # fmt: skip
        return np.array(shape, np.float64), np.array(self.rim, np.float64)

    def trace(self, window: Window, spacing: float) -> tuple[np.ndarray, np.ndarray]:
        """Radius (1 on the rim, infinite beyond `REACH`) and profile (speed over the core's), float32."""
        return trace_body(window, spacing, *self.numbers)


@dataclass(frozen=True)
class Bodies:
    """The movers of a window.

    Attributes
    ----------
    window
        Ground cells.
    movers
        All whose bodies may touch it, by ascending id.
    label
        int32, ``window.shape``: 0 where stable, else 1 + the mover's place in `movers`.
    profile
        float32, 0..1: speed over that of the mover's core.
    """

    window: Window
    movers: tuple[Mover, ...]
    label: np.ndarray
    profile: np.ndarray

    @classmethod
    def draw(cls, window: Window, movers: tuple[Mover, ...], spacing: float) -> Bodies:
        """Draw each mover over the cells it may touch."""
        label, profile = np.zeros(window.shape, np.int32), np.zeros(window.shape, np.float32)
        for number, mover in enumerate(movers, 1):
            part = mover.window(spacing).shared(window)
            if part is not None:
                add_body(window, spacing, *mover.numbers, number, label, profile, part)
        return cls(window, movers, label, profile)

    def speed(self) -> np.ndarray:
        """Mean speed down the slope, m/yr, float32."""
        speed: np.ndarray = self._of_each([m.speed for m in self.movers]) * self.profile
        return speed

    def moved(self, day0: float, day1: float) -> np.ndarray:
        """Motion down the slope between two days, m, float32."""
        moved: np.ndarray = self._of_each([m.moved(day0, day1) for m in self.movers]) * self.profile
        return moved

    def displacement(
        self, day: float, east: np.ndarray | float, north: np.ndarray | float, up: np.ndarray | float
    ) -> np.ndarray:
        """Displacement along the line of sight since day 0, m, positive toward the satellite.

        Parameters
        ----------
        day
            Days from a 1 January.
        east, north, up
            Unit vector from the ground to the satellite, float32 over the window, or numbers.

        Returns
        -------
        ndarray
            float32, ``window.shape``; 0 where nothing moves.
        """
        cells = np.flatnonzero(self.label)
        of = self.label.ravel()[cells]
        numbers = np.array([(0.0, 0.0, 0.0, 0.0), *((*m.direction, m.position(day)) for m in self.movers)], np.float32)
        view = np.zeros(cells.size, np.float32)
        for k, part in enumerate((east, north, up)):
            view += numbers[of, k] * np.broadcast_to(np.asarray(part, np.float32), self.window.shape).ravel()[cells]
        toward = np.zeros(self.window.shape, np.float32)
        toward.ravel()[cells] = numbers[of, 3] * self.profile.ravel()[cells] * view
        return toward

    def haste(self) -> np.ndarray:
        """How many times sooner the ground loses coherence than if it were stable, float32, at least 1.

        Notes
        -----
        ``1 + v / 0.5 + 10 max(v - 0.5, 0)`` with v in m/yr: creep shears what scatters, and beyond 0.5 m/yr the surface
        breaks up, so that a core of 1 to 2 m/yr on debris (decay of 60 days) is lost in 18 to 6 days. A choice, not a
        measurement.
        """
        speed = self.speed()
        parts = np.float32(1.0 / HASTE_SPEED), np.float32(HASTE_SPEED), np.float32(_BREAK_UP)
        haste: np.ndarray = 1 + speed * parts[0] + np.maximum(speed - parts[1], 0) * parts[2]
        return haste

    def _of_each(self, values: list[float]) -> np.ndarray:
        """A number of each mover on its cells, float32; 0 elsewhere."""
        each: np.ndarray = np.array([0.0, *values], np.float32)[self.label]
        return each


def draw_rim(rng: np.random.Generator) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Waves of a rim that stays between 2 - `RIM_BOUND` and `RIM_BOUND`."""
    sizes = rng.normal(0.0, 0.16 / np.arange(1, _WAVES + 1))
    sizes *= min(1.0, (RIM_BOUND - 1.0) / np.abs(sizes).sum())
    turns = rng.uniform(0.0, 2 * np.pi, _WAVES)
    return tuple((sizes * np.cos(turns)).tolist()), tuple((sizes * np.sin(turns)).tolist())
