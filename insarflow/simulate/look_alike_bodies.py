"""Where things lie that look like moving slopes: placed in cells of the ground, each by what it is like there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from insarflow.simulate.fields import smoothstep, stream_of
from insarflow.simulate.relief import Relief
from insarflow.types import Window

CLASSES: Final = ("none", "bowl", "glacier", "field", "snow")
NONE, BOWL, GLACIER, FIELD, SNOW = range(5)

CELL: Final = 3_000.0
"""Side of the cells in which bodies are drawn, m."""

_BOWL_END: Final = 3.0
"""Standard deviations at which a bowl ends."""

_RIM: Final = 1.5
"""Furthest that an uneven rim reaches, in half sizes."""

SIZES: Final[Mapping[int, tuple[float, float]]] = {
    BOWL: (300.0, 3_000.0), GLACIER: (600.0, 3_000.0), FIELD: (1_000.0, 4_000.0), SNOW: (100.0, 800.0)
}  # fmt: skip
"""Shortest and longest extent, m: of a bowl four standard deviations, of fields the land they lie in."""

_LONG: Final[Mapping[int, tuple[float, float]]] = {
    BOWL: (1.0, 1.3), GLACIER: (1.3, 2.5), FIELD: (1.0, 1.4), SNOW: (1.0, 2.5)
}  # fmt: skip
"""Range of length by width; glaciers are long down the slope."""

_STEEPEST: Final[Mapping[int, float]] = {
    BOWL: np.radians(8.0), GLACIER: np.radians(32.0), FIELD: np.radians(4.0), SNOW: np.radians(45.0)
}  # fmt: skip


class Terms(NamedTuple):
    """What bodies are drawn from; all numbers per class in the order of `CLASSES`.

    Attributes
    ----------
    seed
        Of all of them.
    spacing
        Of the ground grid, m.
    densities
        Candidates per km2; those whose place does not suit them are dropped.
    glacier_line, snow_line
        Lowest heights of glaciers and of snow patches, m.
    sinking, thinning
        Ranges of the rates of bowls and glaciers, m/yr down.
    """

    seed: int
    spacing: float
    densities: tuple[float, float, float, float, float]
    glacier_line: float
    snow_line: float
    sinking: tuple[float, float]
    thinning: tuple[float, float]


@dataclass(frozen=True)
class Body:
    """Something on the ground that is no moving slope.

    Attributes
    ----------
    kind
        An index into `CLASSES`.
    key
        Of its random numbers.
    y, x
        Its middle, m south and east of the grid's corner.
    along, across
        Half sizes, m; of a bowl two standard deviations.
    azimuth
        Of the long axis, rad clockwise from north.
    rim
        Amplitude and phase of the rim's waves, the first goes once around.
    rate
        Of bowls and glaciers, m/yr down.
    parcel
        Sides of the parcels of fields, along the long axis and across it, m.
    melted, snowed
        Days of the year on which snow is gone and new snow comes.
    """

    kind: int
    key: int
    y: float
    x: float
    along: float
    across: float
    azimuth: float
    rim: tuple[tuple[float, float], ...]
    rate: float
    parcel: tuple[float, float]
    melted: float
    snowed: float

    @property
    def reach(self) -> float:
        """Distance from the middle beyond which there is nothing of it, m."""
        return max(self.along, self.across) * (_BOWL_END / 2 if self.kind == BOWL else _RIM)

    def window(self, spacing: float) -> Window:
        """The cells that it may cover."""
        y0, x0 = (int(np.floor((m - self.reach) / spacing)) for m in (self.y, self.x))
        y1, x1 = (int(np.ceil((m + self.reach) / spacing)) for m in (self.y, self.x))
        return Window(y0, x0, y1 - y0, x1 - x0)

    def axes(self, window: Window, spacing: float) -> tuple[np.ndarray, np.ndarray]:
        """Distances from the middle along the long axis and across it, m, each float64, shape ``window.shape``."""
        north = (self.y - spacing * (np.arange(window.y0, window.y1) + 0.5))[:, None]
        east = spacing * (np.arange(window.x0, window.x1) + 0.5) - self.x
        sine, cosine = np.sin(self.azimuth), np.cos(self.azimuth)
        return north * cosine + east * sine, east * cosine - north * sine

    def profile(self, window: Window, spacing: float) -> np.ndarray:
        """How strong it is, 0 outside to 1 in the middle: float32, shape ``window.shape``."""
        along, across = self.axes(window, spacing)
        square = (along / self.along) ** 2 + (across / self.across) ** 2
        if self.kind == BOWL:
            end = np.exp(-0.5 * _BOWL_END**2)
            deep: np.ndarray = np.maximum((np.exp(-2.0 * square) - end) / (1 - end), 0.0).astype(np.float32)
            return deep
        distance = np.sqrt(square)
        rim = self._rim(along / self.along, across / self.across, np.maximum(distance, 1e-9))
        inside = 1.0 - distance / np.clip(rim, 0.4, _RIM)
        soft = 0.6 if self.kind == GLACIER else 0.25
        return smoothstep(inside / soft).astype(np.float32)

    def _rim(self, along: np.ndarray, across: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Distance of the rim, in half sizes, in the direction of each cell."""
        cosine, sine = along / distance, across / distance
        rim = np.ones(distance.shape)
        turned, other = cosine, sine
        for k, (amplitude, start) in enumerate(self.rim):
            if k:
                # By the sums of angles, which cost less than a cosine.
                turned, other = turned * cosine - other * sine, other * cosine + turned * sine
            rim += amplitude * np.cos(start) * turned - amplitude * np.sin(start) * other
        return rim


def parcels_of(body: Body) -> int:
    """Number of parcels of a body of fields."""
    return (2 * _half(body)) ** 2


def parcel_of(body: Body, window: Window, spacing: float) -> np.ndarray:
    """Number of the parcel that each cell belongs to: int64, shape ``window.shape``."""
    along, across = body.axes(window, spacing)
    half = _half(body)
    rows, cols = (
        np.clip(np.floor(place / side).astype(np.int64) + half, 0, 2 * half - 1)
        for place, side in zip((along, across), body.parcel, strict=True)
    )
    return np.asarray(rows * (2 * half) + cols)


def _half(body: Body) -> int:
    """Parcels from the middle to the end, at most."""
    return int(np.ceil(body.reach / min(body.parcel))) + 1


def bodies_near(terms: Terms, window: Window, relief: Relief) -> list[Body]:
    """All bodies that may reach into a window, in an order that does not depend on it."""
    found: list[Body] = []
    for kind in SIZES:
        reach = furthest(kind)
        rows = _cells(window.y0 * terms.spacing - reach, window.y1 * terms.spacing + reach)
        cols = _cells(window.x0 * terms.spacing - reach, window.x1 * terms.spacing + reach)
        for row in rows:
            for col in cols:
                found.extend(bodies_of(terms, relief, kind, row, col))
    touching = (b for b in found if b.window(terms.spacing).shared(window) is not None)
    return sorted(touching, key=lambda b: (b.kind, b.key))


def _cells(start: float, stop: float) -> range:
    """Cells of the ground that lie between two places, m."""
    return range(int(np.floor(start / CELL)), int(np.floor(stop / CELL)) + 1)


def furthest(kind: int) -> float:
    """Largest reach that a body of this class may have, m."""
    return 0.5 * SIZES[kind][1] * (_BOWL_END / 2 * _LONG[kind][1] if kind == BOWL else _RIM)


@lru_cache(maxsize=16384)
def bodies_of(terms: Terms, relief: Relief, kind: int, row: int, col: int) -> tuple[Body, ...]:
    """Bodies of a class whose middle lies in a cell of the ground: a function of the cell and the terrain there."""
    density, lowest = terms.densities[kind], _lowest(kind, terms)
    if density <= 0 or relief.high < lowest:
        return ()
    rng = np.random.default_rng((terms.seed, stream_of("look-alikes"), kind, row % 2**64, col % 2**64))
    found: list[Body] = []
    # Draws are the same whether a candidate is taken or not, so no body depends on another.
    for _ in range(rng.poisson(density * (CELL / 1000.0) ** 2)):
        y, x = CELL * (row + rng.random()), CELL * (col + rng.random())
        height, slope, downhill = _ground(relief, terms.spacing, y, x)
        body = _drawn(rng, terms, kind, y, x, downhill)
        if slope <= _STEEPEST[kind] and height >= lowest and _lies_well(body, height, terms, relief):
            found.append(body)
    return tuple(found)


def _lowest(kind: int, terms: Terms) -> float:
    return {GLACIER: terms.glacier_line, SNOW: terms.snow_line}.get(kind, -np.inf)


def _drawn(rng: np.random.Generator, terms: Terms, kind: int, y: float, x: float, downhill: float) -> Body:
    long = float(np.exp(rng.uniform(*np.log(SIZES[kind])))) / 2
    wide = long / rng.uniform(*_LONG[kind])
    if kind == BOWL:
        # Its size is that across.
        long, wide = long * (long / wide), long
    azimuth = float(rng.uniform(0, 2 * np.pi))
    azimuth = downhill if kind == GLACIER else azimuth
    rim = tuple((float(rng.normal(0, 0.15 / k)), float(rng.uniform(0, 2 * np.pi))) for k in (1, 2, 3, 4))
    rates = terms.thinning if kind == GLACIER else terms.sinking
    rate = float(np.exp(rng.uniform(*np.log(rates))))
    parcel = (float(rng.uniform(150, 400)), float(rng.uniform(100, 250)))
    melted, snowed = float(rng.uniform(130, 215)), float(rng.uniform(262, 310))
    return Body(kind, int(rng.integers(2**63)), y, x, long, wide, azimuth, rim, rate, parcel, melted, snowed)


def _lies_well(body: Body, height: float, terms: Terms, relief: Relief) -> bool:
    """Whether the ground around suits it: level for bowls and fields, a hollow for glaciers."""
    if body.kind == SNOW:
        return True
    away = 0.6 * body.along
    around = (
        _ground(relief, terms.spacing, body.y + away * np.sin(a), body.x + away * np.cos(a))
        for a in body.azimuth + np.pi / 2 * np.arange(4)
    )
    if body.kind == GLACIER:
        return float(np.mean([h for h, _, _ in around])) > height
    return all(slope <= _STEEPEST[body.kind] for _, slope, _ in around)


def _ground(relief: Relief, spacing: float, y: float, x: float) -> tuple[float, float, float]:
    """Height, m, slope and azimuth of steepest descent, rad, at a place."""
    height, south, east = (a[0, 0] for a in relief.surface(Window(int(y // spacing), int(x // spacing), 1, 1)))
    return float(height), float(np.arctan(np.hypot(south, east))), float(np.arctan2(-east, south))
