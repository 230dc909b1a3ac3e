"""Multilooking on labelled arrays."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import xarray as xr

from insarflow.kernels import multilook as kernel
from insarflow.kernels.phase import azimuth, phasor
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import Labelled, Present, check_fraction, check_whole, refuse_wrapped
from insarflow.ops.overlap import Reads, map_windows
from insarflow.schema import SPACE, VARIABLES, recipe_of
from insarflow.types import Looks, Tile


def multilook(obj: Labelled, *, y: int, x: int, min_valid: float = 0.5) -> Labelled:
    """Average blocks of ``y`` rows and ``x`` columns: less noise, larger pixels.

    Parameters
    ----------
    obj
        DataArray with dims ``(..., y, x)``, or a Dataset: every variable with ``y`` and ``x`` is averaged,
        interferograms as complex numbers, masks and each bit of ``layover_shadow`` by "any pixel of the block",
        ``aspect`` as a direction. So pixels count by their amplitude; for phase alone average ``igram / abs(igram)``.
        NaN is missing.
    y, x
        Looks along each axis.
    min_valid
        A block with a smaller valid (not NaN) fraction becomes NaN.

    Returns
    -------
    DataArray or Dataset
        ``size // looks`` blocks along each axis, counted from the first pixel (an incomplete last block is dropped).
        Numbers and times among the coordinates are averaged, of others the middle pixel's is kept. Lazy if `obj` is,
        chunk borders where the input's are; blocks that cross chunks need no rechunking.

    Raises
    ------
    TypeError, ValueError
        If looks are no whole positive numbers or larger than the image, a variable lies along only one of y and x, or
        a real one says that it is wrapped phase.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.arange(8.0).reshape(2, 4), dims=("y", "x"))
    >>> multilook(a, y=2, x=2).values
    array([[2.5, 4.5]])
    """
    if not isinstance(obj, xr.DataArray | xr.Dataset) or not set(SPACE) <= set(obj.dims):
        dims = f" with dims={tuple(map(str, obj.dims))}" if isinstance(obj, xr.DataArray | xr.Dataset) else ""
        raise TypeError(
            f"multilook needs a DataArray or Dataset with dimensions y and x, instead got {type(obj).__name__}{dims}"
        )
    for name, array in obj.data_vars.items() if isinstance(obj, xr.Dataset) else [(obj.name or "obj", obj)]:
        refuse_wrapped(array, str(name), to="averaged")
    looks = Looks(check_whole("y", y, low=1, high=obj.sizes["y"]), check_whole("x", x, low=1, high=obj.sizes["x"]))
    min_valid = check_fraction("min_valid", min_valid)
    coords = coarse_coordinates(obj, looks)
    recipe = recipe_of(obj).then("multilook", y=looks.y, x=looks.x, min_valid=min_valid)
    attrs = {**obj.attrs, "recipe": recipe.to_json()}
    if "looks" in attrs:
        before_y, before_x = attrs["looks"]
        attrs["looks"] = [int(before_y) * looks.y, int(before_x) * looks.x]
    if isinstance(obj, xr.DataArray):
        return _average(obj, looks, min_valid).assign_coords(coords).assign_attrs(attrs)
    for name, variable in obj.data_vars.items():
        if len(set(SPACE) & set(variable.dims)) == 1:
            raise ValueError(
                f"a variable must have both y and x or neither to be multilooked, instead got {name!r} with "
                f"dims={tuple(map(str, variable.dims))}: drop it first with .drop_vars({name!r})"
            )
    averaged = {
        name: _average(variable, looks, min_valid, present_cells(obj, str(name)))
        if set(SPACE) <= set(variable.dims)
        else variable
        for name, variable in obj.data_vars.items()
    }
    carried = {name: c for name, c in obj.coords.items() if not set(c.dims) & set(SPACE)}
    return xr.Dataset(averaged, {**carried, **coords}, attrs)


def _average(array: xr.DataArray, looks: Looks, min_valid: float, present: Present = None) -> xr.DataArray:
    image = array.transpose(..., *SPACE)
    function: Any = kernel.multilook
    if _holds_bits(array):
        function = _any_bit
    elif image.dtype.kind in "iu":
        image = image.astype(np.float32)
    elif array.name == "aspect" and image.dtype == np.float32:
        function = _azimuths
    data = map_windows(
        function, image.data, reads=(_blocks(looks.y), _blocks(looks.x)),
        out_chunks=coarse_chunks(image, looks), dtype=image.dtype, present=present, looks=looks, min_valid=min_valid,
    )  # fmt: skip
    carried = {name: c for name, c in image.coords.items() if not set(c.dims) & set(SPACE)}
    return xr.DataArray(data, carried, image.dims, image.name, image.attrs)


def _azimuths(values: np.ndarray, *, looks: Looks, min_valid: float, tile: Tile) -> np.ndarray:
    """Mean azimuths: the mean of two on either side of north is north."""
    return azimuth(kernel.multilook(phasor(values), looks=looks, min_valid=min_valid, tile=tile))


def _holds_bits(array: xr.DataArray) -> bool:
    known = VARIABLES.get(str(array.name))
    return known is not None and bool(known.flags) and array.dtype == known.dtype


def _any_bit(values: np.ndarray, *, looks: Looks, min_valid: float, tile: Tile) -> np.ndarray:
    """Bits that some pixel of the block has."""
    each = np.unpackbits(values[..., None], axis=-1, bitorder="little")
    some = [
        kernel.multilook(each[..., k] != 0, looks=looks, min_valid=min_valid, tile=tile) for k in range(each.shape[-1])
    ]
    return np.packbits(np.stack(some, axis=-1), axis=-1, bitorder="little")[..., 0]


def _blocks(looks: int) -> Reads:
    def reads(start: int, stop: int, size: int) -> tuple[int, int]:
        return start * looks, stop * looks

    return reads


def coarse_chunks(image: xr.DataArray, looks: Looks) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks along y and x of the blocks of an image whose last dimensions these are."""
    chunks = getattr(image.data, "chunks", None) or tuple((n,) for n in image.shape)
    return _coarsen(chunks[-2], looks.y), _coarsen(chunks[-1], looks.x)


def _coarsen(chunks: tuple[int, ...], looks: int) -> tuple[int, ...]:
    """Chunks of the blocks: each block belongs to the chunk that holds its last pixel."""
    borders = [stop // looks for stop in accumulate(chunks, initial=0)]
    return tuple(b - a for a, b in pairwise(borders) if b > a)


def coarse_coordinates(obj: xr.DataArray | xr.Dataset, looks: Looks) -> dict[str, Any]:
    """Coordinates of the blocks: everything that lies along y or x, and the georeference."""
    coords: dict[str, Any] = {
        str(name): _coarse(obj.coords[name].reset_coords(drop=True), looks)
        for name in obj.coords
        if set(SPACE) & set(obj.coords[name].dims)
    }
    if "spatial_ref" in obj.coords and "GeoTransform" in obj["spatial_ref"].attrs:
        numbers = map(float, obj["spatial_ref"].attrs["GeoTransform"].split())
        origin_x, step_x, skew_x, origin_y, skew_y, step_y = numbers
        coarse = (origin_x, step_x * looks.x, skew_x, origin_y, skew_y, step_y * looks.y)
        coords["spatial_ref"] = obj["spatial_ref"].assign_attrs(GeoTransform=" ".join(map(repr, coarse)))
    return coords


def _coarse(coordinate: xr.DataArray, looks: Looks) -> xr.Variable:
    sizes = {dim: n for dim, n in (("y", looks.y), ("x", looks.x)) if dim in coordinate.dims}
    if coordinate.dtype.kind in "fiub" and len(sizes) == 2:
        return _average(coordinate, looks, 0.0).variable
    if coordinate.dtype.kind in "fiuMm":
        return coordinate.coarsen(sizes, boundary="trim").mean().variable
    middles = {dim: slice(n // 2, coordinate.sizes[dim] // n * n, n) for dim, n in sizes.items()}
    return coordinate.variable.isel(middles)
