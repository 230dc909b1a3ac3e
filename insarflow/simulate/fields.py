"""Random fields with a power-law spectrum: terrain, atmosphere, land cover."""

from __future__ import annotations

import numpy as np


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
