"""The inventory as an image: the rate of each slope on its pixels."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from affine import Affine
from rasterio.features import rasterize

from insarflow.errors import MissingVariableError
from insarflow.inventory.zones import in_pixels
from insarflow.ops.overlap import map_overlap
from insarflow.schema import SPACE, describe
from insarflow.stack.aoi import ONE_RASTERISES
from insarflow.stack.georeference import grid_of
from insarflow.types import Tile


def rate_image(frame: gpd.GeoDataFrame, like: xr.DataArray) -> xr.DataArray:
    """Speed along the line of sight of the slope that each pixel lies in.

    Parameters
    ----------
    frame
        Slopes with ``los_rate_mm_yr``, in any CRS.
    like
        (y, x), gives grid, chunks and laziness.

    Returns
    -------
    DataArray
        ``los_rate`` (y, x), float32, m/yr, positive toward the satellite. NaN outside slopes and where their rate is
        unknown. Of slopes that overlap the one with the higher ``id``.

    Raises
    ------
    MissingVariableError
        If rates are missing.
    """
    if "los_rate_mm_yr" not in frame:
        raise MissingVariableError(
            "the inventory has no column 'los_rate_mm_yr': make it from a stack that holds igram and its wavelength"
        )
    known = frame[frame["los_rate_mm_yr"].notna()].sort_values("id")
    outlines = in_pixels(known, grid_of(like))
    rates = (known["los_rate_mm_yr"].to_numpy(np.float64) * 1e-3).astype(np.float32)
    image = like.transpose(*SPACE)
    data = map_overlap(_burn, image.data, depth=0, dtype=np.float32, outlines=outlines, rates=rates)
    mapping = {name: like.attrs[name] for name in ("grid_mapping",) if name in like.attrs}
    return describe(xr.DataArray(data, image.coords, SPACE, "los_rate", mapping), "los_rate")


def _burn(image: np.ndarray, *, tile: Tile, outlines: np.ndarray, rates: np.ndarray) -> np.ndarray:
    window = tile.core
    box = shapely.box(window.x0, window.y0, window.x1, window.y1)
    here = np.flatnonzero(shapely.intersects(outlines, box))
    if not here.size:
        return np.full(window.shape, np.nan, np.float32)
    with ONE_RASTERISES:
        burnt = rasterize(
            [(outlines[k], float(rates[k])) for k in here], window.shape, fill=np.nan, dtype="float32",
            transform=Affine.translation(window.x0, window.y0),
        )  # fmt: skip
    return np.asarray(burnt)
