"""How a satellite looks at a simulated region: ranges, angles and the line of sight over a flat Earth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ALTITUDE = 693_000.0
"""Of Sentinel-1 above the ground, m."""


@dataclass(frozen=True)
class Viewing:
    """A right-looking satellite on a straight horizontal track above a flat Earth, and a map-aligned grid below it.

    Positions on the ground are rows and columns of the region's grid, or two distances on the ground: `along`, m in
    the flight direction from the region's middle, and `across`, m to the right from below the track. Everything is in
    double precision and broadcasts.

    Attributes
    ----------
    heading
        Flight direction, rad clockwise from north.
    incidence
        At the region's middle at height 0, rad.
    spacing
        Of the ground grid, m. Row 0 is the northernmost, column 0 the westernmost; whole numbers are centres of cells.
    shape
        ``(y, x)`` cells of the region.
    altitude
        Of the track above height 0, m.

    Raises
    ------
    ValueError
        If a number is not finite or out of its range.

    Notes
    -----
    On a flat Earth the look angle is the angle of incidence. At 40 degrees the satellite is 905 km away; above the
    round Earth it would be 875 km.
    """

    heading: float
    incidence: float
    spacing: float
    shape: tuple[int, int]
    altitude: float = ALTITUDE

    def __post_init__(self) -> None:
        if not math.isfinite(self.heading):
            raise ValueError(f"heading must be an angle in rad, instead got heading={self.heading}")
        if not 0.0 < self.incidence < math.pi / 2:
            raise ValueError(f"incidence must lie between 0 and pi/2 rad, instead got incidence={self.incidence}")
        for name in ("spacing", "altitude"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, m, instead got {name}={getattr(self, name)}")
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise ValueError(f"shape must be two positive numbers of cells (y, x), instead got shape={self.shape}")

    @cached_property
    def middle(self) -> tuple[float, float]:
        """Row and column of the region's middle."""
        return (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2

    @cached_property
    def middle_across(self) -> float:
        """Ground distance of the region's middle from below the track, m."""
        return self.altitude * math.tan(self.incidence)

    def track(self, row: np.ndarray | float, col: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """`along` and `across` of places on the ground, m, float64."""
        sine, cosine = math.sin(self.heading), math.cos(self.heading)
        north = (self.middle[0] - np.asarray(row, np.float64)) * self.spacing
        east = (np.asarray(col, np.float64) - self.middle[1]) * self.spacing
        return east * sine + north * cosine, self.middle_across + east * cosine - north * sine

    def cell(self, along: np.ndarray | float, across: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of places on the ground, float64; the inverse of `track`."""
        sine, cosine = math.sin(self.heading), math.cos(self.heading)
        ahead, right = np.asarray(along, np.float64), np.asarray(across, np.float64) - self.middle_across
        north, east = ahead * cosine - right * sine, ahead * sine + right * cosine
        return self.middle[0] - north / self.spacing, self.middle[1] + east / self.spacing

    def slant_range(self, across: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
        """Distance of the satellite as it passes, m, float64."""
        depth = self.altitude - np.asarray(height, np.float64)
        distance: np.ndarray = np.sqrt(depth * depth + np.square(np.asarray(across, np.float64)))
        return distance

    def ground_distance(self, slant_range: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
        """`across` of places at a height that have a slant range, m, float64; NaN where ground is farther than that."""
        depth = self.altitude - np.asarray(height, np.float64)
        square = np.square(np.asarray(slant_range, np.float64)) - depth * depth
        across: np.ndarray = np.sqrt(np.where(square >= 0.0, square, np.nan))
        return across

    def incidence_at(self, row: np.ndarray | float, col: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
        """Angle between the vertical and the line of sight, rad, float64."""
        depth = self.altitude - np.asarray(height, np.float64)
        angle: np.ndarray = np.arctan2(self.track(row, col)[1], depth)
        return angle

    def line_of_sight(
        self, row: np.ndarray | float, col: np.ndarray | float, height: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit vector from the ground to the satellite: east, north, up, each float64."""
        across = self.track(row, col)[1]
        distance = self.slant_range(across, height)
        level, up = across / distance, (self.altitude - np.asarray(height, np.float64)) / distance
        return -level * math.cos(self.heading), level * math.sin(self.heading), up
