"""Phase augmentation on labelled arrays: what another acquisition could have brought, the label unchanged."""

from __future__ import annotations

from typing import Final

import xarray as xr

from insarflow.kernels import augment as kernel
from insarflow.kernels.decorrelate import decorrelate as decorrelate_kernel
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import (
    Labelled,
    Present,
    check_fraction,
    check_image,
    check_number,
    check_whole,
    on_igram,
)
from insarflow.ops.overlap import map_overlap
from insarflow.schema import recipe_of, require

FILTERS: Final = ("goldstein",)
"""Operations after which the noise of neighbouring pixels is not independent any more."""


def add_offset(obj: Labelled, angle: float) -> Labelled:
    """Add `angle` rad to the phase of an interferogram: the constant every pair carries.

    Parameters
    ----------
    obj
        Interferogram (complex64, dims ``(..., y, x)``) or a Dataset with ``igram``.
    angle
        rad.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.ones((1, 1), "complex64"), dims=("y", "x"))
    >>> round(float(np.angle(add_offset(igram, 1.0))[0, 0]), 6)
    1.0
    """
    angle = check_number("angle", angle)

    def apply(igram: xr.DataArray, present: Present) -> xr.DataArray:
        image = check_image(igram, "igram", "complex64")
        data = map_overlap(kernel.offset, image.data, depth=0, dtype="complex64", present=present, angle=angle)
        return image.copy(data=data)

    return on_igram(obj, apply, "add_offset", angle=angle)


def conjugate(obj: Labelled) -> Labelled:
    """Exchange the two acquisitions: the phase changes its sign.

    The result no longer follows the stack contract (earlier, later); it is meant for training.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.array([[1j]], "complex64"), dims=("y", "x"))
    >>> complex(conjugate(igram)[0, 0])
    -1j
    """

    def apply(igram: xr.DataArray, present: Present) -> xr.DataArray:
        image = check_image(igram, "igram", "complex64")
        return image.copy(data=map_overlap(kernel.conjugate, image.data, depth=0, dtype="complex64", present=present))

    return on_igram(obj, apply, "conjugate")


def add_ramp(obj: Labelled, *, slope_y: float, slope_x: float) -> Labelled:
    """Add a plane to the phase, as an orbit error would, zero at the first pixel.

    Parameters
    ----------
    obj
        Interferogram (complex64, dims ``(..., y, x)``) or a Dataset with ``igram``.
    slope_y, slope_x
        rad per pixel.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.ones((1, 3), "complex64"), dims=("y", "x"))
    >>> np.angle(add_ramp(igram, slope_y=0.0, slope_x=0.5)).round(3)
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    slope_y, slope_x = check_number("slope_y", slope_y), check_number("slope_x", slope_x)

    def apply(igram: xr.DataArray, present: Present) -> xr.DataArray:
        image = check_image(igram, "igram", "complex64")
        data = map_overlap(
            kernel.ramp, image.data, depth=0, dtype="complex64", present=present, slope_y=slope_y, slope_x=slope_x
        )
        return image.copy(data=data)

    return on_igram(obj, apply, "add_ramp", slope_y=slope_y, slope_x=slope_x)


def decorrelate(ds: xr.Dataset, *, factor: float, looks: int, seed: int) -> xr.Dataset:
    """Lower the coherence, with the phase noise that belongs to it.

    Parameters
    ----------
    ds
        With ``igram`` (complex64, multilooked, not yet filtered) and its ``coherence`` (float32), one shape.
    factor
        What is left of the correlation, 0..1.
    looks
        Independent looks both were estimated with, 2 to 1000.
    seed
        The noise is a function of the seed and the pixel's place, whatever the chunks.

    Returns
    -------
    Dataset
        Both variables replaced; ``igram`` keeps its magnitude.

    Raises
    ------
    MissingVariableError, TypeError, ValueError
        If a variable is missing or an argument out of range, or the recipe says that the phase is filtered: `degrade`
        is for that.

    References
    ----------
    Goodman (1963), doi:10.1214/aoms/1177704250.
    """
    require(ds, "igram", "coherence", to="decorrelate")
    for step in (*recipe_of(ds).steps, *recipe_of(ds["igram"]).steps):
        if step["operation"] in FILTERS:
            raise ValueError(
                f"decorrelate must come before the filter, but the recipe holds {step['operation']}: the noise of "
                "filtered phase has other statistics; use degrade, which promises none"
            )
    return _noisier(ds, "decorrelate", factor, looks, seed)


def degrade(ds: xr.Dataset, *, factor: float, looks: int, seed: int) -> xr.Dataset:
    """Make an interferogram worse: noise and lower coherence, also after a filter.

    The same arithmetic as `decorrelate`. On filtered phase the noise of a real pair would be correlated between
    neighbours and smaller; this one is not, so no statistics are promised. For data that are not filtered use
    `decorrelate`, and filter afterwards.

    Parameters
    ----------
    ds
        With ``igram`` (complex64) and ``coherence`` (float32), one shape.
    factor, looks, seed
        As for `decorrelate`.

    Returns
    -------
    Dataset
        Both variables replaced; ``igram`` keeps its magnitude.

    Raises
    ------
    MissingVariableError, TypeError, ValueError
        If a variable is missing or an argument out of range.
    """
    require(ds, "igram", "coherence", to="degrade")
    return _noisier(ds, "degrade", factor, looks, seed)


def _noisier(ds: xr.Dataset, operation: str, factor: float, looks: int, seed: int) -> xr.Dataset:
    factor = check_fraction("factor", factor)
    looks = check_whole("looks", looks, low=2, high=1000)
    seed = check_whole("seed", seed, low=0)
    igram = check_image(ds["igram"], "igram", "complex64")
    gamma = check_image(ds["coherence"], "coherence", "float32")
    if set(gamma.dims) != set(igram.dims):
        raise ValueError(f"coherence must have igram's dims {igram.dims}, instead got dims={gamma.dims}")
    gamma = gamma.transpose(*igram.dims)
    present = present_cells(ds, "igram")
    both = map_overlap(
        decorrelate_kernel, igram.data, gamma.data, depth=0, dtype="complex64", present=present, factor=factor,
        looks=looks, seed=seed,
    )  # fmt: skip
    noisy = map_overlap(kernel.with_magnitude, both, igram.data, depth=0, dtype="complex64", present=present)
    length = map_overlap(kernel.magnitude, both, depth=0, dtype="float32", present=present)
    recipe = recipe_of(ds).then(operation, factor=factor, looks=looks, seed=seed)
    changed = ds.assign(igram=igram.copy(data=noisy), coherence=gamma.copy(data=length))
    return changed.assign_attrs(recipe=recipe.to_json())
