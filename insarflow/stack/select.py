"""Interferograms of a stack by what is known of each pair: its days, delay, baseline, coherence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from insarflow.errors import SelectionError
from insarflow.ops.checks import check_fraction, check_kind, check_number, check_whole
from insarflow.schema import CELLS, describe, recipe_of, require, validate
from insarflow.stack.assemble import pairs_table
from insarflow.stack.labels import cell_of, pair_of
from insarflow.stack.part import existing, keep_cells
from insarflow.stack.times import in_days, in_time, noted, parse_delays, parse_period
from insarflow.types import DateLike, DelayLike, JsonValue, Pair, PairLike, parse_delay

Criterion = Callable[[np.ndarray], tuple[np.ndarray, str]]
"""From the cells that are left to those that it keeps, and what the ones before it have of what it asks for."""


def select_pairs(
    ds: xr.Dataset,
    *,
    start: DateLike | None = None,
    end: DateLike | None = None,
    delays: Sequence[DelayLike] | None = None,
    min_delay: DelayLike | None = None,
    max_delay: DelayLike | None = None,
    pairs: Sequence[PairLike] | None = None,
    exclude: Sequence[PairLike] | None = None,
    max_baseline: float | None = None,
    min_coherence: float | None = None,
    table: pd.DataFrame | None = None,
    nearest: int | None = None,
) -> xr.Dataset:
    """Select interferograms; what is None selects all, and all that is asked must hold.

    With `min_coherence` and without `table` this computes: one pass over the coherence of the pairs that are left.

    Parameters
    ----------
    ds
        A stack.
    start, end
        First and last day: both acquisitions of a pair lie between, the days themselves included.
    delays
        Temporal baselines to keep; the stack must have each.
    min_delay, max_delay
        Shortest and longest temporal baseline, both included.
    pairs, exclude
        Interferograms to keep, and to leave out, by name; the stack must hold each.
    max_baseline
        Largest magnitude of the perpendicular baseline, m; a pair of unknown baseline is left out.
    min_coherence
        Least mean coherence over the pixels that have one, 0 to 1.
    table
        Table of the pairs as `insarflow.pairs_table` gives it, whose ``mean_coherence`` then is used: nothing is
        computed.
    nearest
        Of the pairs that all else leaves, each date keeps those to its so many nearest later dates: 1 makes a chain,
        more a network with so many connections of each date.

    Returns
    -------
    Dataset
        Lazy if `ds` is, values unchanged. Dates and delays without a pair are dropped; a cell that falls out but lies
        between others is NaN and not ``valid``. The recipe tells what was asked.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense, or `table` lacks a pair.
    SchemaError, MissingVariableError
        If `ds` is no stack, or lacks ``perpendicular_baseline`` or ``coherence`` where it is asked for.
    UnknownPairError
        If the stack does not hold a pair that is named.
    SelectionError
        If the stack has no such delay, or nothing is left: the message names the criterion that left nothing.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=4, delays=[6, 12], movers=1)
    >>> int(ds["valid"].sum()), int(select_pairs(ds, nearest=1)["valid"].sum())
    (5, 3)
    """
    validate(ds)
    period, spans = parse_period(start, end), None if delays is None else parse_delays(delays)
    asked: dict[str, JsonValue] = noted(period, spans)
    criteria: list[tuple[str, Criterion]] = []

    def ask(name: str, value: JsonValue, criterion: Criterion) -> None:
        asked[name] = value
        criteria.append((f"{name}={value}", criterion))

    low, high = (None if span is None else parse_delay(span) for span in (min_delay, max_delay))
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_delay must not exceed max_delay, instead got {_days(low)} and {_days(high)} days")
    if low is not None:
        ask("min_delay", _days(low), _of_delays(ds, ds["delay"].values >= low))
    if high is not None:
        ask("max_delay", _days(high), _of_delays(ds, ds["delay"].values <= high))
    if pairs is not None:
        named = _named(ds, "pairs", pairs)
        ask("pairs", [pair.name for pair in named], _among(ds, named, keep=True))
    if exclude is not None:
        named = _named(ds, "exclude", exclude)
        ask("exclude", [pair.name for pair in named], _among(ds, named, keep=False))
    if max_baseline is not None:
        ask("max_baseline", _not_negative("max_baseline", max_baseline), _of_baseline(ds, float(max_baseline)))
    if min_coherence is not None:
        ask("min_coherence", check_fraction("min_coherence", min_coherence), _coherent(ds, min_coherence, table))
    elif table is not None:
        raise ValueError("table must be left out unless min_coherence is given, whose values it holds")
    if nearest is not None:
        ask("nearest", check_whole("nearest", nearest, low=1), _nearest(ds, int(nearest)))
    asked = {name: value for name, value in asked.items() if value is not None}
    if not asked:
        return ds
    keep = in_time(ds, period, spans)
    for text, criterion in criteria:
        kept, there = criterion(keep)
        if not (keep & kept).any():
            others = "" if keep.sum() == existing(ds).sum() else " that all else leaves"
            raise SelectionError(f"{text} leaves no interferogram: the {int(keep.sum())}{others} have {there}")
        keep = keep & kept
    if "valid" not in ds:
        ds = ds.assign(valid=describe(xr.DataArray(existing(ds), dims=CELLS), "valid"))
    return keep_cells(ds, keep).assign_attrs(recipe=recipe_of(ds).then("select_pairs", **asked).to_json())


def _days(span: np.timedelta64) -> int:
    return in_days(np.array([span]))[0]


def _not_negative(name: str, value: float) -> float:
    number = check_number(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, instead got {name}={value}")
    return number


def _named(ds: xr.Dataset, name: str, labels: Sequence[PairLike]) -> list[Pair]:
    wanted = f'{name} must be several interferograms, such as ["20180702_20180714"]'
    if isinstance(labels, str | Pair) or not isinstance(labels, Sequence | np.ndarray | pd.Index):
        raise TypeError(f"{wanted}, instead got {name}={labels!r:.80}")
    if len(labels) == 0:
        raise ValueError(f"{name} must name at least one interferogram, instead got none")
    return sorted({pair_of(ds, label) for label in labels})


def _among(ds: xr.Dataset, named: list[Pair], *, keep: bool) -> Criterion:
    flags = np.full((ds.sizes["date"], ds.sizes["delay"]), not keep)
    for pair in named:
        flags[cell_of(ds, pair)] = keep
    return lambda left: (flags, "other names" if keep else "these names")


def _of_delays(ds: xr.Dataset, wanted: np.ndarray) -> Criterion:
    spans = ds["delay"].values

    def criterion(left: np.ndarray) -> tuple[np.ndarray, str]:
        there = in_days(np.sort(spans[left.any(axis=0)]))
        return np.broadcast_to(wanted, left.shape), f"delays of {', '.join(map(str, there))} days"

    return criterion


def _of_baseline(ds: xr.Dataset, largest: float) -> Criterion:
    require(ds, "perpendicular_baseline", to="select_pairs with max_baseline")
    metres = np.abs(ds["perpendicular_baseline"].transpose(*CELLS).values)

    def criterion(left: np.ndarray) -> tuple[np.ndarray, str]:
        known = metres[left & ~np.isnan(metres)]
        return metres <= largest, f"at least {known.min():.1f} m" if known.size else "unknown baselines"

    return criterion


def _coherent(ds: xr.Dataset, least: float, table: pd.DataFrame | None) -> Criterion:
    require(ds, "coherence", to="select_pairs with min_coherence")
    if table is not None:
        check_kind("table", table, pd.DataFrame, "a table as insarflow.pairs_table gives it")
        if "mean_coherence" not in table:
            raise ValueError(f"table must have the column mean_coherence, instead got {list(map(str, table.columns))}")

    def criterion(left: np.ndarray) -> tuple[np.ndarray, str]:
        known = pairs_table(ds[["coherence"]].assign(valid=(CELLS, left))) if table is None else table
        mean = np.full(left.shape, np.nan)
        for i, j in np.argwhere(left).tolist():
            pair = Pair.at(ds["date"].values[i], ds["delay"].values[j])
            if pair.name not in known.index:
                raise ValueError(f"table must hold every interferogram, but {pair} is not in it: make it again")
            mean[i, j] = known.at[pair.name, "mean_coherence"]
        there = mean[left & ~np.isnan(mean)]
        return mean >= least, f"means of up to {there.max():.3f}" if there.size else "no coherence"

    return criterion


def _nearest(ds: xr.Dataset, count: int) -> Criterion:
    order = np.argsort(ds["delay"].values, kind="stable")

    def criterion(left: np.ndarray) -> tuple[np.ndarray, str]:
        kept = np.zeros_like(left)
        kept[:, order] = left[:, order] & (np.cumsum(left[:, order], axis=1) <= count)
        return kept, "none"

    return criterion
