"""Where the pixels of a dataset lie: a `Grid` to CF coordinates and back."""

from __future__ import annotations

import numpy as np
import pyproj
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from affine import Affine
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError
from rioxarray.exceptions import RioXarrayError

from insarflow.errors import SchemaError
from insarflow.schema import SPACE
from insarflow.types import Grid


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
    located: xr.Dataset = ds.assign_coords(y=("y", grid.y), x=("x", grid.x))
    try:
        located = located.rio.write_crs(grid.crs)
    except (CRSError, RioXarrayError, RasterioError) as error:
        raise ValueError(f"grid.crs must be a coordinate reference system, instead got {grid.crs!r:.80}") from error
    located = located.rio.write_transform(Affine.from_gdal(*grid.transform))
    described: xr.Dataset = located.rio.write_coordinate_system()
    return described


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
