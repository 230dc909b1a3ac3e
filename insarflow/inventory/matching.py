"""Which outlines of two inventories are of one slope."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def match(found: np.ndarray, before: np.ndarray, *, min_overlap: float) -> np.ndarray:
    """Assign new outlines to old ones, one to one.

    Parameters
    ----------
    found, before
        Polygons of shapely, object (n,) and (m,), in one CRS; crossed ones are taken as valid ones of the same edges.
    min_overlap
        Part of the smaller one of both outlines that they must share, above 0, at most 1.

    Returns
    -------
    ndarray
        Number of the new outline of each old one, int64 (m,), -1 if there is none.

    Notes
    -----
    Of all assignments that with the largest sum of intersections over unions. So where one slope splits, or several
    merge, the one with the largest overlap is it; of equal ones the first.
    """
    chosen = np.full(len(before), -1, np.int64)
    found, before = shapely.make_valid(found), shapely.make_valid(before)
    new, old = shapely.STRtree(before).query(found, predicate="intersects")
    common = shapely.area(shapely.intersection(found[new], before[old]))
    area, area_before = shapely.area(found), shapely.area(before)
    enough = (common > 0.0) & (common >= min_overlap * np.minimum(area[new], area_before[old]))
    new, old, common = new[enough], old[enough], common[enough]
    overlap = common / (area[new] + area_before[old] - common)
    # Far below any true difference: equal overlaps go to the first of both.
    overlap -= 1e-9 * (old / max(len(before), 1) + 1e-3 * new / max(len(found), 1))
    _, group = connected_components(
        coo_array((np.ones(len(new), bool), (new, len(found) + old)), shape=(len(found) + len(before),) * 2),
        directed=False,
    )
    order = np.argsort(group[new], kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(group[new][order])) + 1):
        rows, row = np.unique(new[part], return_inverse=True)
        cols, col = np.unique(old[part], return_inverse=True)
        weights = np.zeros((len(rows), len(cols)))
        weights[row, col] = overlap[part]
        at = linear_sum_assignment(weights, maximize=True)
        real = weights[at] > 0.0
        chosen[cols[at[1][real]]] = rows[at[0][real]]
    return chosen


def within(small: np.ndarray, large: np.ndarray, *, min_overlap: float) -> np.ndarray:
    """Number of the outline that holds most of each of some others, int64; -1 where none holds this part of it.

    Parameters
    ----------
    small, large
        As the outlines of `match`.
    min_overlap
        Part of the one that must lie within the other, above 0, at most 1.
    """
    held = np.full(len(small), -1, np.int64)
    small, large = shapely.make_valid(small), shapely.make_valid(large)
    one, other = shapely.STRtree(large).query(small, predicate="intersects")
    common = shapely.area(shapely.intersection(small[one], large[other]))
    enough = (common > 0.0) & (common >= min_overlap * shapely.area(small)[one])
    # The last one written is the largest; of equals the first.
    order = np.lexsort((-other, common))
    order = order[enough[order]]
    held[one[order]] = other[order]
    return held
