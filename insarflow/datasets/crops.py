"""Crops about everything that moves in a zone: one place for all dates and delays, so that places are time series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum_filter

from insarflow.errors import SelectionError
from insarflow.ops.checks import check_whole
from insarflow.types import Grid, Pair, Window

SIDE: Final = 100
"""Side of a crop, pixels."""

SPACING: Final = 10
"""Least distance of two middles along either axis, pixels."""


@dataclass(frozen=True)
class Place:
    """Where a crop lies, the same at all dates.

    Attributes
    ----------
    move
        Id of what moves there.
    k
        Number of the place in its zone, from 0.
    window
        Its pixels.
    """

    move: int
    k: int
    window: Window


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop of one interferogram.

    Attributes
    ----------
    zone
        Name of the part of the region that it is of.
    pair
        The interferogram.
    move, k
        As of `Place`.
    phase
        float32, ``(y, x)``, wrapped, rad; NaN where missing.
    coherence
        float32, ``(y, x)``, 0..1; NaN where missing.
    mask
        bool, ``(y, x)``: moves in this interferogram. All False is a crop of a place at rest.
    grid
        Of its pixels, if they have a place.
    """

    zone: str
    pair: Pair
    move: int
    k: int
    phase: np.ndarray
    coherence: np.ndarray
    mask: np.ndarray
    grid: Grid | None = None


def crop_places(
    ids: np.ndarray,
    *,
    side: int = SIDE,
    spacing: int = SPACING,
    inside: tuple[int, int] | None = None,
    corner: tuple[int, int] = (0, 0),
) -> list[Place]:
    """Where crops about all that ever moves in a zone lie.

    Parameters
    ----------
    ids
        Whole numbers, ``(y, x)``: id of what moves there in some interferogram, 0 where nothing ever does; of several
        the highest.
    side
        Of a crop, pixels.
    spacing
        Least distance of two middles along either axis, pixels.
    inside
        ``(y, x)`` size of the image that crops must lie in, by default that of `ids`.
    corner
        Row and column of the image where `ids` begins.

    Returns
    -------
    list of Place
        The farthest from still ground first, of those equally far the first row and then column. Pixel ``(side // 2,
        side // 2)`` of a window is the middle, but where the image ends: there the window is shifted inwards.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the image is smaller than a crop.
    SelectionError
        If nothing moves, or nothing stands still.

    Notes
    -----
    Middles are pixels that are as far from still ground (Euclidean distance) as any within `spacing` rows and columns;
    of those less than `spacing` apart along both axes the first is taken. So a large move has several crops, which
    overlap. ISSLIDE's own extraction approximates the distance by a mask of 5 x 5 pixels and leaves out middles within
    `spacing` of the image's border, which are kept here.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299, section III-C.

    Examples
    --------
    >>> ids = np.zeros((200, 300), np.uint16)
    >>> ids[20:31, 50:61] = 7
    >>> crop_places(ids)
    [Place(move=7, k=0, window=Window(y0=0, x0=5, height=100, width=100))]
    """
    ids = _checked(ids, side, spacing)
    shape = ids.shape if inside is None else inside
    if side > min(shape):
        raise ValueError(f"side must fit into the image of {shape[0]} by {shape[1]} pixels, instead got side={side}")
    places = []
    for k, (y, x) in enumerate(middles(ids > 0, spacing)):
        near = ids[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        y0, x0 = (
            min(max(at + first - side // 2, 0), size - side)
            for at, first, size in zip((y, x), corner, shape, strict=True)
        )
        places.append(Place(int(near.max()), k, Window(y0, x0, side, side)))
    return places


def middles(moving: np.ndarray, spacing: int = SPACING) -> list[tuple[int, int]]:
    """Rows and columns of the middles of what moves (bool), as told in `crop_places`.

    Raises
    ------
    SelectionError
        If nothing moves, or nothing stands still.
    """
    if not moving.any() or moving.all():
        told = "nothing moves" if not moving.any() else "all pixels move"
        raise SelectionError(f"crops need what moves and still ground about it, instead {told}: look at the polygons")
    distance = distance_transform_edt(moving)
    highest = moving & (distance == maximum_filter(distance, size=2 * spacing + 1, mode="nearest"))
    candidates = np.argwhere(highest)
    order = np.argsort(-distance[highest], kind="stable")
    taken = np.zeros(moving.shape, bool)
    found = []
    for y, x in candidates[order].tolist():
        if not taken[max(y - spacing + 1, 0) : y + spacing, max(x - spacing + 1, 0) : x + spacing].any():
            taken[y, x] = True
            found.append((y, x))
    return found


def _checked(ids: np.ndarray, side: int, spacing: int) -> np.ndarray:
    check_whole("side", side, low=2)
    check_whole("spacing", spacing, low=1)
    array = np.asarray(ids)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise TypeError(f"ids must be whole numbers on (y, x), instead got {array.dtype} of shape {array.shape}")
    if array.size and array.min() < 0:
        raise ValueError(f"ids must be 0 or more, instead got {array.min()}")
    return array
