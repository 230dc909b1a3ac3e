"""Whether slopes move, and how that has changed."""

from __future__ import annotations

from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from insarflow.inventory.columns import RATE
from insarflow.inventory.edited import never_found

SHARE: Final = 0.2
"""Part of the speed before that a slope must be faster or slower by, to be called so."""

TREND: Final = ("rate", "std", "rate_before", "std_before")
"""Rates of slopes in a recent time and before it: see `insarflow.inventory.recent.recent_rates`."""


def moving(frame: pd.DataFrame) -> pd.Series[bool]:
    """Rows that are slopes and move: people have not rejected them, and they are not gone.

    Parameters
    ----------
    frame
        An inventory; without ``status`` nothing is rejected, without ``activity`` nothing gone.
    """
    return ~rejected(frame) & ~gone(frame)


def rejected(frame: pd.DataFrame) -> pd.Series[bool]:
    """Rows that people say are no slopes."""
    return _says(frame, "status", "rejected")


def gone(frame: pd.DataFrame) -> pd.Series[bool]:
    """Rows that moved once and do not any more."""
    return _says(frame, "activity", "gone")


def inactive(frame: pd.DataFrame) -> np.ndarray:
    """Rows whose last interferograms would have shown them, and do not."""
    stopped = frame["inactive_since"].notna() if "inactive_since" in frame else np.zeros(len(frame), bool)
    return np.asarray(stopped, bool)


def trend_of(now: gpd.GeoDataFrame, then: gpd.GeoDataFrame) -> pd.DataFrame:
    """Columns `TREND` from two inventories of the same slopes, row by row; NaN where one is unknown or aliased."""
    made = {name: np.full(len(now), np.nan) for name in TREND}
    if set(RATE) <= {*now.columns} & {*then.columns}:
        for frame, names in ((now, TREND[:2]), (then, TREND[2:])):
            for name, column in zip(names, ("los_rate_mm_yr", "los_rate_std_mm_yr"), strict=True):
                made[name] = frame[column].mask(frame["aliased"]).to_numpy()
    return pd.DataFrame(made)


def activity_of(now: gpd.GeoDataFrame, then: gpd.GeoDataFrame, trend: pd.DataFrame) -> np.ndarray:
    """Activity of slopes that two inventories have outlined, row by row; object (n,).

    Parameters
    ----------
    now, then
        The same slopes in both inventories.
    trend
        Columns `TREND`, mm/yr.
    """
    rate, std, rate_before, std_before = (trend[name].to_numpy(np.float64) for name in TREND)
    kinds = np.full(len(now), "unknown", object)
    known = np.isfinite(rate + std + rate_before + std_before)
    gain = np.abs(rate) - np.abs(rate_before)
    sure = np.abs(rate - rate_before) > 2.0 * np.hypot(std, std_before)
    changed = sure & (np.abs(gain) > SHARE * np.abs(rate_before))
    kinds[known] = np.where(changed, np.where(gain > 0.0, "faster", "slower"), "steady")[known]
    kinds[((then["activity"] == "gone") | never_found(then)).to_numpy()] = "new"
    kinds[inactive(now)] = "gone"
    return kinds


def _says(frame: pd.DataFrame, name: str, word: str) -> pd.Series[Any]:
    if name not in frame:
        return pd.Series(np.zeros(len(frame), bool), index=frame.index)
    return frame[name].astype(object).map(lambda text: str(text).strip().lower() == word).astype(bool)
