"""Images of one lattice of pixels but of differing extents: where each lies on the grid that holds them all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

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


def locate(mine: Grid, other: Grid) -> tuple[Window, float] | None:
    """Where the pixels of a grid are nearest to on another's lattice, in the other's pixels, and how far off they are.

    None if CRS or pixel size differ.
    """
    if not same_crs(mine.crs, other.crs):
        return None
    axes = [_axis(mine, other, origin=3, step=5, size=0), _axis(mine, other, origin=0, step=1, size=1)]
    if not all(math.isfinite(offset) and drift <= 2 * EXACT for offset, drift in axes):
        return None
    row, col = (round(offset) for offset, _ in axes)
    return Window(row, col, *mine.shape), max(abs(axes[0][0] - row), abs(axes[1][0] - col))


def share_lattice(rasters: Sequence[Raster], *, nearest: bool) -> bool:
    """Whether `unite` can place all images, were they of one region."""
    places = [locate(grid, rasters[0].grid) for grid in {raster.grid for raster in rasters}]
    return all(at is not None and (nearest or at[1] <= EXACT) for at in places)


def intersect(union: Union, images: Sequence[Sequence[Path]]) -> Union:
    """The part of a union that every image covers; an image may be of several files.

    Raises
    ------
    GridMismatchError
        If they have no pixel in common.
    """
    part = Window(0, 0, *union.grid.shape)
    for files in images:
        windows = [union.windows[file] for file in files]
        y0, x0 = min(w.y0 for w in windows), min(w.x0 for w in windows)
        whole = Window(y0, x0, max(w.y1 for w in windows) - y0, max(w.x1 for w in windows) - x0)
        shared = part.shared(whole)
        if shared is None:
            raise GridMismatchError(
                f"all images must have pixels in common for grid='intersection', instead got file={str(files[0])!r} "
                "beside the others: use grid='union', or open a part of them"
            )
        part = shared
    x, x_step, _, y, _, y_step = union.grid.transform
    grid = Grid((x + part.x0 * x_step, x_step, 0.0, y + part.y0 * y_step, 0.0, y_step), part.shape, union.grid.crs)
    return Union(grid, {path: window.relative_to(part) for path, window in union.windows.items()}, union.shift)


def place(raster: Raster, first: Raster, *, nearest: bool) -> tuple[Window, float]:
    """Where an image lies on another's lattice, in the other's pixels, and how far it was moved, pixels.

    Raises
    ------
    GridMismatchError
        If CRS, pixel size or lattice differ.
    """
    mine, other = raster.grid, first.grid
    if not same_crs(mine.crs, other.crs):
        names = [crs_name(g.crs) for g in (other, mine)]
        coded = names[0].startswith("EPSG:")
        _refuse(first, f"in {names[0]}", raster, f"in {names[1]}", *(("crs", names[0]) if coded else ("grid", "union")))
    found = locate(mine, other)
    if found is None:
        sizes = [f"with pixels of {g.transform[1]:.10g} x {-g.transform[5]:.10g}" for g in (other, mine)]
        _refuse(first, sizes[0], raster, sizes[1], "resolution", _size(other))
    shift = found[1]
    if shift > EXACT and not nearest:
        _refuse(
            first,
            f"from (x, y) = ({other.transform[0]:.10g}, {other.transform[3]:.10g})",
            raster,
            f"{shift:.2g} pixels off its pixels",
            *("grid", "union"),
        )
    return found


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


def _refuse(first: Raster, how: str, raster: Raster, other: str, name: str, value: str | tuple[float, ...]) -> NoReturn:
    flag = value if isinstance(value, str) else ",".join(f"{v:.10g}" for v in value)
    keyword = repr(value) if isinstance(value, str) else f"({flag})" if len(value) > 1 else flag
    raise GridMismatchError(
        f"all images must share one lattice of pixels, instead got {_file(first)} {how} and {_file(raster)} {other}: "
        f"have them resampled with {name}={keyword}, or insarflow build --{name} {flag}"
    )


def _size(grid: Grid) -> tuple[float, ...]:
    """Pixel size as one number, or along y and x."""
    y, x = abs(grid.transform[5]), abs(grid.transform[1])
    return (x,) if math.isclose(y, x, rel_tol=1e-9) else (y, x)


def _file(raster: Raster) -> str:
    return f"file={str(raster.path)!r}"
