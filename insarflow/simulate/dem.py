"""Terrain of a simulation from a DEM."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from pyproj import CRS

from insarflow.errors import InsarError
from insarflow.simulate.dem_relief import DemRelief
from insarflow.simulate.scene import refine_of
from insarflow.stack.georeference import grid_of
from insarflow.types import Grid


def relief_of(dem: xr.DataArray, seed: int) -> tuple[DemRelief, Grid]:
    """Relief of a DEM, and its grid.

    Parameters
    ----------
    dem
        Heights, m, ``(y, x)``, north up, square pixels in metres; it is read whole.
    seed
        Of the relief that is finer than the DEM.

    Raises
    ------
    TypeError
        If it is no DataArray.
    InsarError
        If it is on no grid in metres, or misses heights.
    """
    if not isinstance(dem, xr.DataArray):
        raise TypeError(f"dem must be a DataArray of heights in m, instead got {type(dem).__name__}")
    grid = grid_of(dem)
    across, down = grid.transform[1], -grid.transform[5]
    if CRS.from_wkt(grid.crs).axis_info[0].unit_name != "metre" or not math.isclose(across, down, rel_tol=1e-3):
        raise InsarError(
            f"dem must have square pixels in metres, instead got steps of {across:g} and {down:g}: reproject it first, "
            "for instance with dem.rio.reproject(dem.rio.estimate_utm_crs(), resolution=20)"
        )
    factor = refine_of(across)
    relief = DemRelief.of(np.asarray(dem.values, np.float32), spacing=across, factor=factor, seed=seed)
    return relief, grid
