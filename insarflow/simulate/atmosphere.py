"""Delay of the radar signal in the air, drawn per acquisition so that all pairs of a date share it."""

from __future__ import annotations

import numpy as np

from insarflow.simulate.fields import power_law_field


def atmosphere(
    rng: np.random.Generator, height: np.ndarray, pixel_size: float, *, turbulence: float, stratification: float
) -> np.ndarray:
    """Two-way phase delay of one acquisition, rad, float32 ``(y, x)``, positive for a longer path.

    Parameters
    ----------
    height
        Terrain, m.
    pixel_size
        m.
    turbulence
        Standard deviation over a region of about 10 km, rad.
    stratification
        Standard deviation of the phase per kilometre of height, rad/km.

    Notes
    -----
    Turbulence has the two-dimensional spectral exponents -11/3 below 2 km and -8/3 above (Hanssen 2001,
    doi:10.1007/0-306-47633-9). The stratified part is proportional to height, with a coefficient that varies gently
    over the region, plus a plane for orbit errors.
    """
    turbulent = power_law_field(rng, height.shape, pixel_size, exponent=-11 / 3, knee=2000.0, knee_exponent=-8 / 3)
    side = max(height.shape) * pixel_size
    turbulent *= turbulence * (min(side, 40_000.0) / 10_000.0) ** (1 / 3)
    coefficient = stratification * rng.normal() + 0.2 * stratification * power_law_field(
        rng, height.shape, pixel_size, exponent=-4.0
    )
    south, east = np.mgrid[-0.5 : 0.5 : height.shape[0] * 1j, -0.5 : 0.5 : height.shape[1] * 1j]
    plane = side / 10_000.0 * (rng.normal(0, 1.0) * south + rng.normal(0, 1.0) * east)
    phase: np.ndarray = turbulent + coefficient * (height - height.mean()) / 1000.0 + plane
    return phase.astype(np.float32)
