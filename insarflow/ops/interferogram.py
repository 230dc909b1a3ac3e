"""Interferograms from pairs of coregistered images."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarflow.kernels import interferogram as kernel
from insarflow.kernels.interferogram import Estimate
from insarflow.ops.checks import check_choice, check_fraction, check_on, check_pair, check_window
from insarflow.ops.multilook import coarse_chunks, coarse_coordinates
from insarflow.ops.overlap import map_windows
from insarflow.schema import SPACE, describe, recipe_of
from insarflow.types import Looks


def interferogram(
    reference: xr.DataArray,
    secondary: xr.DataArray,
    *,
    looks: int | tuple[int, int],
    geometric_phase: xr.DataArray | None = None,
    coherence: Estimate = "block",
    window: int | tuple[int, int] | None = None,
    min_valid: float = 0.5,
) -> xr.Dataset:
    """Multilooked interferogram and coherence of coregistered images, in one pass over them.

    Parameters
    ----------
    reference
        Earlier image or images, complex64, dims ``(..., y, x)``: other dimensions make a stack of pairs.
    secondary
        Later ones, same sizes and coordinates along y and x.
    looks
        Rows and columns averaged, one number or ``(y, x)``.
    geometric_phase
        Phase of orbit and terrain in ``reference * conj(secondary)``, rad, float32 or float64, dims ``(y, x)`` or those
        of the images. It is removed before anything is summed, so that its fringes lower neither output.
    coherence
        ``"block"``: from the pixels of each block. ``"sliding"``: in a window around every pixel, then the mean over
        the block, as SNAP's graphs do (ISSLIDE: window 3 x 10, looks 2 x 8).
    window
        Window of the sliding estimate, one number or ``(y, x)``; 5 by default.
    min_valid
        A block with a smaller valid (not NaN) fraction becomes NaN.

    Returns
    -------
    Dataset
        ``igram`` (complex64, earlier * conj(later): positive away from the satellite; mean, not sum) and ``coherence``
        (float32, 0..1), ``size // looks`` blocks along y and x. Lazy if an image is; any chunking gives the same bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the images do not match or are the same, looks or window exceed them.

    References
    ----------
    Touzi et al. (1999), doi:10.1109/36.739146.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> earlier = xr.DataArray(np.ones((4, 6), "complex64"), dims=("y", "x"))
    >>> pair = interferogram(earlier, earlier * np.complex64(-1j), looks=(2, 3))
    >>> pair["igram"].values[0, 0], float(pair["coherence"][0, 0])
    (np.complex64(1j), 1.0)
    """
    first, second = check_pair(reference, secondary)
    size = check_window("looks", looks, first)
    check_choice("coherence", coherence, get_args(Estimate))
    if coherence == "block" and window is not None:
        raise ValueError(f"window must be left out with coherence='block', instead got window={window!r}")
    around = check_window("window", min(5, *(first.sizes[d] for d in SPACE)) if window is None else window, first)
    min_valid = check_fraction("min_valid", min_valid)
    images = [first.data, second.data]
    if geometric_phase is not None:
        images.append(_phase_of(geometric_phase, first).data)
    extents = (around.y, around.x) if coherence == "sliding" else (None, None)
    reads = [partial(kernel.pair_reads, looks=n, window=w) for n, w in zip((size.y, size.x), extents, strict=True)]
    pair = map_windows(
        kernel.interferogram, *images, reads=(reads[0], reads[1]), out_chunks=coarse_chunks(first, size),
        dtype=kernel.PAIR, looks=size, coherence=coherence, window=around, min_valid=min_valid,
    )  # fmt: skip
    return _labelled(pair, first, size, coherence, around, geometric_phase is not None, min_valid)


def _phase_of(phase: xr.DataArray, image: xr.DataArray) -> xr.DataArray:
    name = "geometric_phase"
    if not isinstance(phase, xr.DataArray):
        raise TypeError(f"{name} must be an xarray.DataArray, instead got {type(phase).__name__}")
    if phase.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, instead got {phase.dtype}")
    if not set(phase.dims) <= set(image.dims):
        wanted, got = tuple(map(str, image.dims)), tuple(map(str, phase.dims))
        raise ValueError(f"{name} must have dims among {wanted}, instead got {got}")
    lead = {d: n for d, n in image.sizes.items() if d not in phase.dims and d not in SPACE}
    return check_on(phase.expand_dims(lead), name, str(phase.dtype), image)


def _labelled(
    pair: Any, image: xr.DataArray, looks: Looks, coherence: Estimate, window: Looks, removed: bool, min_valid: float
) -> xr.Dataset:
    carried = {name: c for name, c in image.coords.items() if not set(c.dims) & set(SPACE)}
    coords: dict[Any, Any] = {**carried, **coarse_coordinates(image, looks)}
    kept = {key: image.attrs[key] for key in ("grid_mapping",) if key in image.attrs}
    parts = {
        name: describe(xr.DataArray(pair[name], coords, image.dims, attrs=kept), name)
        for name in ("igram", "coherence")
    }
    step: dict[str, Any] = {"looks": [looks.y, looks.x], "coherence": coherence, "min_valid": min_valid}
    estimate = {"estimator": "two images, block boxcar", "window": [looks.y, looks.x]}
    if coherence == "sliding":
        step["window"] = [window.y, window.x]
        estimate = {"estimator": "two images, sliding boxcar, mean over the looks", "window": step["window"]}
    parts["coherence"] = parts["coherence"].assign_attrs(**estimate, bias="kept")
    recipe = recipe_of(image).then("interferogram", **step, geometric_phase_removed=removed)
    before = image.attrs.get("looks", (1, 1))
    attrs = {"looks": [int(before[0]) * looks.y, int(before[1]) * looks.x], "recipe": recipe.to_json()}
    return xr.Dataset(parts, attrs=attrs)
