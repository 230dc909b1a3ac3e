"""Grids for the terrain's tests: nodes of a grid that is the same everywhere, places of its pixels, and looks at it."""

import math

import numpy as np

SIZE = 12.5, 8.0
"""Pixels along y and x, m; rows run to the south."""


def flat(size=SIZE, turn=0.0):
    """Nodes of a grid that is the same everywhere; `turn`: of its north, clockwise from true north."""
    y, x = size
    c, s = np.cos(turn), np.sin(turn)
    return np.broadcast_to([-s / y, c / x, -c / y, -s / x], (2, 2, 4)).copy(), (40.0, 50.0)


def places(shape, size=SIZE):
    """East and north of pixels, m, from the middle."""
    rows, cols = (np.arange(n) - n // 2 for n in shape)
    return cols[None] * size[1] + 0.0 * rows[:, None], -rows[:, None] * size[0] + 0.0 * cols[None]


def looking(shape, incidence, azimuth):
    """Line of sight to a satellite in a direction, rad clockwise from north."""
    sine = math.sin(incidence)
    vector = sine * math.sin(azimuth), sine * math.cos(azimuth), math.cos(incidence)
    return tuple(np.full(shape, v, np.float32) for v in vector)


def rugged(rng, shape, relief):
    """Rough terrain with cliffs."""
    z = np.cumsum(np.cumsum(rng.normal(size=shape), axis=0), axis=1)
    z = z / np.abs(z).max() * relief + rng.normal(0, 4, shape)
    z[rng.uniform(size=shape) < 0.02] += relief
    return z.astype(np.float32)
