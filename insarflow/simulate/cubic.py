"""Values between cells by cubic convolution."""

from __future__ import annotations

import numpy as np

MARGIN = 1
"""Cells around those that linear interpolation reads."""


def convolved(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values at places between cells, from 4 x 4 of them.

    Parameters
    ----------
    values
        float32 or complex64, two-dimensional.
    y, x
        Places, whole numbers at cells' centres, at least a cell from the outermost cells.

    Returns
    -------
    ndarray
        The dtype of `values`, shape ``y.shape``; the same bits wherever `values` were cut out.

    Notes
    -----
    The convolution with a = -0.5 of Keys (1981), doi:10.1109/TASSP.1981.1163711.
    """
    if np.iscomplexobj(values):
        # Each alone: NumPy fuses complex products in some lanes and not in others.
        out = np.empty(y.shape, np.complex64)
        out.real, out.imag = convolved(values.real, y, x), convolved(values.imag, y, x)
        return out
    i, j = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    down, right = (y - i).astype(np.float32), (x - j).astype(np.float32)
    columns = [(j + k, _weight(right - k)) for k in range(-1, 3)]
    total = np.zeros(y.shape, np.float32)
    for k in range(-1, 3):
        row = np.zeros(y.shape, np.float32)
        for column, weight in columns:
            row += values[i + k, column] * weight
        total += row * _weight(down - k)
    return total


def _weight(distance: np.ndarray) -> np.ndarray:
    """Of a cell at a distance of at most two, float32."""
    part = np.float32
    d = np.abs(distance)
    near = (part(1.5) * d - part(2.5)) * d * d + part(1.0)
    far = ((part(2.5) - part(0.5) * d) * d - part(4.0)) * d + part(2.0)
    return np.asarray(np.where(d < 1, near, far))
