"""Things that look like moving slopes and are none: sinking ground, glaciers, irrigated fields, patches of wet snow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Self

import numpy as np

from insarflow.constants import DAYS_PER_YEAR, SENTINEL1_WAVELENGTH
from insarflow.simulate.look_alike_bodies import (
    BOWL,
    FIELD,
    GLACIER,
    SNOW,
    Body,
    Terms,
    bodies_near,
    parcel_of,
    parcels_of,
)
from insarflow.simulate.relief import Relief
from insarflow.types import Window

_TO_PHASE: Final = 4 * np.pi / SENTINEL1_WAVELENGTH

HASTE: Final = {BOWL: 1.0, GLACIER: 8.0, FIELD: 1.5, SNOW: 1.0}
"""How much sooner the ground's echo changes there."""

BOWL_EDGE: Final = 0.1
"""Part of its depth at which a bowl begins."""

_SOWN: Final = 0.65
"""Part of the parcels that are irrigated at all."""

_IRRIGATED: Final = 0.5
"""Part of those that are wet at an acquisition of the season."""

_SEASON: Final = (90.0, 280.0)
"""Days of the year between which fields are irrigated. A choice, for the north."""

_WET_SNOW: Final = (90.0, 330.0)
"""Days of the year before and after which all snow is dry."""


class _Part(NamedTuple):
    """A body in a window: where it is, how strong, and of which parcel each cell of a field is."""

    body: Body
    cut: tuple[slice, slice]
    profile: np.ndarray
    parcels: np.ndarray | None


@dataclass(frozen=True)
class LookAlikes:
    """All look-alikes of a scene, as a function of place and day.

    Attributes
    ----------
    terms
        What they are drawn from.
    first_day
        Day of the year of day 0.
    moisture
        Highest phase of irrigated soil, rad.
    slush
        Standard deviation of the phase of a patch of wet snow, rad.
    """

    terms: Terms
    first_day: float
    moisture: float
    slush: float

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        spacing: float,
        first_day: float,
        bowls: float = 0.02,
        glaciers: float = 0.2,
        fields: float = 0.1,
        snow: float = 0.15,
        glacier_line: float = 2_600.0,
        snow_line: float = 1_500.0,
        sinking: tuple[float, float] = (0.005, 0.3),
        thinning: tuple[float, float] = (1.0, 10.0),
        moisture: float = 1.5,
        slush: float = 1.2,
    ) -> Self:
        """Look-alikes of a new seed.

        Parameters
        ----------
        spacing
            Of the ground grid, m.
        first_day
            Day of the year of day 0, 1 to 366; in the south add half a year.
        bowls, glaciers, fields, snow
            Candidates per km2, 0 for none: only those stay whose place suits them.
        glacier_line, snow_line
            Lowest heights of glaciers and of patches of wet snow, m.
        sinking, thinning
            Ranges of the rates of bowls and glaciers, m/yr down, drawn log-uniform.
        moisture, slush
            rad, see the class.
        """
        densities = (0.0, bowls, glaciers, fields, snow)
        for name, value in zip(("bowls", "glaciers", "fields", "snow"), densities[1:], strict=True):
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0 per km2, instead got {name}={value}")
        terms = Terms(int(rng.integers(2**63)), spacing, densities, glacier_line, snow_line, sinking, thinning)
        return cls(terms, first_day, moisture, slush)

    def near(self, window: Window, relief: Relief) -> list[Body]:
        """All that may reach into a window, in an order that does not depend on it."""
        return bodies_near(self.terms, window, relief)

    def at(self, window: Window, relief: Relief) -> np.ndarray:
        """Class of each cell, uint8, shape ``window.shape``: an index into `look_alike_bodies.CLASSES`."""
        kind = np.zeros(window.shape, np.uint8)
        for body, cut, profile, _ in _parts(self.terms, window, relief):
            edge = BOWL_EDGE if body.kind == BOWL else 0.0
            kind[cut] = np.where((profile > edge) & (kind[cut] == 0), np.uint8(body.kind), kind[cut])
        return kind

    def phase(self, day: float, window: Window, relief: Relief, up: np.ndarray | float) -> np.ndarray:
        """Two-way phase of an acquisition, rad, positive for a longer path: float32, shape ``window.shape``.

        Parameters
        ----------
        day
            From the scene's first.
        up
            Upward component of the unit vector from the ground to the satellite, a number or float32 ``window.shape``.
        """
        phase = np.zeros(window.shape, np.float32)
        years = day / DAYS_PER_YEAR
        for part in _parts(self.terms, window, relief):
            body, cut, profile, _ = part
            if body.kind in (BOWL, GLACIER):
                view = up if np.ndim(up) == 0 else np.asarray(up)[cut]
                phase[cut] += np.asarray(_TO_PHASE * body.rate * years * view, np.float32) * profile
            elif body.kind == SNOW and self._is_wet(body, day):
                phase[cut] += np.float32(self.slush * self._date(body, day).normal()) * profile
            elif body.kind == FIELD:
                phase[cut] += np.float32(self.moisture) * self._moisture(part, day)
        return phase

    def quality(self, day: float, window: Window, relief: Relief) -> np.ndarray:
        """Part of an acquisition's correlation that is left, float32, 0..1; see `insarflow.kernels.single_look`."""
        quality = np.ones(window.shape, np.float32)
        for part in _parts(self.terms, window, relief):
            body, cut, profile, _ = part
            if body.kind == SNOW and self._is_wet(body, day):
                left = self._date(body, day).uniform(0.05, 0.4)
                quality[cut] *= np.float32(1.0) - np.float32(1 - left) * profile
            elif body.kind == FIELD:
                wet = self._moisture(part, day)
                quality[cut] *= np.float32(1.0) - np.float32(0.25) * wet
        return quality

    def haste(self, window: Window, relief: Relief) -> np.ndarray:
        """How much sooner the echo changes, float32, at least 1: divide decay and floor of the cover by it."""
        table = np.array([1.0] + [HASTE[k] for k in (BOWL, GLACIER, FIELD, SNOW)], np.float32)
        haste: np.ndarray = np.take(table, self.at(window, relief))
        return haste

    def _date(self, body: Body, day: float) -> np.random.Generator:
        return np.random.default_rng((body.key, round(day) % 2**64))

    def _day_of_year(self, day: float) -> float:
        return (self.first_day + day - 1) % DAYS_PER_YEAR + 1

    def _is_wet(self, body: Body, day: float) -> bool:
        today = self._day_of_year(day)
        return _WET_SNOW[0] < today < body.melted or body.snowed < today < _WET_SNOW[1]

    def _moisture(self, part: _Part, day: float) -> np.ndarray:
        """How wet each cell is, 0..1, float32: of parcels that are irrigated at the time, each as a whole."""
        if not _SEASON[0] < self._day_of_year(day) < _SEASON[1] or part.parcels is None:
            return np.zeros(part.profile.shape, np.float32)
        rng, count = self._date(part.body, day), parcels_of(part.body)
        wet: np.ndarray = (rng.uniform(0.2, 1.0, count) * (rng.random(count) < _IRRIGATED)).astype(np.float32)
        return np.asarray(wet[part.parcels] * part.profile)


@lru_cache(maxsize=8)
def _parts(terms: Terms, window: Window, relief: Relief) -> tuple[_Part, ...]:
    """The bodies in a window, kept for the next dates; sharp ones leave out what others have taken."""
    parts: list[_Part] = []
    taken = np.zeros(window.shape, bool)
    for body in bodies_near(terms, window, relief):
        inner = body.window(terms.spacing).shared(window)
        if inner is None:
            continue
        cut, parcels = inner.within(window), None
        profile = body.profile(inner, terms.spacing)
        if body.kind == FIELD:
            parcels = parcel_of(body, inner, terms.spacing)
            sown = np.random.default_rng(body.key).random(parcels_of(body)) < _SOWN
            profile = ((profile > 0) & sown[parcels]).astype(np.float32)
        if body.kind != BOWL:
            profile = np.where(taken[cut], np.float32(0.0), profile)
            taken[cut] |= profile > 0
        if profile.any():
            parts.append(_Part(body, cut, profile, parcels))
    return tuple(parts)
