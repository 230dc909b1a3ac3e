"""Goldstein filter on labelled arrays."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import xarray as xr

from insarflow.kernels import goldstein as kernel
from insarflow.kernels.goldstein import Alpha, Amplitude, Edges, Ends, PatchWindow
from insarflow.ops.checks import Labelled, Present, check_image, on_igram
from insarflow.ops.overlap import map_windows
from insarflow.ops.presets import ALPHA_WITHOUT_COHERENCE, Preset, Settings
from insarflow.schema import SPACE, require


def goldstein(
    obj: Labelled,
    *,
    patch_size: int | None = None,
    step: int | None = None,
    alpha: Alpha | None = None,
    alpha_range: tuple[float, float] | None = None,
    smoothing: int | None = None,
    smoothing_ends: Ends | None = None,
    window: PatchWindow | None = None,
    normalise: bool | None = None,
    min_valid: float | None = None,
    amplitude: Amplitude | None = None,
    edges: Edges | None = None,
    swap_iq: bool | None = None,
    preset: Preset = "default",
    coherence: xr.DataArray | None = None,
) -> Labelled:
    """Smooth the phase of interferograms, more where fringes are clear (Goldstein and Werner 1998).

    Parameters
    ----------
    obj
        Interferogram (complex64, or float32 wrapped phase in rad; dims ``(..., y, x)``; NaN is missing), or a Dataset
        with the variable ``igram``.
    patch_size
        Side of the square patches in pixels: a power of two, 8 to 128, not above the image's size [32].
    step
        Distance of neighbouring patches in pixels; divides `patch_size` [16].
    alpha
        Strength: exponent on each patch's spectral amplitude, 0 (none) to 1, or ``"adaptive"``: one minus the mean
        coherence of the patch's valid pixels [0.5].
    alpha_range
        Limits of the adaptive exponent [0, 1].
    smoothing
        Side, in bins, of the window in which the spectrum's amplitude is averaged: odd; 1 for none [1].
    smoothing_ends
        At the spectrum's first and last bin that window goes round, ``"circular"``, or ends, ``"clipped"`` [circular].
    window
        Weight of a patch's pixels: ``"triangular"``, the slightly different ``"triangular_isce2"`` and
        ``"triangular_snap"``, or ``"flat"`` [triangular].
    normalise
        Divide the sum of the patches by the sum of their weights. Otherwise, as in SNAP, the filter's own amplitude is
        the weighted sum of unscaled inverse transforms, about ``patch_size ** 2`` times as large [True].
    min_valid
        Patches with a smaller valid fraction are left as they are [0.5].
    amplitude
        Magnitude of the result: ``"input"`` keeps the input's, ``"filter"`` the filter's own, ``"unit"`` is one
        [input].
    edges
        Patches start at multiples of `step`. With ``"fill"`` one more is flush with the far end, and pixels that no
        filtered patch covers keep their value. With ``"zero"``, as in SNAP, these become 0 [fill].
    swap_iq
        Exchange real and imaginary part before and after, as newer versions of SNAP do. It matters where smoothing is
        clipped [False].
    preset
        Where parameters that are None come from; the values in brackets are those of ``"default"``.
        ``"goldstein98"``: the published filter as dolphin and GMTSAR run it, with its own amplitude.
        ``"baran03"``: exponent one minus the mean coherence. ``"isce2"``: as ISCE2. ``"snap_legacy"``: as ESA SNAP up
        to 13. ``"snap14"``: as SNAP 14, whose exponent is 1 if there is no coherence.
    coherence
        float32, 0 to 1, of the same sizes, if `alpha` is adaptive; a Dataset's own is used.

    Returns
    -------
    DataArray or Dataset
        As `obj`, lazy if it is; NaN exactly where the input is. The patch grid is anchored at the array's first
        pixel, so any chunking gives the same bits. The recipe notes the parameters, not the preset's name.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the image is smaller than a patch. Coherence that is
        no number from 0 to 1 at a valid pixel is found when the result is computed.
    MissingVariableError
        If a Dataset has no ``igram``, or no ``coherence`` and `alpha` is adaptive.

    References
    ----------
    Goldstein and Werner (1998), doi:10.1029/1998GL900033. Baran et al. (2003), doi:10.1109/TGRS.2003.817212.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> igram = xr.DataArray(np.ones((40, 50), "complex64"), dims=("y", "x"))
    >>> bool(np.allclose(goldstein(igram), igram, atol=1e-6))
    True
    """
    if isinstance(obj, xr.Dataset) and coherence is not None:
        raise TypeError("coherence must be left out with a Dataset, whose own is used")
    there = "coherence" in obj if isinstance(obj, xr.Dataset) else coherence is not None
    if alpha is None and not there:
        alpha = ALPHA_WITHOUT_COHERENCE.get(preset)
    settings = Settings.of(
        preset, patch_size=patch_size, step=step, alpha=alpha, alpha_range=alpha_range, smoothing=smoothing,
        smoothing_ends=smoothing_ends, window=window, normalise=normalise, min_valid=min_valid, amplitude=amplitude,
        edges=edges, swap_iq=swap_iq,
    )  # fmt: skip
    if isinstance(obj, xr.Dataset) and settings.alpha == "adaptive":
        require(obj, "igram", "coherence", to="goldstein with alpha='adaptive'")
        coherence = obj["coherence"]
    return on_igram(obj, partial(_apply, coherence=coherence, settings=settings), "goldstein", **settings.noted())


def _apply(
    igram: xr.DataArray, present: Present, *, coherence: xr.DataArray | None, settings: Settings
) -> xr.DataArray:
    image = check_image(igram, "igram", "complex64", "float32")
    size = {dim: image.sizes[dim] for dim in SPACE}
    if min(size.values()) < settings.patch_size:
        raise ValueError(
            f"patch_size must be at most the image's size, which is {size}, instead got "
            f"patch_size={settings.patch_size}: choose a smaller patch or a larger area"
        )
    arrays = [image.data]
    if settings.alpha == "adaptive":
        arrays.append(_beside(coherence, image).data)
    elif coherence is not None:
        raise ValueError(f"alpha must be 'adaptive' if coherence is given, instead got alpha={settings.alpha}")
    reads = partial(
        kernel.patch_reads, patch_size=settings.patch_size, step=settings.step, edges=settings.edges
    )  # fmt: skip
    filtered = map_windows(
        kernel.goldstein, *arrays, reads=(reads, reads), dtype=image.dtype, present=present, **asdict(settings)
    )
    return image.copy(data=filtered)


def _beside(coherence: xr.DataArray | None, image: xr.DataArray) -> xr.DataArray:
    """Coherence of every pixel of the image, in its order of dimensions."""
    if coherence is None:
        raise ValueError("coherence must be given if alpha='adaptive', instead got coherence=None")
    gamma = check_image(coherence, "coherence", "float32")
    if dict(gamma.sizes) != dict(image.sizes):
        raise ValueError(
            f"coherence must have the interferogram's sizes {dict(image.sizes)}, instead got {dict(gamma.sizes)}"
        )
    return gamma.transpose(*image.dims)
