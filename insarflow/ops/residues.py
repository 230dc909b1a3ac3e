"""Phase residues on labelled arrays."""

from __future__ import annotations

import xarray as xr

from insarflow.kernels import residues as kernel
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import check_image
from insarflow.ops.overlap import Reads, map_windows
from insarflow.schema import SPACE, require


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
    present = present_cells(obj, "igram")
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to="residues")
        obj = obj["igram"]
    image = check_image(obj, "igram", "complex64")
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
    count = (residues(obj) != 0).sum(SPACE).rename("residue_count")
    return count.assign_attrs(units="1", long_name="number of phase residues")
