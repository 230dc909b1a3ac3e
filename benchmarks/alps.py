"""The ground of a DEM in tiles of the size of a scene, the steepest first."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import rioxarray
from rasterio.enums import Resampling

from insarflow.simulate.dem_relief import DemRelief
from insarflow.types import Window

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
    places = _steepest(heights, step, count)
    if not places:
        raise ValueError(f"{path} must cover {side * spacing / 1000:.1f} km squares without missing heights")
    cuts = [heights[y : y + step, x : x + step] for y, x in places]
    return tuple(
        DemRelief.of(cut, spacing=factor * spacing, factor=factor, detail=rough(cut), seed=k)
        for k, cut in enumerate(cuts)
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


def fingerprint(reliefs: Iterable[DemRelief]) -> str:
    """Of the heights that they were made of."""
    found = hashlib.sha256()
    for relief in reliefs:
        found.update(np.ascontiguousarray(relief.load(Window(0, 0, *relief.shape))))
    return found.hexdigest()[:16]


def _steepest(heights: np.ndarray, step: int, count: int) -> list[tuple[int, int]]:
    """Corners of squares of a grid without missing heights, the steepest first; of all grids the steepest."""
    if min(heights.shape) < step:
        return []
    span = _extreme(np.max, heights, step) - _extreme(np.min, heights, step)
    span = np.where(np.isfinite(span), span, 0.0)
    best: tuple[float, list[tuple[int, int]]] = (0.0, [])
    for y0 in range(min(step, span.shape[0])):
        for x0 in range(min(step, span.shape[1])):
            grid = span[y0::step, x0::step]
            order = np.argsort(-grid, axis=None, kind="stable")[: min(count, np.count_nonzero(grid))]
            total = float(grid.ravel()[order].sum())
            if total > best[0]:
                rows, cols = np.divmod(order, grid.shape[1])
                best = (
                    total,
                    [(y0 + step * y, x0 + step * x) for y, x in zip(rows.tolist(), cols.tolist(), strict=True)],
                )
    return best[1]


def _extreme(function: Callable[..., np.ndarray], values: np.ndarray, step: int) -> np.ndarray:
    """Of all squares; NaN where one of its values is."""
    for axis in (0, 1):
        values = function(np.lib.stride_tricks.sliding_window_view(values, step, axis), axis=-1)
    return values
