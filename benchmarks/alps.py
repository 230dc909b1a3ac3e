"""The ground of a DEM in tiles of the size of a scene, the steepest first."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import rioxarray
from rasterio.enums import Resampling

from insarflow.simulate.dem_relief import DemRelief

_EXPONENT_SHARE = 1 / 12
"""Variance below two pixels over that between four and eight, of a two-dimensional spectral exponent of -4."""


def tiles(path: Path, *, side: int, spacing: float, count: int) -> tuple[DemRelief, ...]:
    """Tiles of a DEM that do not overlap, those with the largest range of heights first.

    Parameters
    ----------
    path
        Any raster of heights, m, in any CRS. It is taken to UTM, at a whole number of ground cells near its own pixels.
    side, spacing
        Of a tile: ground cells, and their size, m.
    count
        Tiles wanted; fewer come back if the DEM has no more without missing heights.

    Raises
    ------
    ValueError
        If it has none.
    """
    with rioxarray.open_rasterio(path, masked=True) as opened:
        dem = opened.squeeze("band", drop=True).load()
    crs = dem.rio.estimate_utm_crs()
    native = math.sqrt(abs(np.prod(dem.rio.reproject(crs).rio.resolution())))
    factor = max(round(native / spacing), 1)
    heights = dem.rio.reproject(crs, resolution=factor * spacing, resampling=Resampling.bilinear).values
    step = math.ceil(side / factor)
    cuts = [
        heights[y : y + step, x : x + step]
        for y in range(0, heights.shape[0] - step + 1, step)
        for x in range(0, heights.shape[1] - step + 1, step)
    ]
    whole = sorted((c for c in cuts if np.isfinite(c).all()), key=np.ptp, reverse=True)
    if not whole:
        raise ValueError(f"{path} must cover {side * spacing / 1000:.1f} km squares without missing heights")
    return tuple(
        DemRelief.of(cut, spacing=factor * spacing, factor=factor, detail=rough(cut), seed=k)
        for k, cut in enumerate(whole[:count])
    )


def rough(heights: np.ndarray) -> float:
    """Standard deviation, m, of the relief that is finer than two pixels, if the spectrum goes on as it is."""
    n = min(heights.shape)
    if n < 16:
        return 0.0
    y, x = np.mgrid[:n, :n] / n
    flat = heights[:n, :n].astype(np.float64)
    plane = np.stack((np.ones(n * n), y.ravel(), x.ravel()), axis=1)
    flat = flat - (plane @ np.linalg.lstsq(plane, flat.ravel(), rcond=None)[0]).reshape(n, n)
    window = np.outer(np.hanning(n), np.hanning(n))
    power = np.abs(np.fft.fft2(flat * window)) ** 2 / (window**2).sum() / n**2
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    return float(np.sqrt(power[(k >= 1 / 8) & (k < 1 / 4)].sum() * _EXPONENT_SHARE))


def fingerprint(path: Path) -> str:
    """Of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
