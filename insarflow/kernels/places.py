"""Places on the ground that radar samples see: what part of it they lie in, and how bright it is there."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit


def extent(row: np.ndarray, col: np.ndarray, weight: np.ndarray) -> tuple[int, int, int, int]:
    """Smallest part of a ground raster between whose cells all places lie.

    Parameters
    ----------
    row, col, weight
        float32, of one shape, as `insarflow.kernels.crossings.crossings` gives them.

    Returns
    -------
    tuple of int
        First row and column, and those after the last. At least two by two cells; the first four where nothing is seen.
    """
    first_row, first_col, last_row, last_col = _extent(row.ravel(), col.ravel(), weight.ravel())
    return first_row, first_col, last_row + 2, last_col + 2


def move_and_brighten(
    row: np.ndarray, col: np.ndarray, weight: np.ndarray, *, origin: tuple[int, int], backscatter: np.ndarray
) -> None:
    """Count places from another cell, and multiply weights with the amplitude of the nearest cell, in place.

    Parameters
    ----------
    row, col, weight
        float32, of one shape, C order; where `weight` is 0 nothing changes.
    origin
        Row and column of the cell that is the first of `backscatter`.
    backscatter
        float32, ``(y, x)``, that holds all places of `extent`.
    """
    y0, x0 = (np.float32(v) for v in origin)
    _move_and_brighten(row.ravel(), col.ravel(), weight.ravel(), y0, x0, backscatter)


@jit
def _extent(row, col, weight):  # type: ignore[no-untyped-def]
    top, bottom, left, right = np.inf, 0.0, np.inf, 0.0
    for k in range(weight.size):
        if weight[k] > 0:
            top, bottom = min(top, row[k]), max(bottom, row[k])
            left, right = min(left, col[k]), max(right, col[k])
    if top == np.inf:
        return 0, 0, 0, 0
    return int(top), int(left), int(bottom), int(right)


@jit
def _move_and_brighten(row, col, weight, y0, x0, backscatter):  # type: ignore[no-untyped-def]
    half = np.float32(0.5)
    for k in range(weight.size):
        if weight[k] > 0:
            row[k] -= y0
            col[k] -= x0
            weight[k] *= backscatter[int(row[k] + half), int(col[k] + half)]
