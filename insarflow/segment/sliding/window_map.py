"""From windows to pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np

from insarflow.ops.checks import check_choice, check_kind, check_whole
from insarflow.segment.sliding.window_axis import Border, Rule, WindowAxis
from insarflow.types import Tile, Window


def windows_to_pixels(
    values: np.ndarray,
    shape: tuple[int, int],
    *,
    window: int = 25,
    step: int = 2,
    border: Border = "flush",
    rule: Rule = "centre",
) -> np.ndarray:
    """Make a map of the windows of `insarflow.segment.sliding_window`.

    Parameters
    ----------
    values
        Floating point, shape ``(..., windows along y, windows along x)``. NaN is missing.
    shape
        ``(y, x)`` of the image.
    window, step, border
        As the windows were made.
    rule
        ``"centre"``: a pixel takes the window whose centre is nearest, so that each window stands for the ``step`` by
        ``step`` pixels around its centre, and at the region's borders for what is left. ``"mean"``: the mean of the
        complete windows that cover the pixel. ``"max"``: the highest of them; above a threshold, this is the union of
        the windows above it.

    Returns
    -------
    ndarray
        float32, shape ``(..., y, x)``. NaN where no window covers the pixel, or none that counts is complete.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed, or `values` are not those of such windows.

    Notes
    -----
    Nava et al. (2021) draw a point at the centre of each window of the class Landslide: ``"centre"`` says the same for
    every pixel. The mean of ``(values > 0.5)`` is a vote of the windows.

    Examples
    --------
    >>> windows_to_pixels(np.array([[0.0, 1.0]]), (3, 5), window=3, step=2)[1]
    array([0., 0., 0., 1., 1.], dtype=float32)
    """
    check_kind("values", values, np.ndarray, "a numpy.ndarray")
    check_choice("rule", rule, get_args(Rule))
    check_choice("border", border, get_args(Border))
    for name, value in (("window", window), ("step", step)):
        check_whole(name, value, low=1)
    if len(shape) != 2:
        raise ValueError(f"shape must be (y, x), instead got shape={shape!r}")
    lowest = window + (border == "published")
    y, x = (WindowAxis(check_whole("shape", n, low=lowest), window, step, border) for n in shape)
    expected = len(y.starts), len(x.starts)
    if values.dtype.kind != "f" or values.shape[-2:] != expected:
        raise ValueError(
            f"values must be floating point of shape (..., {expected[0]}, {expected[1]}), one number per window of an "
            f"image of {y.length} x {x.length} pixels, instead got {values.dtype} of shape={values.shape}"
        )
    tile = Tile(Window(0, 0, *expected), Window(0, 0, y.length, x.length), expected)
    return pixel_block(values, tile=tile, y=y, x=x, rule=rule)


def pixel_block(values: np.ndarray, *, tile: Tile, y: WindowAxis, x: WindowAxis, rule: Rule) -> np.ndarray:
    """Make one block of the map, ``tile.core``, of the windows ``tile.read``."""
    core, read = tile.core, tile.read
    rows, cols = np.arange(core.y0, core.y1), np.arange(core.x0, core.x1)
    (top, bottom), (left, right) = y.covering(rows), x.covering(cols)
    covered = (top <= bottom)[:, None] & (left <= right)
    if rule == "centre":
        near = [
            (axis.nearest(pixels) - start).clip(0, n - 1)
            for axis, pixels, start, n in ((y, rows, read.y0, read.height), (x, cols, read.x0, read.width))
        ]
        out = values[..., near[0][:, None], near[1]]
    else:
        spans = (-2, top - read.y0, bottom - read.y0), (-1, left - read.x0, right - read.x0)
        out = _highest(values, spans) if rule == "max" else _mean(values, spans)
    return np.where(covered, out, np.nan).astype(np.float32)


Spans = tuple[tuple[int, np.ndarray, np.ndarray], ...]
"""For an axis, first and last of the windows that cover each pixel."""


def _highest(values: np.ndarray, spans: Spans) -> np.ndarray:
    for axis, first, last in spans:
        values = _gather(values, first, last, axis, np.nan, np.fmax)
    return values


def _mean(values: np.ndarray, spans: Spans) -> np.ndarray:
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).astype(np.float64), known.astype(np.float64)
    for axis, first, last in spans:
        total, count = (_gather(a, first, last, axis, 0.0, np.add) for a in (total, count))
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _gather(
    values: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    axis: int,
    nothing: float,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Combine ``first`` to ``last`` along an axis, in this order wherever the block begins."""
    shape = (-1, 1) if axis == -2 else (-1,)
    size = list(values.shape)
    size[axis] = len(first)
    out = np.full(size, nothing, values.dtype)
    for k in range(int((last - first).max(initial=-1)) + 1):
        use = (first + k <= last).reshape(shape)
        at = np.minimum(first + k, values.shape[axis] - 1).clip(0)
        out = combine(out, np.where(use, np.take(values, at, axis), nothing))
    return out
