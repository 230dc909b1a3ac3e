"""How two sets of polygons agree: who is whom, what they share, and how far scores of them can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from insarflow.inventory.outlines import Meetings


class Score(NamedTuple):
    """A score, and where it lies if other slopes of the same kind had been there; NaN where it is not defined."""

    value: float
    low: float
    high: float


def most_pairs(rows: np.ndarray, columns: np.ndarray, closeness: np.ndarray) -> np.ndarray:
    """Places of the pairs that are chosen, one to one, ascending: as many as can be, and of these the closest in sum.

    Parameters
    ----------
    rows, columns
        Of the pairs that may be, int64.
    closeness
        Of each, 0..1.
    """
    row, column = (np.unique(ends, return_inverse=True)[1] for ends in (rows, columns))
    n = int(row.max(initial=-1)) + 1
    # Few have a choice, so each group of them is a small problem of its own.
    group = groups(n + int(column.max(initial=-1)) + 1, (row, n + column))[1][row]
    order = np.argsort(group, kind="stable")
    chosen = []
    for pairs in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(pairs) > 1:
            r, c = (np.unique(ends[pairs], return_inverse=True)[1] for ends in (row, column))
            value, place = np.zeros((2, r.max() + 1, c.max() + 1))
            # More pairs are always better than closer ones.
            value[r, c], place[r, c] = min(value.shape) + 1.0 + closeness[pairs], np.arange(1, len(pairs) + 1)
            best = place[linear_sum_assignment(value, maximize=True)].astype(np.int64)
            pairs = pairs[best[best > 0] - 1]
        chosen.append(pairs)
    return np.sort(np.concatenate(chosen))


def groups(n: int, links: tuple[np.ndarray, np.ndarray]) -> tuple[int, np.ndarray]:
    """How many groups n things form by the links between them, and the number of each one's group."""
    if not n:
        return 0, np.empty(0, np.int64)
    graph = coo_array((np.ones(len(links[0]), bool), links), shape=(n, n))
    count, group = connected_components(graph, directed=False)
    return int(count), np.asarray(group, np.int64)


def union_areas(
    shapes: np.ndarray, second: np.ndarray, group: np.ndarray, count: int, meetings: Meetings
) -> np.ndarray:
    """Areas of unions in each group of polygons that hang together.

    Parameters
    ----------
    shapes
        Polygons of both sets, object (n,).
    second
        bool (n,): of the second set.
    group
        Number of each one's group, of `count`.
    meetings
        Of all of them among each other.

    Returns
    -------
    ndarray
        float64 (count, 3): that of both unions together, of the first set's, of the second's.
    """
    sizes = shapely.area(shapes)
    across = second[meetings.first] != second[meetings.second]
    areas = np.stack([
        np.bincount(group[meetings.first[across]], meetings.area[across], minlength=count),
        np.bincount(group[~second], sizes[~second], minlength=count),
        np.bincount(group[second], sizes[second], minlength=count),
    ], axis=1)  # fmt: skip
    # Where polygons of one set overlap, sums count what they share twice.
    crowded = np.isin(group, group[meetings.first[~across]])
    members = np.flatnonzero(crowded)[np.argsort(group[crowded], kind="stable")]
    for part in np.split(members, np.flatnonzero(np.diff(group[members])) + 1):
        if len(part):
            one, other = (shapely.union_all(shapes[part[second[part] == side]]) for side in (False, True))
            areas[group[part[0]]] = shapely.area([shapely.intersection(one, other), one, other])
    return areas


def resample(
    count: int, statistic: Callable[[np.ndarray], np.ndarray], *, seed: int, n: int, level: float = 0.95
) -> list[Score]:
    """Scores, and the percentiles of what they are if groups are drawn again with replacement.

    Parameters
    ----------
    count
        Number of groups.
    statistic
        Of how often each group is there, int64 (group,): the scores, float64 (k,), NaN where not defined.
    seed
        Of the draws.
    n
        Number of draws.
    level
        Share of them that lies inside.

    Notes
    -----
    The percentile interval of Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13, of the draws
    in which a score is defined. Fewer than two groups have none.
    """
    value = statistic(np.ones(count, np.int64))
    rng = np.random.default_rng(seed)
    draws = n if count > 1 else 0
    drawn = [statistic(np.bincount(rng.integers(0, count, count), minlength=count)) for _ in range(draws)]
    ends = [(1 - level) / 2, (1 + level) / 2]
    scores = []
    for k, own in enumerate(value.tolist()):
        known = np.array([one[k] for one in drawn if not np.isnan(one[k])])
        low, high = np.quantile(known, ends).tolist() if len(known) else (np.nan, np.nan)
        scores.append(Score(own, low, high))
    return scores
