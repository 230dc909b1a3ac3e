"""Where the pixels of one grid lie on another: exact at the nodes of a mesh, bilinear between, the error bounded.

As GDAL's approximate transformer, but the nodes are at multiples of the mesh's step in the whole target grid, and a
cell is subdivided by its own error alone: a position does not depend on how the target is cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyproj import Transformer

from insarflow.errors import GridMismatchError
from insarflow.stack.crs import full_turn, same_crs
from insarflow.stack.georeference import crs_name
from insarflow.types import Grid, Window

STEP = 64
"""Pixels of the target between nodes, before any subdivision; a power of two."""

MAX_ERROR = 0.01
"""Largest error of a position between nodes, pixels of the source."""


@dataclass(frozen=True)
class Mesh:
    """Positions for a part of the cells of a regular mesh.

    Attributes
    ----------
    step
        Pixels of the target between nodes.
    start
        Row and column of the target at the first node.
    nodes
        Row and column of the source at each node, float64, shape ``(m + 1, n + 1, 2)``.
    cells
        The cells that these nodes are near enough for, bool, shape ``(m, n)``.
    """

    step: int
    start: tuple[int, int]
    nodes: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True)
class Positions:
    """Where the pixels of `target` lie on `source`, in pixels of it: whole numbers are centres.

    Attributes
    ----------
    source, target
        The two grids.
    """

    source: Grid
    target: Grid

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Exact positions of points of the target given in its pixels; not finite where there is none.

        Parameters
        ----------
        rows, cols
            Float or int, of one shape.

        Returns
        -------
        ndarray
            float64, shape ``(..., 2)``.
        """
        x0, dx, _, y0, _, dy = self.target.transform
        x, y = x0 + dx * (np.asarray(cols, np.float64) + 0.5), y0 + dy * (np.asarray(rows, np.float64) + 0.5)
        sx0, sdx, _, sy0, _, sdy = self.source.transform
        if not self._same:
            # Made anew each time: a Transformer must not be shared between threads.
            x, y = Transformer.from_crs(self.target.crs, self.source.crs, always_xy=True).transform(x, y)
        with np.errstate(invalid="ignore"):
            if self._turn:
                # Degrees go round: of all names of a meridian, the one nearest to the source.
                middle = sx0 + 0.5 * sdx * self.source.shape[1]
                x = x - self._turn * np.rint((x - middle) / self._turn)
            return np.stack([(y - sy0) / sdy - 0.5, (x - sx0) / sdx - 0.5], axis=-1)

    def meshes(self, window: Window) -> Iterator[Mesh]:
        """Meshes whose cells, together, cover a window of the target; each of its pixels is in one cell.

        Notes
        -----
        A cell is taken if the bilinear position is within half of `MAX_ERROR` at the middle of it and of its sides,
        where it is worst, and else divided in four, down to single pixels, which are exact.
        """
        step = STEP
        y0, x0 = window.y0 // step, window.x0 // step
        todo = np.ones((-(-window.y1 // step) - y0, -(-window.x1 // step) - x0), bool)
        while True:
            half = self._nodes(step, y0, x0, todo.shape)
            nodes = half[::2, ::2] if step > 1 else half
            good = todo & (_near_enough(half) if step > 1 else True)
            yield Mesh(step, (y0 * step, x0 * step), np.ascontiguousarray(nodes), good)
            todo &= ~good
            if not todo.any():
                return
            rows, cols = (np.flatnonzero(todo.any(axis=axis)) for axis in (1, 0))
            todo = todo[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].repeat(2, axis=0).repeat(2, axis=1)
            step, y0, x0 = step // 2, 2 * (y0 + int(rows[0])), 2 * (x0 + int(cols[0]))

    def ratio(self) -> tuple[float, float]:
        """Size of a pixel of the target along y and x, in pixels of the source, where the two have their middle.

        Raises
        ------
        GridMismatchError
            If the source has no place in the target's CRS.
        """
        back = Positions(self.target, self.source).at(*(np.array(0.5 * (n - 1)) for n in self.source.shape))
        row, col = (min(max(float(v), 0.0), n - 1.0) for v, n in zip(back, self.target.shape, strict=True))
        around = self.at(row + np.array([-0.5, 0.5, 0, 0]), col + np.array([0, 0, -0.5, 0.5]))
        with np.errstate(invalid="ignore"):
            y, x = (float(v) for v in np.hypot(around[1] - around[0], around[3] - around[2]))
        if not (np.isfinite(back).all() and math.isfinite(y) and math.isfinite(x) and y > 0.0 and x > 0.0):
            raise GridMismatchError(
                f"the grid's crs must be defined where the images lie, instead {crs_name(self.target.crs)} is not: "
                "choose one of their region, such as crs='utm'"
            )
        return y, x

    @cached_property
    def _same(self) -> bool:
        return same_crs(self.source.crs, self.target.crs)

    @cached_property
    def _turn(self) -> float:
        return full_turn(self.source.crs)

    def _nodes(self, step: int, y0: int, x0: int, cells: tuple[int, int]) -> np.ndarray:
        """Positions of the nodes around cells, and half-way between them."""
        every = max(1, step // 2)
        rows, cols = (
            start * step + every * np.arange(n * (step // every) + 1) for start, n in zip((y0, x0), cells, strict=True)
        )
        return self.at(*np.meshgrid(rows, cols, indexing="ij"))


def read_window(meshes: list[Mesh], shape: tuple[int, int], margin: tuple[int, int]) -> Window | None:
    """Pixels of a source of a shape that lie around the positions of meshes; None if there are none."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for mesh in meshes:
        touched = np.zeros(mesh.nodes.shape[:2], bool)
        for i, j in np.ndindex(2, 2):
            touched[i : i + mesh.cells.shape[0], j : j + mesh.cells.shape[1]] |= mesh.cells
        found = mesh.nodes[touched & np.isfinite(mesh.nodes).all(axis=-1)]
        if found.size:
            low, high = np.minimum(low, found.min(axis=0)), np.maximum(high, found.max(axis=0))
    low = np.clip(low, -margin[0] - 1.0, max(shape) + max(margin) + 1.0)
    high = np.clip(high, -max(margin) - 1.0, max(shape) + max(margin) + 1.0)
    y0, x0 = (math.floor(v) - m for v, m in zip(low, margin, strict=True))
    y1, x1 = (math.ceil(v) + m + 1 for v, m in zip(high, margin, strict=True))
    return Window(0, 0, *shape).shared(Window(y0, x0, y1 - y0, x1 - x0))


def _near_enough(half: np.ndarray) -> np.ndarray:
    """Cells between every second node in which the nodes between are nearly bilinear, or all have no place."""
    nodes = half[::2, ::2]
    with np.errstate(invalid="ignore"):
        rows = 0.5 * (nodes[:-1] + nodes[1:])
        cols = 0.5 * (nodes[:, :-1] + nodes[:, 1:])
        on_rows = np.abs(half[1::2, ::2] - rows).max(axis=-1)
        on_cols = np.abs(half[::2, 1::2] - cols).max(axis=-1)
        middle = np.abs(half[1::2, 1::2] - 0.5 * (rows[:, :-1] + rows[:, 1:])).max(axis=-1)
        worst = np.max([middle, on_rows[:, :-1], on_rows[:, 1:], on_cols[:-1], on_cols[1:]], axis=0)
    nowhere = ~np.isfinite(half).all(axis=-1)
    none = np.ones(worst.shape, bool)
    for i, j in np.ndindex(3, 3):
        none &= nowhere[i : i + 2 * none.shape[0] : 2, j : j + 2 * none.shape[1] : 2][: none.shape[0], : none.shape[1]]
    near: np.ndarray = (worst <= 0.5 * MAX_ERROR) | none
    return near
