"""Images of one lattice of pixels but of differing extents: where each lies on the grid that holds them all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarflow.errors import GridMismatchError
from insarflow.stack.crs import same_crs
from insarflow.stack.georeference import crs_name
from insarflow.stack.raster import MAX_SIDE, Raster
from insarflow.types import Grid, Window

EXACT = 0.05
"""Largest distance of an image from the lattice that is not worth a word, pixels."""

LEAST_COVER = 1 / 8
"""Least part of the common grid that the images must cover: less are two regions."""


@dataclass(frozen=True)
class Union:
    """The grid that holds all images.

    Attributes
    ----------
    grid
        Its pixels.
    windows
        Where each file's image lies on it.
    shift
        Largest distance that an image was moved by to lie on it, pixels.
    """

    grid: Grid
    windows: Mapping[Path, Window]
    shift: float


def unite(rasters: Sequence[Raster], *, nearest: bool) -> Union:
    """Find the smallest grid that holds all images; its lattice is the first's.

    Parameters
    ----------
    rasters
        Headers; at least one.
    nearest
        Whether images that lie between the lattice's pixels are moved to the nearest, by half a pixel at most.

    Raises
    ------
    GridMismatchError
        If CRS, pixel size or lattice differ, or the images are of regions far apart.
    """
    first = rasters[0].grid
    known: dict[Grid, tuple[Window, float]] = {}
    for raster in rasters:
        if raster.grid not in known:
            known[raster.grid] = place(raster, rasters[0], nearest=nearest)
    windows = [window for window, _ in known.values()]
    top, left = min(w.y0 for w in windows), min(w.x0 for w in windows)
    shape = max(w.y1 for w in windows) - top, max(w.x1 for w in windows) - left
    if max(shape) > MAX_SIDE or _cover(windows, top, left, shape) < LEAST_COVER:
        far = max(rasters, key=lambda r: abs(known[r.grid][0].y0) + abs(known[r.grid][0].x0))
        raise GridMismatchError(
            f"all images must be of one region, instead got {_file(rasters[0])} and, far from it, {_file(far)}: "
            "open each region's folder by itself"
        )
    x, x_step, _, y, _, y_step = first.transform
    grid = Grid((x + left * x_step, x_step, 0.0, y + top * y_step, 0.0, y_step), shape, first.crs)
    moved = {g: Window(w.y0 - top, w.x0 - left, w.height, w.width) for g, (w, _) in known.items()}
    return Union(grid, {r.path: moved[r.grid] for r in rasters}, max(shift for _, shift in known.values()))


def place(raster: Raster, first: Raster, *, nearest: bool) -> tuple[Window, float]:
    """Where an image lies on another's lattice, in the other's pixels, and how far it was moved, pixels.

    Raises
    ------
    GridMismatchError
        If CRS, pixel size or lattice differ.
    """
    mine, other = raster.grid, first.grid
    if not same_crs(mine.crs, other.crs):
        _refuse(first, f"in {crs_name(other.crs)}", raster, f"in {crs_name(mine.crs)}: warp one with gdalwarp -t_srs")
    axes = [_axis(mine, other, origin=3, step=5, size=0), _axis(mine, other, origin=0, step=1, size=1)]
    if not all(math.isfinite(offset) and drift <= 2 * EXACT for offset, drift in axes):
        sizes = [f"with pixels of {g.transform[1]:.10g} x {-g.transform[5]:.10g}" for g in (other, mine)]
        _refuse(first, sizes[0], raster, f"{sizes[1]}: resample one with gdalwarp -tr")
    row, col = (round(offset) for offset, _ in axes)
    shift = max(abs(axes[0][0] - row), abs(axes[1][0] - col))
    if shift > EXACT and not nearest:
        _refuse(
            first,
            f"from (x, y) = ({other.transform[0]:.10g}, {other.transform[3]:.10g})",
            raster,
            f"{shift:.2g} pixels off its pixels: resample one with gdalwarp -tap -tr",
        )
    return Window(row, col, *mine.shape), shift


def _axis(mine: Grid, other: Grid, *, origin: int, step: int, size: int) -> tuple[float, float]:
    """Offset of an image along an axis in the other's pixels, at its middle, and its change over the image."""
    start = (mine.transform[origin] - other.transform[origin]) / other.transform[step]
    drift = mine.shape[size] * (mine.transform[step] / other.transform[step] - 1.0)
    return start + 0.5 * drift, abs(drift)


def _cover(windows: Sequence[Window], top: int, left: int, shape: tuple[int, int]) -> float:
    """Part of the common grid that some image covers, on 256 x 256 cells: a cell that is touched counts whole."""
    cells = np.zeros((256, 256), bool)
    for w in windows:
        rows, cols = (
            slice(256 * start // size, -(-256 * stop // size))
            for start, stop, size in ((w.y0 - top, w.y1 - top, shape[0]), (w.x0 - left, w.x1 - left, shape[1]))
        )
        cells[rows, cols] = True
    return float(cells.mean())


def _refuse(first: Raster, how: str, raster: Raster, other: str) -> None:
    raise GridMismatchError(
        f"all images must share one lattice of pixels, instead got {_file(first)} {how} and {_file(raster)} {other}"
    )


def _file(raster: Raster) -> str:
    return f"file={str(raster.path)!r}"
