"""From the probabilities of a stack that has grown to its slopes, tracked from the inventory before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr

from insarflow.inventory import inventory
from insarflow.inventory.by_hand import marks_of, redrawn, restored
from insarflow.inventory.changes import Changes
from insarflow.inventory.criteria import select_slopes
from insarflow.inventory.edited import check_edited, measure_drawn
from insarflow.inventory.measure import measure
from insarflow.inventory.recent import recent_rates, summarise_recent
from insarflow.inventory.tracks import BY_HAND, LAST_ID, track
from insarflow.schema import CELLS
from insarflow.stack.assemble import valid_cells
from insarflow.stack.part import keep_cells
from insarflow.stack.store import open_stack
from insarflow.types import Pair
from insarflow.workflows.joined import joined
from insarflow.workflows.update_settings import Said, Settings, criteria_of

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
    wanted
        Ids of those that meet the criteria; None if there are none.
    """

    slopes: gpd.GeoDataFrame
    trend: pd.DataFrame
    wanted: list[int] | None


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
    summary = summarise_recent(ds, threshold=threshold, peak=settings.outlining["peak"], window_days=days)
    slopes = measure(inventory(summary, measured=False, **settings.outlining), ds, threshold=threshold)
    criteria = criteria_of(settings.criteria)
    wanted = None if criteria is None else select_slopes(slopes, criteria)["id"].tolist()
    return Found(slopes, recent_rates(slopes, ds, threshold=threshold, window_days=days), wanted)


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
    slopes, changes = track(found.slopes, before, trend=found.trend, by_hand=by_hand, wanted=found.wanted)
    slopes = measure_drawn(slopes, ds)
    drawn = tuple(slopes.attrs.pop(BY_HAND, ()))
    said = replace(said, last_id=slopes.attrs[LAST_ID], marks=marks_of(slopes), by_hand=drawn)
    return slopes, changes, said, notes


def _listed(ids: list[int]) -> str:
    return f"{', '.join(map(str, ids[:5]))}{', ...' if len(ids) > 5 else ''}"


def together(ds: xr.Dataset, store: Path) -> tuple[xr.Dataset, int]:
    """The interferograms that a stack and a store of probabilities hold, with what both tell of them.

    And how many only the store holds.
    """
    held = open_stack(store)
    here, there = {*names_of(ds)}, {*names_of(held)}
    stack, probable = (_kept(data, here & there) for data in (ds, held))
    return joined(probable, stack), len(there - here)


def _kept(ds: xr.Dataset, names: set[str]) -> xr.Dataset:
    keep = np.zeros([ds.sizes[dim] for dim in CELLS], bool)
    for cell, name in _cells(ds).items():
        keep[cell] = name in names
    return keep_cells(ds, keep)


def _cells(ds: xr.Dataset) -> dict[tuple[int, int], str]:
    """Names of the interferograms by cell."""
    dates, delays = ds["date"].values, ds["delay"].values
    return {(i, j): Pair.at(dates[i], delays[j]).name for i, j in np.argwhere(valid_cells(ds)).tolist()}


def names_of(ds: xr.Dataset) -> list[str]:
    """Names of the interferograms, in order."""
    return sorted(_cells(ds).values())
