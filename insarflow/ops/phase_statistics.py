"""Phase statistics on labelled arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import xarray as xr

from insarflow.kernels import phase_statistics as kernel
from insarflow.kernels.phase_statistics import Spread
from insarflow.ops.attributes import mapped
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import check_choice, check_number
from insarflow.ops.directions import fold_directions
from insarflow.ops.overlap import map_overlap
from insarflow.ops.phase import Phase, each_pixel
from insarflow.schema import CELLS, PAIR, SPACE, require
from insarflow.types import Tile


def phase_std(coherence: xr.DataArray | xr.Dataset, *, looks: float, method: Spread = "exact") -> xr.DataArray:
    """Standard deviation of the interferometric phase that a coherence means.

    Parameters
    ----------
    coherence
        float32 or float64, 0..1, NaN is missing; or a Dataset with the variable ``coherence``.
    looks
        Independent looks of the interferogram, at least 1: fewer than the pixels averaged where neighbours are
        correlated.
    method
        ``"exact"``: integral over the density of the multilook phase. ``"cramer-rao"``: its limit where coherence is
        high, ``sqrt(1 - c^2) / (c sqrt(2 looks))``.

    Returns
    -------
    DataArray
        The input's dtype, rad, NaN where the coherence is. Lazy if the input is.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; a coherence outside 0..1 raises when it is computed.

    References
    ----------
    Lee et al. (1994), doi:10.1109/36.312890; Just and Bamler (1994), doi:10.1364/AO.33.004361.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> gamma = xr.DataArray(np.array([0.0, 0.9, 1.0]))
    >>> phase_std(gamma, looks=5).values.round(3)
    array([1.814, 0.175, 0.   ])
    """
    present = present_cells(coherence, "coherence")
    if isinstance(coherence, xr.Dataset):
        require(coherence, "coherence", to="phase_std")
        coherence = coherence["coherence"]
    if not isinstance(coherence, xr.DataArray):
        raise TypeError(f"coherence must be an xarray.DataArray or Dataset, instead got {type(coherence).__name__}")
    if coherence.dtype not in (np.float32, np.float64):
        raise TypeError(f"coherence must be float32 or float64, instead got {coherence.dtype}")
    number = check_number("looks", looks)
    if number < 1:
        raise ValueError(f"looks must be at least 1, instead got looks={looks}")
    check_choice("method", method, get_args(Spread))
    if present is not None and coherence.dims[-2:] == SPACE:
        data = map_overlap(
            _spread_of_block, coherence.data, depth=0, dtype=coherence.dtype, present=present, looks=number,
            method=method,
        )  # fmt: skip
        spread = xr.DataArray(data, coherence.coords, coherence.dims)
    else:
        spread = xr.apply_ufunc(
            kernel.phase_std, coherence, kwargs={"looks": number, "method": method}, dask="parallelized",
            output_dtypes=[coherence.dtype],
        )  # fmt: skip
    attrs = {"units": "rad", "long_name": "standard deviation of the phase", "looks": number, "method": method}
    return spread.rename("phase_std").assign_attrs({**mapped(coherence), **attrs})


def _spread_of_block(block: np.ndarray, *, looks: float, method: Spread, tile: Tile) -> np.ndarray:
    return kernel.phase_std(block, looks=looks, method=method)


def circular_mean(obj: xr.DataArray | xr.Dataset, dim: str | Sequence[str]) -> xr.DataArray:
    """Mean direction of the phase along ``date``, ``delay``, both, or ``pair``, each interferogram of weight one.

    Parameters
    ----------
    obj
        Interferograms (complex64), or a Dataset with ``igram``. NaN and 0 have no direction and are left out; cells
        that ``valid`` of the Dataset calls absent are not looked at.
    dim
        Dimension to average, or several: ``("date", "delay")``.

    Returns
    -------
    DataArray
        float32, rad, -pi to pi, without `dim`; NaN where there is no direction. Lazy if the input is; a worker holds
        a few blocks for any number of interferograms.

    Raises
    ------
    TypeError, ValueError
        If `obj` is no complex64 array or has no such dimension.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.exp(1j * np.array([3.0, -3.0])).astype("complex64"), dims="date")
    >>> abs(round(float(circular_mean(igram, "date")), 4))
    3.1416
    """
    mean = _resultant(obj, dim, "circular_mean")
    attrs = {**mean.attrs, "units": "rad", "long_name": f"circular mean of the phase along {_said(dim)}"}
    return Phase(each_pixel(np.angle, mean), mean.coords, mean.dims, "phase", attrs)


def circular_std(obj: xr.DataArray | xr.Dataset, dim: str | Sequence[str]) -> xr.DataArray:
    """Circular standard deviation of the phase along ``date``, ``delay``, both, or ``pair``: ``sqrt(-2 ln R)``.

    R is the length of the mean unit phasor: 1 where all directions agree. Arguments and errors as of `circular_mean`.

    Returns
    -------
    DataArray
        float32, rad, from 0; infinite where the phasors cancel, NaN where there is no direction. Lazy if the input is.

    References
    ----------
    Mardia and Jupp (2000), Directional Statistics, doi:10.1002/9780470316979.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.exp(1j * np.array([0.2, 0.0])).astype("complex64"), dims="date")
    >>> round(float(circular_std(igram, "date")), 3)
    0.1
    """
    mean = _resultant(obj, dim, "circular_std")
    attrs = {**mean.attrs, "units": "rad", "long_name": f"circular standard deviation of the phase along {_said(dim)}"}
    return xr.DataArray(each_pixel(_std_of, mean), mean.coords, mean.dims, "phase_std", attrs)


def _std_of(mean: np.ndarray) -> np.ndarray:
    return kernel.circular_std(np.abs(mean))


def _resultant(obj: xr.DataArray | xr.Dataset, dim: str | Sequence[str], to: str) -> xr.DataArray:
    present = present_cells(obj, "igram")
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to=to)
        obj = obj["igram"]
    if not isinstance(obj, xr.DataArray):
        raise TypeError(f"igram must be an xarray.DataArray or Dataset, instead got {type(obj).__name__}")
    if obj.dtype != np.complex64:
        raise TypeError(f"igram must be complex64, instead got {obj.dtype}: convert it with .astype('complex64')")
    dims = (dim,) if isinstance(dim, str) else tuple(dim)
    choices = tuple(d for d in (*CELLS, PAIR) if d in obj.dims)
    if not dims or len(set(dims)) < len(dims) or not set(dims) <= set(choices):
        raise ValueError(f"dim must be one of {choices}, instead got dim={dim!r}")
    flat = [d for d in SPACE if d not in obj.dims]
    lead = [d for d in obj.dims if d not in SPACE]
    image = obj.expand_dims(flat).transpose(*lead, *SPACE)
    along = [k for k, d in enumerate(lead) if d in dims]
    mean, _ = fold_directions(image.data, None, along, present, to)
    coords = {name: c for name, c in image.coords.items() if not set(c.dims) & set(dims)}
    kept = [d for d in lead if d not in dims]
    result = xr.DataArray(mean, coords, (*kept, *SPACE), attrs=mapped(obj)).isel(dict.fromkeys(flat, 0))
    return result.transpose(*(d for d in obj.dims if d not in dims))


def _said(dim: str | Sequence[str]) -> str:
    return dim if isinstance(dim, str) else " and ".join(dim)
