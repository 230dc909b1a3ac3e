"""The network of a stack: dates are its nodes, interferograms its edges."""

from __future__ import annotations

import numpy as np


def components(pairs: np.ndarray, dates: int) -> np.ndarray:
    """Connected components of a network.

    Parameters
    ----------
    pairs
        int, shape ``(pair, 2)``: positions of the earlier and the later date.
    dates
        Number of dates.

    Returns
    -------
    ndarray
        int64, shape ``(dates,)``: number of each date's component, from 0, in the order of their first dates.
    """
    root = np.arange(dates)
    for a, b in pairs:
        low, high = sorted((root[a], root[b]))
        root[root == high] = low
    labels: np.ndarray = np.unique(root, return_inverse=True)[1]
    return labels.astype(np.int64)


def incidence(pairs: np.ndarray, dates: int) -> np.ndarray:
    """Incidence (design) matrix: float64 ``(pair, date)``, -1 at the earlier and 1 at the later date of each pair."""
    matrix = np.zeros((len(pairs), dates))
    rows = np.arange(len(pairs))
    matrix[rows, pairs[:, 0]] = -1.0
    matrix[rows, pairs[:, 1]] = 1.0
    return matrix


def triplets(pairs: np.ndarray) -> np.ndarray:
    """All closed triplets of a network.

    Parameters
    ----------
    pairs
        int, shape ``(pair, 2)``, no pair twice.

    Returns
    -------
    ndarray
        int64, shape ``(triplet, 3)``: positions of the pairs (first, second), (second, third) and (first, third) date.
    """
    place = {(int(a), int(b)): k for k, (a, b) in enumerate(pairs)}
    later: dict[int, list[int]] = {}
    for a, b in place:
        later.setdefault(a, []).append(b)
    found = [
        (k, place[b, c], place[a, c])
        for (a, b), k in place.items()
        for c in sorted(later.get(b, ()))
        if (a, c) in place
    ]
    return np.array(found, np.int64).reshape(-1, 3)


def date_values(pairs: np.ndarray, values: np.ndarray, dates: int) -> np.ndarray:
    """Values of dates from their differences, such as baselines, by least squares.

    Parameters
    ----------
    pairs
        int, shape ``(pair, 2)``.
    values
        Later minus earlier, shape ``(pair,)``.
    dates
        Number of dates.

    Returns
    -------
    ndarray
        float64, shape ``(dates,)``; 0 at the first date of each component.
    """
    labels = components(pairs, dates)
    free = np.ones(dates, bool)
    free[np.unique(labels, return_index=True)[1]] = False
    matrix = incidence(pairs, dates)[:, free]
    found = np.zeros(dates)
    if free.any():
        found[free] = np.linalg.solve(matrix.T @ matrix, matrix.T @ np.asarray(values, np.float64))
    return found


def envelope(pairs: np.ndarray, dates: int) -> np.ndarray:
    """For each row of the normal matrix, its first column that may differ from 0; int64."""
    first = np.arange(dates)
    np.minimum.at(first, pairs[:, 1], pairs[:, 0])
    return first
