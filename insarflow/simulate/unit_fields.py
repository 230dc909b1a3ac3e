"""Random fields told by the standard deviation of their values, all wavelengths together."""

from __future__ import annotations

from typing import Final

import numpy as np

from insarflow.simulate.fields import Field

SPLINE_POWER: Final = 151.0 / 315.0
"""Integral of the square of a cubic B-spline: an octave's standard deviation is its gain times this, once per axis."""

_WAVE: Final = 3.0
"""Wavelength of which an octave of splines has most, in units of its lattice."""


def unit_field(
    seed: int,
    name: str,
    *,
    spacing: float,
    exponent: float,
    longest: float,
    shortest: float = 0.0,
) -> Field:
    """Field whose values have a standard deviation of 1, with a spectrum of about ``k ** exponent``.

    Parameters
    ----------
    spacing
        Of the grid, m.
    exponent
        Negative.
    longest, shortest
        Wavelengths, m, beyond which the spectrum is flat and below which it falls off.

    Notes
    -----
    `Field.power_law` keeps the spectrum within some percent and the variance of a part of it; here the variance of the
    whole is kept, and hardly depends on the spacing: an octave stands for half an octave on both sides of its lattice,
    the longest and the shortest for what is left of theirs.
    """
    reach = max(longest / _WAVE, spacing)
    octaves = max(0, int(np.ceil(np.log2(reach / spacing) - 0.5))) + 1
    edges = spacing * 2.0 ** (np.arange(octaves + 1) - 0.5)
    edges = np.clip(edges, max(shortest / _WAVE, edges[0]), max(reach, edges[1]))
    power = -exponent - 2.0
    total = np.log(edges) if abs(power) < 1e-9 else edges**power / power
    shares = np.diff(total)
    gains = np.sqrt(shares / shares.sum()) / SPLINE_POWER
    return Field(seed, name, tuple(float(g) for g in gains))
