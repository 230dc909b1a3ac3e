"""A table of sums over fixed blocks for every interferogram: what slow phase is estimated from."""

from __future__ import annotations

from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import xarray as xr

from insarflow.kernels import block_sums as kernel
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import Present, check_image, check_on
from insarflow.ops.overlap import map_windows
from insarflow.schema import SPACE, require

IMAGES = {"igram": "complex64", "unwrapped": "float32"}
"""Variables whose phase is worked on, and their dtypes."""


class Table(NamedTuple):
    """Sums over the blocks of an image variable.

    Attributes
    ----------
    image
        The variable, ``(..., y, x)``.
    present
        Its cells that hold an interferogram; see `insarflow.ops.cells.present_cells`.
    sums
        `insarflow.kernels.block_sums.SUMS`, ``(..., blocks along y, blocks along x)``; lazy if the image is.
    """

    image: xr.DataArray
    present: Present
    sums: Any


def sum_blocks(
    ds: xr.Dataset, name: str, *, blocks: int, mask: xr.DataArray | None = None, dem: xr.DataArray | None = None
) -> Table:
    """Sum phasors (of ``igram``) or values over square blocks, at most `blocks` along a side; coherence is the weight.

    `mask` (bool) and `dem` (float32) lie on ``(y, x)`` of the stack.
    """
    image = check_image(ds[name], name, IMAGES[name])
    arrays, given = [image.data], []
    if "coherence" in ds:
        arrays.append(check_on(ds["coherence"], "coherence", "float32", image).data)
        given.append("coherence")
    for key, field in (("mask", mask), ("dem", dem)):
        if field is not None:
            arrays.append(field.data)
            given.append(key)
    side = -(-max(image.sizes[dim] for dim in SPACE) // blocks)
    chunks = getattr(image.data, "chunks", None) or tuple((n,) for n in image.shape)
    present = present_cells(ds, name)
    reads = partial(kernel.block_reads, side=side)
    sums = map_windows(
        kernel.phase_sums if name == "igram" else kernel.value_sums, *arrays, reads=(reads, reads),
        out_chunks=(_block_chunks(chunks[-2], side), _block_chunks(chunks[-1], side)), dtype=kernel.SUMS,
        present=present, given=tuple(given), side=side,
    )  # fmt: skip
    return Table(image, present, sums)


def whole(start: int, stop: int, size: int) -> tuple[int, int]:
    """All of an axis, whatever block of the result it is for."""
    return 0, size


def per_image(function: Any, table: Table, count: int, **kwargs: Any) -> Any:
    """Apply a function of an image's table, to every one: float64, shape ``(..., 1, count)``, NaN for absent cells."""
    return map_windows(
        function, table.sums, reads=(whole, whole), out_chunks=((1,), (count,)), dtype="float64",
        present=table.present, **kwargs,
    )  # fmt: skip


def _block_chunks(chunks: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Chunks of the blocks: each belongs to the chunk that holds its last pixel."""
    stops = list(accumulate(chunks, initial=0))
    borders = [*(stop // side for stop in stops[:-1]), -(-stops[-1] // side)]
    return tuple(b - a for a, b in pairwise(borders) if b > a)


def images_of(ds: xr.Dataset, to: str) -> list[str]:
    """Which of ``igram`` and ``unwrapped`` a Dataset holds."""
    names = [name for name in IMAGES if isinstance(ds, xr.Dataset) and name in ds]
    if not names:
        require(ds, "igram", to=to)
    return names


def lead_of(image: xr.DataArray) -> dict[Any, Any]:
    """Coordinates of an image that do not lie along y or x."""
    return {name: c for name, c in image.coords.items() if not set(c.dims) & set(SPACE)}
