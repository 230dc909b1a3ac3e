"""From the probabilities of a stack that has grown to its slopes, tracked from the inventory before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import xarray as xr

from insarflow.inventory import inventory
from insarflow.inventory.changes import Changes
from insarflow.inventory.edited import measure_drawn
from insarflow.inventory.measure import measure
from insarflow.inventory.recent import recent_rates, summarise_recent
from insarflow.inventory.tracks import track
from insarflow.workflows.update_settings import Settings

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


@dataclass(frozen=True)
class Found:
    """What a stack shows now.

    Attributes
    ----------
    slopes
        Outlined and measured.
    trend
        Their rates lately and before: see `insarflow.inventory.recent.recent_rates`.
    """

    slopes: gpd.GeoDataFrame
    trend: pd.DataFrame


def find_slopes(ds: xr.Dataset, settings: Settings) -> Found:
    """Outline and measure the slopes that a stack shows, in all its time or lately.

    Parameters
    ----------
    ds
        Probabilities with the stack that they were made of.
    settings
        What is asked for; the threshold is known.
    """
    threshold, days = cast(float, settings.outlining["threshold"]), settings.window_days
    summary = summarise_recent(ds, threshold=threshold, window_days=days)
    slopes = measure(inventory(summary, measured=False, **settings.outlining), ds, threshold=threshold)
    return Found(slopes, recent_rates(slopes, ds, threshold=threshold, window_days=days))


def carry(found: Found, before: gpd.GeoDataFrame, ds: xr.Dataset) -> tuple[gpd.GeoDataFrame, Changes]:
    """Track slopes from the inventory before, and measure those that people drew."""
    slopes, changes = track(found.slopes, before, trend=found.trend)
    return measure_drawn(slopes, ds), changes
