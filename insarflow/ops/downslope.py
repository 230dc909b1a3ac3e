"""Motion along the line of sight as motion down the slope."""

from __future__ import annotations

import numpy as np
import xarray as xr

from insarflow.ops.attributes import mapped
from insarflow.ops.checks import check_fraction, check_image
from insarflow.ops.overlap import map_overlap
from insarflow.ops.terrain import LINE_OF_SIGHT, require_line_of_sight
from insarflow.schema import SPACE, require
from insarflow.types import Tile


def downslope(
    ds: xr.Dataset, motion: xr.DataArray, *, error: xr.DataArray | None = None, min_sensitivity: float = 0.2
) -> xr.Dataset:
    """Motion down the slope that a motion along the line of sight means.

    Parameters
    ----------
    ds
        Holds ``slope``, ``aspect`` (make them with `insarflow.terrain`, `scale` the size of the slopes that move) and
        the line of sight ``los_east``, ``los_north``, ``los_up``, float32 on ``(y, x)``.
    motion
        Displacement or velocity along the line of sight, positive *toward* the satellite; float32 or float64, dims
        ``(..., y, x)``, any unit. Unwrapped phase is ``-4 pi / wavelength`` times a displacement.
    error
        Its standard deviation, of the same dims and unit.
    min_sensitivity
        Where the line of sight sees a smaller part of the motion, 0 to 1, the result is NaN.

    Returns
    -------
    Dataset
        Lazy where the input is:

        - ``downslope``: dtype, dims and unit of `motion`, positive downhill. NaN where something is missing, the ground
          is level or the sensitivity too small.
        - ``downslope_error``, if `error` is given.
        - ``sensitivity``: float32, ``(y, x)``, -1 to 1, see `sensitivity`; not masked.

    Raises
    ------
    MissingVariableError
        If ``slope``, ``aspect`` or the line of sight are missing.
    TypeError, ValueError
        If an argument is of another kind, out of range, or on other pixels.

    Notes
    -----
    ``v = d / (u . s)`` and ``sigma_v = sigma_d / |u . s|``, with ``u`` from the ground to the satellite and the unit
    vector ``s = (sin a cos b, cos a cos b, -sin b)`` down the slope (east, north, up), ``a`` the downhill azimuth and
    ``b`` the slope. It is an assumption that the ground moves so: it holds for translational slides and creep, not for
    rotation, heave and subsidence. A negative result, uphill, says that it does not hold, or that the error is larger.

    References
    ----------
    Hilley et al. (2004), doi:10.1126/science.1098821. Notti et al. (2014), International Journal of Remote Sensing 35,
    2186-2214.

    Examples
    --------
    >>> up = xr.DataArray(np.full((1, 1), np.cos(0.6), "float32"), dims=("y", "x"))
    >>> west = xr.full_like(up, np.pi * 1.5)
    >>> ds = xr.Dataset({"slope": xr.full_like(up, 0.1), "aspect": west, "los_up": up})
    >>> ds = ds.assign(los_east=xr.full_like(up, -np.sin(0.6)), los_north=xr.zeros_like(up))
    >>> round(downslope(ds, xr.full_like(up, 0.01))["downslope"].item(), 3)
    0.021
    """
    limit = check_fraction("min_sensitivity", min_sensitivity)
    part = sensitivity(ds)
    given = {"motion": motion} if error is None else {"motion": motion, "error": error}
    images = {name: _check_on(array, name, part) for name, array in given.items()}
    if error is not None and images["error"].dims != images["motion"].dims:
        raise ValueError(
            f"error must have the motion's dims {images['motion'].dims}, instead got dims={images['error'].dims}"
        )
    divisor = part.where(abs(part) >= limit).where(part != 0.0)
    made = {"downslope": _quotient(images["motion"], divisor, "motion down the slope, positive downhill")}
    if error is not None:
        made["downslope_error"] = _quotient(images["error"], abs(divisor), "standard deviation of downslope")
    return xr.Dataset({**made, "sensitivity": part}, attrs={"min_sensitivity": limit})


def sensitivity(ds: xr.Dataset) -> xr.DataArray:
    """Part of a motion down the slope that the line of sight sees: ``u . s`` of `downslope`.

    Parameters
    ----------
    ds
        As `downslope`.

    Returns
    -------
    DataArray
        float32, ``(y, x)``, -1 to 1: positive where ground that moves downhill comes toward the satellite. NaN where
        the ground is level or something is missing. Lazy if the input is.

    Raises
    ------
    MissingVariableError, TypeError, ValueError
        As `downslope`.

    Examples
    --------
    >>> flat = xr.DataArray(np.zeros((1, 1), "float32"), dims=("y", "x"))
    >>> ds = xr.Dataset({"slope": flat + 0.5, "aspect": flat, "los_east": flat, "los_north": flat, "los_up": flat + 1})
    >>> round(sensitivity(ds.astype("float32")).item(), 3)
    -0.479
    """
    require(ds, "slope", "aspect", to="downslope", remedy="make them with ds.insar.terrain(scale=...)")
    require_line_of_sight(ds, to="downslope")
    images = [check_image(ds[name], name, "float32") for name in ("slope", "aspect", *LINE_OF_SIGHT)]
    for image in images:
        if image.dims != SPACE:
            raise ValueError(f"{image.name} must have the dims {SPACE}, instead got dims={image.dims}")
    slope = images[0]
    data = map_overlap(_sensitivity_of_block, *(image.data for image in images), depth=0, dtype=np.float32)
    attrs = {**mapped(slope), "units": "1", "long_name": "part of a motion down the slope that the line of sight sees"}
    return xr.DataArray(data, slope.coords, SPACE, "sensitivity", attrs)


def _sensitivity_of_block(
    slope: np.ndarray, aspect: np.ndarray, east: np.ndarray, north: np.ndarray, up: np.ndarray, *, tile: Tile
) -> np.ndarray:
    b, a = slope.astype(np.float64), aspect.astype(np.float64)
    part: np.ndarray = np.cos(b) * (np.sin(a) * east + np.cos(a) * north) - np.sin(b) * up
    return part.astype(np.float32)


def _quotient(motion: xr.DataArray, divisor: xr.DataArray, long_name: str) -> xr.DataArray:
    return (motion / divisor).transpose(*motion.dims).assign_attrs({**motion.attrs, "long_name": long_name})


def _check_on(array: xr.DataArray, name: str, pixels: xr.DataArray) -> xr.DataArray:
    """An image of any leading dimensions that must lie on these pixels."""
    image = check_image(array, name, "float32", "float64")
    for dim in SPACE:
        if image.sizes[dim] != pixels.sizes[dim]:
            raise ValueError(
                f"{name} must have the terrain's {pixels.sizes[dim]} pixels along {dim}, instead got {image.sizes[dim]}"
            )
        if dim in image.indexes and dim in pixels.indexes and not image.indexes[dim].equals(pixels.indexes[dim]):
            raise ValueError(f"{name} must lie on the terrain's pixels, but their {dim} coordinates differ")
    return image
