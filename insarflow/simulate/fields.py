"""Random fields on the ground: terrain, atmosphere, land cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Self

import numpy as np
from scipy.optimize import nnls

from insarflow.kernels.fractal import fractal
from insarflow.types import Window

SPLINE_POWER: Final = 151.0 / 315.0
"""Integral of the square of a cubic B-spline: an octave's standard deviation is its gain times this, once per axis."""

_MOST: Final = 3.0
"""Wavelength of which an octave of splines has most, in units of its lattice."""

_WAVES = 96
_ANGLES = np.radians([0.0, 22.5, 45.0])


@dataclass(frozen=True)
class Field:
    """A stationary Gaussian field on an endless grid, of which any window can be drawn.

    Attributes
    ----------
    seed, name
        Which field; two names of one seed are independent.
    gains
        Of its octaves, see `insarflow.kernels.fractal.fractal`.
    """

    seed: int
    name: str
    gains: tuple[float, ...]

    @classmethod
    def power_law(
        cls, seed: int, name: str, *, spacing: float, std: float, exponent: float, longest: float, over: float,
        knee: float, knee_exponent: float,
    ) -> Self:  # fmt: skip
        """Field with the two-dimensional power spectrum ``k ** exponent``, isotropic within some percent.

        Parameters
        ----------
        spacing
            Of the grid, m.
        std
            Standard deviation of the part with wavelengths up to `over`, in the unit of the field: what a window of
            about that size shows. Of all wavelengths it is larger.
        exponent
            Negative, at least -6.
        longest
            Wavelength, m, beyond which the spectrum is flat.
        over
            m, at most `longest`.
        knee, knee_exponent
            At wavelengths longer than `knee`, m, the spectrum goes on with this exponent.

        See Also
        --------
        unit_field : where the standard deviation of all wavelengths together matters, not the exact spectrum.
        """
        gains = _gains(spacing, exponent, longest, knee, knee_exponent, over)
        return cls(seed, name, tuple(std * g for g in gains))

    def at(self, window: Window) -> np.ndarray:
        """Values in a window: float32, shape ``window.shape``."""
        return fractal(window, gains=self.gains, seed=self.seed, stream=stream_of(self.name))


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
    reach = max(longest / _MOST, spacing)
    octaves = max(0, int(np.ceil(np.log2(reach / spacing) - 0.5))) + 1
    edges = spacing * 2.0 ** (np.arange(octaves + 1) - 0.5)
    edges = np.clip(edges, max(shortest / _MOST, edges[0]), max(reach, edges[1]))
    power = -exponent - 2.0
    total = np.log(edges) if abs(power) < 1e-9 else edges**power / power
    shares = np.diff(total)
    gains = np.sqrt(shares / shares.sum()) / SPLINE_POWER
    return Field(seed, name, tuple(float(g) for g in gains))


@lru_cache(maxsize=4096)
def stream_of(name: str) -> int:
    """Number, below 2^64, of a stream of random numbers, from its name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=256)
def _gains(
    spacing: float, exponent: float, longest: float, knee: float, knee_exponent: float, over: float
) -> tuple[float, ...]:
    """Gains whose sum of octaves has the spectrum, with unit standard deviation of wavelengths up to `over`."""

    def power(k: np.ndarray) -> np.ndarray:
        bent = (1 / knee) ** (exponent - knee_exponent) * k**knee_exponent
        return np.asarray(np.where(k > 1 / knee, k**exponent, bent))

    octaves = max(2, int(np.ceil(np.log2(longest / spacing))))
    low, high = 1 / longest, 0.4 / spacing
    k = np.geomspace(low, high, _WAVES)
    wanted = power(k)
    sizes = spacing * 2.0 ** np.arange(octaves)
    # Mean over directions of the squared transform of a cubic B-spline along both axes.
    spline = np.mean(
        [
            (np.sinc(np.outer(k, sizes) * np.cos(a)) * np.sinc(np.outer(k, sizes) * np.sin(a))) ** 8 for a in _ANGLES
        ], axis=0
    )  # fmt: skip
    shares = spline * sizes**2
    # Ratios to the wanted power, so that every wavelength counts alike.
    ratios = shares / wanted[:, None]
    scale = ratios.max(axis=0)
    squares = nnls(ratios / scale, np.ones(_WAVES))[0] / scale
    short = k >= 1 / over
    variance = np.trapezoid(2 * np.pi * k[short] * (shares[short] @ squares), k[short])
    return tuple(float(g) for g in np.sqrt(squares / variance))


def smoothstep(values: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(values, 0.0, 1.0)
    step: np.ndarray = t * t * (3.0 - 2.0 * t)
    return step
