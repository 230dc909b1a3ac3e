"""Connected pixels at or above a threshold, block by block, merged exactly across the blocks' borders.

The outline of a set of pixels is kept as its *corner field*: at the lattice point between four pixels the value
``UL - UR - LL + LR`` of their membership (0 or 1). It is 0 except at the outline's corners (+-1; +-2 where two pixels
touch at the point only), it determines the set, and it is additive: the field of a union of disjoint sets is the sum
of their fields. So pieces from several blocks are merged by adding integers, the corners that a block's border made
cancel, and what remains cannot depend on where the borders were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from insarflow.inventory.checks import check_values
from insarflow.types import Tile

FIXED_POINT: Final = 2**28
"""Unit of probability sums: integers add without rounding, so their order is free; int64 holds 3e10 pixels."""


@dataclass(frozen=True)
class Components:
    """n components: 4-neighbours belong together.

    Attributes
    ----------
    pixels
        Number of pixels, int64 (n,).
    total
        Sum of probability in units of 1 / `FIXED_POINT`, int64 (n,).
    highest
        Highest probability, float32 (n,).
    pairs
        Highest support of a pixel, int32 (n,).
    first
        First pixel in reading order, as its flat index in the whole map, int64 (n,).
    corners
        Corner field without its zeros, int (4, m): component, row, column of the lattice point, value. A lattice point
        may come twice before merging.
    """

    pixels: np.ndarray
    total: np.ndarray
    highest: np.ndarray
    pairs: np.ndarray
    first: np.ndarray
    corners: np.ndarray


@dataclass(frozen=True)
class Block:
    """The components of one block, and where they reach its border.

    Attributes
    ----------
    components
        Of this block alone.
    top, bottom, left, right
        Pixels of components on that side, int32 (2, k): position along the side, component.
    known
        Whether any of its pixels has a probability.
    """

    components: Components
    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray
    known: bool


def find_components(
    probability: np.ndarray, support: np.ndarray | None = None, *, tile: Tile, threshold: float
) -> np.ndarray:
    """Components of one block.

    Parameters
    ----------
    probability
        ``tile.read`` of the map, float32, NaN where unknown.
    support
        Same pixels, integer; without it every pixel counts one pair.
    tile
        Where the block lies.
    threshold
        Pixels at or above it belong to a component.

    Returns
    -------
    ndarray
        Shape (1, 1), object: one `Block`.

    Raises
    ------
    SchemaError
        If a probability is above 1.
    """
    labels, n = ndimage.label(probability >= threshold)
    at = np.flatnonzero(labels)
    owner = labels.ravel()[at] - 1
    values = probability.ravel()[at]
    check_values(values)
    rows, cols = np.unravel_index(at, labels.shape)
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, owner, (rows + tile.read.y0) * tile.shape[1] + cols + tile.read.x0)
    total = np.zeros(n, np.int64)
    np.add.at(total, owner, np.rint(values * np.float64(FIXED_POINT)).astype(np.int64))
    highest = np.zeros(n, np.float32)
    np.maximum.at(highest, owner, values)
    pairs = np.ones(n, np.int32)
    if support is not None:
        pairs[:] = 0
        np.maximum.at(pairs, owner, support.ravel()[at].astype(np.int32))
    components = Components(
        np.bincount(owner, minlength=n), total, highest, pairs, first, _corners(labels, tile.read.y0, tile.read.x0)
    )
    found = np.empty((1, 1), object)
    top, bottom, left, right = (_side(s) for s in (labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    known = n > 0 or not np.isnan(probability).all()
    found[0, 0] = Block(components, top, bottom, left, right, bool(known))
    return found


def merge(blocks: np.ndarray) -> Components:
    """Components of the whole map, in the reading order of their first pixels, corners sorted.

    Parameters
    ----------
    blocks
        The `Block` of every block of the map, object (rows of blocks, columns of blocks).
    """
    parts = [block.components for block in blocks.flat]
    sizes = [len(part.pixels) for part in parts]
    starts = np.cumsum([0, *sizes]).astype(np.int64)
    joins = _joins(blocks, starts[:-1].reshape(blocks.shape))
    links = coo_array((np.ones(joins.shape[1], bool), (joins[0], joins[1])), shape=(starts[-1], starts[-1]))
    n, group = connected_components(links, directed=False)

    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, group, np.concatenate([p.first for p in parts]))
    order = np.argsort(first)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    group = rank[group]

    pixels, total = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.add.at(pixels, group, np.concatenate([p.pixels for p in parts]))
    np.add.at(total, group, np.concatenate([p.total for p in parts]))
    highest, pairs = np.zeros(n, np.float32), np.zeros(n, np.int32)
    np.maximum.at(highest, group, np.concatenate([p.highest for p in parts]))
    np.maximum.at(pairs, group, np.concatenate([p.pairs for p in parts]))

    corners = np.concatenate([p.corners for p in parts], axis=1, dtype=np.int64)
    corners[0] = group[corners[0] + np.repeat(starts[:-1], [p.corners.shape[1] for p in parts])]
    return Components(pixels, total, highest, pairs, first[order], _add_up(corners))


def _corners(labels: np.ndarray, y0: int, x0: int) -> np.ndarray:
    """Corner field of each label; lattice point (r, c) is the upper left corner of pixel (r, c)."""
    padded = np.pad(labels, 1)
    member = (padded > 0).view(np.int8)
    field = member[:-1, :-1] - member[:-1, 1:] - member[1:, :-1] + member[1:, 1:]
    rows, cols = np.nonzero(field)
    value = field[rows, cols]
    around = np.stack([padded[rows + i, cols + j] for i in (0, 1) for j in (0, 1)])
    # One or three members are neighbours and so of one component; two that touch at the point only may be of two.
    owner = around.max(axis=0)
    touch = np.abs(value) == 2
    other = around[:, touch].sum(axis=0) - owner[touch]
    sign = np.sign(value)
    corners = np.stack([owner - 1, rows + y0, cols + x0, sign])
    return np.concatenate(
        [corners, np.stack([other - 1, rows[touch] + y0, cols[touch] + x0, sign[touch]])], axis=1, dtype=np.int32
    )


def _side(labels: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(labels)
    return np.stack([at, labels[at] - 1]).astype(np.int32)


def _joins(blocks: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Components of neighbouring blocks that touch: int64 (2, k), numbered over all blocks."""
    joins = [np.empty((2, 0), np.int64)]
    for (i, j), block in np.ndenumerate(blocks):
        for (k, m), mine, side in (((i, j + 1), block.right, "left"), ((i + 1, j), block.bottom, "top")):
            if k < blocks.shape[0] and m < blocks.shape[1]:
                theirs = getattr(blocks[k, m], side)
                if not mine.size or not theirs.size:
                    continue
                _, a, b = np.intersect1d(mine[0], theirs[0], assume_unique=True, return_indices=True)
                touching = np.stack([mine[1, a] + starts[i, j], theirs[1, b] + starts[k, m]])
                joins.append(np.unique(touching, axis=1))
    return np.concatenate(joins, axis=1)


def _add_up(corners: np.ndarray) -> np.ndarray:
    """Corners sorted by component, row, column, each lattice point once, without zeros."""
    corners = corners[:, np.lexsort(corners[2::-1])]
    new = np.ones(corners.shape[1], bool)
    new[1:] = (corners[:3, 1:] != corners[:3, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    if not starts.size:
        return corners
    value = np.add.reduceat(corners[3], starts)
    summed = np.concatenate([corners[:3, starts], value[None]])
    return summed[:, value != 0]
