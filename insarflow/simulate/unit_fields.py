"""Random fields told by the standard deviation of their values, all wavelengths together."""

from __future__ import annotations

from typing import Final

import numpy as np

from insarflow.simulate.fields import Field

SPLINE_POWER: Final = 151.0 / 315.0
"""Integral of the square of a cubic B-spline."""


def unit_field(
    seed: int,
    name: str,
    *,
    spacing: float,
    exponent: float,
    longest: float,
    shortest: float = 0.0,
) -> Field:
    """Field whose values have a standard deviation of 1; parameters as for `Field.power_law`.

    Notes
    -----
    A power law that is flat beyond `longest` has a good part of its variance there, which `Field.power_law` does not
    count. An octave's variance is the square of its gain times that of a spline's integral, along both axes.
    """
    field = Field.power_law(
        seed, name, spacing=spacing, std=1.0, exponent=exponent, longest=max(longest, 4 * spacing), shortest=shortest,
        knee_exponent=exponent,
    )  # fmt: skip
    std = SPLINE_POWER * float(np.sqrt(np.sum(np.square(field.gains))))
    return Field(seed, name, tuple(g / std for g in field.gains))
