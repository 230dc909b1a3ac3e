"""Phase and intensity in three channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

PHASOR: Final = ("intensity", "cos", "sin")
"""Intensity in dB, and the phase as a point of the unit circle."""

COLOUR: Final = ("red", "green", "blue")
"""The phase as hue and the intensity as brightness, 0..1."""

FUSED: Final = (*PHASOR, *COLOUR)

_ENDS: Final = (2.0, 98.0)
"""Percentiles of the decibels that become black and full brightness."""


def decibels(power: np.ndarray) -> np.ndarray:
    """Of linear power, float32; NaN where it is missing or not positive, which no echo is."""
    there = power > 0
    out = np.full(power.shape, np.nan, np.float32)
    out[there] = 10 * np.log10(power[there])
    return out


def fused(phase: np.ndarray, intensity: np.ndarray, channels: Sequence[str]) -> dict[str, np.ndarray]:
    """Channels of a patch by their names.

    Parameters
    ----------
    phase
        rad, float32 ``(y, x)``, NaN where missing.
    intensity
        Linear, of the same shape.
    channels
        Of `FUSED`.

    Returns
    -------
    dict
        Each float32 ``(y, x)``; NaN where phase or intensity is missing or the intensity is 0.

    Examples
    --------
    >>> made = fused(np.zeros((1, 1)), np.full((1, 1), 10.0), ("cos", "intensity"))
    >>> {name: float(values[0, 0]) for name, values in made.items()}
    {'cos': 1.0, 'intensity': 10.0}
    """
    power = decibels(intensity)
    power[np.isnan(phase)] = np.nan
    angle = np.where(np.isnan(power), np.nan, phase)
    made = {"intensity": power, "cos": np.cos(angle), "sin": np.sin(angle)}
    if {*COLOUR} & {*channels}:
        made |= dict(zip(COLOUR, _colours(angle, power), strict=True))
    return {name: made[name].astype(np.float32) for name in channels}


def _colours(angle: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Red, green and blue of full saturation ``(3, y, x)``: phase 0 is red, 120 degrees green, 240 degrees blue."""
    known = power[~np.isnan(power)]
    low, high = np.percentile(known, _ENDS) if known.size else (0.0, 1.0)
    value = np.clip((power - low) / max(high - low, 1e-6), 0.0, 1.0)
    sixths = np.mod(angle * (3 / np.pi), 6.0)
    # How far the hue is from each colour's own, in sixths of the circle: full up to one, none from two on.
    away = [np.abs(np.mod(sixths - own + 3.0, 6.0) - 3.0) for own in (0.0, 2.0, 4.0)]
    return np.stack([value * np.clip(2.0 - distance, 0.0, 1.0) for distance in away])
