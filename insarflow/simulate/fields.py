"""Random fields on the ground: terrain, atmosphere, land cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Self

import numpy as np
from scipy.optimize import nnls

from insarflow.kernels.fractal import fractal
from insarflow.types import Window

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
        cls,
        seed: int,
        name: str,
        *,
        spacing: float,
        std: float,
        exponent: float,
        longest: float,
        over: float | None = None,
        shortest: float = 0.0,
        knee: float = np.inf,
        knee_exponent: float = 0.0,
    ) -> Self:
        """Field with the two-dimensional power spectrum ``k ** exponent``, isotropic within some percent.

        Parameters
        ----------
        spacing
            Of the grid, m.
        std
            Standard deviation of the part with wavelengths up to `over`, in the unit of the field.
        exponent
            Negative, at least -6.
        longest, shortest
            Wavelengths, m, beyond which the spectrum is flat and below which it falls off.
        over
            m, by default `longest`.
        knee, knee_exponent
            At wavelengths longer than `knee`, m, the spectrum goes on with this exponent.
        """
        gains = _gains(spacing, exponent, longest, shortest, knee, knee_exponent, longest if over is None else over)
        return cls(seed, name, tuple(std * g for g in gains))

    def at(self, window: Window) -> np.ndarray:
        """Values in a window: float32, shape ``window.shape``."""
        return fractal(window, gains=self.gains, seed=self.seed, stream=stream_of(self.name))


def stream_of(name: str) -> int:
    """Number, below 2^64, of a stream of random numbers, from its name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=256)
def _gains(
    spacing: float, exponent: float, longest: float, shortest: float, knee: float, knee_exponent: float, over: float
) -> tuple[float, ...]:
    """Gains whose sum of octaves has the spectrum, with unit standard deviation of wavelengths up to `over`."""

    def power(k: np.ndarray) -> np.ndarray:
        bent = np.where(k > 1 / knee, k**exponent, (1 / knee) ** (exponent - knee_exponent) * k**knee_exponent)
        return np.asarray(bent * np.exp(-((k * shortest / 1.5) ** 4)))

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
    # Ratios to the wanted power, so that every wavelength counts alike; what is nearly nothing may be anything below.
    floor = np.maximum(wanted, 1e-6 * wanted.max() if shortest else 0.0)
    scale = (shares / floor[:, None]).max(axis=0)
    squares = nnls(shares / floor[:, None] / scale, wanted / floor)[0] / scale
    short = k >= 1 / over
    variance = np.trapezoid(2 * np.pi * k[short] * (shares[short] @ squares), k[short])
    return tuple(float(g) for g in np.sqrt(squares / variance))


def power_law_field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    spacing: float,
    *,
    exponent: float,
    knee: float | None = None,
    knee_exponent: float | None = None,
) -> np.ndarray:
    """Isotropic Gaussian field with spectral power ``k ** exponent``, zero mean, unit standard deviation.

    Parameters
    ----------
    shape
        ``(y, x)`` pixels.
    spacing
        Pixel size, m.
    exponent
        Of the two-dimensional power spectrum, negative.
    knee, knee_exponent
        At wavelengths longer than `knee` (m) the spectrum continues with this exponent.

    Returns
    -------
    ndarray
        float32, `shape`. Drawn on a grid twice as large, so it does not repeat at its borders.
    """
    height, width = (1 << (2 * n - 1).bit_length() for n in shape)
    ky = np.fft.fftfreq(height, spacing)[:, None]
    kx = np.fft.rfftfreq(width, spacing)[None, :]
    k = np.hypot(ky, kx)
    k[0, 0] = np.inf
    power = k**exponent
    if knee is not None and knee_exponent is not None:
        long = k < 1.0 / knee
        power[long] = (1.0 / knee) ** (exponent - knee_exponent) * k[long] ** knee_exponent
    noise = rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape)
    # The inverse transform averages these columns with their mirror images, which halves their power.
    noise[:, [0, -1]] *= np.sqrt(2.0)
    field: np.ndarray = np.fft.irfft2(noise * np.sqrt(power), (height, width))[: shape[0], : shape[1]]
    field -= field.mean()
    field /= field.std()
    return field.astype(np.float32)


def smoothstep(values: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(values, 0.0, 1.0)
    step: np.ndarray = t * t * (3.0 - 2.0 * t)
    return step
