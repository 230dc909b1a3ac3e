"""Lines and samples of the radar images that see a simulated region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from insarflow.kernels.crossings import crossings, folded
from insarflow.kernels.profiles import Profiles, ground_of
from insarflow.simulate.viewing import Viewing
from insarflow.types import Window

LINE_SPACING: Final = 13.9
"""Of Sentinel-1's interferometric wide swath on the ground, along the track, m."""

SAMPLE_SPACING: Final = 2.329562
"""Of Sentinel-1's interferometric wide swath in slant range, m: half the speed of light over 64.345 MHz."""

MARGIN: Final = 3000.0
"""Ground around the region that has lines and samples, too, m."""

SHADOW_REACH: Final = 2000.0
"""How far nearer ground throws shadow, m."""


@dataclass(frozen=True)
class RadarGrid:
    """Lines along the flight direction and samples in slant range, numbered from 0 before and nearer than the region.

    Whole numbers are centres of lines and samples. Places on the ground are rows and columns as of `Viewing`.

    Attributes
    ----------
    viewing
        Satellite and region.
    low, high
        Bounds that the heights of the scene never leave, m; where lines and samples lie depends on them.

    Raises
    ------
    ValueError
        If the bounds are in the wrong order or not below the satellite, or the region reaches below the track.
    """

    viewing: Viewing
    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.high < self.viewing.altitude:
            raise ValueError(
                f"low and high must be heights, m, in this order and below the satellite, instead got low={self.low}, "
                f"high={self.high}"
            )
        near, far = self._bounds[2:]
        # Nearer to nadir ground a little higher would lie before ground far away.
        if near < 0.1 * self.viewing.altitude:
            raise ValueError(
                f"shape must leave the region beside the track, instead got shape={self.viewing.shape}, which reaches "
                f"from {near:.0f} to {far:.0f} m of it: choose a smaller region or a larger incidence"
            )

    @cached_property
    def _bounds(self) -> tuple[float, float, float, float]:
        """First and last `along`, first and last `across`, of the region and its margin, m."""
        height, width = self.viewing.shape
        rows, cols = np.array([-0.5, height - 0.5])[:, None], np.array([-0.5, width - 0.5])[None, :]
        along, across = self.viewing.track(rows, cols)
        return (
            float(along.min()) - MARGIN,
            float(along.max()) + MARGIN,
            float(across.min()) - MARGIN,
            float(across.max()) + MARGIN,
        )

    @cached_property
    def first_along(self) -> float:
        """Of line 0, m."""
        return self._bounds[0]

    @cached_property
    def first_range(self) -> float:
        """Slant range of sample 0, m."""
        return float(self.viewing.slant_range(self._bounds[2], self.high))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Lines and samples that see the region and its margin."""
        farthest = float(self.viewing.slant_range(self._bounds[3], self.low))
        lines = math.ceil((self._bounds[1] - self.first_along) / LINE_SPACING)
        return lines + 1, math.ceil((farthest - self.first_range) / SAMPLE_SPACING) + 1

    @cached_property
    def profiles(self) -> Profiles:
        """The same for `insarflow.kernels.crossings`; nodes are half a ground cell apart."""
        first_row, first_col = self.viewing.cell(self.first_along, 0.0)
        sine, cosine = math.sin(self.viewing.heading), math.cos(self.viewing.heading)
        spacing = self.viewing.spacing
        return Profiles(
            altitude=float(self.viewing.altitude),
            first_range=self.first_range,
            sample_spacing=SAMPLE_SPACING,
            row=float(first_row),
            row_per_line=-LINE_SPACING * cosine / spacing,
            row_per_metre=sine / spacing,
            col=float(first_col),
            col_per_line=LINE_SPACING * sine / spacing,
            col_per_metre=cosine / spacing,
            step=0.5 * spacing,
            reach=SHADOW_REACH,
            low=float(self.low),
            high=float(self.high),
        )

    def position(
        self, row: np.ndarray | float, col: np.ndarray | float, height: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Line and sample that see places on the ground, float64."""
        along, across = self.viewing.track(row, col)
        sample = (self.viewing.slant_range(across, height) - self.first_range) / SAMPLE_SPACING
        return (along - self.first_along) / LINE_SPACING, sample

    def ground(
        self, line: np.ndarray | float, sample: np.ndarray | float, height: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the ground at a height that lines and samples see, float64; the inverse of `position`."""
        along = self.first_along + np.asarray(line, np.float64) * LINE_SPACING
        distance = self.first_range + np.asarray(sample, np.float64) * SAMPLE_SPACING
        return self.viewing.cell(along, self.viewing.ground_distance(distance, height))

    def window_of(
        self,
        cells: Window,
        height: np.ndarray | None = None,
        *,
        lines: int = 0,
        samples: int = 0,
        bounds: tuple[float, float] | None = None,
    ) -> Window:
        """Radar window that sees ground cells.

        Parameters
        ----------
        cells
            Ground cells.
        height
            Their heights, m, shape ``cells.shape``; by default whatever lies within bounds.
        lines, samples
            Margins on each side.
        bounds
            Lowest and highest height of the cells, m; by default those of the scene.

        Raises
        ------
        ValueError
            If `height` has another shape than `cells`, or is not finite.
        """
        row, col = cells.y0 + np.arange(cells.height)[:, None], cells.x0 + np.arange(cells.width)[None, :]
        if height is None:
            heights = np.array(bounds or (self.low, self.high))[:, None, None]
            row, col = row[[0, -1]], col[:, [0, -1]]
        elif height.shape == cells.shape and np.isfinite(height).all():
            heights = height
        else:
            raise ValueError(f"height must be finite numbers of shape {cells.shape}, instead got shape={height.shape}")
        line, sample = self.position(row, col, heights)
        y0, x0 = math.floor(line.min()) - lines, math.floor(sample.min()) - samples
        return Window(y0, x0, math.ceil(line.max()) + 1 + lines - y0, math.ceil(sample.max()) + 1 + samples - x0)

    def ground_window(self, radar: Window) -> Window:
        """Ground cells that a radar window may see, whatever the heights within bounds.

        Those that throw shadow on it and two cells around are among them.

        Raises
        ------
        ValueError
            If the window reaches below the track.
        """
        return ground_of(radar, self.profiles)

    def crossings(self, radar: Window, height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, column and weight of the places that each radar sample sees, see `insarflow.kernels.crossings`.

        Parameters
        ----------
        radar
            Lines and samples wanted.
        height
            m, float32, over ``ground_window(radar)``; rows and columns of the result are indices into it.

        Raises
        ------
        ValueError
            If `height` has another shape, leaves its bounds or is NaN.
        """
        return crossings(height, ground=self.ground_window(radar), radar=radar, profiles=self.profiles)

    def near(self, cells: Window) -> Window:
        """Ground cells between which the lines that see `cells` take their heights."""
        n = 2 + math.ceil(0.5 * LINE_SPACING / self.viewing.spacing)
        return Window(cells.y0 - n, cells.x0 - n, cells.height + 2 * n, cells.width + 2 * n)

    def around(self, cells: Window, bounds: tuple[float, float] | None = None) -> Window:
        """Ground cells that decide about layover and shadow of `cells`.

        Parameters
        ----------
        bounds
            Lowest and highest height over ``near(cells)``, m; by default those of the scene.
        """
        return self.ground_window(self.window_of(cells, lines=1, samples=1, bounds=bounds))

    def folded(
        self, cells: Window, height: np.ndarray, bounds: tuple[float, float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Layover and shadow of ground cells, bool, shape ``cells.shape``; the same bits whatever the bounds.

        Parameters
        ----------
        cells
            Ground cells wanted.
        height
            m, float32, over ``around(cells, bounds)``.
        bounds
            As of `around`.

        Raises
        ------
        ValueError
            If `height` has another shape, leaves its bounds or is NaN.
        """
        radar = self.window_of(cells, lines=1, samples=1, bounds=bounds)
        ground = self.ground_window(radar)
        return folded(height, ground=ground, radar=radar, cells=cells, profiles=self.profiles)
