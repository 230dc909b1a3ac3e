"""The shape of the terrain on labelled arrays."""

from __future__ import annotations

from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.kernels import layover as rays
from insarflow.kernels import terrain as kernel
from insarflow.ops.attributes import mapped
from insarflow.ops.checks import check_image, check_number
from insarflow.ops.ground import Ground, ground_of
from insarflow.ops.overlap import map_overlap
from insarflow.schema import SPACE, describe, require
from insarflow.types import Grid, Looks, Tile

SURFACE: Final = ("slope", "aspect", "profile_curvature", "plan_curvature")
"""What `surface` gives."""

LINE_OF_SIGHT: Final = ("los_east", "los_north", "los_up")

_FIELDS = np.dtype([(name, np.float32) for name in SURFACE])
"""All four are made at once, side by side in a pixel."""


def surface(dem: xr.DataArray, grid: Grid, *, scale: float | None = None) -> xr.Dataset:
    """Slope, aspect and curvature of a DEM.

    Parameters
    ----------
    dem
        Height, m, float32, dims ``(y, x)``; NaN is missing.
    grid
        Its pixels.
    scale
        Side of the window, m, that a surface is fitted to; by default 3 x 3 pixels.

    Returns
    -------
    Dataset
        float32 on ``(y, x)``, lazy if `dem` is: ``slope`` (rad), ``aspect`` (rad clockwise from true north, downhill,
        NaN where level), ``profile_curvature`` and ``plan_curvature`` (1/m, positive where convex).

    Raises
    ------
    TypeError, ValueError
        If `dem` is of another kind, or `scale` is not positive or larger than the region.
    SchemaError
        If the grid's CRS does not tell where it lies.

    Notes
    -----
    See `insarflow.kernels.terrain.surface` for the fit, its equations and sources. A window in metres is brought to
    odd numbers of pixels, one for the whole grid.
    """
    heights = _check_dem(dem, grid)
    window = _window(scale, ground_of(grid), grid.shape)
    depth = window.y // 2, window.x // 2
    fields = map_overlap(_surface_of_block, heights.data, depth=depth, dtype=_FIELDS, grid=grid, window=window)
    attrs = {**mapped(heights), "window": [window.y, window.x]}
    return xr.Dataset(
        {
            name: describe(xr.DataArray(_field(fields, name), heights.coords, SPACE, attrs=attrs), name)
            for name in SURFACE
        }
    )


def local_incidence(ds: xr.Dataset, grid: Grid) -> xr.DataArray:
    """Angle between the line of sight and the normal of the terrain.

    Parameters
    ----------
    ds
        Holds ``dem`` and ``los_east``, ``los_north``, ``los_up``, float32 on ``(y, x)``.
    grid
        Its pixels.

    Returns
    -------
    DataArray
        float32, rad: 0 where the radar meets the ground at right angles, more than pi/2 where the ground faces away;
        NaN where height or line of sight are missing. Lazy if the dem is.

    Raises
    ------
    MissingVariableError, TypeError, ValueError, SchemaError
        If a variable is missing or of another kind, or the grid's CRS does not tell where it lies.
    """
    images = _images(ds, grid, to="local_incidence")
    data = map_overlap(_incidence_of_block, *(a.data for a in images), depth=1, dtype=np.float32, grid=grid)
    dem = images[0]
    return describe(xr.DataArray(data, dem.coords, SPACE, attrs=mapped(dem)), "local_incidence")


def layover_shadow(ds: xr.Dataset, grid: Grid, *, reach: float) -> xr.Dataset:
    """Layover and shadow, of a pixel's own slope (active) or of other terrain in its range plane only (passive).

    Parameters
    ----------
    ds, grid
        As `local_incidence`.
    reach
        How far along the ground other terrain is looked at, m.

    Returns
    -------
    Dataset
        On ``(y, x)``: ``layover`` and ``shadow``, bool, False where height or line of sight are missing, and
        ``layover_shadow``, uint8: the sum of 1 (active layover) or 2 (passive layover), and 4 (active shadow) or 8
        (passive shadow). Lazy if the dem is; a block reads the dem to `reach` on all sides.

    Raises
    ------
    MissingVariableError, TypeError, ValueError, SchemaError
        As `local_incidence`, or if `reach` is negative.

    References
    ----------
    Kropatsch and Strobl (1990), doi:10.1109/36.45752.
    """
    if check_number("reach", reach) < 0.0:
        raise ValueError(f"reach must be at least 0 m, instead got reach={reach}")
    images = _images(ds, grid, to="layover_shadow")
    # A ray lies between two pixels: one more than it reaches.
    depth = tuple(min(most + 1, size) for most, size in zip(ground_of(grid).pixels(reach), grid.shape, strict=True))
    bits = map_overlap(
        _rays_of_block, *(a.data for a in images), depth=(depth[0], depth[1]), dtype=np.uint8, grid=grid,
        reach=float(reach),
    )  # fmt: skip
    dem = images[0]
    masks = {name: (bits & np.uint8(some)) != 0 for name, some in (("layover", rays.LAYOVER), ("shadow", rays.SHADOW))}
    return xr.Dataset(
        {
            name: describe(xr.DataArray(data, dem.coords, SPACE, attrs=mapped(dem)), name)
            for name, data in {**masks, "layover_shadow": bits}.items()
        }
    )


def _surface_of_block(dem: np.ndarray, *, grid: Grid, window: Looks, tile: Tile) -> np.ndarray:
    out = np.empty(tile.core.shape, _FIELDS)
    for name, values in zip(SURFACE, kernel.surface(dem, *ground_of(grid), window=window, tile=tile), strict=True):
        out[name] = values
    return out


def _incidence_of_block(
    dem: np.ndarray, east: np.ndarray, north: np.ndarray, up: np.ndarray, *, grid: Grid, tile: Tile
) -> np.ndarray:
    return kernel.local_incidence(dem, (east, north, up), *ground_of(grid), tile=tile)


def _rays_of_block(
    dem: np.ndarray, east: np.ndarray, north: np.ndarray, up: np.ndarray, *, grid: Grid, reach: float, tile: Tile
) -> np.ndarray:
    return rays.layover_shadow(dem, (east, north, up), *ground_of(grid), reach=reach, tile=tile)


def _field(fields: Any, name: str) -> Any:
    return fields[name] if isinstance(fields, da.Array) else np.ascontiguousarray(fields[name])


def _images(ds: xr.Dataset, grid: Grid, *, to: str) -> list[xr.DataArray]:
    """Height and line of sight."""
    require(ds, "dem", to=to)
    require_line_of_sight(ds, to=to)
    ground_of(grid)
    return [_check_dem(ds["dem"], grid), *(_check_space(ds[name], name) for name in LINE_OF_SIGHT)]


def require_line_of_sight(ds: xr.Dataset, *, to: str) -> None:
    """Check that `ds` tells where the satellite is.

    Raises
    ------
    MissingVariableError
        Naming the first component that is missing, and how to make them.
    """
    require(
        ds, *LINE_OF_SIGHT, to=to,
        remedy="for a right-looking satellite flying toward the azimuth `heading` (rad) assign los_east = "
        "-sin(incidence) cos(heading), los_north = sin(incidence) sin(heading), los_up = cos(incidence)",
    )  # fmt: skip


def _check_dem(dem: xr.DataArray, grid: Grid) -> xr.DataArray:
    heights = _check_space(dem, "dem")
    if heights.shape != grid.shape:
        raise ValueError(f"dem must have the grid's shape {grid.shape}, instead got shape={heights.shape}")
    return heights


def _check_space(array: xr.DataArray, name: str) -> xr.DataArray:
    image = check_image(array, name, "float32")
    if image.dims != SPACE:
        raise ValueError(f"{name} must have the dims {SPACE}, instead got dims={tuple(map(str, image.dims))}")
    return image


def _window(scale: float | None, ground: Ground, shape: tuple[int, int]) -> Looks:
    """Rows and columns of the window whose sides are nearest to `scale`."""
    if scale is None:
        return Looks(3, 3)
    length, sizes = check_number("scale", scale), ground.pixel_size
    longest = min(n * size for n, size in zip(shape, sizes, strict=True))
    if not 0.0 < length <= longest:
        raise ValueError(
            f"scale must be more than 0 m and at most {longest:.0f} m, the region's shorter side, "
            f"instead got scale={scale}"
        )
    return Looks(*(2 * max(1, round((length / size - 1.0) / 2.0)) + 1 for size in sizes))
