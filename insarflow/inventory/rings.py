"""Corner field of components -> closed rings, in whole pixel coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rings:
    """Outlines of components; n vertices in r rings.

    Attributes
    ----------
    rows, cols
        Lattice points, int64 (n,), ring after ring, in order along the ring, the first one not repeated.
    ring
        Ring of each vertex, int64 (n,), ascending.
    component
        Component of each ring, int64 (r,), ascending.
    shell
        Whether the ring is its component's outer one, bool (r,); it comes before the holes.
    """

    rows: np.ndarray
    cols: np.ndarray
    ring: np.ndarray
    component: np.ndarray
    shell: np.ndarray

    def where(self, keep: np.ndarray) -> Rings:
        """Some of the rings."""
        vertices = keep[self.ring]
        number = np.cumsum(keep) - 1
        return Rings(
            self.rows[vertices],
            self.cols[vertices],
            number[self.ring[vertices]],
            self.component[keep],
            self.shell[keep],
        )


def trace(corners: np.ndarray) -> Rings:
    """Rings of every component.

    Parameters
    ----------
    corners
        Corner field as in `insarflow.inventory.components.Components`, merged: sorted, each lattice point once.

    Returns
    -------
    Rings
        In one canonical form: only true corners, starting at the uppermost then leftmost one and going right first,
        no ring meets itself, rings in the order of their first vertices.

    Notes
    -----
    Along a row of lattice points the corners of a component come in pairs, the ends of a horizontal edge; along a
    column likewise. Where a component touches itself at a point, two edges end on either side; the two rings that
    pass there both turn round the *background*. That leaves no ring that meets itself, because the component
    encloses one of the two background pixels.
    """
    times = np.abs(corners[3])
    component, row, col, value = np.repeat(corners, times, axis=1)
    n = len(row)
    # Sorted by row then column, so 0-1, 2-3, ... are horizontal edges: the other end of k is k ^ 1.
    # Of a doubled corner the first copy ends the edge on its left. Members upper left and lower right (+2): the ring
    # of the left edge goes down, so in its column it comes second.
    place = np.arange(n)
    column_order = np.lexsort((np.where(value > 0, -place, place), row, col, component))
    vertical = np.empty(n, np.int64)
    vertical[column_order] = column_order[place ^ 1]
    order, sizes = _walk(vertical.tolist())

    rows, cols = row[order], col[order]
    ring = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.cumsum([0, *sizes[:-1]]) if sizes else np.empty(0, np.int64)
    owner = component[order][starts]
    shell = np.ones(len(sizes), bool)
    shell[1:] = owner[1:] != owner[:-1]
    return Rings(rows, cols, ring, owner, shell)


def _walk(vertical: list[int]) -> tuple[np.ndarray, list[int]]:
    """Vertices ring after ring, and the number in each ring."""
    order: list[int] = []
    sizes: list[int] = []
    seen = bytearray(len(vertical))
    for start in range(len(vertical)):
        if seen[start]:
            continue
        before = len(order)
        here = start
        while not seen[here]:
            across = here ^ 1
            seen[here] = seen[across] = 1
            order += (here, across)
            here = vertical[across]
        sizes.append(len(order) - before)
    return np.array(order, np.int64), sizes
