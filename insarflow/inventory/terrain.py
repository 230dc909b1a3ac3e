"""The terrain of each slope, and how much of a motion downhill the radar sees."""

from __future__ import annotations

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from insarflow.inventory.columns import TERRAIN
from insarflow.inventory.windows import look_at, mean_of
from insarflow.inventory.zones import Zone, places
from insarflow.ops.downslope import sensitivity
from insarflow.ops.ground import ground_of
from insarflow.ops.terrain import LINE_OF_SIGHT, surface
from insarflow.schema import SPACE, require
from insarflow.stack.georeference import grid_of

SCALE: Final = 100.0
"""Side of the window that steepness and azimuth are of, m (3 pixels at least): that of slopes, not of boulders."""

_MEASURES: Final = (*TERRAIN, "sensitivity")


def terrain_of(frame: gpd.GeoDataFrame, ds: xr.Dataset) -> pd.DataFrame:
    """Height, steepness and azimuth of every slope, and what the radar sees of it.

    This computes, window by window; any chunking gives the same numbers.

    Parameters
    ----------
    frame
        Slopes, in any CRS.
    ds
        Holds ``dem``; ``slope`` and ``aspect`` are made of it where they are missing. Of ``los_east``, ``los_north``,
        ``los_up``, ``layover`` and ``shadow`` those that there are.

    Returns
    -------
    pandas.DataFrame
        A row a slope: the columns of `TERRAIN`, and ``sensitivity`` (float32, -1..1). NaN is what nobody can tell.

    Raises
    ------
    MissingVariableError
        If there is no ``dem``.
    SchemaError
        If the stack or the table has no CRS.

    Notes
    -----
    Azimuths are averaged as directions, each by the sine of its steepness, so that level ground has no say.
    """
    require(ds, "dem", to="terrain_of")
    grid = grid_of(ds["dem"])
    if "slope" not in ds or "aspect" not in ds:
        made = surface(ds["dem"], grid, scale=max(SCALE, 3.0 * max(ground_of(grid).pixel_size)))
        ds = ds.assign({name: made[name] for name in ("slope", "aspect")})
    if all(name in ds for name in LINE_OF_SIGHT):
        ds = ds.assign(sensitivity=sensitivity(ds))
    names = [name for name in ("dem", "slope", "aspect", "sensitivity", "layover", "shadow") if name in ds]
    arrays = {name: ds[name].transpose(*SPACE).data for name in names}
    seen = look_at(places(frame, grid), arrays, [()], _see, width=len(_MEASURES))[:, 0].astype(np.float32)
    return pd.DataFrame(dict(zip(_MEASURES, seen.T, strict=True)), index=frame.index)


def _see(zone: Zone, images: dict[str, np.ndarray]) -> tuple[float, ...]:
    """The terrain of one slope."""
    inside = {name: image[zone.inside] for name, image in images.items()}
    slope, aspect = (inside[name].astype(np.float64) for name in ("slope", "aspect"))
    level = ~np.isfinite(slope * aspect)
    pull = np.where(level, 0.0, np.sin(slope))
    east, north = (float((pull * part(np.where(level, 0.0, aspect))).sum()) for part in (np.sin, np.cos))
    azimuth = np.degrees(np.arctan2(east, north)) % 360.0 if east or north else np.nan
    hidden = [inside[name].astype(bool) for name in ("layover", "shadow") if name in inside]
    return (
        mean_of(inside["dem"]),
        float(np.degrees(mean_of(slope))),
        float(azimuth),
        float(np.any(hidden, axis=0).mean()) if hidden else np.nan,
        mean_of(inside["sensitivity"]) if "sensitivity" in inside else np.nan,
    )
