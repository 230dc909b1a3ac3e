"""Land cover as the radar feels it, as a function of place: how fast the echo changes, and how bright it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Final, NamedTuple, Self

import numpy as np

from insarflow.simulate.fields import Field, unit_field
from insarflow.simulate.relief import Relief
from insarflow.types import Window

CLASSES: Final = ("rock", "meadow", "forest", "ice", "water")
ROCK, MEADOW, FOREST, ICE, WATER = range(5)


class Ranges(NamedTuple):
    """Lowest and highest value of a class, between which each scene draws its own."""

    first: tuple[float, float]
    floor: tuple[float, float]
    decay_days: tuple[float, float]
    backscatter: tuple[float, float]


ALPINE: Final[Mapping[str, Ranges]] = MappingProxyType(
    {
        "rock": Ranges((0.85, 0.94), (0.35, 0.65), (20.0, 70.0), (0.9, 1.1)),
        "meadow": Ranges((0.60, 0.80), (0.08, 0.25), (12.0, 30.0), (0.6, 0.8)),
        "forest": Ranges((0.30, 0.60), (0.00, 0.08), (4.0, 12.0), (0.8, 1.0)),
        "ice": Ranges((0.50, 0.80), (0.00, 0.05), (2.0, 6.0), (0.5, 0.8)),
        "water": Ranges((0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.08, 0.2)),
    }
)
"""So that coherence at 12 days is 0.6 to 0.9 on rock, 0.3 to 0.6 in meadows and 0.05 to 0.3 in forest: choices."""


class Cover(NamedTuple):
    """What covers a window, each of its shape.

    Attributes
    ----------
    first, floor, decay_days
        float32: coherence is ``floor + (first - floor) exp(-days / decay_days)``.
    backscatter
        float32: amplitude in units of that of rock.
    kind
        uint8, an index into `CLASSES`.
    """

    first: np.ndarray
    floor: np.ndarray
    decay_days: np.ndarray
    backscatter: np.ndarray
    kind: np.ndarray


@dataclass(frozen=True)
class GroundCover:
    """Where rock, meadows, forest, ice and lakes are.

    Attributes
    ----------
    tree_line, rock_line, ice_line
        Heights above which there are no trees, no meadows, and ice lies where it is not too steep, m; all ragged.
    forest_share
        Of the ground below the tree line, about.
    lake_share
        Of flat ground, about.
    values
        Of each class: first, floor, decay_days, backscatter.
    woods, lakes, texture
        Fields of unit standard deviation.
    rough
        How much texture changes coherence; amplitude by twice that, relatively.
    """

    tree_line: float
    rock_line: float
    ice_line: float
    forest_share: float
    lake_share: float
    values: tuple[tuple[float, float, float, float], ...]
    woods: Field
    lakes: Field
    texture: Field
    rough: float

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        spacing: float,
        tree_line: tuple[float, float] = (1_600.0, 2_200.0),
        meadows: tuple[float, float] = (150.0, 600.0),
        ice_line: tuple[float, float] = (2_700.0, 3_200.0),
        forest_share: tuple[float, float] = (0.2, 0.8),
        lake_share: tuple[float, float] = (0.0, 0.3),
        bare_chance: float = 0.1,
        values: Mapping[str, Ranges] = ALPINE,
        rough: float = 0.07,
    ) -> Self:
        """Cover whose numbers lie in these ranges.

        Parameters
        ----------
        spacing
            Of the ground grid, m.
        tree_line, meadows, ice_line
            Heights, m; `meadows` is that of the belt between trees and rock.
        forest_share, lake_share
            Parts of the ground below the tree line, and of flat ground.
        bare_chance
            Chance of a scene where nothing grows.
        values
            Of each of `CLASSES`.
        rough
            Standard deviation of coherence within a class; 0 for even ground.
        """
        missing = [name for name in CLASSES if name not in values]
        if missing:
            raise ValueError(f"values must have all classes {CLASSES}, instead got none for {missing}")
        seed = int(rng.integers(2**63))
        trees, belt = float(rng.uniform(*tree_line)), float(rng.uniform(*meadows))
        if rng.random() < bare_chance:
            trees, belt = -1e4, 0.0
        own = tuple(
            (float(rng.uniform(*v.first)), float(rng.uniform(*v.floor)), float(rng.uniform(*v.decay_days)),
             float(rng.uniform(*v.backscatter)))
            for v in (values[name] for name in CLASSES)
        )  # fmt: skip
        return cls(
            trees, trees + belt, float(rng.uniform(*ice_line)), float(rng.uniform(*forest_share)),
            float(rng.uniform(*lake_share)), own,
            unit_field(seed, "woods", spacing=spacing, exponent=-2.6, longest=2_000.0),
            unit_field(seed, "lakes", spacing=spacing, exponent=-4.0, longest=3_000.0),
            unit_field(seed, "cover texture", spacing=spacing, exponent=-2.0, longest=600.0),
            rough,
        )  # fmt: skip

    def kinds(self, window: Window, relief: Relief) -> np.ndarray:
        """Class of each cell, uint8, shape ``window.shape``: an index into `CLASSES`."""
        part = np.float32
        height, south, east = relief.surface(window)
        rise = south * south + east * east
        woods = self.woods.at(window)
        # One field makes all lines ragged and thins the forest towards its upper edge.
        ragged = height + part(120.0) * woods
        wooded = (woods < part(_quantile(self.forest_share))) & (ragged < part(self.tree_line))
        bare = (ragged > part(self.rock_line)) | (rise > part(_STEEP))
        icy = (ragged > part(self.ice_line)) & (rise < part(_ICE_RISE))
        kind = np.where(wooded, np.uint8(FOREST), np.uint8(MEADOW))
        kind = np.where(icy, np.uint8(ICE), np.where(bare, np.uint8(ROCK), kind))
        flat = (rise < part(_FLAT)) & ~icy
        if self.lake_share > 0 and flat.any():
            kind[flat & (self.lakes.at(window) < part(_quantile(self.lake_share)))] = WATER
        return kind

    def at(self, window: Window, relief: Relief) -> Cover:
        """What covers a window."""
        part = np.float32
        kind = self.kinds(window, relief)
        first, floor, decay, backscatter = (np.take(np.array(v, part), kind) for v in zip(*self.values, strict=True))
        texture = np.clip(self.texture.at(window), part(-3.0), part(3.0))
        change = part(self.rough) * texture * (kind != WATER)
        floor = np.clip(floor + change * np.sqrt(floor), part(0.0), np.maximum(floor, part(0.9)))
        first = np.maximum(np.minimum(first + change, np.maximum(first, part(0.98))), floor)
        backscatter *= part(1.0) + part(2 * self.rough) * texture
        return Cover(first, floor, decay, backscatter, kind)


_STEEP: Final = np.tan(np.radians(42.0)) ** 2
"""Square of the rise on which nothing grows."""

_ICE_RISE: Final = np.tan(np.radians(38.0)) ** 2
_FLAT: Final = np.tan(np.radians(2.5)) ** 2
"""Square of the rise below which water stands."""


def _quantile(share: float) -> float:
    """Value below which that share of a unit field lies; fields are nearly Gaussian."""
    return NormalDist().inv_cdf(min(max(share, 1e-9), 1 - 1e-9))
