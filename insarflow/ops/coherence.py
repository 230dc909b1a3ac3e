"""Coherence on labelled arrays."""

from __future__ import annotations

from functools import partial

import xarray as xr

from insarflow.kernels import coherence as kernel
from insarflow.ops.checks import Labelled, check_image, check_whole
from insarflow.ops.overlap import map_windows
from insarflow.schema import SPACE, describe, recipe_of, require
from insarflow.types import Looks, Recipe


def coherence(obj: Labelled, secondary: xr.DataArray | None = None, *, window: int | tuple[int, int] = 5) -> Labelled:
    """Interferometric coherence in a sliding boxcar window.

    Parameters
    ----------
    obj
        The reference image (complex64, dims ``(..., y, x)``) when `secondary` is given. Without it, an
        interferogram, or a Dataset with ``igram``, whose coherence is estimated from the phase alone.
    secondary
        The coregistered secondary image, same shape and coordinates.
    window
        Pixels averaged, one number or ``(y, x)``.

    Returns
    -------
    DataArray or Dataset
        Coherence, float32, 0..1, NaN where a centre pixel is missing (a Dataset gains the variable
        ``coherence``). Attributes state the estimator and the window. Any chunking gives the same bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the images differ in shape, or the window exceeds the image.

    Notes
    -----
    Both estimators are biased upwards where coherence is low, more so for small windows.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.ones((9, 9), "complex64"), dims=("y", "x"))
    >>> float(coherence(a, 1j * a, window=3).mean())
    1.0
    """
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to="coherence")
        if secondary is not None:
            raise TypeError("secondary must be left out with a Dataset, whose igram already holds both images")
        estimate = coherence(obj["igram"], window=window)
        recipe = Recipe((*recipe_of(obj).steps, recipe_of(estimate).steps[-1]))
        del estimate.attrs["recipe"]
        return obj.assign(coherence=estimate).assign_attrs(recipe=recipe.to_json())

    first = check_image(obj, "igram" if secondary is None else "reference", "complex64")
    looks = _looks(window, first)
    reads = (partial(kernel.window_reads, window=looks.y), partial(kernel.window_reads, window=looks.x))
    if secondary is None:
        estimator = "phase only, sliding boxcar"
        data = map_windows(kernel.phase_coherence, first.data, reads=reads, dtype="float32", window=looks)
    else:
        second = check_image(secondary, "secondary", "complex64")
        if dict(second.sizes) != dict(first.sizes):
            wanted, got = dict(first.sizes), dict(second.sizes)
            raise ValueError(f"secondary must have the reference's sizes {wanted}, instead got {got}")
        second = second.transpose(*first.dims)
        for dim in SPACE:
            if dim in first.indexes and dim in second.indexes and not first.indexes[dim].equals(second.indexes[dim]):
                raise ValueError(f"secondary must lie on the reference's pixels, but their {dim} coordinates differ")
        estimator = "two images, sliding boxcar"
        data = map_windows(kernel.coherence, first.data, second.data, reads=reads, dtype="float32", window=looks)
    kept = {key: obj.attrs[key] for key in ("grid_mapping",) if key in obj.attrs}
    result = describe(xr.DataArray(data, first.coords, first.dims, attrs=kept), "coherence")
    recipe = recipe_of(obj).then("coherence", estimator=estimator, window=[looks.y, looks.x])
    return result.assign_attrs(estimator=estimator, window=[looks.y, looks.x], recipe=recipe.to_json())


def _looks(window: int | tuple[int, int], image: xr.DataArray) -> Looks:
    both = window if isinstance(window, tuple | list) else (window, window)
    if len(both) != 2:
        raise ValueError(f"window must be one number or (y, x), instead got window={window!r}")
    return Looks(*(check_whole("window", n, low=1, high=image.sizes[dim]) for n, dim in zip(both, SPACE, strict=True)))
