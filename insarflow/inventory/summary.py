"""Many pairs -> one map: highest mean probability over the delays, and how many pairs support it.

The pairs of a spatial block are folded one after the other into a small running state, one task per (pair, block):
what a worker holds does not grow with the number of pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarflow.inventory.checks import check_probability, check_threshold
from insarflow.schema import CELLS, DIMS, SPACE, describe, recipe_of, require


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
        If ``probability`` has other dimensions.

    Notes
    -----
    A slope shows best at the delay at which it moves about a quarter of a wavelength: slower ones drown in noise,
    faster ones decorrelate. So the dates are averaged, and the delays compete. Sums are float64, in the order of the
    dates, and therefore the same for any chunking.

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


Cells = list[list[int]]
"""For every delay with a pair, the positions of its dates; the delay's own position comes first."""


def _cells(ds: xr.Dataset) -> Cells:
    n_date, n_delay = ds["probability"].shape[:2]
    valid = np.ones((n_date, n_delay), bool)
    # A lazy `valid` stays lazy: absent cells are then visited and add nothing, since they are NaN.
    if "valid" in ds and ds["valid"].chunks is None:
        valid = ds["valid"].transpose(*CELLS).to_numpy().astype(bool)
    return [[j, *map(int, np.flatnonzero(valid[:, j]))] for j in range(n_delay) if valid[:, j].any()]


class _Fold(NamedTuple):
    """What is known of a block so far."""

    total: np.ndarray
    """Sum over the dates of the current delay, float64."""
    known: np.ndarray
    """Number of known dates of the current delay, int32."""
    highest: np.ndarray
    """Highest mean of the delays before, float32, NaN if none."""
    support: np.ndarray
    """Pairs at or above the threshold, int32."""


def _start(shape: tuple[int, int]) -> _Fold:
    return _Fold(
        np.zeros(shape), np.zeros(shape, np.int32), np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32)
    )


def _add(fold: _Fold, block: np.ndarray, cell: tuple[int, int], threshold: float, closes: bool) -> _Fold:
    """Add one pair; `closes` if it is the last one of its delay.

    Nothing is changed in place: a scheduler may run a task twice.
    """
    pair = block[cell]
    seen = ~np.isnan(pair)
    total = fold.total + np.where(seen, pair, np.float32(0))
    known = fold.known + seen
    support = fold.support + (pair >= threshold)
    if not closes:
        return _Fold(total, known, fold.highest, support)
    mean = np.full(pair.shape, np.nan, np.float32)
    np.divide(total, known, out=mean, where=known > 0, casting="same_kind")
    start = _start(pair.shape)
    return _Fold(start.total, start.known, np.fmax(fold.highest, mean), support)


def _fold_eagerly(probability: np.ndarray, cells: Cells, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    fold = _start(probability.shape[2:])
    for delay, *dates in cells:
        for date in dates:
            fold = _add(fold, probability, (date, delay), threshold, date == dates[-1])
    return fold.highest, fold.support


def _fold_lazily(probability: da.Array, cells: Cells, threshold: float) -> tuple[da.Array, da.Array]:
    token = tokenize(probability, cells, threshold)
    name = f"summarise-{token}"
    date_at, delay_at = _places(probability.chunks[0]), _places(probability.chunks[1])
    steps = [(delay, date, date == dates[-1]) for delay, *dates in cells for date in dates]
    graph: dict[Any, Any] = {}
    rows, cols = probability.chunks[2:]
    for r, height in enumerate(rows):
        for c, width in enumerate(cols):
            graph[(name, r, c, 0)] = (_start, (height, width))
            for k, (delay, date, closes) in enumerate(steps, start=1):
                (i, in_i), (j, in_j) = date_at[date], delay_at[delay]
                source = (probability.name, i, j, r, c)
                graph[(name, r, c, k)] = (_add, (name, r, c, k - 1), source, (in_i, in_j), threshold, closes)
    fold = HighLevelGraph.from_collections(name, graph, dependencies=[probability])
    return (
        _field(fold, name, len(steps), "highest", probability, np.float32),
        _field(fold, name, len(steps), "support", probability, np.int32),
    )


def _field(fold: HighLevelGraph, name: str, last: int, field: str, source: da.Array, dtype: type) -> da.Array:
    """One field of the finished folds as an array."""
    out = name.replace("summarise", f"summarise-{field}")
    chunks = source.chunks[2:]
    layer: dict[Any, Any] = {
        (out, r, c): (getattr, (name, r, c, last), field) for r in range(len(chunks[0])) for c in range(len(chunks[1]))
    }
    graph = HighLevelGraph({**fold.layers, out: layer}, {**fold.dependencies, out: {name}})
    return da.Array(graph, out, chunks=chunks, meta=np.empty((0, 0), dtype))


def _places(chunks: tuple[int, ...]) -> list[tuple[int, int]]:
    """For every position along an axis: its chunk, and the position inside it."""
    return [(k, p) for k, size in enumerate(chunks) for p in range(size)]
