"""The pixels of a slope: its inside in steps from the outline to the core, the stable ring around it, the band at it.

What belongs to a slope depends on its outline and those of its neighbours alone, never on how images are chunked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage

from insarflow.errors import SchemaError
from insarflow.ops.ground import ground_of
from insarflow.stack.aoi import ONE_RASTERISES
from insarflow.types import Grid, Window

GAP: Final = 40.0
"""Nearest that stable ground is looked for, m from the outline (2 pixels at least): outlines are a little off."""

WIDTH: Final = 160.0
"""How wide the ring of stable ground is, m (4 pixels at least): wider, more air lies between it and the slope."""

BAND: Final = 2
"""Pixels around the outline that must be known if a slope is not to be cut by the edge of the data."""

MOST_STEPS: Final = 16
"""Most steps from the outline to the innermost pixel."""

CORE: Final = 0.5
"""The core lies farther from the outline than this part of the way to the innermost pixel: slow rims stay outside."""


@dataclass(frozen=True)
class Zone:
    """The pixels of one slope, as flat indices in its window, ascending.

    Attributes
    ----------
    window
        Part of the grid.
    inside
        Pixels of the slope, int64.
    step
        Of each of them its step from the outline, from 0, int64.
    steps
        How many there are; the core is `core` and those that follow.
    core
        First step of the core.
    ring
        Pixels of stable ground around it, int64.
    band
        Pixels next to its outline, int64.
    cut
        Whether the grid ends in the band.
    """

    window: Window
    inside: np.ndarray
    step: np.ndarray
    steps: int
    core: int
    ring: np.ndarray
    band: np.ndarray
    cut: bool


@dataclass(frozen=True)
class Place:
    """Where a slope lies on a grid: what its zone follows from.

    Attributes
    ----------
    outline
        In columns and rows of the grid.
    others
        Outlines that reach into its window.
    window
        Part of the grid that holds the slope and its ring.
    shape
        Of the grid.
    pixel_size
        m along y and x.
    """

    outline: shapely.Geometry
    others: tuple[shapely.Geometry, ...]
    window: Window
    shape: tuple[int, int]
    pixel_size: tuple[float, float]

    def zone(self) -> Zone:
        """The pixels."""
        inside = _drawn([self.outline], self.window, touched=False)
        if not inside.any():  # narrower than a pixel
            inside = _drawn([self.outline], self.window, touched=True)
        depth, away = (_distance(mask, self.pixel_size) for mask in (inside, ~inside))
        pixels = np.flatnonzero(inside)
        deepest = float(depth.ravel()[pixels].max(initial=0.0))
        steps = int(np.clip(deepest / max(self.pixel_size), 1, MOST_STEPS))
        step = np.minimum((depth.ravel()[pixels] * (steps / max(deepest, 1.0))).astype(np.int64), steps - 1)
        near, far = _reach(self.pixel_size)
        ring = ~_drawn(self.others, self.window, touched=True) & (away > near) & (away <= far)
        band = ~inside & ndimage.binary_dilation(inside, np.ones((3, 3)), BAND)
        grown = shapely.bounds(self.outline) + np.array([-BAND, -BAND, BAND, BAND])
        cut = bool((grown[:2] < 0).any() or (grown[2:] > self.shape[::-1]).any())
        core = min(math.ceil(CORE * steps), steps - 1)
        return Zone(self.window, pixels, step, steps, core, np.flatnonzero(ring), np.flatnonzero(band), cut)


def places(frame: gpd.GeoDataFrame, grid: Grid) -> list[Place | None]:
    """Where each slope of a table lies; None for one outside the grid.

    Raises
    ------
    SchemaError
        If the table has no CRS.
    """
    outlines = in_pixels(frame, grid)
    pixel_size = ground_of(grid).pixel_size
    margin_y, margin_x = (math.ceil(_reach(pixel_size)[1] / size) + 1 for size in pixel_size)
    tree = shapely.STRtree(outlines)
    found: list[Place | None] = []
    for number, outline in enumerate(outlines):
        bounds = shapely.bounds(outline)
        if not np.isfinite(bounds).all():
            found.append(None)
            continue
        (x0, y0), (x1, y1) = np.floor(bounds[:2]).astype(int).tolist(), np.ceil(bounds[2:]).astype(int).tolist()
        wanted = Window(y0 - margin_y, x0 - margin_x, y1 - y0 + 2 * margin_y, x1 - x0 + 2 * margin_x)
        window = wanted.shared(Window(0, 0, *grid.shape))
        if window is None:
            found.append(None)
            continue
        near = np.sort(tree.query(shapely.box(window.x0, window.y0, window.x1, window.y1), predicate="intersects"))
        others = tuple(outlines[k] for k in near.tolist() if k != number)
        found.append(Place(outline, others, window, grid.shape, pixel_size))
    return found


def in_pixels(frame: gpd.GeoDataFrame, grid: Grid) -> np.ndarray:
    """The outlines of a table in columns and rows of a grid.

    Raises
    ------
    SchemaError
        If the table has no CRS.
    """
    if frame.crs is None:
        raise SchemaError("the inventory must have a CRS, instead got none: name it with frame.set_crs(...)")
    x, dx, _, y, _, dy = grid.transform
    on_grid = np.asarray(frame.geometry.to_crs(grid.crs))
    return np.asarray(shapely.transform(on_grid, lambda xy: (xy - (x, y)) / (dx, dy)))


def _reach(pixel_size: tuple[float, float]) -> tuple[float, float]:
    """How far from the outline the ring begins and ends, m."""
    gap = max(GAP, 2 * max(pixel_size))
    return gap, gap + max(WIDTH, 4 * max(pixel_size))


def _drawn(outlines: Sequence[shapely.Geometry], window: Window, *, touched: bool) -> np.ndarray:
    """Pixels of a window whose middle is in one of the outlines, or that one touches."""
    outlines = [outline for outline in outlines if not outline.is_empty]
    if not outlines:
        return np.zeros(window.shape, bool)
    with ONE_RASTERISES:
        drawn = rasterize(
            outlines, window.shape, transform=Affine.translation(window.x0, window.y0), all_touched=touched,
            default_value=1, dtype="uint8",
        )  # fmt: skip
    return np.asarray(drawn, bool)


def _distance(mask: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
    """Distance of each pixel of a mask to the nearest one outside it, m; 0 if there is none."""
    if mask.all():  # a slope that fills the grid has no way in
        return np.zeros(mask.shape)
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=pixel_size))
