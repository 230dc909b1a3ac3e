"""Days and delays that a selection names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from insarflow.errors import SelectionError
from insarflow.stack.part import existing
from insarflow.types import DateLike, DelayLike, JsonValue, parse_date, parse_delay

Period = tuple[np.datetime64 | None, np.datetime64 | None]
"""First and last day; None does not select."""


def parse_period(start: DateLike | None, end: DateLike | None) -> Period:
    """First and last day.

    Raises
    ------
    TypeError, ValueError
        If one is no date, or the first comes after the last.
    """
    first, last = (None if date is None else parse_date(date) for date in (start, end))
    if first is not None and last is not None and first > last:
        raise ValueError(f"start must not be after end, instead got start={day_of(first)}, end={day_of(last)}")
    return first, last


def parse_delays(delays: Sequence[DelayLike]) -> np.ndarray:
    """Several delays, sorted, ``timedelta64[ns]``.

    Raises
    ------
    TypeError, ValueError
        If they are not several, or one is no delay.
    """
    if isinstance(delays, str) or not isinstance(delays, Sequence | np.ndarray):
        raise TypeError(f"delays must be several, such as [6, 12], instead got delays={delays!r:.80}")
    if len(delays) == 0:
        raise ValueError("delays must name at least one, instead got none")
    return np.unique(np.array([parse_delay(d) for d in delays], "timedelta64[ns]"))


def noted(period: Period, spans: np.ndarray | None) -> dict[str, JsonValue]:
    """What a recipe notes of them; None where nothing was asked."""
    days = {name: None if day is None else day_of(day) for name, day in zip(("start", "end"), period, strict=True)}
    return {**days, "delays": None if spans is None else in_days(spans)}


def in_time(ds: xr.Dataset, period: Period, spans: np.ndarray | None) -> np.ndarray:
    """Interferograms of the stack whose acquisitions both lie in a period, and of these delays.

    Returns
    -------
    ndarray
        bool, ``(date, delay)``, at least one.

    Raises
    ------
    SelectionError
        If the stack has no such delay, or nothing is left.
    """
    start, end = period
    dates, delays = ds["date"].values, ds["delay"].values
    exists = existing(ds)
    later = dates[:, None] + delays[None, :]
    inside = np.ones_like(exists)
    if start is not None:
        inside &= dates[:, None] >= start
    if end is not None:
        inside &= later <= end
    if not (exists & inside).any():
        first, last = (dates.min(), later.max()) if not exists.any() else _ends(dates, later, exists)
        asked = [f"{name}={day_of(day)}" for name, day in (("start", start), ("end", end)) if day is not None]
        raise SelectionError(
            f"{' and '.join(asked) or 'the stack'} leaves no interferogram, both acquisitions of which must lie "
            f"between: the stack holds {int(exists.sum())}, from {day_of(first)} to {day_of(last)}"
        )
    wanted = np.ones(delays.size, bool) if spans is None else np.isin(delays, spans)
    if spans is not None:
        unknown = spans[~np.isin(spans, delays)]
        if unknown.size:
            raise SelectionError(
                f"delay {in_days(unknown)[0]} days is not in the stack: "
                f"it has {', '.join(map(str, in_days(np.sort(delays))))} days"
            )
    keep: np.ndarray = exists & inside & wanted[None, :]
    if not keep.any():
        there = in_days(np.sort(delays[(exists & inside).any(axis=0)]))
        raise SelectionError(
            f"delays={in_days(delays[wanted])} days leaves no interferogram: those of the dates asked for have "
            f"{', '.join(map(str, there))} days"
        )
    return keep


def _ends(dates: np.ndarray, later: np.ndarray, exists: np.ndarray) -> tuple[np.datetime64, np.datetime64]:
    return dates[exists.any(axis=1)].min(), later[exists].max()


def day_of(date: np.datetime64) -> str:
    """A day as text: ``2018-07-02``."""
    return str(date.astype("datetime64[D]"))


def in_days(spans: np.ndarray) -> list[int]:
    """Delays as numbers of days."""
    return [int(v) for v in spans / np.timedelta64(1, "D")]
