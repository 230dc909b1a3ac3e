"""Phase residues on labelled arrays."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.kernels import residues as kernel
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import check_image
from insarflow.ops.lazy_windows import block_sums
from insarflow.ops.overlap import Reads, map_windows
from insarflow.schema import SPACE, require
from insarflow.types import Tile


def residues(obj: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """Points around which the wrapped phase does not close: the noise that a filter has to lower.

    Parameters
    ----------
    obj
        Interferograms (complex64, dims ``(..., y, x)``, NaN is missing), or a Dataset with ``igram``.

    Returns
    -------
    DataArray
        int8: -1, 0 or 1, turns of the phase around a pixel, its right, lower right and lower neighbour; 0 where one of
        them is missing. Lazy if the input is, any chunking gives the same.

    Raises
    ------
    TypeError, ValueError
        If `obj` is no complex64 array with y and x.

    References
    ----------
    Goldstein, Zebker and Werner (1988), doi:10.1029/RS023i004p00713.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> vortex = xr.DataArray(np.array([[1, 1j], [-1j, -1]], "complex64"), dims=("y", "x"))
    >>> residues(vortex).values
    array([[1, 0],
           [0, 0]], dtype=int8)
    """
    present, image = present_cells(obj, "igram"), _image(obj, "residues")
    reads: Reads = kernel.loop_reads
    data = map_windows(kernel.residues, image.data, reads=(reads, reads), dtype="int8", present=present)
    kept = {key: image.attrs[key] for key in ("grid_mapping",) if key in image.attrs}
    attrs = {**kept, "units": "1", "long_name": "phase residues"}
    return xr.DataArray(data, image.coords, image.dims, "residues", attrs)


def residue_count(obj: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """Number of residues of each interferogram.

    Parameters and errors as of `residues`.

    Returns
    -------
    DataArray
        int64, without y and x. Lazy if the input is.
    """
    present, image = present_cells(obj, "igram"), _image(obj, "residue_count")
    data = image.data
    if isinstance(data, da.Array):
        edges = [[*accumulate((n for n in sizes if n), initial=0)] for sizes in data.chunks[-2:]]
        reads = [partial(_block_reads, edges=along) for along in edges]
        ones = [(1,) * (len(along) - 1) for along in edges]
        blocks = map_windows(
            _count, data, reads=(reads[0], reads[1]), out_chunks=(ones[0], ones[1]), dtype="int64", present=present
        )
        count: Any = block_sums(blocks, present)
    else:
        count = np.asarray(np.count_nonzero(residues(obj).values, axis=(-2, -1)), np.int64)
    coords = {name: c for name, c in image.coords.items() if not set(c.dims) & set(SPACE)}
    attrs = {"units": "1", "long_name": "number of phase residues"}
    return xr.DataArray(count, coords, image.dims[:-2], "residue_count", attrs)


def _image(obj: xr.DataArray | xr.Dataset, to: str) -> xr.DataArray:
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to=to)
        obj = obj["igram"]
    return check_image(obj, "igram", "complex64")


def _block_reads(start: int, stop: int, size: int, *, edges: list[int]) -> tuple[int, int]:
    """Input range of the loops that begin in the input's blocks ``start:stop``."""
    return kernel.loop_reads(edges[start], edges[stop], size)


def _count(igram: np.ndarray, *, tile: Tile) -> np.ndarray:
    """Number of residues of a window; loops that leave it are the next block's."""
    turns = kernel.residues(igram)
    return np.asarray(np.count_nonzero(turns, axis=(-2, -1))).reshape(*turns.shape[:-2], 1, 1)
