"""Many pairs -> one map: highest mean probability over the delays, and how many pairs support it.

Every spatial block folds its pairs in a tree (`insarflow.ops.fold`). Sums are whole numbers, so their order changes no
bit.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarflow.inventory.checks import check_probability, check_threshold, check_values, settle_cut
from insarflow.ops.cells import present_cells
from insarflow.ops.fold import Field, Images, Tree, fold, groups_of
from insarflow.schema import CELLS, DIMS, SPACE, describe, recipe_of, require

_FIXED_POINT = np.float64(2**40)
"""Unit of probability sums: fine enough for float32, and int64 holds 8 million dates."""


def summarise(ds: xr.Dataset, *, threshold: float, peak: float | None = None) -> xr.Dataset:
    """Summarise the probability of all pairs on one map.

    Parameters
    ----------
    ds
        Holds ``probability`` (date, delay, y, x), float32, 0..1, NaN where unknown; eager or dask, any chunks. Cells
        where an in-memory ``valid`` (date, delay) is False are not visited.
    threshold
        Probability from which a pixel counts as moving, between 0 and 1, both excluded.
    peak
        Probability from which a pair supports it, at least as high; by default `threshold`.

    Returns
    -------
    xarray.Dataset
        On (y, x), lazy if the input is, in its spatial chunks:
        ``probability`` (float32): for every delay the mean over its dates, then the highest over the delays; NaN where
        no pair is known. ``support`` (int32): number of pairs whose probability is at or above `peak`.

    Raises
    ------
    TypeError
        If `ds` is no Dataset, `threshold` no number, or ``probability`` not float32.
    ValueError
        If `threshold` or `peak` is not between 0 and 1, `peak` below `threshold`, or ``probability`` holds no pixel.
    MissingVariableError
        If there is no ``probability``.
    SchemaError
        If ``probability`` has other dimensions; while computing, if a value is outside 0..1.

    Notes
    -----
    A slope shows best at the delay at which it moves about a quarter of a wavelength: slower ones drown in noise,
    faster ones decorrelate. So the dates are averaged, and the delays compete.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> p = np.array([0.9, 0.7, 0.2, np.nan], "float32").reshape(2, 2, 1, 1)
    >>> s = summarise(xr.Dataset({"probability": (("date", "delay", "y", "x"), p)}), threshold=0.6)
    >>> round(float(s["probability"].item()), 3), int(s["support"].item())
    (0.7, 2)
    """
    require(ds, "probability", to="summarise")
    threshold, peak = settle_cut(check_threshold(threshold), peak, (None, None))
    probability = check_probability(ds["probability"], DIMS)

    tree, root = _tree(probability.shape[:2], present_cells(ds, "probability"), peak)
    fields = {"highest": Field(attrgetter("highest"), "float32"), "support": Field(attrgetter("support"), "int32")}
    folded = fold(tree, root, probability.data, fields=fields, name="summarise")

    coords = {name: c for name, c in probability.coords.items() if not set(c.dims) & set(CELLS)}
    mapping = probability.encoding.get("grid_mapping", probability.attrs.get("grid_mapping"))
    if mapping in ds.variables:
        coords[mapping] = ds[mapping]
    attrs = {"grid_mapping": mapping} if mapping else {}
    summary = xr.Dataset(
        {
            "probability": describe(
                xr.DataArray(folded["highest"], coords, SPACE, attrs=probability.attrs), "probability"
            ),
            "support": xr.DataArray(folded["support"], coords, SPACE, attrs=attrs),
        },
        attrs=ds.attrs,
    )
    summary["probability"].attrs["long_name"] = "highest over the delays of the mean probability of slope movement"
    summary["support"].attrs |= {
        "units": "1",
        "long_name": "number of interferograms at or above the peak",
        "threshold": threshold,
        "peak": peak,
    }
    summary.attrs["recipe"] = recipe_of(ds).then("summarise", threshold=threshold, peak=peak).to_json()
    return summary


class _Dates(NamedTuple):
    """What is known of a block from some dates of one delay."""

    total: np.ndarray
    """Sum of probability in units of 1 / `_FIXED_POINT`, int64."""
    known: np.ndarray
    """Number of dates that are not NaN, int32."""
    support: np.ndarray
    """Number of dates at or above the peak, int32."""


class _Delays(NamedTuple):
    """What is known of a block from some whole delays."""

    highest: np.ndarray
    """Highest mean, float32, NaN if none."""
    support: np.ndarray
    """Number of pairs at or above the peak, int32."""


def _tree(shape: tuple[int, ...], present: np.ndarray | None, peak: float) -> tuple[Tree, np.ndarray]:
    """For every delay the mean over its dates, then the highest of them."""
    tree = Tree()
    add_pairs = partial(_add_pairs, peak=peak)
    delays = [dates for dates in groups_of(shape, (0,), present).values() if dates]
    closed = [tree.close(_close, tree.reduce(_add_dates, tree.images(add_pairs, dates))) for dates in delays]
    return tree, np.array(tree.root(_finished, tree.reduce(_add_delays, closed) if closed else None))


def _add_pairs(images: Images, *, peak: float) -> _Dates:
    """Sum over pairs."""
    sums: _Dates | None = None
    for (pair,) in images:
        seen = ~np.isnan(pair)
        filled = np.where(seen, pair, np.float32(0))
        check_values(filled)
        if sums is None:
            sums = _Dates(*(np.zeros(pair.shape, dtype) for dtype in (np.int64, np.int32, np.int32)))
        np.add(sums.total, np.rint(filled * _FIXED_POINT).astype(np.int64), out=sums.total)
        np.add(sums.known, seen, out=sums.known)
        np.add(sums.support, pair >= peak, out=sums.support)
    if sums is None:
        raise ValueError("images must hold a pair, instead got none")
    return sums


def _add_dates(parts: list[_Dates]) -> _Dates:
    return _Dates(*(sum(field[1:], start=field[0]) for field in zip(*parts, strict=True)))


def _close(parts: list[_Dates]) -> _Delays:
    """Take the mean of a delay of which all dates are in."""
    dates = parts[0]
    mean = np.full(dates.total.shape, np.nan, np.float32)
    np.divide(dates.total / _FIXED_POINT, dates.known, out=mean, where=dates.known > 0, casting="same_kind")
    return _Delays(mean, dates.support)


def _add_delays(parts: list[_Delays]) -> _Delays:
    highest, support = parts[0]
    for part in parts[1:]:
        highest, support = np.fmax(highest, part.highest), support + part.support
    return _Delays(highest, support)


def _finished(delays: _Delays | None, shape: tuple[int, int]) -> _Delays:
    if delays is None:
        return _Delays(np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32))
    return delays
