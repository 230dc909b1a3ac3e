"""Interferograms of several delays that begin, or end, on one day: how a movement grows with the time it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from insarflow.errors import UnknownPairError
from insarflow.schema import PAIR, validate
from insarflow.stack.cube import Cell
from insarflow.stack.labels import NEAREST
from insarflow.stack.pairs import lay_out
from insarflow.stack.part import existing
from insarflow.stack.times import day_of, in_days, parse_delays
from insarflow.types import DateLike, DelayLike, parse_date


def same_start(ds: xr.Dataset, date: DateLike, delays: Sequence[DelayLike] | None = None) -> xr.Dataset:
    """Interferograms that begin on one day, by their delay: 6, 12, 18 days from it.

    Parameters
    ----------
    ds
        A stack.
    date
        Day of the earlier acquisition.
    delays
        Temporal baselines; the stack must hold each. By default all that it holds for this day: those that it does not
        hold are left out.

    Returns
    -------
    Dataset
        Dims ``(delay, y, x)``, shortest first, one interferogram a block, lazy if `ds` is. The day is the coordinate
        ``reference`` (and ``date``), the later days are ``secondary`` along ``delay``, as the names of the pairs are
        ``pair``. What has neither date nor delay stays as it is.

    Raises
    ------
    TypeError, ValueError
        If `date` is no date or `delays` no delays.
    SchemaError
        If `ds` is no stack, or a variable lies along only one of date and delay.
    UnknownPairError
        If no interferogram begins on this day, or one of `delays` does not exist; the message names those that do.

    Notes
    -----
    A bubble that the shortest delay shows turns into fringes at longer ones where the ground goes on moving: the same
    movement, followed in time.

    References
    ----------
    Bralet et al. (2024), ISSLIDE, doi:10.1109/LGRS.2024.3365299.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=4, delays=[6, 12, 18], movers=1)
    >>> grows = same_start(ds, ds["date"].values[0])
    >>> dict(grows.sizes)["delay"], [str(day)[:10] for day in grows["secondary"].values]
    (3, ['2021-07-09', '2021-07-15', '2021-07-21'])
    """
    return _of_day(ds, date, delays, "begins")


def same_end(ds: xr.Dataset, date: DateLike, delays: Sequence[DelayLike] | None = None) -> xr.Dataset:
    """Interferograms that end on one day, by their delay: 6, 12, 18 days before it.

    Parameters and errors as of `same_start`, but that `date` is the day of the later acquisition.

    Returns
    -------
    Dataset
        As of `same_start`, but that the day is ``secondary``, and the earlier days are ``reference`` (and ``date``)
        along ``delay``.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=4, delays=[6, 12, 18], movers=1)
    >>> same_end(ds, "2021-07-21", [6, 18])["pair"].values.tolist()
    ['20210715_20210721', '20210703_20210721']
    """
    return _of_day(ds, date, delays, "ends")


def _of_day(
    ds: xr.Dataset, date: DateLike, delays: Sequence[DelayLike] | None, how: Literal["begins", "ends"]
) -> xr.Dataset:
    validate(ds)
    day = parse_date(date)
    wanted = None if delays is None else parse_delays(delays)
    cells = _cells(ds, day, how)
    if not cells:
        raise UnknownPairError(f"no interferogram {how} on {day_of(day)}: {_near(ds, day, how)}")
    if wanted is not None:
        there = {ds["delay"].values[j]: (i, j) for i, j in cells}
        lacking = [span for span in wanted if span not in there]
        if lacking:
            raise UnknownPairError(
                f"no interferogram of {in_days(np.array(lacking))[0]} days {how} on {day_of(day)}: those that do have "
                f"{', '.join(map(str, in_days(np.array(list(there)))))} days"
            )
        cells = [there[span] for span in wanted]
    one = lay_out(ds, cells).swap_dims({PAIR: "delay"}).drop_vars("valid", errors="ignore")
    alike = ("date", "reference") if how == "begins" else ("secondary",)
    return one.assign_coords({name: one[name].variable[0] for name in alike})


def _cells(ds: xr.Dataset, day: np.datetime64, how: Literal["begins", "ends"]) -> list[Cell]:
    """Cells of the pairs that begin or end on a day, shortest delay first."""
    dates, delays = ds["date"].values, ds["delay"].values
    days = np.broadcast_to(dates[:, None], (dates.size, delays.size)) if how == "begins" else dates[:, None] + delays
    cells: list[Cell] = [(i, j) for i, j in np.argwhere(existing(ds) & (days == day)).tolist()]
    return sorted(cells, key=lambda cell: int(delays[cell[1]].astype(np.int64)))


def _near(ds: xr.Dataset, day: np.datetime64, how: Literal["begins", "ends"]) -> str:
    """The days nearest to one on which pairs begin or end, in words."""
    dates, delays, exists = ds["date"].values, ds["delay"].values, existing(ds)
    days = np.unique(dates[exists.any(axis=1)] if how == "begins" else (dates[:, None] + delays)[exists])
    if not days.size:
        return "the stack holds none"
    near = np.sort(days[np.argsort(np.abs(days - day), kind="stable")][:NEAREST])
    return f"the nearest days on which one does are {', '.join(map(day_of, near))}"
