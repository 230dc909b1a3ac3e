"""Delay of the radar signal in the air: a function of the acquisition, so that all pairs of a date share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from insarflow.simulate.fields import Field, smoothstep, stream_of, unit_field
from insarflow.types import Window

KNEE = 2_000.0
"""Wavelength, m, at which the spectrum of turbulence changes its slope."""

OUTER = 64_000.0
"""Wavelength, m, beyond which the spectrum of turbulence is flat. A choice."""

REFERENCE = 1_500.0
"""Height, m, of which the stratified delay is 0 and its rate is told."""


@dataclass(frozen=True)
class LeeWaves:
    """Waves in the air behind mountains.

    Attributes
    ----------
    wavelength, azimuth
        m, and the direction across their crests, rad clockwise from north.
    amplitude
        Highest, rad.
    start
        Phase at the grid's corner, rad.
    patches, bends
        Fields of unit standard deviation: where there are waves, and how their crests bend.
    """

    spacing: float
    wavelength: float
    azimuth: float
    amplitude: float
    start: float
    patches: Field
    bends: Field

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        spacing: float,
        wavelength: tuple[float, float] = (5_000.0, 15_000.0),
        amplitude: tuple[float, float] = (0.2, 1.0),
    ) -> Self:
        """Waves whose numbers lie in these ranges."""
        seed = int(rng.integers(2**63))
        long = float(np.exp(rng.uniform(*np.log(wavelength))))

        def drawn(name: str) -> Field:
            return unit_field(seed, f"lee waves {name}", spacing=spacing, exponent=-4.0, longest=4 * long,
                              shortest=1.5 * long)  # fmt: skip

        return cls(
            spacing, long, float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(*amplitude)),
            float(rng.uniform(0, 2 * np.pi)), drawn("patches"), drawn("bends"),
        )  # fmt: skip

    def phase(self, window: Window) -> np.ndarray:
        """Two-way phase, rad, float32, shape ``window.shape``."""
        wave = self.spacing / self.wavelength
        north, east = wave * np.cos(self.azimuth), wave * np.sin(self.azimuth)
        # Whole turns are taken off in double, so that far places are as exact as near ones.
        rows = _turns(self.start / (2 * np.pi) - north * (np.arange(window.y0, window.y1) + 0.5))
        cols = _turns(east * (np.arange(window.x0, window.x1) + 0.5))
        angle = rows[:, None] + cols + np.float32(0.5) * self.bends.at(window)
        envelope = smoothstep(np.float32(0.5) + self.patches.at(window))
        return np.asarray(np.float32(self.amplitude) * envelope * np.cos(angle), np.float32)


@dataclass(frozen=True)
class Air:
    """The air at one acquisition.

    Attributes
    ----------
    turbulence
        Its phase, rad.
    scale_height
        Of the stratified delay, m.
    rate, limit
        rad/km at `REFERENCE`, on the whole and at most anywhere.
    rates, offsets
        How rate, rad/km, and phase, rad, vary from valley to valley; None where they do not.
    waves
        None where there are no lee waves.
    """

    turbulence: Field
    scale_height: float
    rate: float
    limit: float
    rates: Field | None
    offsets: Field | None
    waves: LeeWaves | None

    @classmethod
    def draw(
        cls,
        seed: int,
        acquisition: int,
        *,
        spacing: float,
        turbulence: tuple[float, float] = (0.1, 0.9),
        stratification: float = 0.6,
        scale_height: tuple[float, float] = (1_500.0, 3_000.0),
        limit: float = 3.0,
        valley_chance: float = 0.5,
        valley_rate: tuple[float, float] = (0.2, 1.0),
        valley_phase: tuple[float, float] = (0.1, 0.5),
        valley_size: tuple[float, float] = (5_000.0, 20_000.0),
        wave_chance: float = 0.25,
        wave_amplitude: tuple[float, float] = (0.2, 1.0),
        wavelength: tuple[float, float] = (5_000.0, 15_000.0),
    ) -> Self:
        """The air of an acquisition, whatever others are drawn.

        Parameters
        ----------
        seed, acquisition
            Of the scene, at least 0, and the acquisition's number, which may be negative.
        spacing
            Of the ground grid, m.
        turbulence
            Range of the standard deviation over wavelengths up to 10 km, rad.
        stratification
            Standard deviation, over the dates, of the rate with height, rad/km.
        scale_height
            Range, m.
        limit
            Largest rate, rad/km.
        valley_chance, valley_rate, valley_phase, valley_size
            Chance of a date whose stratified delay varies from valley to valley; ranges of the standard deviations of
            its rate, rad/km, and phase, rad; shortest and longest wavelength, m.
        wave_chance, wave_amplitude, wavelength
            Chance of a date with lee waves; ranges of their amplitude, rad, and wavelength, m.

        Notes
        -----
        Turbulence has the two-dimensional spectral exponents -11/3 below 2 km and -8/3 above (Hanssen 2001,
        doi:10.1007/0-306-47633-9). The stratified delay falls off exponentially with height. All ranges are choices
        that cover what is seen in mountains.
        """
        if not (np.isfinite(spacing) and spacing > 0):
            raise ValueError(f"spacing must be a positive number, instead got spacing={spacing}")
        rng = np.random.default_rng((seed, stream_of("air"), acquisition % 2**64))
        own = int(rng.integers(2**63))
        std, height, rate = rng.uniform(*turbulence), rng.uniform(*scale_height), stratification * rng.normal()
        turbulent = Field.power_law(
            own, "turbulence", spacing=spacing, std=float(std), exponent=-11 / 3, longest=OUTER, over=10_000.0,
            knee=KNEE, knee_exponent=-8 / 3,
        )  # fmt: skip
        valleys, wavy = rng.random() < valley_chance, rng.random() < wave_chance
        rates, offsets = (
            _times(rng.uniform(*wide), unit_field(own, name, spacing=spacing, exponent=-3.0, longest=valley_size[1],
                                                  shortest=valley_size[0]))
            for name, wide in (("valley rates", valley_rate), ("valley offsets", valley_phase))
        )  # fmt: skip
        waves = LeeWaves.draw(rng, spacing=spacing, wavelength=wavelength, amplitude=wave_amplitude) if wavy else None
        return cls(
            turbulent, float(height), float(rate), limit, rates if valleys else None, offsets if valleys else None,
            waves,
        )  # fmt: skip

    def phase(self, window: Window, height: np.ndarray) -> np.ndarray:
        """Two-way phase, rad, positive for a longer path: float32, shape ``window.shape``.

        Parameters
        ----------
        height
            Of the ground in the window, m, float32.
        """
        phase = self.turbulence.at(window)
        phase += self.stratified(window, height)
        if self.waves is not None:
            phase += self.waves.phase(window)
        return phase

    def stratified(self, window: Window, height: np.ndarray) -> np.ndarray:
        """The part that follows height, rad, float32: 0 at `REFERENCE` but for the valleys' offsets."""
        part = np.float32
        scale = part(self.scale_height)
        raised = scale * part(0.001) * (part(1.0) - np.exp((part(REFERENCE) - np.asarray(height, part)) / scale))
        if self.rates is None or self.offsets is None:
            rate = np.clip(self.rate, -self.limit, self.limit)
            return np.asarray(part(rate) * raised, part)
        rates = np.clip(part(self.rate) + self.rates.at(window), part(-self.limit), part(self.limit))
        return np.asarray(rates * raised + self.offsets.at(window), part)


def _times(factor: float, field: Field) -> Field:
    return Field(field.seed, field.name, tuple(float(factor * g) for g in field.gains))


def _turns(turns: np.ndarray) -> np.ndarray:
    """Angle of a number of turns, rad, float32, without the whole ones."""
    angle: np.ndarray = (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)
    return angle
