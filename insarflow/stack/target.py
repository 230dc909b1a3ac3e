"""The grid that a stack is brought to: what a caller may ask for, and the pixels that it means."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from pyproj.crs import is_wkt

from insarflow.errors import GridMismatchError, SelectionError
from insarflow.kernels.resample import LEAST, METHODS
from insarflow.ops.checks import check_choice, check_number
from insarflow.stack.crs import CrsLike, full_turn, parse_crs, same_crs, utm_of
from insarflow.stack.georeference import Box, crs_name, degrees_of, grid_of, to_pixels, transform_box, window_of
from insarflow.stack.mesh import Positions
from insarflow.stack.raster import MAX_PIXELS, MAX_SIDE, read_grid
from insarflow.stack.remote import is_url
from insarflow.stack.sources import find_store
from insarflow.stack.stored import open_store
from insarflow.types import Grid, JsonValue, Window

Method = Literal["nearest", "bilinear", "cubic"]
"""How values between pixels are found: see `insarflow.kernels.resample`."""

GridLike = Literal["union", "intersection"] | str | Path | Grid | xr.Dataset | xr.DataArray
"""What a caller may write for a grid: the images' own, or one to copy."""

ResolutionLike = float | tuple[float, float]
"""What a caller may write for a pixel size: one number, or ``(y, x)``."""


@dataclass(frozen=True)
class Target:
    """What grid is asked for.

    Attributes
    ----------
    extent
        ``union`` or ``intersection`` of the images, or a grid to copy.
    resolution
        Size of a pixel along y and x, in units of the CRS; None for that of the first image.
    crs
        WKT, or ``utm``; None for that of the first image.
    method
        How values between pixels are found; None for bilinear, or nearest where the images are made so.
    """

    extent: str | Grid
    resolution: tuple[float, float] | None
    crs: str | None
    method: str | None

    @property
    def keeps_lattice(self) -> bool:
        """Whether images that share a lattice may stay on it."""
        return isinstance(self.extent, str) and self.resolution is None and self.crs is None

    def step(self, grid: Grid, method: str, averaged: tuple[float, float]) -> dict[str, JsonValue]:
        """Parameters of the recipe's step ``resample``."""
        _, dx, _, _, _, dy = grid.transform
        return {
            "method": method,
            "grid": self.extent if isinstance(self.extent, str) else "like",
            "crs": crs_name(grid.crs),
            "resolution": [abs(dy), abs(dx)],
            "least_weight": LEAST,
            "averaged_px": [round(ratio, 3) for ratio in averaged],
        }


def parse_target(
    grid: GridLike | None, resolution: ResolutionLike | None, crs: CrsLike | None, method: Method | None
) -> Target | None:
    """Read what is asked for; None if nothing is.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    InsarError
        If `grid` is a path or dataset without a grid.
    """
    if grid is None and resolution is None and crs is None:
        if method is not None:
            raise ValueError(f"method must go with grid, resolution or crs, instead got method={method!r} alone")
        return None
    if method is not None:
        check_choice("method", method, METHODS)
    extent = "union" if grid is None else _extent(grid)
    if isinstance(extent, Grid) and (resolution is not None or crs is not None):
        name, value = ("crs", crs) if resolution is None else ("resolution", resolution)
        raise ValueError(f"{name} must not go with a grid to copy, which has its own, instead got {name}={value!r:.80}")
    size = None if resolution is None else _resolution(resolution)
    return Target(extent, size, None if crs is None else parse_crs(crs), method)


def target_grid(target: Target, sources: Mapping[str, Grid]) -> Grid:
    """Pixels that are asked for, given the grids of the images by their names.

    Returns
    -------
    Grid
        On the first image's lattice if it has its CRS and pixel size, else with edges at whole multiples of the
        pixel size: stacks that are brought to one CRS and resolution share a lattice.

    Raises
    ------
    ValueError
        If it has absurdly many pixels.
    GridMismatchError
        If an image has no place in the CRS, or the images are far apart, or share no pixel that all must.
    """
    if isinstance(target.extent, Grid):
        return target.extent
    first = next(iter(sources.values()))
    crs = first.crs if target.crs is None else utm_of(first) if target.crs == "utm" else target.crs
    native = same_crs(crs, first.crs)
    dy, dx = target.resolution or _own_size(first, first.crs if native else crs)
    boxes = _bounds(sources, crs)
    if native and _alike(dy, first.transform[5]) and _alike(dx, first.transform[1]):
        x0, dx, _, y0, _, dy = first.transform
        lattice, crs = Grid((x0, dx, 0.0, y0, 0.0, dy), (1, 1), first.crs), first.crs
    else:
        lattice = Grid((0.0, dx, 0.0, 0.0, 0.0, -dy), (1, 1), crs)
    places = {name: to_pixels(box, lattice) for name, box in boxes.items()}
    inner = target.extent == "intersection"
    sides = np.array(list(places.values()))
    left, top = (sides[:, :2].max if inner else sides[:, :2].min)(axis=0)
    right, bottom = (sides[:, 2:].min if inner else sides[:, 2:].max)(axis=0)
    _check_size(target, lattice, right - left, bottom - top, sources)
    _check_region(places, (left, top, right, bottom), inner=inner)
    col, row = (_whole(v, up=inner) for v in (left, top))
    width, height = (max(1, _whole(v, up=not inner) - at) for v, at in ((right, col), (bottom, row)))
    x, x_step, _, y, _, y_step = lattice.transform
    return Grid((x + col * x_step, x_step, 0.0, y + row * y_step, 0.0, y_step), (height, width), crs)


def bounds_on(grid: Grid, target: Grid) -> Window | None:
    """Pixels of the target within the bounds of a grid; None if there are none."""
    if (box := _box(grid, target.crs)) is None:
        return None
    turn = full_turn(target.crs)
    x, x_step, _, _, _, _ = target.transform
    middle = x + 0.5 * x_step * target.shape[1]
    shift = turn * round((0.5 * (box[0] + box[2]) - middle) / turn) if turn else 0.0
    return window_of(target, to_pixels((box[0] - shift, box[1], box[2] - shift, box[3]), target))


def refuse_apart(target: Grid) -> SelectionError:
    """What to raise if no image touches the target."""
    bounds = degrees_of(target)
    where = "" if bounds is None else f", which lies within {', '.join(f'{v:.4f}' for v in bounds)} degrees"
    return SelectionError(f"grid must lie where the images are, instead no image touches it{where}: choose another")


def _extent(grid: Any) -> str | Grid:
    wanted = "grid must be 'union', 'intersection', a raster, a store, an xarray object with a CRS, or a Grid"
    if isinstance(grid, Grid):
        return _sane(grid)
    if isinstance(grid, xr.Dataset | xr.DataArray):
        return _sane(grid_of(grid))
    if not isinstance(grid, str | os.PathLike) or not str(grid):
        raise TypeError(f"{wanted}, instead got grid={grid!r:.80} ({type(grid).__name__})")
    if grid in ("union", "intersection"):
        return str(grid)
    path = Path(grid).expanduser()
    if not (is_url(grid) or path.exists()):
        raise ValueError(f"{wanted}, instead got grid={str(grid)!r}, which does not exist")
    found = find_store(str(grid) if is_url(grid) else path)
    return _sane(read_grid(path) if isinstance(found, list) else grid_of(open_store(found)))


def _sane(grid: Grid) -> Grid:
    x, x_step, _, y, _, y_step = grid.transform
    if max(grid.shape) > MAX_SIDE or math.prod(grid.shape) > MAX_PIXELS or min(grid.shape) < 1:
        raise ValueError(f"grid must have 1 to {MAX_PIXELS} pixels, instead got the shape {grid.shape}")
    if not (np.isfinite([x, y]).all() and math.isfinite(1.0 / (x_step * y_step or math.nan))):
        raise ValueError(f"grid must have pixels with a place and a size, instead got transform={grid.transform}")
    # WKT stays as it is written: grids are compared by it.
    return grid if is_wkt(grid.crs) else Grid(grid.transform, grid.shape, parse_crs(grid.crs))


def _resolution(resolution: Any) -> tuple[float, float]:
    wanted = "resolution must be one number above 0, or (y, x), in units of the CRS"
    both = tuple(resolution) if isinstance(resolution, tuple | list | np.ndarray) else (resolution,) * 2
    if len(both) != 2:
        raise ValueError(f"{wanted}, instead got resolution={resolution!r:.80}")
    y, x = (check_number("resolution", value) for value in both)
    if y <= 0.0 or x <= 0.0:
        raise ValueError(f"{wanted}, instead got resolution={resolution!r:.80}")
    return y, x


def _own_size(first: Grid, crs: str) -> tuple[float, float]:
    """Pixel size of a grid; in another CRS that of a square of as much ground, to three digits."""
    if crs == first.crs:
        return abs(first.transform[5]), abs(first.transform[1])
    box = _box(first, crs)
    if box is None:
        raise _nowhere("the first image", crs)
    x, y = 0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3])
    around = Grid((x - 0.5, 1.0, 0.0, y + 0.5, 0.0, -1.0), (1, 1), crs)
    # A pixel of the first image is tiny or large in units of the CRS: derivatives are taken over it.
    middle = Positions(around, first).at(
        *(0.5 * n - 0.5 + np.array([0.0, *step]) for n, step in zip(first.shape, ((1.0, 0.0), (0.0, 1.0)), strict=True))
    )
    area = abs(float(np.linalg.det(middle[1:] - middle[0])))
    if not (math.isfinite(area) and area > 0.0):
        raise _nowhere("the first image", crs)
    side = float(f"{math.sqrt(area):.3g}")
    return side, side


def _bounds(sources: Mapping[str, Grid], crs: str) -> dict[str, Box]:
    """`_box` of each grid; degrees are those nearest to the first's."""
    turn = full_turn(crs)
    boxes: dict[str, Box] = {}
    first: Box | None = None
    for name, grid in sources.items():
        box = _box(grid, crs)
        if box is None:
            raise _nowhere(name, crs)
        first = first or box
        shift = turn * round((box[0] + box[2] - first[0] - first[2]) / (2.0 * turn)) if turn else 0.0
        boxes[name] = box[0] - shift, box[1], box[2] - shift, box[3]
    return boxes


def _box(grid: Grid, crs: str) -> Box | None:
    """Left, bottom, right and top of a grid in a CRS; right is beyond a full turn rather than less than left."""
    x, x_step, _, y, _, y_step = grid.transform
    (left, right), (low, high) = sorted((x, x + x_step * grid.shape[1])), sorted((y, y + y_step * grid.shape[0]))
    if same_crs(grid.crs, crs):
        return left, low, right, high
    box = transform_box(grid.crs, crs, (left, low, right, high))
    if box is None or box[0] <= box[2]:
        return box
    turn = full_turn(crs)
    return (box[0], box[1], box[2] + turn, box[3]) if turn else None


def _nowhere(name: str, crs: str) -> GridMismatchError:
    return GridMismatchError(
        f"crs must be defined where the images lie, instead got {crs_name(crs)}, in which {name} has no place: "
        "choose one of their region, such as crs='utm'"
    )


def _alike(step: float, own: float) -> bool:
    return math.isclose(step, abs(own), rel_tol=1e-9)


def _whole(value: float, *, up: bool) -> int:
    return math.ceil(value - 1e-6) if up else math.floor(value + 1e-6)


def _check_size(target: Target, lattice: Grid, width: float, height: float, sources: Mapping[str, Grid]) -> None:
    if max(width, height) <= MAX_SIDE and width * height <= MAX_PIXELS:
        return
    _, dx, _, _, _, dy = lattice.transform
    size = f"{height:.3g} rows x {width:.3g} columns"
    limits = f"{MAX_PIXELS} pixels and {MAX_SIDE} a side"
    if target.resolution is None:
        raise GridMismatchError(
            f"all images must be of one region, of at most {limits}, instead {len(sources)} images take {size}: "
            "open each region's folder by itself"
        )
    fit = max(abs(dx), abs(dy)) * max(width / MAX_SIDE, height / MAX_SIDE, math.sqrt(width * height / MAX_PIXELS))
    raise ValueError(
        f"resolution must give a grid of at most {limits}, instead got resolution=({abs(dy):.6g}, {abs(dx):.6g}), "
        f"which takes {size} (in {crs_name(lattice.crs)}): {fit:.2g} or more is possible"
    )


def _check_region(places: Mapping[str, Box], whole: Sequence[float], *, inner: bool) -> None:
    left, top, right, bottom = whole
    first, *others = places.items()
    if inner:
        if right - left < 1.0 or bottom - top < 1.0:
            names = [first[0], *(name for name, _ in others)]
            raise GridMismatchError(
                f"all images must have pixels in common for grid='intersection', instead got {len(names)} images from "
                f"{names[0]} to {names[-1]} that have none: use grid='union', or open a part of them"
            )
        return
    # Cells that some image covers, of 256 x 256: one that is touched counts whole.
    cells = np.zeros((256, 256), bool)
    for x0, y0, x1, y1 in places.values():
        rows, cols = (
            slice(math.floor(256 * (a - start) / size), math.ceil(256 * (b - start) / size))
            for start, size, a, b in ((top, bottom - top, y0, y1), (left, right - left, x0, x1))
        )
        cells[rows, cols] = True
    if cells.mean() < 1 / 8:
        far = max(others, key=lambda item: abs(item[1][0] - first[1][0]) + abs(item[1][1] - first[1][1]))
        raise GridMismatchError(
            f"all images must be of one region, instead got {first[0]} and, far from it, {far[0]}: "
            "open each region's folder by itself"
        )
