"""A simulated region: numbers that everything before noise is a function of, in any window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeVar

import numpy as np
from dask.base import tokenize

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.simulate.air import Air
from insarflow.simulate.bodies import Bodies
from insarflow.simulate.fields import stream_of
from insarflow.simulate.ground_cover import GroundCover
from insarflow.simulate.look_alikes import LookAlikes
from insarflow.simulate.orbit import Bursts, DemError, Orbit
from insarflow.simulate.radar_grid import RadarGrid
from insarflow.simulate.relief import FractalRelief, Relief
from insarflow.simulate.slides import Slides
from insarflow.simulate.snow import Snow
from insarflow.simulate.viewing import Viewing
from insarflow.types import Window

TO_PHASE: Final = 4 * np.pi / SENTINEL1_WAVELENGTH

Direction = Literal["ascending", "descending"]

HEADINGS: Final[Mapping[Direction, float]] = MappingProxyType(
    {"ascending": float(np.radians(-12.0)), "descending": float(np.radians(192.0))}
)
"""Flight direction at middle latitudes, rad clockwise from north."""

GROUND_SPACING: Final = 15.0
"""What the spacing of ground cells is near to, m."""

PARTS: Final = ("motion", "look_alike", "atmosphere", "orbit", "topography")
"""Of the phase of an acquisition."""

Drawn = TypeVar("Drawn")
Look = tuple[np.ndarray, np.ndarray, np.ndarray]
Given = Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """Ranges that scenes are drawn from, by what they are passed to; what is not named has the default there.

    Attributes
    ----------
    relief, slides, cover, look_alikes, air, snow, orbit, bursts, dem_error
        Of `FractalRelief.draw`, `Slides`, `GroundCover.draw`, `LookAlikes.draw`, `Air.draw`, `Snow.draw`, `Orbit.draw`,
        `Bursts.draw`, `DemError.draw`.
    incidence
        Range, rad.
    """

    relief: Given = field(default_factory=dict)
    slides: Given = field(default_factory=dict)
    cover: Given = field(default_factory=dict)
    look_alikes: Given = field(default_factory=dict)
    air: Given = field(default_factory=dict)
    snow: Given = field(default_factory=dict)
    orbit: Given = field(default_factory=dict)
    bursts: Given = field(default_factory=dict)
    dem_error: Given = field(default_factory=dict)
    incidence: tuple[float, float] = (float(np.radians(31.0)), float(np.radians(45.0)))

    def with_density(self, density: float) -> Scenario:
        """The same with so many movers per km2."""
        return replace(self, slides={**self.slides, "density": density})


class Surface(NamedTuple):
    """What a window of the ground is like at all acquisitions, each float32 of its shape.

    Attributes
    ----------
    first, floor, decay_days
        Coherence in time, see `insarflow.kernels.single_look.single_looks`.
    backscatter
        Amplitude.
    """

    first: np.ndarray
    floor: np.ndarray
    decay_days: np.ndarray
    backscatter: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A region as one orbit sees it.

    Attributes
    ----------
    seed
        Of the ground, and with `direction` of all that changes from one acquisition to the next.
    shape
        ``(y, x)`` pixels.
    pixel_size
        m.
    refine
        Ground cells along a side of a pixel, odd, so that one lies in its middle.
    first_day
        Day of the year of acquisition 0, 1 to 366.
    repeat_days
        From an acquisition to the next.
    direction
        Of the flight.
    incidence
        At the region's middle, rad.
    subswath
        1, 2 or 3.
    scenario
        What the air, the snow and the orbits of acquisitions are drawn from.
    relief, slides, cover, look_alikes, bursts, dem_error
        What is there.
    """

    seed: int
    shape: tuple[int, int]
    pixel_size: float
    refine: int
    first_day: float
    repeat_days: int
    direction: Direction
    incidence: float
    subswath: int
    scenario: Scenario
    relief: Relief
    slides: Slides
    cover: GroundCover
    look_alikes: LookAlikes
    bursts: Bursts
    dem_error: DemError
    _drawn: dict[tuple[str, int], object] = field(init=False, repr=False, compare=False, default_factory=dict)

    @classmethod
    def draw(
        cls,
        seed: int,
        shape: tuple[int, int],
        *,
        pixel_size: float,
        relief: Relief | None = None,
        refine: int | None = None,
        first_day: float = 184.0,
        repeat_days: int = 6,
        direction: Direction = "ascending",
        scenario: Scenario = Scenario(),
    ) -> Scene:
        """Draw a region; the ground is the same for both directions.

        Parameters
        ----------
        relief
            Of ground cells of ``pixel_size / refine``; by default drawn.
        """
        cells = refine_of(pixel_size) if refine is None else refine
        spacing = pixel_size / cells
        rng = np.random.default_rng((seed, stream_of("scene")))
        drawn = FractalRelief.draw(rng, spacing=spacing, **scenario.relief)
        ground = drawn if relief is None else relief
        bodies = Slides(seed=int(rng.integers(2**62)), spacing=spacing, relief=ground, **scenario.slides)
        cover = GroundCover.draw(rng, spacing=spacing, **scenario.cover)
        others = LookAlikes.draw(rng, spacing=spacing, first_day=first_day, **scenario.look_alikes)
        error = DemError.draw(rng, spacing=spacing, **scenario.dem_error)
        own = np.random.default_rng((seed, stream_of(direction)))
        heading, incidence = HEADINGS[direction], float(own.uniform(*scenario.incidence))
        bursts = Bursts.draw(own, spacing=spacing, heading=heading, **scenario.bursts)
        return cls(
            seed, shape, pixel_size, cells, first_day, repeat_days, direction, incidence, int(own.integers(1, 4)),
            scenario, ground, bodies, cover, others, bursts, error,
        )  # fmt: skip

    def __getstate__(self) -> dict[str, object]:
        """What a worker needs: it draws acquisitions again."""
        return {**{k: v for k, v in self.__dict__.items() if k != "radar"}, "_drawn": {}}

    def __dask_tokenize__(self) -> str:
        """What it is drawn from, whatever has been drawn since."""
        return self._token

    @cached_property
    def _token(self) -> str:
        return tokenize(*(getattr(self, f.name) for f in fields(self) if f.init))

    @property
    def spacing(self) -> float:
        """Of ground cells, m."""
        return self.pixel_size / self.refine

    @cached_property
    def radar(self) -> RadarGrid:
        """Lines and samples of its radar images."""
        cells = self.shape[0] * self.refine, self.shape[1] * self.refine
        viewing = Viewing(HEADINGS[self.direction], self.incidence, self.spacing, cells)
        return RadarGrid(viewing, self.relief.low, self.relief.high)

    @property
    def noise_seed(self) -> int:
        """Of what changes from one acquisition to the next."""
        return stream_of(f"{self.direction} {self.seed}") >> 2

    def ground_of(self, pixels: Window) -> Window:
        """Ground cells of a window of pixels."""
        n = self.refine
        return Window(pixels.y0 * n, pixels.x0 * n, pixels.height * n, pixels.width * n)

    def middles(self, pixels: Window) -> tuple[np.ndarray, np.ndarray]:
        """Rows (a column) and columns (a row) of the ground cells in the middle of pixels."""
        n = self.refine
        rows, cols = np.arange(pixels.y0, pixels.y1) * n + n // 2, np.arange(pixels.x0, pixels.x1) * n + n // 2
        return rows[:, None], cols[None, :]

    def pairs(self, numbers: Sequence[int], delays: Sequence[int]) -> list[tuple[int, int]]:
        """Acquisitions (earlier, later) of all pairs with one of these delays in days."""
        wanted = {int(d) for d in delays}
        return [(i, j) for i, j in combinations(sorted(numbers), 2) if (j - i) * self.repeat_days in wanted]

    def day(self, number: int) -> float:
        """Days from the 1 January before the first acquisition."""
        return self.first_day - 1 + number * self.repeat_days

    def air(self, number: int) -> Air:
        """At an acquisition."""
        given = self.scenario.air
        return self._once("air", number, lambda: Air.draw(self.noise_seed, number, spacing=self.spacing, **given))

    def orbit(self, number: int) -> Orbit:
        """Of an acquisition."""
        return self._once("orbit", number, lambda: Orbit.draw(self.noise_seed, number, **self.scenario.orbit))

    def snow(self, number: int) -> Snow:
        """At an acquisition."""
        day, given = self.day(number) % 365.25 + 1, self.scenario.snow
        return self._once("snow", number, lambda: Snow.draw(self.seed, number, day, spacing=self.spacing, **given))

    def _once(self, name: str, number: int, draw: Callable[[], Drawn]) -> Drawn:
        if (name, number) not in self._drawn:
            self._drawn[name, number] = draw()
        return self._drawn[name, number]  # type: ignore[return-value]

    def surface(self, window: Window, bodies: Bodies) -> Surface:
        """Coherence and brightness of ground cells, movers and look-alikes included."""
        cover = self.cover.at(window, self.relief)
        haste = bodies.haste() * self.look_alikes.haste(window, self.relief)
        return Surface(cover.first, cover.floor / haste, cover.decay_days / haste, cover.backscatter)

    def quality(self, number: int, window: Window, height: np.ndarray) -> np.ndarray:
        """Part of an acquisition's correlation that is left, float32, 0..1."""
        days = number * self.repeat_days
        melted = self.look_alikes.quality(days, window, self.relief)
        return np.asarray(self.snow(number).quality(window, height) * melted)

    def look(self, window: Window, height: np.ndarray) -> Look:
        """Unit vector from ground cells to the satellite, east, north and up, each float32."""
        rows, cols = np.arange(window.y0, window.y1)[:, None], np.arange(window.x0, window.x1)[None, :]
        east, north, up = self.radar.viewing.line_of_sight(rows, cols, height)
        return east.astype(np.float32), north.astype(np.float32), up.astype(np.float32)

    def folded(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Layover and shadow of ground cells, bool, ``window.shape``."""
        near = self.relief.height(self.radar.near(window))
        bounds = float(near.min()), float(near.max())
        return self.radar.folded(window, self.relief.height(self.radar.around(window, bounds)), bounds)

    def phases(
        self, number: int, window: Window, height: np.ndarray, bodies: Bodies, look: Look, parts: Sequence[str] = PARTS
    ) -> dict[str, np.ndarray]:
        """Parts of an acquisition's range phase, rad, float32, positive for a longer path.

        Parameters
        ----------
        window, height, bodies, look
            Ground cells, and what is known of them.
        parts
            Those that are wanted of ``motion`` (of the movers since 1 January), ``look_alike``, ``atmosphere``,
            ``orbit`` (ramp and burst edges), ``topography`` (what the DEM's error leaves).
        """
        path, view, days = self.orbit(number), self.radar.viewing, number * self.repeat_days
        reach, angle = float(view.slant_range(view.middle_across, 0.0)), self.incidence
        drawn: dict[str, Callable[[], np.ndarray]] = {
            "motion": lambda: np.float32(-TO_PHASE) * bodies.displacement(self.day(number), *look),
            "look_alike": lambda: self.look_alikes.phase(days, window, self.relief, look[2]),
            "atmosphere": lambda: self.air(number).phase(window, height),
            "orbit": lambda: path.phase(window, self.spacing) + self.bursts.phase(number, window),
            "topography": lambda: self.dem_error.phase(window, path.position, slant_range=reach, incidence=angle),
        }
        return {name: drawn[name]() for name in parts}


def refine_of(pixel_size: float) -> int:
    """Ground cells along a side of a pixel: odd, and about `GROUND_SPACING` large."""
    return 2 * round((pixel_size / GROUND_SPACING - 1) / 2) + 1 if pixel_size > GROUND_SPACING else 1
