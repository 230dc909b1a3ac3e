"""Goldstein filter on labelled arrays."""

from __future__ import annotations

from functools import partial
from typing import get_args

import xarray as xr

from insarflow.kernels import goldstein as kernel
from insarflow.kernels.goldstein import Amplitude
from insarflow.ops.checks import Labelled, check_fraction, check_image, check_whole, on_igram
from insarflow.ops.overlap import map_windows


def goldstein(
    obj: Labelled,
    *,
    patch_size: int = 32,
    step: int = 16,
    alpha: float = 0.5,
    min_valid: float = 0.5,
    amplitude: Amplitude = "input",
) -> Labelled:
    """Smooth the phase of interferograms, more where fringes are clear (Goldstein and Werner 1998).

    Parameters
    ----------
    obj
        Interferogram (complex64, dims ``(..., y, x)``, NaN is missing), or a Dataset with the variable ``igram``.
    patch_size
        Side of the square patches in pixels: a power of two, 8 to 128.
    step
        Distance of neighbouring patches in pixels; divides `patch_size`.
    alpha
        Strength: exponent on each patch's spectral amplitude, 0 (none) to 1.
    min_valid
        Patches with a smaller valid fraction are left as they are.
    amplitude
        Magnitude of the result: ``"input"`` keeps the input's, ``"filter"`` the filter's own, ``"unit"`` is one.

    Returns
    -------
    DataArray or Dataset
        As `obj`, lazy if it is; NaN exactly where the input is. The patch grid is anchored at the array's first
        pixel, so any chunking gives the same bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    References
    ----------
    doi:10.1029/1998GL900033

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.ones((40, 50), "complex64"), dims=("y", "x"))
    >>> bool(np.allclose(goldstein(igram), igram, atol=1e-6))
    True
    """
    patch_size = check_whole("patch_size", patch_size, low=8, high=128)
    if patch_size & (patch_size - 1):
        raise ValueError(f"patch_size must be a power of two, instead got patch_size={patch_size}")
    step = check_whole("step", step, low=1, high=patch_size)
    if patch_size % step:
        raise ValueError(f"step must divide patch_size={patch_size}, instead got step={step}")
    alpha = check_fraction("alpha", alpha)
    min_valid = check_fraction("min_valid", min_valid)
    if amplitude not in get_args(Amplitude):
        raise ValueError(f"amplitude must be one of {get_args(Amplitude)}, instead got amplitude={amplitude!r}")

    def apply(igram: xr.DataArray) -> xr.DataArray:
        image = check_image(igram, "igram", "complex64")
        reads = partial(kernel.patch_reads, patch_size=patch_size, step=step)
        filtered = map_windows(
            kernel.goldstein, image.data, reads=(reads, reads), dtype="complex64",
            patch_size=patch_size, step=step, alpha=alpha, min_valid=min_valid, amplitude=amplitude,
        )  # fmt: skip
        return image.copy(data=filtered)

    return on_igram(
        obj, apply, "goldstein",
        patch_size=patch_size, step=step, alpha=alpha, min_valid=min_valid, amplitude=amplitude,
    )  # fmt: skip
