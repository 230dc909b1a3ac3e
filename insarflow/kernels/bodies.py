"""Moving bodies on the ground: an uneven rim, a fast core and a slow margin."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.types import Window


def add_body(
    window: Window, spacing: float, shape: np.ndarray, rim: np.ndarray, number: int,
    label: np.ndarray, profile: np.ndarray, part: Window | None = None,
) -> None:  # fmt: skip
    """Draw a body over arrays that cover a window, in place; what lies outside of the body stays.

    Parameters
    ----------
    window
        Ground cells that `label` and `profile` cover; the middle of cell (i, j) lies ``(i + 0.5, j + 0.5) * spacing``
        from the origin.
    spacing
        m.
    shape
        float64, ``(10,)``: south and east of the middle, m; cosine and sine of the azimuth of sliding; half width and
        half length, m; width of the margin, in radii; depth and number of lobes; reach, in half widths.
    rim
        float64, ``(2, n)``: cosine and sine part of wave k + 1 of the rim around the body, in radii.
    number
        Label of the body.
    label
        int32.
    profile
        float32, 0..1: speed over that of the core.
    part
        Cells of the window that the body may touch; by default all.

    Notes
    -----
    With u, v the distances from the middle along and across, in half lengths and half widths, and t their direction,
    the radius is ``hypot(u, v) / (1 + sum(a cos(k t) + b sin(k t)))``: 1 on the rim. The profile is 1 where the radius
    is less than 1 - margin, and falls to 0 as ``t^2 (3 - 2 t)``. No number depends on the window.
    """
    rows, cols = (slice(0, n) for n in window.shape) if part is None else part.within(window)
    # The whole arrays, since the loop would be compiled again for a part of them.
    bounds = rows.start, rows.stop, cols.start, cols.stop
    _add(window.y0, window.x0, bounds, spacing, shape, rim, number, label, profile)


def trace_body(window: Window, spacing: float, shape: np.ndarray, rim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius and profile of a body, as `add_body` draws it.

    Returns
    -------
    radius, profile
        float32, ``window.shape``: distance from the middle, 1 on the rim and infinite beyond the reach; and speed over
        that of the core, 0 outside.
    """
    radius, profile = np.empty(window.shape, np.float32), np.empty(window.shape, np.float32)
    _trace(window.y0, window.x0, spacing, shape, rim, radius, profile)
    return radius, profile


@part
def _radius(south, east, shape, rim):  # type: ignore[no-untyped-def]
    """Radius of a place, infinite beyond the reach, and its distance down the slope in half lengths."""
    down = (east * shape[3] - south * shape[2]) / shape[5]
    across = (east * shape[2] + south * shape[3]) / shape[4]
    length = np.sqrt(down * down + across * across)
    radius = np.inf
    if length == 0.0:
        radius = 0.0
    elif length <= shape[9]:
        cosine, sine = down / length, across / length
        re, im, edge = 1.0, 0.0, 1.0
        for k in range(rim.shape[1]):
            re, im = re * cosine - im * sine, re * sine + im * cosine
            edge += rim[0, k] * re + rim[1, k] * im
        radius = length / edge
    return radius, down


@part
def _speed(radius, down, shape):  # type: ignore[no-untyped-def]
    rise = min((1.0 - radius) / shape[6], 1.0)
    turn = down * shape[8]
    turn -= np.floor(turn)
    dip = 4.0 * turn * (1.0 - turn)
    return rise * rise * (3.0 - 2.0 * rise) * (1.0 - shape[7] * dip * dip)


@jit
def _add(y0, x0, bounds, spacing, shape, rim, number, label, profile):  # type: ignore[no-untyped-def]
    for r in range(bounds[0], bounds[1]):
        south = (y0 + r + 0.5) * spacing - shape[0]
        for c in range(bounds[2], bounds[3]):
            east = (x0 + c + 0.5) * spacing - shape[1]
            radius, down = _radius(south, east, shape, rim)
            if radius < 1.0:
                label[r, c] = number
                profile[r, c] = _speed(radius, down, shape)


@jit
def _trace(y0, x0, spacing, shape, rim, radii, profile):  # type: ignore[no-untyped-def]
    for r in range(radii.shape[0]):
        south = (y0 + r + 0.5) * spacing - shape[0]
        for c in range(radii.shape[1]):
            east = (x0 + c + 0.5) * spacing - shape[1]
            radius, down = _radius(south, east, shape, rim)
            radii[r, c] = radius
            profile[r, c] = _speed(radius, down, shape) if radius < 1.0 else 0.0
