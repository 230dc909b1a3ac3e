"""Delay in the air on labelled arrays, as an augmentation: each pair gets its own, and closure does not hold."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.kernels import atmosphere as kernel
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import Labelled, Present, check_image, check_number, check_whole, on_igram
from insarflow.ops.overlap import map_overlap
from insarflow.schema import SPACE, recipe_of, require


def add_turbulence(
    obj: Labelled,
    *,
    std: float,
    seed: int,
    exponent: float = -11 / 3,
    longest: float | None = None,
    pixel_size: float | tuple[float, float] = 1.0,
) -> Labelled:
    """Add turbulent atmosphere to the phase: isotropic, with a power-law spectrum.

    Parameters
    ----------
    obj
        Interferogram (complex64, dims ``(..., y, x)``) or a Dataset with ``igram``.
    std
        Standard deviation of the added phase, rad.
    seed
        The field is a function of the seed, the pixel's place and the interferogram's place in the stack, whatever the
        chunks. Each interferogram has a field of its own.
    exponent
        Of the two-dimensional power spectrum, negative: -11/3 below about 2 km, -8/3 above.
    longest
        Longest wave, in the unit of `pixel_size`; by default twice the longer side.
    pixel_size
        One number or ``(y, x)``; by default lengths are in pixels.

    Returns
    -------
    DataArray or Dataset
        As `obj`, lazy if it is.

    Raises
    ------
    MissingVariableError, TypeError, ValueError
        If there is no ``igram``, or an argument is of the wrong kind or out of range.

    References
    ----------
    Hanssen (2001), doi:10.1007/0-306-47633-9.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.ones((64, 64), "complex64"), dims=("y", "x"))
    >>> bool(0.05 < np.angle(add_turbulence(igram, std=0.5, seed=1)).std() < 1.0)
    True
    """
    std = check_number("std", std)
    if std < 0:
        raise ValueError(f"std must be at least 0, instead got std={std}")
    exponent = check_number("exponent", exponent)
    if not -6 <= exponent < 0:
        raise ValueError(f"exponent must be from -6 to below 0, instead got exponent={exponent}")
    seed = check_whole("seed", seed, low=0)
    size = _pixel_size(pixel_size)
    image = obj["igram"] if isinstance(obj, xr.Dataset) and "igram" in obj else obj
    reach = _longest(longest, image, size)

    def apply(igram: xr.DataArray, present: Present) -> xr.DataArray:
        image = check_image(igram, "igram", "complex64")
        data = map_overlap(
            kernel.add_turbulence, image.data, depth=0, dtype="complex64", present=present,
            std=std, exponent=exponent, longest=reach, pixel_size=size, seed=seed,
        )  # fmt: skip
        return image.copy(data=data)

    return on_igram(
        obj, apply, "add_turbulence", std=std, seed=seed, exponent=exponent, longest=reach, pixel_size=list(size)
    )


def add_stratified(ds: xr.Dataset, *, rad_per_km: float) -> xr.Dataset:
    """Add stratified delay to the phase: in proportion to the height in ``dem``.

    Parameters
    ----------
    ds
        With ``igram`` (complex64, dims ``(..., y, x)``) and ``dem`` (float32, m, on the same pixels).
    rad_per_km
        Phase for a kilometre of height, rad. A layered atmosphere that changes between the acquisitions gives some
        rad per km of either sign.

    Returns
    -------
    Dataset
        ``igram`` replaced, lazy if it is; NaN where ``dem`` is.

    Raises
    ------
    MissingVariableError, TypeError, ValueError
        If a variable is missing or of another kind, or the argument is no finite number.

    References
    ----------
    Hanssen (2001), doi:10.1007/0-306-47633-9.
    """
    require(ds, "igram", "dem", to="add_stratified")
    rad_per_km = check_number("rad_per_km", rad_per_km)
    image = check_image(ds["igram"], "igram", "complex64")
    dem = check_image(ds["dem"], "dem", "float32")
    if dem.dims != SPACE:
        raise ValueError(f"dem must have the dims {SPACE}, instead got dims={dem.dims}")
    data = map_overlap(
        kernel.add_stratified, image.data, _everywhere(dem.data, image), depth=0, dtype="complex64",
        present=present_cells(ds, "igram"), rad_per_km=rad_per_km,
    )  # fmt: skip
    recipe = recipe_of(ds).then("add_stratified", rad_per_km=rad_per_km)
    return ds.assign(igram=image.copy(data=data)).assign_attrs(recipe=recipe.to_json())


def _everywhere(field: Any, image: xr.DataArray) -> Any:
    """One field for every interferogram; lazy if it is."""
    if isinstance(field, da.Array) and isinstance(image.data, da.Array):
        return da.broadcast_to(field, image.shape, chunks=(*image.data.chunks[:-2], *field.chunks))
    return np.broadcast_to(field, image.shape)


def _pixel_size(given: float | tuple[float, float]) -> tuple[float, float]:
    both = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(both) != len(SPACE):
        raise ValueError(f"pixel_size must be one number or (y, x), instead got pixel_size={given!r:.80}")
    y, x = (check_number("pixel_size", value) for value in both)
    if min(y, x) <= 0:
        raise ValueError(f"pixel_size must be positive, instead got pixel_size={given!r}")
    return y, x


def _longest(given: float | None, image: object, pixel_size: tuple[float, float]) -> float:
    """The longest wave; where `image` is none, `on_igram` will say so."""
    least = 4 * min(pixel_size)
    if given is None:
        sides = [image.sizes.get(dim, 1) for dim in SPACE] if isinstance(image, xr.DataArray) else (1, 1)
        return max(least, *(2 * side * size for side, size in zip(sides, pixel_size, strict=True)))
    longest = check_number("longest", given)
    if longest < least:
        raise ValueError(f"longest must be at least four pixels, which is {least}, instead got longest={longest}")
    return longest
