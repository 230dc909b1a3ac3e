"""Outlines of moving bodies as polygons: where they are, or as a hand would have drawn them."""

from __future__ import annotations

import numpy as np

from insarflow.simulate.bodies import Mover
from insarflow.simulate.fields import stream_of

_WAVES = 4


def outline(mover: Mover, *, vertices: int = 96, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Polygon of a mover's rim.

    Parameters
    ----------
    vertices
        At least 16. With 64 or more the polygon's area is right within a percent.
    jitter
        Root mean square of how far the outline is off, outward or inward, m: 0 for the truth; one to two radar cells,
        28 to 60 m, for what annotators draw. It varies smoothly around the body and takes at most half of a radius.
    seed
        Of the jitter; another for each hand.

    Returns
    -------
    ndarray
        float64, ``(vertices, 2)``: metres east and south of the region's north-west corner; over the spacing, columns
        and rows of the ground grid, counted from its outer corner. Not closed: the last vertex is not the first. It
        never crosses itself.

    Raises
    ------
    ValueError
        If there are too few vertices, or the jitter is negative.
    """
    if vertices < 16:
        raise ValueError(f"vertices must be at least 16, instead got vertices={vertices}")
    if jitter < 0.0:
        raise ValueError(f"jitter must be at least 0 m, instead got jitter={jitter}")
    turn = 2 * np.pi * np.arange(vertices) / vertices
    waves = np.arange(1, len(mover.rim[0]) + 1)[:, None]
    radius = 1.0 + mover.rim[0] @ np.cos(waves * turn) + mover.rim[1] @ np.sin(waves * turn)
    down = mover.half_length * radius * np.cos(turn)
    across = mover.half_width * radius * np.sin(turn)
    if jitter:
        # Along the line from the middle: whatever is drawn, the polygon is seen whole from there.
        away = np.hypot(down, across)
        change = np.maximum(1.0 + _wander(mover, turn, seed) * jitter / away, 0.5)
        down, across = down * change, across * change
    sine, cosine = np.sin(mover.azimuth), np.cos(mover.azimuth)
    east = mover.east + down * sine + across * cosine
    north = down * cosine - across * sine
    return np.stack([east, mover.south - north], axis=1)


def _wander(mover: Mover, turn: np.ndarray, seed: int) -> np.ndarray:
    """Smooth Gaussian function around a body, of unit variance over many hands."""
    rng = np.random.default_rng((seed, stream_of("outline"), mover.id))
    # Slow waves are larger: a hand is off by a shift and a size more than by wiggles.
    sizes = 1.0 / np.arange(1, _WAVES + 2)
    numbers = rng.standard_normal((2, _WAVES + 1)) * sizes / np.sqrt((sizes**2).sum())
    waves = np.arange(_WAVES + 1)[:, None] * turn
    wander: np.ndarray = numbers[0] @ np.cos(waves) + numbers[1] @ np.sin(waves)
    return wander
