"""The ground of a DEM that is given, of which any window can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from insarflow.errors import InsarError
from insarflow.simulate.fields import Field, unit_field
from insarflow.simulate.relief import Relief, check_positive
from insarflow.types import Window

_DETAIL = -4.0
"""Exponent of the spectrum of detail."""

_DETAIL_LIMIT = 4.0
"""Standard deviations beyond which detail is cut off, so that heights have bounds."""


@dataclass(frozen=True, eq=False)
class DemRelief(Relief):
    """A DEM, smoothly between its pixels, mirrored beyond its edges.

    Attributes
    ----------
    load
        Gives heights, m, of a window inside the DEM.
    shape
        ``(y, x)`` pixels of the DEM; row 0 is the northernmost.
    factor
        Ground cells per pixel of the DEM.
    detail
        Of what the DEM is too coarse for; None for nothing.
    rough
        Standard deviation of the detail, m.
    """

    spacing: float
    low: float
    high: float
    load: Callable[[Window], np.ndarray]
    shape: tuple[int, int]
    factor: int
    detail: Field | None
    rough: float

    @classmethod
    def of(
        cls,
        dem: np.ndarray | Callable[[Window], np.ndarray],
        *,
        spacing: float,
        factor: int,
        shape: tuple[int, int] | None = None,
        bounds: tuple[float, float] | None = None,
        detail: float = 0.0,
        seed: int = 0,
    ) -> Self:
        """Relief of a DEM on a map grid in metres.

        Parameters
        ----------
        dem
            Heights, m, ``(y, x)``, north up, none missing; or a function that gives those of a window inside.
        spacing
            Of the DEM, m; that of the ground grid is ``spacing / factor``.
        factor
            Ground cells per pixel of the DEM, at least 1.
        shape, bounds
            Of a function: its ``(y, x)`` pixels, and the lowest and highest height.
        detail
            Standard deviation, m, of random relief with wavelengths below two pixels of the DEM.
        seed
            Of the detail.

        Raises
        ------
        TypeError, ValueError
            If the arguments do not fit each other.
        InsarError
            If heights are missing.

        Notes
        -----
        Heights are a cubic B-spline with the DEM's values as coefficients: curvature is continuous and no height
        leaves the DEM's range; shapes of less than three pixels are somewhat smoothed.
        """
        check_positive("spacing", spacing)
        if not isinstance(factor, int) or factor < 1:
            raise ValueError(f"factor must be a whole number of at least 1, instead got factor={factor!r}")
        if detail < 0:
            raise ValueError(f"detail must be at least 0, instead got detail={detail}")
        if callable(dem):
            if shape is None or bounds is None:
                raise TypeError("a dem that is a function needs shape and bounds: (y, x) pixels and (lowest, highest)")
            load = dem
        else:
            heights = _checked(np.asarray(dem))
            shape, bounds = (heights.shape[0], heights.shape[1]), (float(heights.min()), float(heights.max()))
            load = _Part(heights)
        fine = spacing / factor
        drawn = None
        if detail > 0 and factor > 1:
            drawn = unit_field(seed, "relief of dem", spacing=fine, exponent=_DETAIL, longest=2 * spacing)
        extra = _DETAIL_LIMIT * detail if drawn else 0.0
        return cls(fine, bounds[0] - extra, bounds[1] + extra, load, shape, factor, drawn, detail)

    def height(self, window: Window) -> np.ndarray:
        """Height at cell centres, m.

        Raises
        ------
        InsarError
            If the DEM misses heights there.
        """
        rows, down = _taps(window.y0, window.height, self.factor)
        cols, across = _taps(window.x0, window.width, self.factor)
        pixels = self._pixels(Window(rows[0], cols[0], rows[-1] + 4 - rows[0], cols[-1] + 4 - cols[0]))
        rows, cols = rows - rows[0], cols - cols[0]
        lines = np.asarray(sum(pixels[rows + k] * down[k][:, None] for k in range(4)))
        height = np.asarray(sum(lines[:, cols + k] * across[k] for k in range(4)), np.float32)
        if self.detail is not None:
            limit = np.float32(_DETAIL_LIMIT * self.rough)
            height += np.clip(np.float32(self.rough) * self.detail.at(window), -limit, limit)
        clipped: np.ndarray = np.clip(height, np.float32(self.low), np.float32(self.high))
        return clipped

    def _pixels(self, window: Window) -> np.ndarray:
        """The DEM in a window that may reach beyond its edges."""
        rows = _mirrored(window.y0, window.height, self.shape[0])
        cols = _mirrored(window.x0, window.width, self.shape[1])
        top, left = int(rows.min()), int(cols.min())
        inner = Window(top, left, int(rows.max()) + 1 - top, int(cols.max()) + 1 - left)
        pixels = np.asarray(self.load(inner))
        if pixels.shape != inner.shape:
            raise InsarError(f"dem must give {inner.shape} heights of {inner}, instead got shape {pixels.shape}")
        return np.asarray(_checked(pixels)[np.ix_(rows - top, cols - left)])


@dataclass(frozen=True, eq=False)
class _Part:
    """Windows of an array; a function that can be sent to other processes."""

    heights: np.ndarray

    def __call__(self, window: Window) -> np.ndarray:
        rows, cols = window.within(Window(0, 0, self.heights.shape[0], self.heights.shape[1]))
        return np.asarray(self.heights[rows, cols])


def _checked(heights: np.ndarray) -> np.ndarray:
    if heights.ndim != 2 or not heights.size or heights.dtype.kind not in "fiu":
        raise TypeError(f"dem must be numbers (y, x), instead got {heights.dtype} of shape {heights.shape}")
    missing = np.count_nonzero(~np.isfinite(heights))
    if missing:
        raise InsarError(f"dem must have no missing heights, instead got {missing} of {heights.size}; fill them first")
    checked: np.ndarray = heights.astype(np.float32)
    return checked


def _mirrored(start: int, count: int, size: int) -> np.ndarray:
    """Indices into `size` pixels, mirrored at the outer edges of the first and the last."""
    turn = np.arange(start, start + count) % (2 * size)
    return np.where(turn < size, turn, 2 * size - 1 - turn)


def _taps(start: int, count: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """First of the four pixels around each cell, and their weights ``(4, count)``, float32."""
    # In whole numbers, so that a cell's weights do not depend on the window: 2 factor steps a pixel.
    steps = 2 * np.arange(start, start + count) + 1 - factor
    first = steps // (2 * factor)
    t = (steps - 2 * factor * first) / (2.0 * factor)
    u = 1.0 - t
    weights = np.stack((u**3, 4 - 6 * t * t + 3 * t**3, 4 - 6 * u * u + 3 * u**3, t**3)) / 6
    return first - 1, weights.astype(np.float32)
