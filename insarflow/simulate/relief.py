"""The shape of the ground, of which any window can be asked for: the protocol of all, and drawn mountains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np

from insarflow.simulate.fields import Field, unit_field
from insarflow.types import Window


class Relief(ABC):
    """Heights on the ground grid.

    Attributes
    ----------
    spacing
        Of the ground grid, m.
    low, high
        Bounds that no height leaves, m.
    """

    spacing: float
    low: float
    high: float

    @abstractmethod
    def height(self, window: Window) -> np.ndarray:
        """Height at cell centres, m: float32, shape ``window.shape``. The window may lie anywhere."""

    def surface(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Height, m, and its rise to the south and to the east, m per m, by central differences; each float32."""
        wide = self.height(Window(window.y0 - 1, window.x0 - 1, window.height + 2, window.width + 2))
        scale = np.float32(0.5 / self.spacing)
        south, east = (wide[2:, 1:-1] - wide[:-2, 1:-1]) * scale, (wide[1:-1, 2:] - wide[1:-1, :-2]) * scale
        return wide[1:-1, 1:-1].copy(), south, east

    def gradient(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Rise to the south and to the east, m per m, each float32; see `surface`."""
        return self.surface(window)[1:]

    def slope_downhill(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Slope, rad, and azimuth of steepest descent, rad clockwise from north, each float32."""
        south, east = self.gradient(window)
        return np.arctan(np.sqrt(south * south + east * east)), np.arctan2(-east, south)


@dataclass(frozen=True)
class FractalRelief(Relief):
    """Mountains with sharp ridges and flat valley floors; plains, where there is little relief.

    Attributes
    ----------
    base, relief
        Mean and standard deviation of height before valleys are filled, m.
    floor
        Level to which valleys are filled, in units of `relief` above the base.
    massifs, ridges, spurs, levels
        Fields of unit standard deviation: the shape at large, crests and small crests where they are 0, and the rise
        and fall of the valleys' level.
    """

    spacing: float
    base: float
    relief: float
    floor: float
    massifs: Field
    ridges: Field
    spurs: Field
    levels: Field

    @classmethod
    def of_seed(
        cls,
        seed: int,
        *,
        spacing: float,
        relief: float = 600.0,
        base: float = 1900.0,
        floor: float = -0.9,
        longest: float = 35_000.0,
    ) -> Self:
        """Relief of this seed.

        Parameters
        ----------
        spacing
            Of the ground grid, m.
        relief
            m: slopes are in proportion to it. At 600 and wavelengths up to 35 km they are alpine, with a median of
            about 25 degrees outside of valley floors; at 150 hills; at 20 a plain.
        base
            m.
        floor
            In units of `relief`: -0.9 fills the lowest sixth or so; -5 fills nothing.
        longest
            Longest wavelength, m.
        """
        for name, value in (("spacing", spacing), ("relief", relief), ("longest", longest)):
            check_positive(name, value)

        def drawn(name: str, exponent: float, long: float, short: float = 0.0) -> Field:
            return unit_field(seed, f"relief {name}", spacing=spacing, exponent=exponent, longest=long, shortest=short)

        return cls(
            spacing, base, relief, floor, drawn("massifs", -4.8, longest), drawn("ridges", -5.0, 0.35 * longest),
            drawn("spurs", -4.8, 0.1 * longest), drawn("levels", -4.0, 2 * longest, longest),
        )  # fmt: skip

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        spacing: float,
        relief: tuple[float, float] = (400.0, 700.0),
        base: tuple[float, float] = (1200.0, 2300.0),
        floor: tuple[float, float] = (-1.3, -0.6),
        longest: tuple[float, float] = (28_000.0, 45_000.0),
    ) -> Self:
        """Relief whose numbers lie in these ranges; see `of_seed`."""
        return cls.of_seed(
            int(rng.integers(2**63)), spacing=spacing, relief=float(rng.uniform(*relief)),
            base=float(rng.uniform(*base)), floor=float(rng.uniform(*floor)), longest=float(rng.uniform(*longest)),
        )  # fmt: skip

    @property
    def low(self) -> float:  # type: ignore[override]
        """Lower bound, m."""
        return self.base + self.relief * max(self.floor - 1.0, -4.0)

    @property
    def high(self) -> float:  # type: ignore[override]
        """Upper bound, m."""
        return self.base + self.relief * 3.2

    def height(self, window: Window) -> np.ndarray:
        """Height at cell centres, m."""
        part = np.float32
        rise = part(0.75) * self.massifs.at(window) - part(0.8) * np.abs(self.ridges.at(window))
        # The means of both, which are 0.8 without their weights, are taken off.
        rise += part(0.88) - part(0.3) * np.abs(self.spurs.at(window))
        level = part(0.33) * np.clip(self.levels.at(window), part(-3.0), part(3.0)) + part(self.floor)
        rise = level + _soft(rise - level, part(0.12))
        top = part(3.2)
        rise = top - _soft(top - rise, part(0.1))
        height = part(self.base) + part(self.relief) * rise
        clipped: np.ndarray = np.clip(height, part(self.low), part(self.high))
        return clipped


def check_positive(name: str, value: float) -> None:
    """Check that `value` is a positive number."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, instead got {name}={value}")


def _soft(values: np.ndarray, width: np.float32) -> np.ndarray:
    """`values` where they are well above 0, and smoothly nearly 0 where they are well below."""
    part = np.float32
    return np.asarray(part(0.5) * (values + np.sqrt(values * values + part(4.0) * width * width)))
