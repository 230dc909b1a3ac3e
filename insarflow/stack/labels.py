"""Interferograms by name: ``20180702_20180714``, or date and delay; never by position."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from insarflow.errors import SchemaError, UnknownPairError
from insarflow.schema import CELLS
from insarflow.types import DateLike, DelayLike, Pair, PairLike

NEAREST = 3
"""Names that an error offers."""


def pair_of(ds: xr.Dataset, label: PairLike | DateLike, delay: DelayLike | None = None) -> Pair:
    """Find the interferogram that `label` names.

    Parameters
    ----------
    ds
        A stack, or any dataset with ``date`` and ``delay``.
    label
        ``"20180702_20180714"``, a `Pair`, ``(date, delay)``, or the date alone if `delay` is given.
    delay
        ``12``, ``"12D"`` or a timedelta.

    Raises
    ------
    TypeError
        If `label` is of another kind, such as a position.
    ValueError
        If it is no name of a pair.
    SchemaError
        If `ds` has no dates and delays.
    UnknownPairError
        If the stack does not hold it; the message names the nearest ones that it holds.
    """
    pair = _parse(label, delay)
    known = pairs_of(ds)
    if pair not in known:
        near = sorted(known, key=lambda p: (_days(p.reference, pair.reference) + _days(p.secondary, pair.secondary), p))
        names = ", ".join(p.name for p in near[:NEAREST])
        raise UnknownPairError(
            f"interferogram {pair} ({pair.delay_days} days) is not in the stack, which holds {len(known)}: "
            f"nearest {'is' if len(near) == 1 else 'are'} {names}"
            if known
            else f"interferogram {pair} is not in the stack, which holds none"
        )
    return pair


def pairs_of(ds: xr.Dataset) -> list[Pair]:
    """Interferograms that exist, in order of their names: where ``valid`` is not False.

    A lazy ``valid`` is not computed; all cells then count.

    Raises
    ------
    SchemaError
        If `ds` has no dates and delays.
    """
    for dim in CELLS:
        if dim not in ds.dims or dim not in ds.coords:
            raise SchemaError(f"a stack must have {CELLS[0]!r} and {CELLS[1]!r}, instead got dims={tuple(ds.sizes)}")
    exists = np.ones((ds.sizes["date"], ds.sizes["delay"]), bool)
    if "valid" in ds and ds["valid"].chunks is None:
        exists = ds["valid"].transpose(*CELLS).values
    dates, delays = ds["date"].values, ds["delay"].values
    return sorted(Pair(dates[i], dates[i] + delays[j]) for i, j in np.argwhere(exists).tolist())


def cell_of(ds: xr.Dataset, pair: Pair) -> tuple[int, int]:
    """Position of `pair` along ``date`` and ``delay``; it must be there."""
    dates, delays = ds["date"].values, ds["delay"].values
    return int(np.flatnonzero(dates == pair.reference)[0]), int(np.flatnonzero(delays == pair.delay)[0])


def select_pair(ds: xr.Dataset, label: PairLike | DateLike, delay: DelayLike | None = None) -> xr.Dataset:
    """One interferogram by name, with all that goes with it.

    Parameters
    ----------
    ds, label, delay
        As `pair_of`.

    Returns
    -------
    Dataset
        Images on ``(y, x)``, lazy if `ds` is; ``date``, ``delay`` and ``perpendicular_baseline`` (m) are scalar
        coordinates, the attribute ``pair`` is the name.

    Raises
    ------
    TypeError, ValueError, SchemaError, UnknownPairError
        As `pair_of`.
    """
    pair = pair_of(ds, label, delay)
    date, delay_at = cell_of(ds, pair)
    one = ds.isel(date=date, delay=delay_at).drop_vars("valid", errors="ignore")
    named = one.set_coords([n for n in ("perpendicular_baseline",) if n in one])
    return named.assign_attrs(pair=pair.name)


def _parse(label: Any, delay: DelayLike | None) -> Pair:
    wanted = 'an interferogram is named "20180702_20180714" or by (date, delay) such as ("2018-07-02", 12)'
    if delay is not None:
        return Pair.at(_scalar(label), _scalar(delay))
    if isinstance(label, Pair):
        return label
    if isinstance(label, tuple | list) and len(label) == 2:
        return Pair.at(_scalar(label[0]), _scalar(label[1]))
    if isinstance(label, str):
        try:
            return Pair.parse(label)
        except ValueError as error:
            raise ValueError(f"{wanted}, instead got {label!r:.80}: {error}") from error
    if isinstance(label, int | np.integer):
        raise TypeError(f"{wanted}, instead got {label!r}: for a position write ds.isel(date=..., delay=...)")
    raise TypeError(f"{wanted}, instead got {label!r:.80} ({type(label).__name__})")


def _scalar(value: Any) -> Any:
    """What a DataArray without dimensions holds, such as ``ds.date[0]``; anything else as it is."""
    return value.values[()] if isinstance(value, xr.DataArray) and value.ndim == 0 else value


def _days(a: np.datetime64, b: np.datetime64) -> float:
    return abs(float((a - b) / np.timedelta64(1, "D")))
