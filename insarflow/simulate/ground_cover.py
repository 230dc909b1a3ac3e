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
"""So that coherence at 12 days is 0.6 to 0.9 on most rock, 0.3 to 0.6 in meadows and 0.05 to 0.3 in forest: choices."""


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
    unrest, contrast
        Standard deviations, within a class, of the logarithms of how fast echoes change and of amplitude.
    glint_share
        Part of the ground that has walls, rocks or masts, which are bright and hardly change.
    woods, lakes, patches, channels, brightness, glints
        Fields of unit standard deviation: of forest and lakes, of how fast echoes change (on both sides of 0 of
        `channels`, fast: gullies and hedges), of amplitude, and of what glints.
    """

    tree_line: float
    rock_line: float
    ice_line: float
    forest_share: float
    lake_share: float
    values: tuple[tuple[float, float, float, float], ...]
    unrest: float
    contrast: float
    glint_share: float
    woods: Field
    lakes: Field
    patches: Field
    channels: Field
    brightness: Field
    glints: Field

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
        unrest: tuple[float, float] = (0.2, 0.7),
        contrast: tuple[float, float] = (0.1, 0.35),
        glint_share: tuple[float, float] = (0.0, 0.004),
        values: Mapping[str, Ranges] = ALPINE,
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
        unrest, contrast, glint_share
            See the class. The logarithm of coherence in a Sentinel-1 pair of a Moroccan plain varies by a factor whose
            logarithm has a standard deviation of 0.65 and the form of these fields; that of amplitude, 0.3.
        values
            Of each of `CLASSES`.
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
            float(rng.uniform(*lake_share)), own, float(rng.uniform(*unrest)), float(rng.uniform(*contrast)),
            float(rng.uniform(*glint_share)),
            unit_field(seed, "woods", spacing=spacing, exponent=-2.6, longest=2_000.0),
            unit_field(seed, "lakes", spacing=spacing, exponent=-4.0, longest=3_000.0),
            unit_field(seed, "patches", spacing=spacing, exponent=-2.4, longest=6_000.0),
            unit_field(seed, "channels", spacing=spacing, exponent=-3.0, longest=2_000.0),
            unit_field(seed, "brightness", spacing=spacing, exponent=-2.4, longest=6_000.0),
            unit_field(seed, "glints", spacing=spacing, exponent=-2.0, longest=spacing),
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
        logs = [(_log(a), _log(b), np.log(c), _log(d)) for a, b, c, d in self.values]
        first, floor, decay, backscatter = (np.take(np.array(v, part), kind) for v in zip(*logs, strict=True))
        # A coherence to the power of k is that of ground whose echo changes k times as fast.
        dry = (kind != WATER).astype(part)
        haste = part(self.unrest) * self._unrest(window) * dry
        bright = np.clip(self.brightness.at(window), part(-3.0), part(3.0))
        if self.glint_share > 0:
            # More in bright country, as houses stand in villages.
            crowd = (self.glints.at(window) + part(0.5) * bright) / part(np.sqrt(1.25))
            above = np.maximum(crowd - part(_quantile(1 - self.glint_share)), part(0.0))
            glint = np.log1p(part(_GLINT) * above) * dry
            haste, backscatter = haste - glint, backscatter + glint
        speed = np.exp(haste)
        return Cover(
            np.minimum(np.exp(speed * first), part(0.98)), np.minimum(np.exp(speed * floor), part(0.9)),
            np.exp(decay - haste), np.exp(backscatter + part(self.contrast) * bright * dry), kind,
        )  # fmt: skip

    def _unrest(self, window: Window) -> np.ndarray:
        """Of mean 0 and unit standard deviation within a class."""
        part = np.float32
        lines = (part(np.sqrt(2 / np.pi)) - np.abs(self.channels.at(window))) / part(np.sqrt(1 - 2 / np.pi))
        mixed = part(np.sqrt(1 - _CHANNELS)) * self.patches.at(window) + part(np.sqrt(_CHANNELS)) * lines
        return np.asarray(np.clip(mixed, part(-3.0), part(3.0)))


def _log(value: float) -> float:
    """Of 0 what makes 0 again."""
    return float(np.log(value)) if value > 0 else -1e4


_GLINT: Final = 6.0
"""Amplitude gained by a standard deviation more than where glints begin: most are two to five times as bright."""

_CHANNELS: Final = 0.3
"""Part of the variance of how fast echoes change that is of channels."""

_STEEP: Final = np.tan(np.radians(42.0)) ** 2
"""Square of the rise on which nothing grows."""

_ICE_RISE: Final = np.tan(np.radians(38.0)) ** 2
_FLAT: Final = np.tan(np.radians(2.5)) ** 2
"""Square of the rise below which water stands."""


def _quantile(share: float) -> float:
    """Value below which that share of a unit field lies; fields are nearly Gaussian."""
    return NormalDist().inv_cdf(min(max(share, 1e-9), 1 - 1e-9))
