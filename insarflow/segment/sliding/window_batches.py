"""All windows of an image through a classifier, resampled on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
"""float32 ``(batch, channel, size, size)`` -> float32 ``(batch, classes)``."""

PIECE: Final = 256
"""Columns resampled at once: for larger products OpenBLAS wakes threads, which cost more than they save."""

Rows = list[tuple[int, np.ndarray]]
"""Rows of windows, and which windows of each."""


def predict_windows(
    image: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    predict: Predict,
    *,
    matrix: np.ndarray,
    step: int,
    batch: int,
    classes: int,
) -> np.ndarray:
    """Classify the windows that begin in rows `y` and columns `x`.

    Parameters
    ----------
    image
        float32, shape ``(channel, y, x)``. NaN and infinite are missing.
    y, x
        First row and column of the windows.
    predict
        Gives the probabilities of a batch.
    matrix
        float32, shape ``(size, window)``: see `insarflow.learn.resize.resize_matrix`.
    step
        Windows of a row this far apart are cut at once.
    batch
        Windows that `predict` gets at once, at most.
    classes
        Probabilities of a window.

    Returns
    -------
    ndarray
        float32, shape ``(len(y), len(x), classes)``; NaN where a window lacks a pixel in any channel.

    Notes
    -----
    The rows of a line of windows are resampled once for all of them; then every window along the columns. A network's
    convolutions cannot be shared in this way: each window is resampled on its own grid and ends in its own zeros.
    """
    size, window = matrix.shape
    present = np.isfinite(image).all(axis=0)
    complete = _complete(~present, y, x, window)
    filled = np.where(present, image, np.float32(0.0))
    out = np.full((*complete.shape, classes), np.nan, np.float32)
    patches = np.empty((min(batch, complete.size), len(image), size, size), np.float32)

    @lru_cache(maxsize=1)
    def line(row: int) -> np.ndarray:
        strip = _resized_rows(matrix, filled[:, y[row] : y[row] + window]).reshape(-1, filled.shape[-1])
        return np.lib.stride_tricks.sliding_window_view(strip, window, axis=-1).transpose(1, 0, 2)

    for rows in _batches(complete, batch):
        flat, at = patches.reshape(len(patches), -1, size), 0
        for row, columns in rows:
            for run in _runs(x[columns], step):
                np.matmul(line(row)[run], matrix.T, out=flat[at : at + len(range(*run.indices(run.stop)))])
                at += len(range(*run.indices(run.stop)))
        found, at = predict(patches[:at]), 0
        for row, columns in rows:
            out[row, columns] = found[at : at + len(columns)]
            at += len(columns)
    return out


def _resized_rows(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows of each channel resampled; ``(channel, window, x)`` to ``(channel, size, x)``."""
    out = np.empty((len(rows), len(matrix), rows.shape[-1]), np.float32)
    for start in range(0, rows.shape[-1], PIECE):
        piece = np.s_[..., start : start + PIECE]
        np.matmul(matrix, rows[piece], out=out[piece])
    return out


def _complete(missing: np.ndarray, y: np.ndarray, x: np.ndarray, window: int) -> np.ndarray:
    """Whether no pixel of a window is missing, shape ``(len(y), len(x))``."""
    above = np.cumsum(np.pad(missing, ((1, 0), (0, 0))), axis=0, dtype=np.int32)
    left = np.cumsum(np.pad(above[y + window] > above[y], ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    complete: np.ndarray = left[:, x + window] == left[:, x]
    return complete


def _batches(complete: np.ndarray, batch: int) -> Iterator[Rows]:
    """The complete windows, row by row, `batch` at a time."""
    rows: Rows = []
    free = batch
    for row in range(len(complete)):
        columns = np.flatnonzero(complete[row])
        while len(columns):
            rows.append((row, columns[:free]))
            free, columns = free - len(columns[:free]), columns[free:]
            if not free:
                yield rows
                rows, free = [], batch
    if rows:
        yield rows


def _runs(starts: np.ndarray, step: int) -> Iterator[slice]:
    """Ascending starts as slices, each of windows `step` apart."""
    for run in np.split(starts, np.flatnonzero(np.diff(starts) != step) + 1):
        yield slice(int(run[0]), int(run[-1]) + 1, step)
