"""The recent time of a stack against all the time before: slopes that start, and those that change their speed."""

from __future__ import annotations

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from insarflow.errors import SelectionError
from insarflow.inventory.activity import TREND
from insarflow.inventory.observe import observe
from insarflow.inventory.rates import rates
from insarflow.inventory.summary import summarise
from insarflow.ops.checks import check_whole
from insarflow.schema import CELLS, recipe_of
from insarflow.stack.assemble import valid_cells
from insarflow.stack.part import keep_cells

WINDOW_DAYS: Final = 60
"""Days up to the last acquisition that are recent: with passes every 6 or 12 days, enough pairs for a mean."""

LEAST: Final = 3
"""Recent pairs that a delay must have for its mean to count: what the air of one day feigns is in two."""


def summarise_recent(
    ds: xr.Dataset, *, threshold: float, peak: float | None = None, window_days: int = WINDOW_DAYS
) -> xr.Dataset:
    """Summarise all pairs and the recent ones, so that what has started lately shows as well as what moved long ago.

    Parameters
    ----------
    ds, threshold, peak
        As `insarflow.inventory.summary.summarise`, with the coordinates ``date`` and ``delay``.
    window_days
        A pair is recent if both of its acquisitions lie within so many days before the last one of all, at least 1.

    Returns
    -------
    xarray.Dataset
        As `insarflow.inventory.summary.summarise`, lazy if the input is: ``probability`` is the higher one of that of
        all pairs and that of the recent pairs, of those delays that have at least `LEAST` of them. ``support`` is of
        all pairs.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range.
    InsarError
        As `insarflow.inventory.summary.summarise`.
    """
    days = check_whole("window_days", window_days, low=1)
    summary = summarise(ds, threshold=threshold, peak=peak)
    there = valid_cells(ds) if "valid" in ds else np.ones([ds.sizes[dim] for dim in CELLS], bool)
    recent = there & _parts(ds["date"].values[:, None], ds["delay"].values[None], there, days)[0]
    recent &= recent.sum(axis=0) >= LEAST
    if recent.any() and (recent != there).any():
        lately = summarise(keep_cells(ds, recent), threshold=threshold)["probability"]
        both = summary["probability"]
        highest = np.fmax(both.data, lately.data)
        summary["probability"] = (both.dims, highest, both.attrs, both.encoding)
    cut = {name: summary["support"].attrs[name] for name in ("threshold", "peak")}
    recipe = recipe_of(ds).then("summarise", **cut, window_days=days)
    return summary.assign_attrs(recipe=recipe.to_json())


def recent_rates(
    frame: gpd.GeoDataFrame, ds: xr.Dataset, *, threshold: float, window_days: int = WINDOW_DAYS
) -> pd.DataFrame:
    """Rates of slopes in the recent time and before it, from pairs that share no day.

    Parameters
    ----------
    frame, ds, threshold
        As `insarflow.inventory.observe.observe`, which this computes; without ``igram`` or ``wavelength`` nothing is
        known.
    window_days
        As `summarise_recent`.

    Returns
    -------
    pandas.DataFrame
        As `compare_rates`.
    """
    days = check_whole("window_days", window_days, low=1)
    if "igram" not in ds or "wavelength" not in ds.attrs or not len(frame):
        return _nothing(frame["id"].to_numpy())
    return compare_rates(observe(frame, ds, threshold=threshold), window_days=days)


def compare_rates(observations: xr.Dataset, *, window_days: int = WINDOW_DAYS) -> pd.DataFrame:
    """Rates in the recent time and before it.

    Parameters
    ----------
    observations
        As `insarflow.inventory.rates.rates`.
    window_days
        As `summarise_recent`.

    Returns
    -------
    pandas.DataFrame
        By ``id``: ``rate`` and its standard deviation ``std`` of the pairs within the recent time, and ``rate_before``
        and ``std_before`` of those that end before it or at its first day; mm/yr, positive toward the radar. NaN where
        they tell nothing or are aliased. Pairs that reach into both are in neither.
    """
    days = check_whole("window_days", window_days, low=1)
    made = _nothing(observations["id"].values)
    date, delay = observations["date"].values, observations["delay"].values
    parts = _parts(date, delay, np.ones(len(date), bool), days)
    for part, names in zip(parts, (TREND[:2], TREND[2:]), strict=True):
        if part.any():
            told = rates(observations.isel(pair=part))
            for name, column in zip(names, ("los_rate_mm_yr", "los_rate_std_mm_yr"), strict=True):
                made[name] = told[column].mask(told["aliased"])
    return made


def _nothing(ids: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(np.nan, index=pd.Index(ids, name="id"), columns=[*TREND])


def _parts(date: np.ndarray, delay: np.ndarray, there: np.ndarray, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs lie within the last days, and which before them, bool."""
    date, end = np.broadcast_arrays(date, date + delay)
    if not there.any():
        raise SelectionError("the stack must hold interferograms, instead got none: choose others than none")
    first = end[there].max() - np.timedelta64(24 * days, "h")
    return date >= first, end <= first
