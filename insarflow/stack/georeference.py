"""Where the pixels of a dataset lie: a `Grid` to CF coordinates and back."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from affine import Affine
from pyproj.exceptions import CRSError, ProjError
from rasterio.errors import RasterioError
from rioxarray.exceptions import RioXarrayError

from insarflow.errors import SchemaError
from insarflow.schema import SPACE
from insarflow.stack.part import take
from insarflow.types import Grid, Window

Box = tuple[float, float, float, float]
"""Four sides, the order is told where it is used."""


def georeference(ds: xr.Dataset, grid: Grid) -> xr.Dataset:
    """`ds` with pixel-centre coordinates ``y`` and ``x`` and its CRS where rioxarray, odc-geo and GDAL look for it.

    Parameters
    ----------
    ds
        Dataset with dimensions ``y`` and ``x`` of the grid's size.
    grid
        Transform, shape and CRS.

    Returns
    -------
    Dataset
        With the coordinate ``spatial_ref`` (CF attributes, WKT and GeoTransform), named by ``grid_mapping`` in the
        encoding of every variable that has both ``y`` and ``x``.

    Raises
    ------
    ValueError
        If the sizes differ, or the CRS is none that PROJ knows.
    """
    shape = tuple(ds.sizes.get(dim) for dim in SPACE)
    if shape != grid.shape:
        raise ValueError(f"the dataset must have the grid's size (y, x) = {grid.shape}, instead got {shape}")
    about = _attributes(grid.crs, grid.transform)
    located: xr.Dataset = ds.assign_coords(
        y=("y", grid.y, dict(about["y"])),
        x=("x", grid.x, dict(about["x"])),
        spatial_ref=((), 0, dict(about["spatial_ref"])),
    )
    for image in (array.variable for array in located.data_vars.values() if set(SPACE) <= set(array.dims)):
        image.attrs.pop("grid_mapping", None)
        image.encoding["grid_mapping"] = "spatial_ref"
    located.encoding = {**ds.encoding, "grid_mapping": "spatial_ref"}
    return located


@lru_cache(maxsize=64)
def _attributes(crs: str, transform: tuple[float, ...]) -> dict[str, dict[str, Any]]:
    """Attributes of the coordinates, by rioxarray; on a frame without images, which it would copy several times."""
    frame = xr.Dataset(coords={"y": [0.0, 1.0], "x": [0.0, 1.0]})
    try:
        frame = frame.rio.write_crs(crs)
    except (CRSError, RioXarrayError, RasterioError) as error:
        raise ValueError(f"grid.crs must be a coordinate reference system, instead got {crs!r:.80}") from error
    frame = frame.rio.write_transform(Affine.from_gdal(*transform)).rio.write_coordinate_system()
    return {str(name): dict(frame[name].attrs) for name in ("y", "x", "spatial_ref")}


def grid_of(ds: xr.Dataset | xr.DataArray) -> Grid:
    """Read off the grid that a dataset lies on.

    Raises
    ------
    SchemaError
        If ``y`` or ``x`` is missing, not evenly spaced, of a single pixel without a stored GeoTransform, or if there
        is no CRS.
    """
    for dim in SPACE:
        if dim not in ds.coords:
            raise SchemaError(f"a grid needs coordinate values along {dim!r}, but there are none")
    try:
        crs = ds.rio.crs
    except (CRSError, RioXarrayError, RasterioError) as error:
        raise SchemaError("the dataset's spatial_ref holds no readable CRS: set it with ds.rio.write_crs") from error
    if crs is None:
        raise SchemaError("the dataset has no CRS: set it with ds.rio.write_crs")
    stored = ds.coords[ds.rio.grid_mapping].attrs.get("GeoTransform", "")
    kept = tuple(float(v) for v in str(stored).split()) if stored else (0.0,) * 6
    y_origin, y_step = _edges(ds["y"], kept[5])
    x_origin, x_step = _edges(ds["x"], kept[1])
    shape = (ds.sizes["y"], ds.sizes["x"])
    computed = Grid((x_origin, x_step, 0.0, y_origin, 0.0, y_step), shape, crs.to_wkt())
    # The stored transform is exact unless the pixels were cut since; a difference of coordinates is rounded.
    exact = Grid((kept[0], kept[1], kept[2], kept[3], kept[4], kept[5]), shape, computed.crs)
    return exact if exact.same_as(computed) else computed


def crs_name(crs: str) -> str:
    """Short name of a CRS: ``EPSG:32632``, or what it calls itself."""
    try:
        known = pyproj.CRS.from_user_input(crs)
    except CRSError:
        return f"{crs!r:.60}"
    code = known.to_epsg()
    return f"EPSG:{code}" if code is not None else f"{known.name!r:.60}"


def crop(ds: xr.Dataset, window: Window) -> xr.Dataset:
    """The pixels of `ds` in a window, with the stored transform to match.

    Raises
    ------
    SchemaError
        If `ds` has no grid.
    """
    x, x_step, _, y, _, y_step = grid_of(ds).transform
    cut = take(ds, {}, window)
    origin = x + window.x0 * x_step, y + window.y0 * y_step
    located: xr.Dataset = cut.rio.write_transform(Affine.from_gdal(origin[0], x_step, 0.0, origin[1], 0.0, y_step))
    return located


def transform_box(source: str, target: str, box: Box) -> Box | None:
    """Smallest box (left, bottom, right, top) in another CRS that holds a box; None if it has no place there."""
    try:
        found = pyproj.Transformer.from_crs(source, target, always_xy=True).transform_bounds(*box, densify_pts=21)
    except ProjError:
        return None
    return found if np.isfinite(found).all() else None


def degrees_of(grid: Grid) -> Box | None:
    """West, south, east, north of a grid; west is the larger if it crosses the antimeridian."""
    x, x_step, _, y, _, y_step = grid.transform
    (left, right), (low, high) = sorted((x, x + x_step * grid.shape[1])), sorted((y, y + y_step * grid.shape[0]))
    return transform_box(grid.crs, "EPSG:4326", (left, low, right, high))


def to_pixels(bounds: Box, grid: Grid) -> Box:
    """Left, top, right and bottom of a box (left, bottom, right, top) in pixels of a grid."""
    x, x_step, _, y, _, y_step = grid.transform
    cols = sorted((value - x) / x_step for value in (bounds[0], bounds[2]))
    rows = sorted((value - y) / y_step for value in (bounds[1], bounds[3]))
    return cols[0], rows[0], cols[1], rows[1]


def window_of(grid: Grid, box: Box) -> Window | None:
    """Pixels that a box (left, top, right, bottom, in pixels) touches by more than rounding; None if there are none."""
    size = max(grid.shape) + 1.0
    left, top, right, bottom = (min(max(value, -1.0), size) for value in box)
    y0, x0 = math.floor(top + 1e-6), math.floor(left + 1e-6)
    height, width = math.ceil(bottom - 1e-6) - y0, math.ceil(right - 1e-6) - x0
    return Window(0, 0, *grid.shape).shared(Window(y0, x0, max(height, 1), max(width, 1)))


def pixel_size_m(ds: xr.Dataset) -> tuple[float, float] | None:
    """Distance of neighbouring pixels along y and x at the region's centre, m; None if the region has no place."""
    try:
        grid = grid_of(ds)
    except SchemaError:
        return None
    crs = pyproj.CRS.from_wkt(grid.crs)
    _, x_step, _, _, _, y_step = grid.transform
    if not crs.is_geographic:
        metres = crs.axis_info[0].unit_conversion_factor
        return abs(y_step) * metres, abs(x_step) * metres
    y, x = grid.y.mean(), grid.x.mean()
    geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
    along_y = geod.inv(x, y - y_step / 2, x, y + y_step / 2)[2]
    along_x = geod.inv(x - x_step / 2, y, x + x_step / 2, y)[2]
    return along_y, along_x


def _edges(axis: xr.DataArray, stored_step: float) -> tuple[float, float]:
    """Outer edge of the first pixel and step along an axis, from pixel centres."""
    centres = np.asarray(axis.values, dtype=np.float64)
    if centres.size == 1:
        step = float(stored_step)
    else:
        step = float((centres[-1] - centres[0]) / (centres.size - 1))
        if not np.allclose(np.diff(centres), step, rtol=1e-3, atol=0.0):
            raise SchemaError(
                f"{axis.name} must be evenly spaced, instead its steps go from "
                f"{np.diff(centres).min()} to {np.diff(centres).max()}"
            )
    if step == 0.0 or not np.isfinite(step):
        raise SchemaError(f"{axis.name} must have a step other than 0, instead got step={step}")
    return float(centres[0]) - 0.5 * step, step
