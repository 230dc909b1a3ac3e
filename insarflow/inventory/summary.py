"""Many pairs -> one map: highest mean probability over the delays, and how many pairs support it.

Every spatial block folds its pairs in a tree: a few at a time into a sum, a few sums into one, and so on. A step is
ready as soon as the worker that made its last part is done, so parts do not pile up and a worker holds a few blocks
for any number of pairs. In a chain, pair after pair, they would: whenever blocks come faster than the one task that
may take the next, the free workers run ahead. Sums are whole numbers, so their order changes no bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarflow.inventory.checks import check_probability, check_threshold, check_values
from insarflow.schema import CELLS, DIMS, SPACE, describe, recipe_of, require

_AT_ONCE = 4
"""Parts that one step of a tree takes."""

_FIXED_POINT = np.float64(2**40)
"""Unit of probability sums: fine enough for float32, and int64 holds 8 million dates."""


def summarise(ds: xr.Dataset, *, threshold: float) -> xr.Dataset:
    """Summarise the probability of all pairs on one map.

    Parameters
    ----------
    ds
        Holds ``probability`` (date, delay, y, x), float32, 0..1, NaN where unknown; eager or dask, any chunks. Cells
        where an in-memory ``valid`` (date, delay) is False are not visited.
    threshold
        Probability from which a pixel of a pair counts as moving, between 0 and 1, both excluded.

    Returns
    -------
    xarray.Dataset
        On (y, x), lazy if the input is, in its spatial chunks:
        ``probability`` (float32): for every delay the mean over its dates, then the highest over the delays; NaN where
        no pair is known. ``support`` (int32): number of pairs whose probability is at or above `threshold`.

    Raises
    ------
    TypeError
        If `ds` is no Dataset, `threshold` no number, or ``probability`` not float32.
    ValueError
        If `threshold` is not between 0 and 1, or ``probability`` holds no pixel.
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
    threshold = check_threshold(threshold)
    probability = check_probability(ds["probability"], DIMS)

    cells = _cells(ds)
    data = probability.data
    fold = _fold_lazily if isinstance(data, da.Array) else _fold_eagerly
    highest, support = fold(data, cells, threshold)

    coords = {name: c for name, c in probability.coords.items() if not set(c.dims) & set(CELLS)}
    mapping = probability.encoding.get("grid_mapping", probability.attrs.get("grid_mapping"))
    if mapping in ds.variables:
        coords[mapping] = ds[mapping]
    attrs = {"grid_mapping": mapping} if mapping else {}
    summary = xr.Dataset(
        {
            "probability": describe(xr.DataArray(highest, coords, SPACE, attrs=probability.attrs), "probability"),
            "support": xr.DataArray(support, coords, SPACE, attrs=attrs),
        },
        attrs=ds.attrs,
    )
    summary["probability"].attrs["long_name"] = "highest over the delays of the mean probability of slope movement"
    summary["support"].attrs |= {
        "units": "1",
        "long_name": "number of interferograms at or above the threshold",
        "threshold": threshold,
    }
    summary.attrs["recipe"] = recipe_of(ds).then("summarise", threshold=threshold).to_json()
    return summary


Cells = dict[int, list[int]]
"""For every delay with a pair, its dates; both as positions."""


def _cells(ds: xr.Dataset) -> Cells:
    n_date, n_delay = ds["probability"].shape[:2]
    valid = np.ones((n_date, n_delay), bool)
    # A lazy `valid` stays lazy: absent cells are then visited and add nothing, since they are NaN.
    if "valid" in ds and ds["valid"].chunks is None:
        valid = ds["valid"].transpose(*CELLS).to_numpy().astype(bool)
    return {j: np.flatnonzero(valid[:, j]).tolist() for j in range(n_delay) if valid[:, j].any()}


class _Dates(NamedTuple):
    """What is known of a block from some dates of one delay."""

    total: np.ndarray
    """Sum of probability in units of 1 / `_FIXED_POINT`, int64."""
    known: np.ndarray
    """Number of dates that are not NaN, int32."""
    support: np.ndarray
    """Number of dates at or above the threshold, int32."""


class _Delays(NamedTuple):
    """What is known of a block from some whole delays."""

    highest: np.ndarray
    """Highest mean, float32, NaN if none."""
    support: np.ndarray
    """Number of pairs at or above the threshold, int32."""


def _add_pairs(blocks: list[np.ndarray], at: list[tuple[int, int]], threshold: float) -> _Dates:
    """Sum over pairs: of each block the (y, x) image at its place."""
    shape = blocks[0].shape[2:]
    total, known, support = (np.zeros(shape, dtype) for dtype in (np.int64, np.int32, np.int32))
    for block, place in zip(blocks, at, strict=True):
        pair = block[tuple(place)]
        seen = ~np.isnan(pair)
        filled = np.where(seen, pair, np.float32(0))
        check_values(filled)
        total += np.rint(filled * _FIXED_POINT).astype(np.int64)
        known += seen
        support += pair >= threshold
    return _Dates(total, known, support)


def _add_dates(parts: list[_Dates]) -> _Dates:
    return _Dates(*(sum(field[1:], start=field[0]) for field in zip(*parts, strict=True)))


def _close(dates: _Dates) -> _Delays:
    """Take the mean of a delay of which all dates are in."""
    mean = np.full(dates.total.shape, np.nan, np.float32)
    np.divide(dates.total / _FIXED_POINT, dates.known, out=mean, where=dates.known > 0, casting="same_kind")
    return _Delays(mean, dates.support)


def _add_delays(parts: list[_Delays]) -> _Delays:
    highest, support = parts[0]
    for part in parts[1:]:
        highest, support = np.fmax(highest, part.highest), support + part.support
    return _Delays(highest, support)


def _nothing(shape: tuple[int, int]) -> _Delays:
    return _Delays(np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32))


def _fold_eagerly(probability: np.ndarray, cells: Cells, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    folded = _nothing(probability.shape[2:])
    for delay, dates in cells.items():
        places = [(date, delay) for date in dates]
        folded = _add_delays([folded, _close(_add_pairs([probability] * len(places), places, threshold))])
    return folded.highest, folded.support


def _fold_lazily(probability: da.Array, cells: Cells, threshold: float) -> tuple[da.Array, da.Array]:
    name = f"summarise-{tokenize(probability, cells, threshold)}"
    chunks = probability.chunks[2:]
    graph: dict[Any, Any] = {}
    for r, height in enumerate(chunks[0]):
        for c, width in enumerate(chunks[1]):
            root = _tree(graph, name, (r, c), probability, cells, threshold)
            graph[(name, r, c)] = (_nothing, (height, width)) if root is None else root
    sources: list[Any] = [probability]
    fold = HighLevelGraph.from_collections(name, graph, dependencies=sources)
    return _field(fold, name, "highest", chunks, np.float32), _field(fold, name, "support", chunks, np.int32)


def _tree(
    graph: dict[Any, Any], name: str, block: tuple[int, int], source: da.Array, cells: Cells, threshold: float
) -> Any:
    """Add the tasks of one block to `graph`; the key of the last one, None without a pair."""
    date_at, delay_at = _places(source.chunks[0]), _places(source.chunks[1])

    def put(task: tuple[Any, ...], *place: int | str) -> Any:
        key = (name, *block, *place)
        graph[key] = task
        return key

    def reduce(keys: list[Any], function: Any, *place: int | str) -> Any:
        level = 0
        while len(keys) > 1:
            level += 1
            keys = [put((function, k), *place, level, i) for i, k in enumerate(_batches(keys))]
        return keys[0]

    closed = []
    for delay, dates in cells.items():
        parts = []
        for i, batch in enumerate(_batches(dates)):
            blocks = [(source.name, date_at[d][0], delay_at[delay][0], *block) for d in batch]
            places = [(date_at[d][1], delay_at[delay][1]) for d in batch]
            parts.append(put((_add_pairs, blocks, places, threshold), delay, 0, i))
        closed.append(put((_close, reduce(parts, _add_dates, delay)), delay, "mean"))
    return reduce(closed, _add_delays, "delays") if closed else None


def _batches(items: list[Any]) -> list[list[Any]]:
    return [items[i : i + _AT_ONCE] for i in range(0, len(items), _AT_ONCE)]


def _field(fold: HighLevelGraph, name: str, field: str, chunks: tuple[tuple[int, ...], ...], dtype: type) -> da.Array:
    """One field of the finished folds as an array."""
    out = name.replace("summarise", f"summarise-{field}")
    layer: dict[Any, Any] = {
        (out, r, c): (getattr, (name, r, c), field) for r in range(len(chunks[0])) for c in range(len(chunks[1]))
    }
    graph = HighLevelGraph({**fold.layers, out: layer}, {**fold.dependencies, out: {name}})
    return da.Array(graph, out, chunks=chunks, meta=np.empty((0, 0), dtype))


def _places(chunks: tuple[int, ...]) -> list[tuple[int, int]]:
    """For every position along an axis: its chunk, and the position inside it."""
    return [(k, p) for k, size in enumerate(chunks) for p in range(size)]
