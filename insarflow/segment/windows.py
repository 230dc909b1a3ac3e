"""Which input a network needs for a part of the output: halo, stride, sub-tiles.

All coordinates are the region's own, so nothing here depends on how the region is chunked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final, TypeVar

from insarflow.ops.overlap import Reads
from insarflow.types import Tile, Window

T = TypeVar("T")


def round_up(value: int, multiple: int) -> int:
    """Smallest multiple that is at least `value`."""
    return -(-value // multiple) * multiple


def model_reads(halo: int, stride: int) -> Reads:
    """Input rows (columns) a network needs for a block: both ends on its grid, or at the region's border."""

    def reads(start: int, stop: int, size: int) -> tuple[int, int]:
        first, last = _extend(start, stop, size, halo, stride)
        return first, min(size, last)

    return reads


LONG_ROWS: Final = 1.06
"""How much more of margins is worth it for rows of twice the length: ResUNet, 592 x 2128 beside 1104 x 1104 pixels."""


def tile_shape(shape: tuple[int, int], *, tile_size: int, halo: int, stride: int) -> tuple[int, int]:
    """Rows and columns of the largest part of a block of `shape` that is predicted at once.

    A square of `tile_size`; or of as many pixels with rows of up to twice its side, which are faster for their size,
    where their margins cost little more.
    """
    square = tile_size, tile_size
    if shape[1] <= tile_size or tile_size < 4 * stride:
        return square
    long = min(shape[1], 2 * tile_size)
    strip = tile_size**2 // long // stride * stride, long
    return strip if _cost(strip, shape, halo) <= LONG_ROWS * _cost(square, shape, halo) else square


def _cost(part: tuple[int, int], shape: tuple[int, int], halo: int) -> float:
    """Pixels that are read for one that is given."""
    return math.prod(1 + 2 * halo / min(side, size) for side, size in zip(part, shape, strict=True))


def sub_tiles(tile: Tile, *, tile_size: int, halo: int, stride: int) -> list[Tile]:
    """Cut a block into parts of at most `tile_size` by `tile_size` output pixels or as many, alike in size.

    Parameters
    ----------
    tile
        The block.
    tile_size
        Multiple of `stride`.

    Returns
    -------
    list of Tile
        What each part reads begins and ends on the network's grid, so at the region's bottom and right it may stretch
        beyond the region, by less than a stride.
    """
    core, (height, width) = tile.core, tile.shape
    parts = []
    rows, columns = tile_shape(core.shape, tile_size=tile_size, halo=halo, stride=stride)
    for (y0, y1), (x0, x1) in product(
        _split(core.y0, core.y1, rows, stride), _split(core.x0, core.x1, columns, stride)
    ):
        top, bottom = _extend(y0, y1, height, halo, stride)
        left, right = _extend(x0, x1, width, halo, stride)
        read = Window(top, left, bottom - top, right - left)
        parts.append(Tile(read, Window(y0, x0, y1 - y0, x1 - x0), tile.shape))
    return parts


def batches(jobs: Iterable[tuple[T, Tile]], *, pixels: int) -> Iterator[list[tuple[T, Tile]]]:
    """Group jobs whose windows have one shape, as many as `pixels` allow, at least one."""
    by_shape: dict[tuple[int, int], list[tuple[T, Tile]]] = {}
    for job in jobs:
        by_shape.setdefault(job[1].read.shape, []).append(job)
    for (height, width), alike in by_shape.items():
        count = max(1, pixels // (height * width))
        for k in range(0, len(alike), count):
            yield alike[k : k + count]


def _extend(start: int, stop: int, size: int, halo: int, stride: int) -> tuple[int, int]:
    first = max(0, start - halo) // stride * stride
    return first, min(round_up(size, stride), round_up(stop + halo, stride))


def _split(start: int, stop: int, tile_size: int, stride: int) -> list[tuple[int, int]]:
    count = -(-(stop - start) // tile_size)
    step = round_up(-(-(stop - start) // count), stride)
    return [(k, min(stop, k + step)) for k in range(start, stop, step)]
