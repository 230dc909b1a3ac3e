"""Where slopes move: a function of the seed and the place, so that any window of any region can be asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple, Protocol, TypeVar

import numpy as np

from insarflow.ops.checks import check_fraction, check_number, check_whole
from insarflow.simulate.activity import HABITS, Activity, Habit
from insarflow.simulate.bodies import REACH, RIM_BOUND, Bodies, Kind, Mover, draw_rim
from insarflow.simulate.fields import smoothstep, stream_of
from insarflow.simulate.packing import trials_for
from insarflow.types import Window

CELL: Final = 3000.0
"""Side of the squares of ground whose candidates are drawn together, m."""

_LONGEST = 1.2
"""Longest half length, over the largest half width."""

_ELONGATION: Final[dict[Kind, tuple[float, float]]] = {
    "Landslide": (1.1, 2.4),
    "Rock glacier": (1.6, 3.0),
    "Unknown": (1.1, 2.4),
}
_LANDSLIDE, _ROCK_GLACIER, _UNKNOWN = _ELONGATION
_FITTED = 1.25
_REMEMBERED = 50_000
_ASK = object()
_HALF_SPAN = 1 << 19
Known = TypeVar("Known")


class Ground(Protocol):
    """What slides need to know of the terrain."""

    def height(self, window: Window) -> np.ndarray:
        """Height at cell centres, m: float32, shape ``window.shape``; the window may lie anywhere."""


class Candidate(NamedTuple):
    """A body that may be there, before the terrain is asked."""

    id: int
    south: float
    east: float
    half_width: float
    priority: float


@dataclass(frozen=True)
class Slides:
    """Moving slopes on endless ground.

    Attributes
    ----------
    seed
        Whole number from 0.
    spacing
        Of the ground grid, m.
    relief
        The terrain. With it, a mover is a function of its place alone.
    density
        Movers per km2 of ground all of whose slopes may move; about right, see `insarflow.simulate.packing`.
    size
        Range of half widths, m, drawn log-uniform.
    giants, largest
        Share of bodies that are larger, and their largest half width, m.
    speed, creep
        Ranges of the speed of cores, m/yr, drawn log-uniform: of rock glaciers `creep`, of all others `speed`.
    slopes
        Range of the slope, rad, of the ground that may move, smoothed over a body.
    margin
        Range of the width of slow margins, in radii, 0..1.
    unknown
        Share of movers of which nobody can say what they are.
    high
        Height, m, above which there are rock glaciers.
    habits
        Weights of `HABITS` among landslides and unknown movers; rock glaciers are steady or seasonal.

    Notes
    -----
    Each square of 3 km has its own generator, which draws candidates with a priority. A candidate slides down the plane
    that fits the heights of a square about it best, 2.5 half widths wide. It is there if that plane's slope is in
    range, and if none that is there with a higher priority comes closer than their reaches allow: 1.5 times the
    supports of their ellipses toward one another (random sequential adsorption: Matern's third process). That is asked
    from neighbour to neighbour until the answer is sure, never of a window, so any window knows the same movers.
    """

    seed: int
    spacing: float
    relief: Ground
    density: float = 0.2
    size: tuple[float, float] = (90.0, 600.0)
    giants: float = 0.03
    largest: float = 1000.0
    speed: tuple[float, float] = (0.005, 2.0)
    creep: tuple[float, float] = (0.02, 1.0)
    slopes: tuple[float, float] = (math.radians(9.0), math.radians(45.0))
    margin: tuple[float, float] = (0.5, 0.95)
    unknown: float = 0.15
    high: float = 2300.0
    habits: tuple[float, float, float, float] = (0.35, 0.3, 0.2, 0.15)
    _trials: float = field(init=False, repr=False, compare=False)
    _memory: dict[object, object] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, low=0)
        _check_positive("spacing", self.spacing)
        _check_positive("largest", self.largest)
        for name in ("size", "speed", "creep", "slopes", "margin"):
            _check_range(name, getattr(self, name))
        for name in ("giants", "unknown"):
            check_fraction(name, getattr(self, name))
        if check_number("density", self.density) < 0.0:
            raise ValueError(f"density must be at least 0 movers per km2, instead got density={self.density}")
        if len(self.habits) != len(HABITS) or min(self.habits) < 0.0 or not sum(self.habits) > 0.0:
            raise ValueError(f"habits must be a weight for each of {HABITS}, instead got habits={self.habits}")
        trials = 0.0
        if self.density:
            widths = self._widths(np.random.default_rng(0).random((3, 500)))
            # In km; the mean half width of an ellipse, in all directions, is nearly that of these two.
            lengths = np.minimum(widths * np.linspace(1.1, 2.6, 500), self.longest)
            trials = trials_for(self.density, REACH / 1000.0 * np.sqrt((widths**2 + lengths**2) / 2))
        object.__setattr__(self, "_trials", trials)

    def __getstate__(self) -> dict[str, object]:
        """What a worker needs: it remembers nothing."""
        return {**self.__dict__, "_memory": {}}

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """What they are drawn from, whatever has been asked since."""
        return "slides", *(getattr(self, f.name) for f in fields(self) if f.init)

    @property
    def longest(self) -> float:
        """Largest half length of any body, m."""
        return _LONGEST * max(self.size[1], self.largest if self.giants else 0.0)

    def near(self, window: Window) -> tuple[Mover, ...]:
        """Movers whose bodies may touch a window, by ascending id."""
        y0, x0, y1, x1 = (v * self.spacing for v in (window.y0, window.x0, window.y1, window.x1))
        most = RIM_BOUND * self.longest
        found = []
        for c in self._candidates(y0 - most, x0 - most, y1 + most, x1 + most):
            reach = RIM_BOUND * self._bound(c)
            if y0 - reach < c.south < y1 + reach and x0 - reach < c.east < x1 + reach:
                mover = self._kept(c)
                if mover is not None and mover.window(self.spacing).shared(window) is not None:
                    found.append(mover)
        return tuple(sorted(found, key=lambda m: m.id))

    def inside(self, window: Window) -> tuple[Mover, ...]:
        """Movers whose middles lie in a window, by ascending id: of windows that cover a region, each mover once."""
        corners = (v * self.spacing for v in (window.y0, window.x0, window.y1, window.x1))
        movers = (self._kept(c) for c in self._candidates(*corners))
        return tuple(sorted((m for m in movers if m is not None), key=lambda m: m.id))

    def bodies(self, window: Window) -> Bodies:
        """Label and profile of the movers of a window, and with them speed, displacement and haste."""
        return Bodies.draw(window, self.near(window), self.spacing)

    def _widths(self, numbers: np.ndarray) -> np.ndarray:
        """Half widths from uniform numbers, ``(2 or more, n)``."""
        low = np.where(numbers[0] < self.giants, self.size[1], self.size[0])
        high = np.where(numbers[0] < self.giants, max(self.largest, self.size[1]), self.size[1])
        widths: np.ndarray = low * (high / low) ** numbers[1]
        return widths

    def _bound(self, candidate: Candidate) -> float:
        """Half length that a candidate cannot exceed, m."""
        return min(_ELONGATION["Rock glacier"][1] * candidate.half_width, self.longest)

    def _candidates(self, y0: float, x0: float, y1: float, x1: float) -> Iterator[Candidate]:
        """Those whose middles lie in a rectangle, m."""
        if not self._trials:
            return
        for row in range(math.floor(y0 / CELL), math.floor(y1 / CELL) + 1):
            for col in range(math.floor(x0 / CELL), math.floor(x1 / CELL) + 1):
                for c in self._cell(row, col):
                    if y0 <= c.south < y1 and x0 <= c.east < x1:
                        yield c

    def _cell(self, row: int, col: int) -> tuple[Candidate, ...]:
        """Candidates of a square of ground."""
        known = self._memory.get((row, col))
        if isinstance(known, tuple):
            return known
        place = ((row + _HALF_SPAN) << 20 | (col + _HALF_SPAN)) << 8
        rng = np.random.default_rng((self.seed, stream_of("slides"), place))
        count = min(int(rng.poisson(self._trials * (CELL / 1000.0) ** 2)), 255)
        numbers = rng.random((5, count))
        widths = self._widths(numbers)
        cell = tuple(
            Candidate(place + k + 1, (row + v[2]) * CELL, (col + v[3]) * CELL, float(widths[k]), float(v[4]))
            for k, v in enumerate(numbers.T.tolist())
        )
        return self._remember((row, col), cell)

    def _kept(self, candidate: Candidate) -> Mover | None:
        """The mover that a candidate is; None if the terrain does not allow it or another is there before it."""
        known = self._memory.get(("kept", candidate.id), _ASK)
        if known is not _ASK:
            return known if isinstance(known, Mover) else None
        mover = self._body(candidate)
        if mover is not None and any(self._kept(c) is not None for c in self._rivals(candidate, mover)):
            mover = None
        return self._remember(("kept", candidate.id), mover)

    def _rivals(self, candidate: Candidate, mover: Mover) -> Iterator[Candidate]:
        """Candidates of higher priority that come too close, if they are there."""
        here = REACH * self._bound(candidate)
        most = here + REACH * self.longest
        south, east = candidate.south, candidate.east
        for other in self._candidates(south - most, east - most, south + most, east + most):
            if (other.priority, other.id) <= (candidate.priority, candidate.id):
                continue
            down, right = other.south - south, other.east - east
            apart = math.hypot(down, right)
            if apart >= here + REACH * self._bound(other):
                continue
            body = self._body(other)
            azimuth = math.atan2(right, -down)
            if body is not None and apart < REACH * (mover.support(azimuth) + body.support(azimuth)):
                yield other

    def _body(self, candidate: Candidate) -> Mover | None:
        """The mover that a candidate would be were it alone; None where the slope does not allow it."""
        known = self._memory.get(("body", candidate.id), _ASK)
        if known is not _ASK:
            return known if isinstance(known, Mover) else None
        height, azimuth, slope = self._plane(candidate)
        possible = self.slopes[0] <= slope <= self.slopes[1]
        return self._remember(
            ("body", candidate.id), self._mover(candidate, height, azimuth, slope) if possible else None
        )

    def _plane(self, candidate: Candidate) -> tuple[float, float, float]:
        """Mean height, azimuth of descent and slope of the plane that fits the heights about a candidate best."""
        row, col = math.floor(candidate.south / self.spacing), math.floor(candidate.east / self.spacing)
        n = max(math.ceil(_FITTED * candidate.half_width / self.spacing), 2)
        height = self.relief.height(Window(row - n, col - n, 2 * n + 1, 2 * n + 1)).astype(np.float64)
        mean = float(height.mean())
        height -= mean
        # Distances from the middle over the sum of their squares.
        weight = np.arange(-n, n + 1) / (self.spacing * (2 * n + 1) * (n * (n + 1) * (2 * n + 1) / 3))
        south, east = float((height.sum(axis=1) * weight).sum()), float((height.sum(axis=0) * weight).sum())
        return mean, math.atan2(-east, south), math.atan(math.hypot(south, east))

    def _mover(self, candidate: Candidate, height: float, azimuth: float, slope: float) -> Mover:
        rng = np.random.default_rng((self.seed, stream_of("slides"), candidate.id))
        high_up = float(smoothstep(np.asarray((height - self.high) / 300.0 + 0.5)))
        chance, kind = rng.random(), _LANDSLIDE
        if chance < self.unknown:
            kind = _UNKNOWN
        elif rng.random() < 0.6 * high_up:
            kind = _ROCK_GLACIER
        rocky = kind == _ROCK_GLACIER
        elongation = rng.uniform(*_ELONGATION[kind])
        weights = np.array([0.5, 0.5, 0.0, 0.0] if rocky else self.habits)
        habit: Habit = HABITS[int(rng.choice(len(HABITS), p=weights / weights.sum()))]
        return Mover(
            id=candidate.id,
            kind=kind,
            confidence=float(np.sqrt(rng.random())),
            south=candidate.south,
            east=candidate.east,
            height=height,
            azimuth=azimuth,
            slope=slope,
            half_width=candidate.half_width,
            half_length=min(candidate.half_width * float(elongation), self.longest),
            margin=float(rng.uniform(*self.margin)),
            lobes=(float(rng.uniform(0.1, 0.35)), float(rng.uniform(1.5, 4.0))) if rocky else (0.0, 0.0),
            rim=draw_rim(rng),
            speed=float(np.exp(rng.uniform(*np.log(self.creep if rocky else self.speed)))),
            activity=Activity.draw(rng, habit),
        )

    def _remember(self, key: object, value: Known) -> Known:
        if len(self._memory) > _REMEMBERED:
            self._memory.clear()
        self._memory[key] = value
        return value


def _check_positive(name: str, value: float) -> None:
    if check_number(name, value) <= 0.0:
        raise ValueError(f"{name} must be more than 0, instead got {name}={value}")


def _check_range(name: str, pair: tuple[float, float]) -> None:
    low, high = (check_number(name, v) for v in pair)
    if not 0.0 < low <= high:
        raise ValueError(f"{name} must be two numbers above 0 in ascending order, instead got {name}={pair}")
