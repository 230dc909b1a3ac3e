"""Which interferograms a picture shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import xarray as xr

from insarflow.errors import SchemaError
from insarflow.schema import CELLS
from insarflow.stack.labels import pair_of, pairs_of, select_pair
from insarflow.types import Pair, PairLike


def is_single(ds: xr.Dataset) -> bool:
    """Whether `ds` is one interferogram, as `insarflow.stack.labels.select_pair` gives it."""
    return not set(CELLS) & set(ds.dims)


def with_valid(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with ``valid`` in memory, so that labels know which cells are empty; a bool per cell."""
    return ds.assign(valid=ds["valid"].compute()) if "valid" in ds and ds["valid"].chunks is not None else ds


def chosen(ds: xr.Dataset, pairs: PairLike | Sequence[PairLike] | None) -> list[Pair]:
    """Pairs that the caller names, in order of time; all for None.

    Raises
    ------
    TypeError, ValueError, SchemaError, UnknownPairError
        As `insarflow.stack.labels.pair_of`; ValueError also if there is none.
    """
    found = pairs_of(ds) if pairs is None else sorted({pair_of(ds, label) for label in several(pairs)})
    if not found:
        raise ValueError("pairs must name at least one interferogram, instead got none: see ds.insar.pairs")
    return found


def several(pairs: PairLike | Sequence[PairLike]) -> Sequence[PairLike]:
    """`pairs` as a sequence, though it be one."""
    return [cast(PairLike, pairs)] if is_one(pairs) else cast(Sequence[PairLike], pairs)


def is_one(pairs: PairLike | Sequence[PairLike]) -> bool:
    """Whether `pairs` names one interferogram; a tuple is (date, delay) unless it holds names of pairs."""
    if isinstance(pairs, tuple):
        return len(pairs) == 2 and not any(
            isinstance(part, Pair | tuple) or (isinstance(part, str) and "_" in part) for part in pairs
        )
    return isinstance(pairs, str | Pair) or not np.iterable(pairs)


def middle(ds: xr.Dataset) -> Pair:
    """Pick the interferogram in the middle of the period, at the middle delay.

    Raises
    ------
    SchemaError
        If there is none.
    """
    pairs = pairs_of(ds)
    if not pairs:
        raise SchemaError("a picture needs an interferogram, but the stack holds none")
    delays = sorted({p.delay for p in pairs})
    same = [p for p in pairs if p.delay == delays[len(delays) // 2]]
    return same[len(same) // 2]


def single(ds: xr.Dataset, pair: PairLike | None) -> tuple[xr.Dataset, Pair | None]:
    """One interferogram and its pair: the named one, the middle one for None, or `ds` itself if it is only one.

    The pair is None where a single interferogram does not know it.

    Raises
    ------
    TypeError, ValueError, SchemaError, UnknownPairError
        As `insarflow.stack.labels.pair_of`; ValueError also if `ds` is one interferogram and `pair` is given.
    """
    if is_single(ds):
        if pair is not None:
            raise ValueError(f"pair must be left out for a single interferogram, instead got pair={pair!r:.80}")
        label: list[Any] = [ds[name].values[()] for name in CELLS if name in ds.coords]
        return ds, Pair.at(*label) if len(label) == 2 else None
    stack = with_valid(ds)
    found = middle(stack) if pair is None else pair_of(stack, pair)
    return select_pair(stack, found), found


def title(pair: Pair | None, *, tall: float = 0.0) -> str:
    """Name and delay, on two lines over a panel much higher than wide (`tall` times); empty if the pair is unknown."""
    if pair is None:
        return ""
    return f"{pair.name},{chr(10) if tall > 2 else ' '}{pair.delay_days} day{'s' * (pair.delay_days != 1)}"
