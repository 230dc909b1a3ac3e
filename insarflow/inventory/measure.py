"""Everything that a stack tells of outlined slopes, as columns."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from insarflow.inventory.columns import COLUMNS, EDITED, STATUS
from insarflow.inventory.observe import observe
from insarflow.inventory.persistence import persistence
from insarflow.inventory.rates import rates
from insarflow.inventory.terrain import terrain_of
from insarflow.inventory.velocity import downslope_rates
from insarflow.schema import DIMS


def measure(frame: gpd.GeoDataFrame, ds: xr.Dataset, *, threshold: float) -> gpd.GeoDataFrame:
    """Measure slopes: when they show, how fast they move, on what terrain.

    Any outlines will do, also those that people drew. This computes; see `insarflow.inventory.observe.observe` for what
    is read.

    Parameters
    ----------
    frame
        Slopes with their ``id``.
    ds
        A stack. Of its variables those that there are: ``probability`` (date, delay, y, x), ``igram``, ``coherence``,
        ``dem``, ``los_east``, ``los_north``, ``los_up``, ``layover``, ``shadow``; and the attributes ``wavelength``,
        ``pass``, ``relative_orbit``.
    threshold
        Probability from which a pixel moves, between 0 and 1.

    Returns
    -------
    geopandas.GeoDataFrame
        `frame` with the columns of `insarflow.inventory.columns` that the stack can tell, in their order: persistence
        with ``probability``, rates with ``igram`` and a wavelength, terrain with ``dem``, motion down the slope with
        rates, terrain and the line of sight. What was there under their names is replaced, but for what people write.

    Raises
    ------
    MissingVariableError, SchemaError
        As `insarflow.inventory.observe.observe`.
    """
    made: list[pd.DataFrame] = []
    per_pair = "probability" in ds and set(ds["probability"].dims) == set(DIMS)
    if "probability" in ds and not per_pair:
        ds = ds.drop_vars("probability")
    if per_pair or "igram" in ds:
        seen = observe(frame, ds, threshold=threshold)
        if per_pair:
            made.append(persistence(seen).assign(near_edge=_near_edge(seen)))
        if "igram" in ds and "wavelength" in seen.attrs:
            made.append(rates(seen))
        made.append(pd.DataFrame({"orbit": seen.attrs["orbit"], "sources": ""}, index=seen["id"].values))
    if "dem" in ds:
        made.append(terrain_of(frame, ds).set_index(frame["id"].to_numpy()))
    columns = pd.concat(made, axis=1) if made else pd.DataFrame(index=frame["id"].to_numpy())
    if {"los_rate_mm_yr", "sensitivity"} <= set(columns) and "los_up" in ds:
        down = downslope_rates(columns["los_rate_mm_yr"], columns["los_rate_std_mm_yr"], columns["sensitivity"])
        columns = columns.drop(columns="sensitivity").join(down)
    elif "sensitivity" in columns:
        columns = columns.drop(columns="sensitivity")
    return complete(frame, columns)


def complete(frame: gpd.GeoDataFrame, columns: pd.DataFrame) -> gpd.GeoDataFrame:
    """A table of slopes with more columns, those that people write among them, all in the order of a file."""
    frame = frame.reset_index(drop=True)
    full = frame.assign(**{str(name): columns[name].to_numpy() for name in columns})
    for name in EDITED:
        if name not in full:
            full[name] = pd.Series([STATUS[0] if name == "status" else ""] * len(full), dtype="str")
    full = full.astype({name: COLUMNS[name].dtype for name in COLUMNS if name in full})
    order = [name for name in COLUMNS if name in full]
    others = [name for name in full if name not in order and name != full.geometry.name]
    full = full[[*order, *others, full.geometry.name]]
    full.attrs = dict(frame.attrs)
    return full


def _near_edge(seen: xr.Dataset) -> np.ndarray:
    """Whether no interferogram knows all of the band around a slope."""
    return np.asarray(~(seen["margin"] >= 1.0).any("pair").values)
