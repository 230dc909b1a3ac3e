"""Images in HDF5: compressed chunk by chunk by many threads, which HDF5 itself does with one."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from insarflow.types import Window

if TYPE_CHECKING:
    import h5py

SIDE: Final = 512
"""Side of a chunk, pixels."""

LEVEL: Final = 1
"""Of zlib, which looks for runs alone (Z_RLE): phase is noise, in which there is nothing else to find. Twice as fast as
the default, and smaller."""


def storage(shape: Sequence[int], dtype: np.dtype) -> dict[str, Any]:
    """How an image, or a pile of images ``(..., y, x)``, is kept: keywords of h5py's and h5netcdf's datasets."""
    chunk = (*(1 for _ in shape[:-2]), *(max(1, min(SIDE, size)) for size in shape[-2:]))
    return {
        "shape": tuple(shape),
        "dtype": dtype,
        "chunks": chunk,
        "compression": "gzip",
        "compression_opts": LEVEL,
        "shuffle": True,
    }


def write_window(dataset: h5py.Dataset, lead: tuple[int, ...], window: Window, values: np.ndarray) -> None:
    """Write pixels of one image.

    Parameters
    ----------
    dataset
        Made with `storage`.
    lead
        Which image of the pile.
    window
        Where; it begins at multiples of the chunk, and ends there or at the far sides.
    values
        Of the window's shape.
    """
    height, width = dataset.chunks[-2:]
    for y in range(0, window.height, height):
        for x in range(0, window.width, width):
            part = values[y : y + height, x : x + width]
            whole = part
            if part.shape != (height, width):
                whole = np.full((height, width), dataset.fillvalue, dataset.dtype)
                whole[: part.shape[0], : part.shape[1]] = part
            place = (*lead, window.y0 + y, window.x0 + x)
            dataset.id.write_direct_chunk(place, _compressed(whole.astype(dataset.dtype, copy=False)))


def _compressed(chunk: np.ndarray) -> bytes:
    """What HDF5's shuffle and deflate filters make of a chunk: first all first bytes, then all second ones, ..."""
    flat = np.ascontiguousarray(chunk).view(np.uint8).reshape(-1, chunk.itemsize)
    deflate = zlib.compressobj(LEVEL, strategy=zlib.Z_RLE)
    return deflate.compress(np.ascontiguousarray(flat.T).data) + deflate.flush()
