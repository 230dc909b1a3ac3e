"""Any DEM on the grid of a stack."""

from __future__ import annotations

from typing import Any, Final, get_args

import numpy as np
import xarray as xr
from rioxarray.exceptions import RioXarrayError

from insarflow.ops.checks import check_choice, check_fraction, check_kind
from insarflow.schema import SPACE, describe, recipe_of
from insarflow.stack.cover import check_cover
from insarflow.stack.georeference import georeference, grid_of
from insarflow.stack.placement import place_images
from insarflow.stack.raster import Pixels, read_header
from insarflow.stack.resample import averaged, resample_dataset
from insarflow.stack.sources import SourceLike, find_sources
from insarflow.stack.target import Method, Target
from insarflow.types import JsonValue

VOIDS: Final = (-32768.0, -9999.0)
"""What stands for a void in DEMs, whether the file says so or not."""

LIMITS: Final = (-12_000.0, 9_000.0)
"""Heights, m, that can be true, the sea's floor among them."""

_REMEDY = "add the tiles that are missing"


def add_dem(
    ds: xr.Dataset, dem: SourceLike | xr.DataArray, *, method: Method = "bilinear", max_missing: float = 0.0
) -> xr.Dataset:
    """Bring a DEM to the grid of a stack.

    Parameters
    ----------
    ds
        A stack, or any Dataset with coordinates ``y`` and ``x`` and a CRS.
    dem
        A GeoTIFF file, a glob, or several: tiles, or a coarser DEM behind that fills the voids of the first (the first
        that is not void counts). Or a DataArray with a CRS, as rioxarray opens any format.
    method
        How heights between the DEM's pixels are found: ``nearest``, ``bilinear`` or ``cubic``. Where the stack's
        pixels are larger, ``bilinear`` and ``cubic`` average the DEM over them.
    max_missing
        Part of the stack's pixels, 0 to 1, that may lie outside the DEM; ``dem`` is NaN there.

    Returns
    -------
    Dataset
        `ds` with ``dem`` (float32, m, ``(y, x)``), lazy; NaN where the DEM has a void. A ``dem`` that was there is
        replaced. The file's own nodata value, -32768 and -9999 are voids.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind.
    SchemaError
        If `ds` or the DataArray has no coordinates or no CRS.
    ProductError
        If a file is missing or no GeoTIFF; while computing, if it holds numbers that are no heights.
    GridMismatchError
        If the DEM does not cover the stack, saying how much is missing.

    Notes
    -----
    Heights are taken as they are. Whether they are above the geoid (SRTM, Copernicus) or the ellipsoid is for you to
    know: slopes, layover and shadow are the same, but topographic phase needs heights above the ellipsoid, and the
    geoid lies up to 100 m off it. Units must be metres.

    Coverage is checked from the extents alone, at 257 x 257 pixels spread over the stack; voids inside the DEM do not
    count.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=2)
    >>> again = add_dem(ds.drop_vars("dem"), ds["dem"])
    >>> bool(abs(again["dem"] - ds["dem"]).max() < 1e-3)
    True
    """
    check_kind("ds", ds, xr.Dataset, "an xarray.Dataset")
    check_choice("method", method, get_args(Method))
    max_missing = check_fraction("max_missing", max_missing)
    grid = grid_of(ds)
    if isinstance(dem, xr.DataArray):
        source = _heights(dem)
        own = [grid_of(source)]
        check_cover("dem", own, grid, max_missing, remedy=_REMEDY)
        image = resample_dataset(source.to_dataset(), grid, method=method)["dem"].data
        files: list[JsonValue] = []
    else:
        rasters = [read_header(path) for path in find_sources(dem)]
        own = [raster.grid for raster in rasters]
        check_cover("dem", own, grid, max_missing, remedy=_REMEDY)
        placement = place_images([rasters], Target(grid, None, None, method), nearest=False)
        image = placement.source([Pixels(raster, VOIDS, limits=LIMITS) for raster in rasters], "dem").lazy()
        files = [raster.path.name for raster in rasters]
    heights = describe(xr.DataArray(image, dims=SPACE), "dem")
    added = georeference(xr.Dataset({"dem": heights}), grid)["dem"]
    recipe = recipe_of(ds).then(
        "add_dem", files=files, method=method, averaged_px=[round(r, 3) for r in averaged(own, grid)]
    )
    variable = added.variable
    return ds.assign(dem=variable).assign_attrs(recipe=recipe.to_json())


def _heights(dem: xr.DataArray) -> xr.DataArray:
    """A DataArray as float32 on ``(y, x)``, NaN where it says that nothing is."""
    if not set(SPACE) <= set(dem.dims):
        raise ValueError(f"dem must have the dimensions y and x, instead got dims={tuple(map(str, dem.dims))}")
    if dem.dtype.kind not in "fiu":
        raise TypeError(f"dem must hold real numbers, instead got {dem.dtype}")
    long = [str(dim) for dim in dem.dims if dim not in SPACE and dem.sizes[dim] > 1]
    if long:
        raise ValueError(f"dem must be one image, instead got {dem.sizes[long[0]]} along {long[0]!r}: choose one")
    image = dem.squeeze([dim for dim in dem.dims if dim not in SPACE], drop=True).transpose(*SPACE)
    absent = {*VOIDS, *_declared(dem)}
    heights = image.astype(np.float32).where(~image.isin(sorted(absent)))
    return describe(heights, "dem")


def _declared(dem: xr.DataArray) -> list[float]:
    """The DEM's own mark of a void, if it has one that is not NaN."""
    try:
        value: Any = dem.rio.nodata
    except RioXarrayError:
        return []
    return [] if value is None or np.isnan(value) else [float(value)]
