"""Which predicted objects are which movers of one map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from insarflow.learn.metrics.checks import check_share, checked_probability
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN

SMALLEST_OBJECT: Final = 100
"""Pixels that a mover and a predicted object need to count."""

SAME_OBJECT: Final = 0.3
"""Intersection over union from which a predicted object is a mover; share of open pixels from which it is neither."""


@dataclass(frozen=True)
class Matches:
    """The objects of one map.

    Attributes
    ----------
    found, missed
        Numbers of the movers that count, int64, ascending.
    false
        Components that are false, int64.
    predicted
        int32 ``(y, x)``: components of the prediction that are large enough, numbered from 1 in reading order.
    """

    found: np.ndarray
    missed: np.ndarray
    false: np.ndarray
    predicted: np.ndarray


def match(
    probability: np.ndarray,
    target: np.ndarray,
    threshold: float,
    *,
    label: np.ndarray | None = None,
    sure: np.ndarray | None = None,
    smallest: int = SMALLEST_OBJECT,
    same: float = SAME_OBJECT,
) -> Matches:
    """Match predicted objects with movers, one to one.

    Parameters
    ----------
    probability
        Floating point ``(y, x)``, 0..1; NaN only where the target does not count.
    target
        uint8 ``(y, x)``, states of `insarflow.simulate.truth`.
    threshold
        Pixels at or above it belong to a predicted object: components of 4-neighbours, as in the inventory.
    label
        Whole numbers ``(y, x)``: number of the mover, 0 for none. A mover is all moving pixels of its number, in one
        piece or several. Without it, movers are the components of moving pixels (4-neighbours), numbered in reading
        order.
    sure
        Bool ``(y, x)``: a predicted object counts only if it holds such a pixel, see `peak` of
        `insarflow.learn.card.ModelCard`. By default all count.
    smallest
        Pixels that a mover needs moving, and a predicted object needs with data, to count. Smaller movers are open:
        finding one is neither right nor false.
    same
        Intersection over union from which they may be the same; and share of a predicted object's pixels with data
        that lie on open ones from which it is neither right nor false, if no mover is matched to it.

    Returns
    -------
    Matches
        As many pairs as possible, and of all ways to do so the one with the largest sum of intersections over unions.
        Pixels that are open or missing count in no intersection and no union.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or values do not fit, or moving pixels have no number.
    """
    check_share("same", same)
    if smallest < 1:
        raise ValueError(f"smallest must be at least 1 pixel, instead got smallest={smallest}")
    p, t = (tensor.cpu().numpy() for tensor in checked_probability(probability, target))
    if p.ndim != 2:
        raise ValueError(f"probability must have the dimensions (y, x), instead got shape={p.shape}")
    number = components(t == MOVING) if label is None else _numbers(label, t)
    moving = np.where(t == MOVING, number, 0)
    sizes = np.bincount(moving.ravel())
    counts = np.flatnonzero(sizes >= smallest)
    counts = counts[counts > 0]
    moving[~np.isin(moving, counts)] = 0
    open_ = (t == OPEN) | ((t == MOVING) & (moving == 0))

    predicted = _counting(components(p >= threshold), t != MISSING, smallest, sure)
    pairs, unmatched = _assign(predicted, moving, (t == ABSENT) | (moving > 0), counts, same)
    pixels = np.bincount(predicted[t != MISSING], minlength=predicted.max(initial=0) + 1)
    on_open = np.bincount(predicted[open_], minlength=len(pixels))
    false = unmatched[on_open[unmatched] < same * pixels[unmatched]]
    return Matches(counts[pairs], counts[~pairs], false, predicted)


def components(mask: np.ndarray) -> np.ndarray:
    """Components of 4-neighbours of a bool mask, numbered from 1 in reading order, 0 elsewhere; int32 ``(y, x)``."""
    labels: np.ndarray = ndimage.label(mask, output=np.int32)[0]
    return labels


def _numbers(label: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`label`, where each moving pixel has a number."""
    if label.dtype.kind not in "iu":
        raise TypeError(f"label must hold whole numbers (int32), instead got {label.dtype}")
    if label.shape != target.shape:
        raise ValueError(f"label must have the target's shape {target.shape}, instead got shape={label.shape}")
    if label.size and label.min() < 0:
        raise ValueError(f"label must be 0 or the number of a mover, instead got label={label.min()}")
    alone = int(((label == 0) & (target == MOVING)).sum())
    if alone:
        raise ValueError(f"label must number all that moves, instead got 0 in {alone} moving pixels")
    return label


def _counting(labels: np.ndarray, data: np.ndarray, smallest: int, sure: np.ndarray | None) -> np.ndarray:
    """The components that have enough pixels with data, one of them sure, numbered anew."""
    n = int(labels.max(initial=0)) + 1
    keep = np.bincount(labels[data], minlength=n) >= smallest
    if sure is not None:
        if sure.dtype != bool or sure.shape != labels.shape:
            raise ValueError(f"sure must be bool of the shape {labels.shape}, instead got {sure.dtype} {sure.shape}")
        keep &= np.bincount(labels[data & sure], minlength=n) > 0
    keep[0] = False
    renumbered: np.ndarray = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]
    return renumbered


def _assign(
    predicted: np.ndarray, moving: np.ndarray, counted: np.ndarray, movers: np.ndarray, same: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of `movers` are found, bool; and the components that are none of them."""
    n = int(predicted.max(initial=0))
    both = (predicted > 0) & (moving > 0)
    row_of, size_of = np.searchsorted(movers, moving[both]), np.bincount(predicted[counted], minlength=n + 1)
    mover_size = np.bincount(np.searchsorted(movers, moving[moving > 0]), minlength=len(movers))
    touching, overlap = np.unique(row_of * np.int64(n + 1) + predicted[both], return_counts=True)
    rows, cols = np.divmod(touching, n + 1)
    iou = overlap / (mover_size[rows] + size_of[cols] - overlap)
    may = iou >= same
    chosen = _most_pairs(rows[may], cols[may], iou[may])
    found = np.zeros(len(movers), bool)
    found[rows[may][chosen]] = True
    return found, np.setdiff1d(np.arange(1, n + 1), cols[may][chosen])


def _most_pairs(rows: np.ndarray, cols: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Places of the pairs that are chosen: as many as can be, and of these the closest, int64.

    Few objects overlap two others enough, so each group of objects that hang together is a small problem of its own.
    """
    nodes = np.concatenate([np.unique(rows), -1 - np.unique(cols)])
    order = np.argsort(nodes)
    at = [order[np.searchsorted(nodes, ends, sorter=order)] for ends in (rows, -1 - cols)]
    graph = coo_array((np.ones(len(rows), bool), (at[0], at[1])), shape=(len(nodes), len(nodes)))
    group = connected_components(graph, directed=False)[1][at[0]] if len(rows) else np.zeros(0, np.int64)
    by_group = np.argsort(group, kind="stable")
    chosen = [np.zeros(0, np.int64)]
    for pairs in np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1):
        r, c = (np.unique(ends[pairs], return_inverse=True)[1] for ends in (rows, cols))
        place = np.full((r.max(initial=0) + 1, c.max(initial=0) + 1), -1)
        place[r, c] = pairs
        # More pairs are always better than closer ones.
        value = np.where(place >= 0, min(place.shape) + 1.0 + iou[place] if len(iou) else 0.0, 0.0)
        best = place[linear_sum_assignment(value, maximize=True)]
        chosen.append(best[best >= 0])
    return np.concatenate(chosen)
