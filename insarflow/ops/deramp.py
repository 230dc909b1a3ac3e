"""Ramps in the phase, as orbits and long waves of the atmosphere leave them: estimated, and taken out."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import xarray as xr

from insarflow.kernels.deramp import subtract_ramp
from insarflow.kernels.phase_fit import TERMS, Order, fit_ramp, fit_values
from insarflow.ops.block_sums import Table, images_of, lead_of, per_image, sum_blocks
from insarflow.ops.checks import check_choice
from insarflow.ops.overlap import map_overlap
from insarflow.schema import recipe_of, require
from insarflow.types import Tile

BLOCKS: Final = 128
"""Blocks along a side of the table that a ramp is estimated from."""

_SAID = {
    "constant": ("rad", "phase of the ramp at the image's centre"),
    "slope_y": ("rad/pixel", "slope of the ramp along y, at the centre"),
    "slope_x": ("rad/pixel", "slope of the ramp along x, at the centre"),
    "curve_yy": ("rad/pixel2", "coefficient of y squared"),
    "curve_yx": ("rad/pixel2", "coefficient of y times x"),
    "curve_xx": ("rad/pixel2", "coefficient of x squared"),
    "resultant": ("1", "length of the mean phasor without the ramp"),
    "residual_std": ("rad", "standard deviation of blocks of unwrapped phase without the ramp"),
}


def deramp(ds: xr.Dataset, *, order: Order = "plane") -> xr.Dataset:
    """Take a ramp out of the phase of every interferogram.

    Parameters
    ----------
    ds
        With ``igram`` (complex64, dims ``(..., y, x)``), ``unwrapped`` (float32, rad) or both, each of which gets a
        ramp of its own. ``coherence``, if it is there, weighs the pixels.
    order
        ``"plane"`` or ``"quadratic"``.

    Returns
    -------
    Dataset
        ``igram`` and ``unwrapped`` replaced, lazy if they are. Magnitudes stay; the ramp that is taken out is zero at
        the image's centre: the constant of a pair is the business of `reference`. `ramps` gives the coefficients.

    Raises
    ------
    TypeError, MissingVariableError, ValueError
        If `ds` is no Dataset or has neither variable, or an argument is of the wrong kind.

    Notes
    -----
    Nothing is unwrapped. Unit phasors are summed over at most 128 x 128 blocks (the image's only pass), t, and
    ``|sum t exp(-i ramp)|`` is maximised: a Fourier transform of the table sees every plane of less than half a fringe
    a block, about 60 fringes across the image, and the phase of products of shifted copies gives curvature; then
    Gauss-Newton steps on the residual phase r with the weight ``|t| sin(r) / r``, in which what moves or is noise
    counts little. ``unwrapped`` is fitted by iterated least squares with Huber's weights. Blocks are fixed on the
    image, so any chunking gives the same bits. An interferogram without a pixel that counts is missing in the result.

    What is slow and real goes with the ramp: movements as large as the image.

    References
    ----------
    Hanssen (2001), doi:10.1007/0-306-47633-9, for orbital ramps. Huber (1964), doi:10.1214/aoms/1177703732.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.exp(0.5j * np.arange(64.0)) * np.ones((64, 1))
    >>> ds = xr.Dataset({"igram": (("y", "x"), ramp.astype("complex64"))})
    >>> float(abs(deramp(ds)["igram"].mean()).round(3))
    1.0
    """
    names = images_of(ds, "deramp")
    check_choice("order", order, get_args(Order))
    flat = {}
    for name in names:
        table, found = _found(ds, name, order)
        data = map_overlap(
            subtract_ramp, table.image.data, depth=0, dtype=table.image.dtype, present=table.present,
            per_cell={"ramp": found}, count=len(TERMS[order]),
        )  # fmt: skip
        flat[name] = table.image.copy(data=data)
    return ds.assign(flat).assign_attrs(recipe=recipe_of(ds).then("deramp", order=order).to_json())


def ramps(ds: xr.Dataset, *, order: Order = "plane", variable: Literal["igram", "unwrapped"] = "igram") -> xr.Dataset:
    """Coefficients of the ramps that `deramp` takes out.

    Parameters
    ----------
    ds, order
        As for `deramp`.
    variable
        Whose ramps.

    Returns
    -------
    Dataset
        float64, one number for each interferogram, NaN where there is none; lazy if `ds` is. ``constant`` (rad, at the
        image's centre), ``slope_y`` and ``slope_x`` (rad per pixel); for a quadratic ``curve_yy``, ``curve_yx`` and
        ``curve_xx`` (rad per pixel squared). With y and x in pixels from the centre the ramp is ``constant +
        slope_y y + slope_x x + curve_yy y² + curve_yx y x + curve_xx x²``. ``resultant`` (0..1) is the length of the
        mean phasor that is left; of ``unwrapped``, ``residual_std`` (rad) the spread of blocks.

    Raises
    ------
    TypeError, MissingVariableError, ValueError
        As `deramp`.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.exp(0.5j * np.arange(64.0)) * np.ones((64, 1))
    >>> ds = xr.Dataset({"igram": (("y", "x"), ramp.astype("complex64"))})
    >>> round(ramps(ds)["slope_x"].item(), 4)
    0.5
    """
    check_choice("variable", variable, ("igram", "unwrapped"))
    require(ds, variable, to="ramps")
    check_choice("order", order, get_args(Order))
    table, found = _found(ds, variable, order)
    dims, coords = table.image.dims[:-2], lead_of(table.image)
    names = (*TERMS[order], "resultant" if variable == "igram" else "residual_std")
    numbers = {name: xr.DataArray(found[..., 0, k], coords, dims) for k, name in enumerate(names)}
    for name, number in numbers.items():
        number.attrs = dict(zip(("units", "long_name"), _SAID[name], strict=True))
    return xr.Dataset(numbers, attrs={"order": order})


def _found(ds: xr.Dataset, name: str, order: Order) -> tuple[Table, Any]:
    """Table of an image variable, and the coefficients of its ramps."""
    table = sum_blocks(ds, name, blocks=BLOCKS)
    shape = table.image.shape[-2:]
    function = _fit_phase if name == "igram" else _fit_values
    return table, per_image(function, table, len(TERMS[order]) + 1, order=order, shape=shape)


def _fit_phase(sums: np.ndarray, *, order: Order, shape: tuple[int, int], tile: Tile) -> np.ndarray:
    fits = [fit_ramp(sums[index], order=order, shape=shape) for index in np.ndindex(sums.shape[:-2])]
    return np.array(fits).reshape(*sums.shape[:-2], 1, -1)


def _fit_values(sums: np.ndarray, *, order: Order, shape: tuple[int, int], tile: Tile) -> np.ndarray:
    fits = [fit_values(sums[index], order=order, shape=shape) for index in np.ndindex(sums.shape[:-2])]
    return np.array(fits).reshape(*sums.shape[:-2], 1, -1)
