"""Profiles of a radar image over mountains in closed form."""

import math

import numpy as np

from insarflow.kernels.profiles import Profiles, ground_of

ALTITUDE, ACROSS = 693_000.0, 560_000.0
"""Of the track, and of cell (0, 0) from below it, m: seen at 38.9 degrees."""

LINE, SAMPLE, SPACING = 13.9, 2.329562, 15.0


def profiles(heading=-0.21, *, low=0.0, high=600.0, reach=2000.0):
    """Line 0 and sample 0 see cell (0, 0) at height 0."""
    sine, cosine = math.sin(heading), math.cos(heading)
    return Profiles(
        altitude=ALTITUDE,
        first_range=math.hypot(ALTITUDE, ACROSS),
        sample_spacing=SAMPLE,
        row=-ACROSS * sine / SPACING,
        row_per_line=-LINE * cosine / SPACING,
        row_per_metre=sine / SPACING,
        col=-ACROSS * cosine / SPACING,
        col_per_line=LINE * sine / SPACING,
        col_per_metre=cosine / SPACING,
        step=7.5,
        reach=reach,
        low=low,
        high=high,
    )


def places(p, window):
    """Along-track distance and ground distance from cell (0, 0), m, of all cells of a window."""
    row, col = np.mgrid[window.y0 : window.y1, window.x0 : window.x1].astype(float)
    det = p.row_per_line * p.col_per_metre - p.row_per_metre * p.col_per_line
    row, col = row - p.row, col - p.col
    along = (row * p.col_per_metre - col * p.row_per_metre) / det * LINE
    return along, (col * p.row_per_line - row * p.col_per_line) / det - ACROSS


def mountains(along, across):
    """Two ridges across the view, steeper than any line of sight, and gentle ground between."""
    ridges = sum(430.0 * np.exp(-(((across - c - 0.2 * along) / w) ** 2)) for c, w in ((700.0, 260.0), (1500.0, 210.0)))
    return ridges + 40.0 * np.sin(along / 190.0) * np.cos(across / 230.0) + 50.0


def scene(radar, p, relief):
    ground = ground_of(radar, p)
    height = relief(*places(p, ground)).astype(np.float32)
    return height, ground
