"""Windows in another size, by one matrix along each axis."""

from __future__ import annotations

from typing import Literal

import numpy as np

Resampling = Literal["bilinear", "nearest", "area"]


def resize_matrix(window: int, size: int, method: Resampling) -> np.ndarray:
    """Weights of the pixels of a window in each pixel of its resized form.

    Parameters
    ----------
    window, size
        Pixels before and after, along one axis.
    method
        ``"bilinear"``: between the two nearest centres, no smoothing where `size` is smaller. ``"nearest"``: the pixel
        that holds the new one's centre. ``"area"``: the mean over what the new pixel covers. Both ends of the window
        are both ends of the result, and beyond the outermost centres the outermost pixels go on.

    Returns
    -------
    ndarray
        float32, shape ``(size, window)``, rows add up to 1.

    Notes
    -----
    An image is resized by ``matrix @ image @ matrix.T``: each of the methods works along one axis after the other.

    Examples
    --------
    >>> resize_matrix(2, 4, "bilinear")
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]], dtype=float32)
    """
    scale = window / size
    edges = np.arange(size + 1) * scale
    pixels = np.arange(window)
    if method == "area":
        low, high = edges[:-1, None], edges[1:, None]
        weights = (np.minimum(high, pixels + 1) - np.maximum(low, pixels)).clip(0.0) / scale
    elif method == "nearest":
        middle = (2 * np.arange(size) + 1) * window // (2 * size)
        weights = (middle[:, None] == pixels).astype(np.float64)
    else:
        at = ((np.arange(size) + 0.5) * scale - 0.5).clip(0.0, window - 1.0)
        weights = (1.0 - abs(at[:, None] - pixels)).clip(0.0)
    matrix: np.ndarray = weights.astype(np.float32)
    return matrix
