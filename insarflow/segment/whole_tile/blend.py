"""Overlapping windows whose results are blended: mode "blend", for networks that only work on windows of one size.

Windows are laid on the whole region, never on a block of it, and each pixel adds its windows in the same order, so
every cut of the region gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

import numpy as np

from insarflow.ops.overlap import Reads
from insarflow.segment.windows import round_up
from insarflow.types import Window

LOWEST_WEIGHT: Final = 1e-3
"""No pixel of a window weighs less; the middle of a window weighs 1."""

Predict = Callable[[Sequence[Window]], Iterable[np.ndarray]]
"""Windows -> the probabilities of each, in the same order; computed in batches, or one by one."""


@dataclass(frozen=True)
class BlendLayout:
    """Where windows lie in a region.

    Attributes
    ----------
    shape
        ``(y, x)`` size of the region.
    size
        ``(y, x)`` size of every window.
    rows, columns
        First row (column) of the windows, ascending. There is a window at each pair of them.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]


def blend_layout(shape: tuple[int, int], *, window: int, stride: int) -> BlendLayout:
    """Lay overlapping windows over a region.

    Parameters
    ----------
    shape
        ``(y, x)`` size of the region, pixels.
    window
        Side of the windows, pixels: what the network was trained on. A multiple of `stride`, at least twice.
    stride
        Total stride of the network, pixels.

    Returns
    -------
    BlendLayout
        Along each axis the first window starts at 0 and the last ends at the border, rounded up to `stride`. Between
        them they are spread evenly, at multiples of `stride`, at most half a window apart. A region smaller than a
        window gets one, as long as the region, rounded up to `stride`.

    Raises
    ------
    ValueError
        If an argument is not as above.

    References
    ----------
    The even spread is that of nnU-Net, Isensee et al. (2021), doi:10.1038/s41592-020-01008-z.

    Examples
    --------
    >>> blend_layout((1000, 200), window=256, stride=16)
    BlendLayout(shape=(1000, 200), size=(256, 208), rows=(0, 128, 256, 384, 496, 624, 752), columns=(0,))
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape must be the (y, x) size of a region of pixels, instead got shape={shape}")
    _check_window(window, stride)
    (height, rows), (width, columns) = (_along(size, window, stride) for size in shape)
    return BlendLayout(shape, (height, width), rows, columns)


def blend_reads(window: int, stride: int) -> Reads:
    """Input rows (columns) that a block of a region needs: those of all windows that touch it.

    Raises
    ------
    ValueError
        As `blend_layout`.

    Examples
    --------
    >>> blend_reads(256, 16)(300, 400, 1000)
    (128, 640)
    """
    _check_window(window, stride)

    def reads(start: int, stop: int, size: int) -> tuple[int, int]:
        length, positions = _along(size, window, stride)
        touching = _touching(positions, length, start, stop)
        return touching[0], min(size, touching[-1] + length)

    return reads


@lru_cache(maxsize=16)
def blend_weights(size: tuple[int, int]) -> np.ndarray:
    """Weight of each pixel of a window: a Gaussian around its middle.

    Parameters
    ----------
    size
        ``(y, x)`` size of the window, pixels.

    Returns
    -------
    ndarray
        float64, `LOWEST_WEIGHT`..1, read-only. The standard deviation is an eighth of the window along each axis,
        and what lies below `LOWEST_WEIGHT` is raised to it, as in MONAI's sliding windows.

    Examples
    --------
    >>> blend_weights((3, 1)).round(5)[:, 0]
    array([0.02857, 1.     , 0.02857])
    """
    y, x = (np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in size)
    weights: np.ndarray = np.maximum(np.outer(y, x), LOWEST_WEIGHT)
    weights.flags.writeable = False
    return weights


def windows_touching(core: Window, layout: BlendLayout) -> list[Window]:
    """List the windows that share a pixel with `core`, row by row.

    Raises
    ------
    ValueError
        If `core` holds no pixel, or does not lie in the region.

    Examples
    --------
    >>> layout = blend_layout((1000, 200), window=256, stride=16)
    >>> [w.y0 for w in windows_touching(Window(0, 0, 100, 100), layout)]
    [0]
    """
    region = Window(0, 0, *layout.shape)
    if min(core.shape) < 1 or core.shared(region) != core:
        raise ValueError(f"core must be a window of pixels of the region {layout.shape}, instead got core={core}")
    height, width = layout.size
    rows = _touching(layout.rows, height, core.y0, core.y1)
    columns = _touching(layout.columns, width, core.x0, core.x1)
    return [Window(y, x, height, width) for y, x in product(rows, columns)]


def blend_block(core: Window, layout: BlendLayout, predict: Predict) -> np.ndarray:
    """Blend the probabilities of all windows that touch a block.

    Parameters
    ----------
    core
        The block, in the region's pixels.
    layout
        Where the windows lie.
    predict
        Is given `windows_touching` and gives a floating ``(y, x)`` of each window's size for each, in their order.
        Windows may end beyond the region, by less than a stride.

    Returns
    -------
    ndarray
        float32 ``(y, x)`` of the block: means weighted with `blend_weights`, summed in float64. NaN where one of a
        pixel's windows is NaN.

    Raises
    ------
    ValueError
        If `core` does not lie in the region, or `predict` gives other sizes or another number of windows.

    Notes
    -----
    A pixel's windows are added row by row, whatever the block, so blocks have the bits of the whole region as long as
    `predict` gives a window the same bits every time: with batches of one shape, say, as convolutions for other
    shapes may add in another order.

    Examples
    --------
    >>> layout = blend_layout((6, 6), window=4, stride=1)
    >>> blend_block(Window(2, 2, 1, 2), layout, lambda windows: [np.full(w.shape, w.x0) for w in windows])
    array([[0.04047516, 1.9595249 ]], dtype=float32)
    """
    windows = windows_touching(core, layout)
    weights = blend_weights(layout.size)
    total, weight = np.zeros(core.shape), np.zeros(core.shape)
    done = 0
    for probability in predict(windows):
        if done == len(windows) or probability.shape != layout.size:
            raise ValueError(
                f"predict must give {len(windows)} arrays of shape {layout.size}, instead got number {done + 1} of "
                f"shape={probability.shape}"
            )
        window = windows[done]
        part = window.shared(core) or core
        inside, there = part.within(window), part.within(core)
        total[there] += weights[inside] * probability[inside]
        weight[there] += weights[inside]
        done += 1
    if done < len(windows):
        raise ValueError(f"predict must give {len(windows)} arrays of shape {layout.size}, instead got {done}")
    return (total / weight).astype(np.float32)


def _along(size: int, window: int, stride: int) -> tuple[int, tuple[int, ...]]:
    """Length of the windows along an axis, and where they start."""
    whole = round_up(size, stride)
    length = min(window, whole)
    last, step = (whole - length) // stride, window // stride // 2
    gaps = -(-last // step)
    # Rounded in whole numbers, halves up: two neighbours are never more than a step apart.
    return length, tuple((2 * k * last + gaps) // (2 * gaps) * stride for k in range(gaps + 1)) if gaps else (0,)


def _touching(positions: Sequence[int], length: int, start: int, stop: int) -> list[int]:
    return [p for p in positions if p < stop and p + length > start]


def _check_window(window: int, stride: int) -> None:
    if stride < 1:
        raise ValueError(f"stride must be 1 or more, instead got stride={stride}")
    if window < 2 * stride or window % stride:
        raise ValueError(
            f"window must be a multiple of the network's stride {stride}, at least twice, instead got window={window}"
        )
