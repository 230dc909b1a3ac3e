"""Polygons in pixels of an image as a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rasterio.features import rasterize


def polygon_mask(polygons: Sequence[np.ndarray], values: Sequence[int], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres lie in polygons.

    Parameters
    ----------
    polygons
        Each float64 ``(vertex, 2)``, x and y in pixels from the image's upper left corner; they may reach beyond it.
    values
        What the pixels of each become, 1 to 255; of two that overlap the later one counts.
    shape
        ``(y, x)`` of the mask.

    Returns
    -------
    ndarray
        uint8, 0 outside. Where a polygon crosses itself, inside is what an odd number of its lines is passed to reach.

    Examples
    --------
    >>> polygon_mask([np.array([(0, 0), (2, 0), (2, 1), (0, 1)])], [3], (2, 3))
    array([[3, 3, 0],
           [0, 0, 0]], dtype=uint8)
    """
    if not polygons:
        return np.zeros(shape, np.uint8)
    shapes = [
        ({"type": "Polygon", "coordinates": [[*map(tuple, ring.tolist()), tuple(ring[0].tolist())]]}, value)
        for ring, value in zip(polygons, values, strict=True)
    ]
    drawn: np.ndarray = rasterize(shapes, out_shape=shape, fill=0, dtype="uint8")
    return drawn
