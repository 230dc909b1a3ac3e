"""Values between the pixels of an image: nearest, bilinear and cubic, with missing pixels left out.

Where an output pixel lies is told by a mesh of nodes, between which positions are bilinear. A position is a row and a
column of the whole source image, in pixels; whole numbers are centres of pixels.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from insarflow.kernels._jit import jit

METHODS: Final = ("nearest", "bilinear", "cubic")
"""How values between pixels are found."""

SUPPORT: Final = {"nearest": 0.5, "bilinear": 1.0, "cubic": 2.0}
"""Distance up to which a source pixel counts, pixels, where nothing is averaged."""

COARSE: Final = 1.25
"""Size of an output pixel, in source pixels, up to which nothing is averaged: as good as none is passed over."""

LEAST: Final = 0.5
"""Least part of the weight that valid pixels must have."""

_SAME = 1e-6
"""Positions this near to a pixel's centre, or to the middle between two, are taken to be there: rounding, pixels."""

_UNIT = 1e-3
"""Largest distance from 1 of the squared magnitude of a number that is phase only."""


def resample(
    image: np.ndarray,
    nodes: np.ndarray,
    out: np.ndarray,
    *,
    step: int,
    offset: tuple[int, int] = (0, 0),
    origin: tuple[int, int] = (0, 0),
    cells: np.ndarray | None = None,
    method: str = "bilinear",
    stretch: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Interpolate an image at the positions of output pixels.

    Parameters
    ----------
    image
        complex64 or float32 (any dtype for ``nearest``), shape ``(y, x)``; NaN is missing. A window of the source
        image that holds all pixels of it which the output needs.
    nodes
        Positions in the whole source image, float64, shape ``(m + 1, n + 1, 2)``: row and column of every `step`-th
        output pixel. Not finite where there is none.
    out
        Written to, dtype of `image`, shape ``(h, w)``.
    step
        Output pixels between nodes.
    offset
        Output pixels from the first node to the first pixel of `out`, along y and x. Pixels that lie before the first
        node or after the last stay as they are.
    origin
        Row and column of the source image of the window's first pixel.
    cells
        Which cells between nodes to write, bool, shape ``(m, n)``; other pixels of `out` stay as they are.
    method
        ``nearest``, ``bilinear``, or ``cubic`` (Keys 1981 with a = -0.5).
    stretch
        Size of an output pixel in source pixels along y and x. Above 1.25 the result is a mean over the output pixel,
        see Notes, so that nothing aliases. Not used by ``nearest``.

    Returns
    -------
    ndarray
        `out`. NaN (False for bool, 0 for integers) where missing or outside the source.

    Notes
    -----
    A stretched result is the mean of the interpolated image over ``stretch - 1`` source pixels around the position:
    with the source pixel that interpolation itself blurs, over the output pixel. So a linear function stays exact.

    The result is ``sum(w z) / sum(w)`` over pixels that are valid, with weights ``w`` of a separable kernel; missing
    where these have less than half of the whole weight. Complex numbers are averaged as such, in double precision:
    the mean of phases of -3 and 3 rad is near pi. Where all complex pixels that count have magnitude 1 (phase only),
    the result is brought to magnitude 1, too.

    At the very centre of a pixel its value is taken as it is, unless it is stretched.

    A result depends on its position and on the pixels around, not on the window or the cut of `out`.

    References
    ----------
    .. [1] R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. Acoust. 29 (1981),
       doi:10.1109/TASSP.1981.1163711.

    Examples
    --------
    >>> image = np.array([[0.0, 1.0, 2.0]], np.float32)
    >>> nodes = np.array([[[0.0, 0.5], [0.0, 1.5]], [[1.0, 0.5], [1.0, 1.5]]])
    >>> resample(image, nodes, np.empty((1, 1), np.float32), step=1)
    array([[0.5]], dtype=float32)
    """
    mask = np.ones((nodes.shape[0] - 1, nodes.shape[1] - 1), bool) if cells is None else cells
    place = (nodes, step, *offset, *origin, mask)
    source = np.ascontiguousarray(image)
    if method == "nearest":
        _nearest(source, *place, _missing(image.dtype), out)
        return out
    # Complex numbers as pairs: one loop for both kinds.
    components = source.view(np.float32).reshape(*image.shape, -1)
    target = out.view(np.float32).reshape(*out.shape, -1)
    boxes = _box(stretch[0]), _box(stretch[1])
    if method == "bilinear" and boxes == (0.0, 0.0):
        _bilinear(components, *place, target)
    else:
        _weighted(components, *place, method == "cubic", *boxes, target)
    return out


def reach(method: str, stretch: float) -> int:
    """Source pixels beyond a position, along an axis, that a result there may depend on."""
    return math.ceil(SUPPORT[method] + (0.0 if method == "nearest" else 0.5 * _box(stretch))) + 1


def _box(stretch: float) -> float:
    """Source pixels over which the interpolated image is averaged."""
    return float(stretch) - 1.0 if stretch > COARSE else 0.0


def _missing(dtype: np.dtype) -> np.generic:
    """What "missing" is: NaN, or False or 0 where there is no NaN."""
    value = complex(np.nan, np.nan) if dtype.kind == "c" else np.nan if dtype.kind == "f" else 0
    missing: np.generic = np.array([value]).astype(dtype)[0]
    return missing


@jit
def _position(nodes, i, j, v, u):  # type: ignore[no-untyped-def]
    """Row and column between four nodes, at a centre where they are as good as there."""
    a, b, c, d = (1.0 - v) * (1.0 - u), (1.0 - v) * u, v * (1.0 - u), v * u
    row = a * nodes[i, j, 0] + b * nodes[i, j + 1, 0] + c * nodes[i + 1, j, 0] + d * nodes[i + 1, j + 1, 0]
    col = a * nodes[i, j, 1] + b * nodes[i, j + 1, 1] + c * nodes[i + 1, j, 1] + d * nodes[i + 1, j + 1, 1]
    near = np.rint(row)
    row = near if abs(row - near) < _SAME else row
    near = np.rint(col)
    col = near if abs(col - near) < _SAME else col
    return row, col


@jit
def _inside(row, col, height, width, oy, ox):  # type: ignore[no-untyped-def]
    """Whether a position is finite and within a pixel of the window: others have no neighbour in it."""
    return oy - 1.0 <= row <= oy + height and ox - 1.0 <= col <= ox + width


@jit
def _nearest(image, nodes, step, y0, x0, oy, ox, cells, missing, out):  # type: ignore[no-untyped-def]
    height, width = image.shape
    for r in range(max(0, -y0), min(out.shape[0], cells.shape[0] * step - y0)):
        i, v = (r + y0) // step, ((r + y0) % step) / step
        for j in range(cells.shape[1]):
            for c in range(max(0, j * step - x0), min(out.shape[1], (j + 1) * step - x0) if cells[i, j] else 0):
                u = (c + x0 - j * step) / step
                row, col = _position(nodes, i, j, v, u)
                out[r, c] = missing
                if _inside(row, col, height, width, oy, ox):
                    # A tie goes to the same side everywhere.
                    y, x = int(np.floor(row + 0.5 + _SAME)) - oy, int(np.floor(col + 0.5 + _SAME)) - ox
                    if 0 <= y < height and 0 <= x < width:
                        out[r, c] = image[y, x]


@jit
def _bilinear(image, nodes, step, y0, x0, oy, ox, cells, out):  # type: ignore[no-untyped-def]
    height, width, parts = image.shape
    for r in range(max(0, -y0), min(out.shape[0], cells.shape[0] * step - y0)):
        i, v = (r + y0) // step, ((r + y0) % step) / step
        for j in range(cells.shape[1]):
            for c in range(max(0, j * step - x0), min(out.shape[1], (j + 1) * step - x0) if cells[i, j] else 0):
                u = (c + x0 - j * step) / step
                row, col = _position(nodes, i, j, v, u)
                out[r, c, :] = np.nan
                if not _inside(row, col, height, width, oy, ox):
                    continue
                top, left = int(np.floor(row)), int(np.floor(col))
                b, d = row - top, col - left
                y, x = top - oy, left - ox
                if b == 0.0 and d == 0.0:
                    if 0 <= y < height and 0 <= x < width:
                        _copy(image, y, x, out, r, c)
                    continue
                # The common case, without a branch per neighbour: all four are there.
                four = b > 0.0 and d > 0.0 and 0 <= y < height - 1 and 0 <= x < width - 1
                if four and _four(image, y, x, b, d, out, r, c):
                    continue
                re, im, have, phase_only = 0.0, 0.0, 0.0, parts == 2
                for k in range(4):
                    w = (b if k > 1 else 1.0 - b) * (d if k % 2 else 1.0 - d)
                    yy, xx = y + k // 2, x + k % 2
                    if w != 0.0 and 0 <= yy < height and 0 <= xx < width:
                        real, imag = image[yy, xx, 0], image[yy, xx, parts - 1]
                        if real == real and imag == imag:
                            have += w
                            re += w * real
                            im += w * imag
                            phase_only = phase_only and abs(real * real + imag * imag - 1.0) < _UNIT
                if have >= LEAST - _SAME:
                    _put(out, r, c, re, im, have, phase_only)


@jit
def _four(image, y, x, b, d, out, r, c):  # type: ignore[no-untyped-def]
    """Interpolate between four pixels; False, and nothing done, if one is missing."""
    last = image.shape[2] - 1
    r00, r01, r10, r11 = image[y, x, 0], image[y, x + 1, 0], image[y + 1, x, 0], image[y + 1, x + 1, 0]
    i00, i01, i10, i11 = image[y, x, last], image[y, x + 1, last], image[y + 1, x, last], image[y + 1, x + 1, last]
    w00, w01, w10, w11 = (1.0 - b) * (1.0 - d), (1.0 - b) * d, b * (1.0 - d), b * d
    re = w00 * r00 + w01 * r01 + w10 * r10 + w11 * r11
    im = w00 * i00 + w01 * i01 + w10 * i10 + w11 * i11
    if not (re == re and im == im):
        return False
    p00, p01 = abs(r00 * r00 + i00 * i00 - 1.0), abs(r01 * r01 + i01 * i01 - 1.0)
    p10, p11 = abs(r10 * r10 + i10 * i10 - 1.0), abs(r11 * r11 + i11 * i11 - 1.0)
    _put(out, r, c, re, im, w00 + w01 + w10 + w11, last == 1 and max(max(p00, p01), max(p10, p11)) < _UNIT)
    return True


@jit
def _weighted(image, nodes, step, y0, x0, oy, ox, cells, cubic, by, bx, out):  # type: ignore[no-untyped-def]
    height, width, parts = image.shape
    support = 2.0 if cubic else 1.0
    high, wide = support + 0.5 * by, support + 0.5 * bx
    wx = np.empty(int(2.0 * wide) + 3)
    for r in range(max(0, -y0), min(out.shape[0], cells.shape[0] * step - y0)):
        i, v = (r + y0) // step, ((r + y0) % step) / step
        for j in range(cells.shape[1]):
            for c in range(max(0, j * step - x0), min(out.shape[1], (j + 1) * step - x0) if cells[i, j] else 0):
                u = (c + x0 - j * step) / step
                row, col = _position(nodes, i, j, v, u)
                out[r, c, :] = np.nan
                if not _inside(row, col, height, width, oy, ox):
                    continue
                if by == 0.0 and bx == 0.0 and row == np.floor(row) and col == np.floor(col):
                    y, x = int(row) - oy, int(col) - ox
                    if 0 <= y < height and 0 <= x < width:
                        _copy(image, y, x, out, r, c)
                    continue
                top, bottom = int(np.ceil(row - high)), int(np.floor(row + high))
                left, right = int(np.ceil(col - wide)), int(np.floor(col + wide))
                for x in range(left, right + 1):
                    wx[x - left] = _weight(x - col, cubic, bx)
                re, im, have, phase_only = 0.0, 0.0, 0.0, parts == 2
                for y in range(max(top, oy), min(bottom + 1, oy + height)):
                    wy = _weight(y - row, cubic, by)
                    for x in range(max(left, ox), min(right + 1, ox + width)):
                        w = wy * wx[x - left]
                        real, imag = image[y - oy, x - ox, 0], image[y - oy, x - ox, parts - 1]
                        if w != 0.0 and real == real and imag == imag:
                            have += w
                            re += w * real
                            im += w * imag
                            phase_only = phase_only and abs(real * real + imag * imag - 1.0) < _UNIT
                if have >= LEAST - _SAME:  # of 1, the sum of all weights
                    _put(out, r, c, re, im, have, phase_only)


@jit
def _weight(distance, cubic, box):  # type: ignore[no-untyped-def]
    """Weight of a pixel at a distance: of the kernel, or of its mean over a box."""
    if box > 0.0:
        return (_integral(distance + 0.5 * box, cubic) - _integral(distance - 0.5 * box, cubic)) / box
    t = abs(distance)
    if not cubic:
        return max(0.0, 1.0 - t)
    if t < 1.0:
        return (1.5 * t - 2.5) * t * t + 1.0
    return ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0 if t < 2.0 else 0.0


@jit
def _integral(end, cubic):  # type: ignore[no-untyped-def]
    """Integral of the kernel from 0."""
    t = abs(end)
    if not cubic:
        area = t - 0.5 * t * t if t < 1.0 else 0.5
    elif t < 1.0:
        area = ((0.375 * t - 2.5 / 3.0) * t * t + 1.0) * t
    else:
        area = (((-0.125 * t + 2.5 / 3.0) * t - 2.0) * t + 2.0) * t - 1.0 / 6.0 if t < 2.0 else 0.5
    return area if end > 0.0 else -area


@jit
def _copy(image, y, x, out, r, c):  # type: ignore[no-untyped-def]
    """Take a pixel as it is; it is missing if any part of it is."""
    last = image.shape[2] - 1
    if image[y, x, 0] == image[y, x, 0] and image[y, x, last] == image[y, x, last]:
        out[r, c, 0], out[r, c, last] = image[y, x, 0], image[y, x, last]


@jit
def _put(out, r, c, re, im, have, phase_only):  # type: ignore[no-untyped-def]
    """Store the mean; of numbers of magnitude 1, with magnitude 1."""
    norm = np.sqrt(re * re + im * im) if phase_only else have
    if norm > 0.0:
        out[r, c, 0] = re / norm
        if out.shape[2] == 2:
            out[r, c, 1] = im / norm
