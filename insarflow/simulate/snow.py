"""Snow on the ground at an acquisition: above a line that moves through the year, wet or dry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from insarflow.constants import DAYS_PER_YEAR
from insarflow.simulate.fields import Field, smoothstep, stream_of, unit_field
from insarflow.types import Window

LOWEST_DAY, HIGHEST_DAY = 45.0, 45.0 + DAYS_PER_YEAR / 2
"""Days of the year on which the snow line is lowest and highest. A choice, for the north."""

_EDGE = 60.0
"""Height, m, over which snow sets in."""


@dataclass(frozen=True)
class Snow:
    """Snow at one acquisition.

    Attributes
    ----------
    line
        Height above which snow lies, m, ragged.
    band
        Height of the wet belt above the line, m.
    wet, dry
        Quality of wet and of dry snow, 0..1.
    places, drifts
        Fields of unit standard deviation, which make the line ragged: the same on all dates, and the date's own.
    """

    line: float
    band: float
    wet: float
    dry: float
    places: Field
    drifts: Field

    @classmethod
    def draw(
        cls,
        seed: int,
        acquisition: int,
        day_of_year: float,
        *,
        spacing: float,
        lowest: tuple[float, float] = (500.0, 1_200.0),
        highest: tuple[float, float] = (2_800.0, 3_400.0),
        unrest: float = 150.0,
        band: float = 900.0,
        wet: tuple[float, float] = (0.0, 0.1),
        dry: tuple[float, float] = (0.6, 0.95),
    ) -> Self:
        """Snow of an acquisition, whatever others are drawn.

        Parameters
        ----------
        seed, acquisition
            Of the scene, at least 0, and the acquisition's number, which may be negative.
        day_of_year
            1 to 366; in the south add half a year.
        spacing
            Of the ground grid, m.
        lowest, highest
            Ranges of the snow line in winter and in late summer, m, of which the scene draws its own.
        unrest
            Standard deviation of a date's line around that of its season, m.
        band
            Height of the wet belt at most, m: it is highest in May and June, and less so in October.
        wet, dry
            Ranges of quality.
        """
        scene = np.random.default_rng((seed, stream_of("snow")))
        own = int(scene.integers(2**63))
        low, high = scene.uniform(*lowest), scene.uniform(*highest)
        rng = np.random.default_rng((seed, stream_of("snow"), acquisition % 2**64))
        season = 0.5 - 0.5 * np.cos(2 * np.pi * (day_of_year - LOWEST_DAY) / DAYS_PER_YEAR)
        return cls(
            float(low + (high - low) * season + rng.normal(0, unrest)),
            float(band * wetness(day_of_year) * rng.uniform(0.3, 1.0)),
            float(rng.uniform(*wet)), float(rng.uniform(*dry)),
            unit_field(own, "snow places", spacing=spacing, exponent=-2.8, longest=3_000.0),
            unit_field(own, f"snow drifts {acquisition}", spacing=spacing, exponent=-2.8, longest=1_500.0),
        )  # fmt: skip

    def quality(self, window: Window, height: np.ndarray) -> np.ndarray:
        """Part of the correlation that is left, float32, 0..1, ``window.shape``; see `insarflow.kernels.single_look`.

        Parameters
        ----------
        height
            Of the ground in the window, m, float32.
        """
        part = np.float32
        above = np.asarray(height, part) - part(self.line)
        quality = np.ones(window.shape, part)
        # Fields are drawn only where snow can be; no cell knows of others, so this changes none.
        if above.size == 0 or float(above.max()) < -_REACH:
            return quality
        above = above + part(120.0) * self.places.at(window) + part(60.0) * self.drifts.at(window)
        snow = smoothstep(above / part(_EDGE))
        thaw = snow - smoothstep((above - part(self.band)) / part(_EDGE))
        quality -= (snow - thaw) * part(1 - self.dry) + thaw * part(1 - self.wet)
        return np.clip(quality, part(0.0), part(1.0))


_REACH = 1_500.0
"""Metres below its line that no snow reaches: eleven standard deviations of what makes it ragged."""


def wetness(day_of_year: float) -> float:
    """How much snow melts, 0..1: highest at the end of May, lower in the middle of October."""

    def peak(day: float, width: float) -> float:
        away = (day_of_year - day + DAYS_PER_YEAR / 2) % DAYS_PER_YEAR - DAYS_PER_YEAR / 2
        return float(np.exp(-((away / width) ** 2)))

    return peak(150.0, 45.0) + 0.4 * peak(288.0, 30.0)
