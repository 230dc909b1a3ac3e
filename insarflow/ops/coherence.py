"""Coherence on labelled arrays."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np
import xarray as xr

from insarflow.kernels import coherence as kernel
from insarflow.kernels.bias import Bias, unbias
from insarflow.kernels.coherence import Weights
from insarflow.kernels.interferogram import Estimate, interferogram, pair_reads
from insarflow.kernels.multilook import multilook
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import Labelled, Present, check_choice, check_image, check_number, check_pair, check_window
from insarflow.ops.multilook import coarse_chunks, coarse_coordinates
from insarflow.ops.overlap import Reads, map_overlap, map_windows
from insarflow.schema import SPACE, describe, recipe_of, require
from insarflow.types import Looks, Recipe, Tile


def coherence(
    obj: Labelled,
    secondary: xr.DataArray | None = None,
    *,
    window: int | tuple[int, int] = 5,
    estimate: Estimate = "sliding",
    weights: Weights = "boxcar",
    bias: Bias | None = None,
    looks: float | None = None,
) -> Labelled:
    """Interferometric coherence.

    Parameters
    ----------
    obj
        The reference image (complex64, dims ``(..., y, x)``) when `secondary` is given. Without it, an
        interferogram, or a Dataset with ``igram``, whose coherence is estimated from the phase alone.
    secondary
        The coregistered secondary image, same shape and coordinates.
    window
        Pixels averaged, one number or ``(y, x)``.
    estimate
        ``"sliding"``: a window around every pixel. ``"block"``: windows side by side, one estimate each, on a grid
        that is coarser by the window (not with a Dataset).
    weights
        ``"boxcar"``, or ``"gaussian"``: a Gaussian with the noise of such a boxcar, sigma = window / (2 sqrt(pi)),
        cut at three sigma (sliding only).
    bias
        Estimates are too high on average, most where there is no coherence. ``"touzi"`` inverts their mean,
        ``"simple"`` subtracts ``(1 - c^2) / (2 looks)``, as SNAP does.
    looks
        Independent looks in a window, for `bias`: fewer than its pixels where neighbours are correlated (about 13 of
        the 30 of a 3 x 10 window on Sentinel-1). All of its pixels by default.

    Returns
    -------
    DataArray or Dataset
        Coherence, float32, 0..1, NaN where a centre pixel is missing (a Dataset gains the variable
        ``coherence``). Attributes state the estimator, the window and the bias removed. Lazy if `obj` is; any
        chunking gives the same bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the images differ in shape or are the same, or the window exceeds the
        image.

    References
    ----------
    Touzi et al. (1999), doi:10.1109/36.739146.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.ones((9, 9), "complex64"), dims=("y", "x"))
    >>> float(coherence(a, 1j * a, window=3).mean())
    1.0
    """
    check_choice("estimate", estimate, get_args(Estimate))
    check_choice("weights", weights, get_args(Weights))
    check_choice("bias", bias, (None, *get_args(Bias)))
    if weights == "gaussian" and estimate == "block":
        raise ValueError("weights must be 'boxcar' with estimate='block', instead got weights='gaussian'")
    options: dict[str, Any] = {"window": window, "weights": weights, "bias": bias, "looks": looks}
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to="coherence")
        if secondary is not None:
            raise TypeError("secondary must be left out with a Dataset, whose igram already holds both images")
        if estimate == "block":
            raise ValueError(
                "estimate must be 'sliding' with a Dataset, whose pixels stay, instead got estimate='block': "
                "pass ds['igram']"
            )
        result = _coherence(obj["igram"], None, estimate, present_cells(obj, "igram"), **options)
        recipe = Recipe((*recipe_of(obj).steps, recipe_of(result).steps[-1]))
        del result.attrs["recipe"]
        return obj.assign(coherence=result).assign_attrs(recipe=recipe.to_json())
    return _coherence(obj, secondary, estimate, None, **options)


def _coherence(
    obj: xr.DataArray,
    secondary: xr.DataArray | None,
    estimate: Estimate,
    present: Present,
    *,
    window: int | tuple[int, int],
    weights: Weights,
    bias: Bias | None,
    looks: float | None,
) -> xr.DataArray:
    images = (check_image(obj, "igram", "complex64"),) if secondary is None else check_pair(obj, secondary)
    size = check_window("window", window, images[0])
    independent = _independent(looks, bias, size)
    data, coords = _estimate(images, size, estimate, weights, present)
    if bias is not None:
        data = _unbiased(data, bias, independent, present)
    kept = {key: obj.attrs[key] for key in ("grid_mapping",) if key in obj.attrs}
    result = describe(xr.DataArray(data, coords, images[0].dims, attrs=kept), "coherence")
    estimator = f"{'phase only' if secondary is None else 'two images'}, {estimate} {weights}"
    said = {k: v for k, v in (("weights", weights), ("estimate", estimate)) if v not in ("boxcar", "sliding")}
    removed = {} if bias is None else {"bias": bias, "looks": independent}
    step = {"estimator": estimator, "window": [size.y, size.x], **said, **removed}
    noted: dict[str, Any] = {"estimator": estimator, "window": [size.y, size.x], "bias": "kept"}
    if bias is not None:
        noted |= {"bias": f"removed ({bias})", "looks": independent}
    return result.assign_attrs(**noted, recipe=recipe_of(obj).then("coherence", **step).to_json())


def _independent(looks: float | None, bias: Bias | None, window: Looks) -> float:
    if looks is None:
        return float(window.y * window.x)
    number = check_number("looks", looks)
    if bias is None:
        raise ValueError(f"looks must be left out unless bias is to be removed, instead got looks={looks}")
    if not 1 < number <= window.y * window.x:
        wanted = f"more than 1 and at most the {window.y * window.x} pixels of the window"
        raise ValueError(f"looks must be {wanted}, instead got looks={looks}")
    return number


def _estimate(
    images: tuple[xr.DataArray, ...], window: Looks, estimate: Estimate, weights: Weights, present: Present
) -> tuple[Any, dict[Any, Any]]:
    first, data = images[0], [image.data for image in images]
    if estimate == "sliding":
        function: Any = kernel.phase_coherence if len(images) == 1 else kernel.coherence
        reads: list[Reads] = [partial(kernel.window_reads, window=n, weights=weights) for n in (window.y, window.x)]
        arguments: dict[str, Any] = {"present": present, "window": window, "weights": weights}
        return map_windows(function, *data, reads=(reads[0], reads[1]), dtype="float32", **arguments), dict(
            first.coords
        )
    reads = [partial(pair_reads, looks=n, window=None) for n in (window.y, window.x)]
    blocks = map_windows(
        _phase_blocks if len(images) == 1 else _blocks, *data, reads=(reads[0], reads[1]),
        out_chunks=coarse_chunks(first, window), dtype="float32", window=window,
    )  # fmt: skip
    carried = {name: c for name, c in first.coords.items() if not set(c.dims) & set(SPACE)}
    return blocks, {**carried, **coarse_coordinates(first, window)}


def _blocks(reference: np.ndarray, secondary: np.ndarray, *, window: Looks, tile: Tile) -> np.ndarray:
    pair = interferogram(reference, secondary, looks=window, min_valid=0.0, tile=tile)
    return np.ascontiguousarray(pair["coherence"])


def _phase_blocks(igram: np.ndarray, *, window: Looks, tile: Tile) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = igram / np.abs(igram)
    mean = multilook(unit.astype(np.complex64), looks=window, min_valid=0.0, tile=tile)
    length: np.ndarray = np.minimum(np.abs(mean), np.float32(1))
    return length


def _unbiased(data: Any, bias: Bias, looks: float, present: Present) -> Any:
    return map_overlap(_unbias, data, depth=0, dtype="float32", present=present, method=bias, looks=looks)


def _unbias(estimate: np.ndarray, *, method: Bias, looks: float, tile: Tile) -> np.ndarray:
    return unbias(estimate, method=method, looks=looks)
