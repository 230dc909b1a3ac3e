"""Outlined movers as pixels of a window, whatever the window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from insarflow.learn.labels import STEP, Labels
from insarflow.ops.checks import check_choice, check_fraction, check_whole
from insarflow.simulate.truth import ABSENT, MOVING, OPEN
from insarflow.stack.aoi import ONE_RASTERISES
from insarflow.types import Pair, Window

_CODES: Final = {"moving": MOVING, "open": OPEN, "absent": ABSENT}
_SQUARE: Final = 256


@dataclass(frozen=True)
class Drawing:
    """How polygons become pixels.

    Attributes
    ----------
    all_touched
        Whether a polygon holds every pixel it touches, or those whose centre it holds.
    border
        Pixels on either side of a mover's outline that are left open, as nobody draws to the pixel; what is narrower
        than twice this is open as a whole.
    least_confidence
        Movers below it are left open.
    enough
        Number of times from which on a mover counts as seen often enough (``repetition`` of the labels): the weight of
        one seen less often is its confidence times the share of this number. By default once is enough.
    elsewhen
        What is said of a mover's place in pairs that its polygon is not valid for: ``"open"`` (nobody looked), or
        ``"absent"`` (someone looked at each pair, and drew it where it shows).
    """

    all_touched: bool = False
    border: int = 0
    least_confidence: float = 0.0
    enough: int = 1
    elsewhen: Literal["open", "absent"] = "open"

    def __post_init__(self) -> None:
        check_whole("border", self.border, low=0)
        check_fraction("least_confidence", self.least_confidence)
        check_whole("enough", self.enough, low=1)
        check_choice("elsewhen", self.elsewhen, ("open", "absent"))

    def states(self, labels: Labels, polygons: np.ndarray, pair: Pair | None) -> np.ndarray:
        """State of the pixels of polygons, by their numbers, in a pair or whenever they are valid: uint8."""
        states = np.array([_CODES[state] for state in labels.columns["state"][polygons]], np.uint8)
        moving = states == MOVING
        states[moving & (labels.columns["confidence"][polygons] < np.float32(self.least_confidence))] = OPEN
        if pair is not None and labels.timed:
            states[moving & ~labels.of_pair(pair, polygons)] = _CODES[self.elsewhen]
        return states


def rasterise(
    labels: Labels, window: Window | None = None, *, pair: Pair | None = None, drawing: Drawing | None = None
) -> np.ndarray:
    """The states of a window's pixels.

    Parameters
    ----------
    window
        Of the labels' grid, by default all of it; it may stick out.
    pair
        By default every polygon counts, whenever it is valid.
    drawing
        By default `Drawing()`.

    Returns
    -------
    ndarray
        uint8, the window's shape, see `insarflow.simulate.truth`. `MOVING` in movers; `OPEN` along their border and
        where polygons say so, unless a mover is there, too; `ABSENT` elsewhere. Any window has the bits of the whole.

    Notes
    -----
    Only polygons near the window are looked at.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from insarflow.learn.labels import read_labels
    >>> from insarflow.types import Grid
    >>> grid = Grid((0.0, 20.0, 0.0, 80.0, 0.0, -20.0), (4, 5), "EPSG:32632")
    >>> outlines = gpd.GeoDataFrame(geometry=[shapely.box(20, 20, 60, 60)], crs="EPSG:32632")
    >>> rasterise(read_labels(outlines, grid), Window(0, 1, 3, 3)).tolist()
    [[0, 0, 0], [1, 1, 0], [1, 1, 0]]
    """
    window = Window(0, 0, *labels.grid.shape) if window is None else window
    drawing = drawing or Drawing()
    out = np.zeros(window.shape, np.uint8)
    near = labels.near(window, drawing.border + 1)
    if not len(near):
        return out
    states = drawing.states(labels, near, pair)
    shapes = labels.shapes[near]
    for state in (OPEN, MOVING):
        out[burnt(shapes[states == state], window, all_touched=drawing.all_touched) > 0] = state
    if drawing.border:
        bands = shapely.buffer(shapely.boundary(shapes[states == MOVING]), drawing.border)
        out[burnt(_stepped(bands), window) > 0] = OPEN
    return out


def confidence(
    labels: Labels, window: Window, *, pair: Pair | None = None, drawing: Drawing | None = None
) -> np.ndarray:
    """How sure one is of a window's pixels: float32 0..1, of movers the highest that holds the pixel, 1 elsewhere.

    Of each mover it is the labels' confidence, times ``repetition / drawing.enough`` if it was seen less often.
    """
    drawing = drawing or Drawing()
    near = labels.near(window, 1)
    seen = np.minimum(labels.columns["repetition"][near] / np.float32(drawing.enough), np.float32(1))
    sure = labels.columns["confidence"][near] * seen
    moving = drawing.states(labels, near, pair) == MOVING
    order = np.flatnonzero(moving)[np.argsort(sure[moving], kind="stable")]
    ranks = burnt(labels.shapes[near][order], window, all_touched=drawing.all_touched)
    values: np.ndarray = np.concatenate([np.ones(1, np.float32), sure[order]])[ranks]
    return values


def burnt(shapes: np.ndarray, window: Window, *, all_touched: bool = False) -> np.ndarray:
    """Which polygon holds each pixel of a window: int32, the number from 1 of the last, 0 for none.

    Notes
    -----
    Pixels are whole steps from corners of few bits, so a polygon meets the same centres however the grid is cut. Which
    pixels GDAL takes as touched depends on where it cuts an edge; so those are always burnt on the same squares.
    """
    out = np.zeros(window.shape, np.int32)
    if not len(shapes):
        return out
    if not all_touched:
        return _burn(shapes, window, all_touched=False)
    rows, columns = (range(a // _SQUARE, -(-b // _SQUARE)) for a, b in ((window.y0, window.y1), (window.x0, window.x1)))
    for i, j in product(rows, columns):
        square = Window(i * _SQUARE, j * _SQUARE, _SQUARE, _SQUARE)
        part = square.shared(window)
        if part is not None:
            out[part.within(window)] = _burn(shapes, square, all_touched=True)[part.within(square)]
    return out


def _burn(shapes: np.ndarray, window: Window, *, all_touched: bool) -> np.ndarray:
    numbered = list(zip(shapes, range(1, len(shapes) + 1), strict=True))
    place = Affine.translation(window.x0, window.y0)
    with ONE_RASTERISES:
        out: np.ndarray = rasterize(
            numbered, out_shape=window.shape, transform=place, dtype=np.int32, all_touched=all_touched
        )
    return out


def _stepped(shapes: np.ndarray) -> np.ndarray:
    return np.asarray(shapely.transform(shapes, lambda corners: np.rint(corners * STEP) / STEP))
