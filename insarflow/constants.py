"""Physical and geodetic constants, SI units."""

from typing import Final

SPEED_OF_LIGHT: Final = 299_792_458.0
"""Speed of light in vacuum, m/s."""

SENTINEL1_FREQUENCY: Final = 5.405_000_454_334_35e9
"""Sentinel-1 C-band radar carrier frequency, Hz."""

SENTINEL1_WAVELENGTH: Final = SPEED_OF_LIGHT / SENTINEL1_FREQUENCY
"""Sentinel-1 radar wavelength, m (0.05546576)."""

WGS84_SEMI_MAJOR: Final = 6_378_137.0
"""WGS 84 equatorial radius, m."""

WGS84_FLATTENING: Final = 1.0 / 298.257_223_563
"""WGS 84 flattening."""

DAYS_PER_YEAR: Final = 365.25
"""Days of a Julian year, of which rates are told."""
