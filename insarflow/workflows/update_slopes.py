"""From the probabilities of a stack that has grown to its slopes, tracked from the inventory before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import xarray as xr

from insarflow.inventory import inventory
from insarflow.inventory.by_hand import marks_of, redrawn, restored
from insarflow.inventory.changes import Changes
from insarflow.inventory.edited import check_edited, measure_drawn
from insarflow.inventory.measure import measure
from insarflow.inventory.recent import recent_rates, summarise_recent
from insarflow.inventory.tracks import BY_HAND, LAST_ID, track
from insarflow.workflows.update_settings import Said, Settings

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


def carry(
    found: Found, before: gpd.GeoDataFrame, ds: xr.Dataset, said: Said
) -> tuple[gpd.GeoDataFrame, Changes, Said, tuple[str, ...]]:
    """Track slopes from the inventory before, and measure those that people drew.

    Also what the new inventory says of itself, and notes.
    """
    notes: tuple[str, ...] = ()
    before = check_edited(before, found.slopes.crs)
    before, given, lost = restored(before, said.marks)
    if given:
        notes = (f"{len(given)} slopes had lost their ids and have them again: {_listed(given)}",)
    if lost:
        last = max([int(before.attrs.get(LAST_ID, 0)), *before["id"].tolist()])
        new = _listed([*range(last + 1, last + 1 + int((before["id"] == 0).sum()))])
        notes = (
            *notes,
            f"{lost} rows have lost their ids, and their outlines are not known: new ones are {new}",
        )
    by_hand = {*said.by_hand, *redrawn(before, said.marks)}
    slopes, changes = track(found.slopes, before, trend=found.trend, by_hand=by_hand)
    slopes = measure_drawn(slopes, ds)
    drawn = tuple(slopes.attrs.pop(BY_HAND, ()))
    said = replace(said, last_id=slopes.attrs[LAST_ID], marks=marks_of(slopes), by_hand=drawn)
    return slopes, changes, said, notes


def _listed(ids: list[int]) -> str:
    return f"{', '.join(map(str, ids[:5]))}{', ...' if len(ids) > 5 else ''}"
