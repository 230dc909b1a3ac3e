"""Data on pixels of a size that a model knows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from insarflow.errors import ModelError
from insarflow.learn.weights import ModelCard
from insarflow.schema import recipe_of
from insarflow.segment.domain import ANY, FAR, fits
from insarflow.stack.georeference import grid_of, pixel_size_m
from insarflow.stack.placement import resample_stack
from insarflow.stack.target import ResolutionLike, parse_target
from insarflow.types import Grid

Resolution = ResolutionLike | Literal["model"]
"""What a caller may write for a pixel size: in units of the CRS, or that of a model."""


def to_resolution(ds: xr.Dataset, card: ModelCard, resolution: Resolution) -> tuple[xr.Dataset, str]:
    """Bring a stack to pixels of another size, lazily.

    Parameters
    ----------
    ds
        A stack with a georeference.
    card
        The model's.
    resolution
        Size of a pixel in units of the CRS, one number or ``(y, x)``. Or ``"model"``: along each axis the size nearest
        to that of `ds` that is in the range of the card.

    Returns
    -------
    Dataset
        The images as `insarflow.stack.resample.resample_dataset` makes them (complex interpolation, or means where
        pixels grow). The recipe gains a step ``resample``. `ds` itself if its pixels are as wanted.
    str
        What was done, or that nothing was.

    Raises
    ------
    TypeError, ValueError
        If `resolution` is no size.
    SchemaError
        If `ds` has no grid.
    ModelError
        If pixels have no place, or would be divided into more than `FAR` a side.

    Notes
    -----
    The nearest end of the range and not its middle: every factor of interpolation adds neighbours that only repeat each
    other, and every factor of averaging takes detail away; the model was trained on the ends of its range as well.
    """
    before = grid_of(ds)
    size = pixel_size_m(ds)
    if size is None or not np.isfinite(size).all():
        raise ModelError("resolution needs pixels with a place on the Earth: check the CRS of the stack")
    wanted = _of_model(before, size, card) if resolution == "model" else resolution
    if wanted is None:
        return ds, f"not resampled: the model was trained on pixels of {_metres(size)} too"
    target = parse_target(None, wanted, None, None)
    result = ds if target is None else resample_stack(ds, target, name="the stack")
    return result, _said(ds, result, size, card if resolution == "model" else None)


def nearest_size(size: tuple[float, float], card: ModelCard) -> tuple[float, float] | None:
    """The size ``(y, x)`` of pixels, m, in a model's range that is nearest; None if `size` is in it."""
    low, high = card.pixel_size_m or ANY
    if all(fits(side, card) for side in size):
        return None
    y, x = (side if fits(side, card) else min(max(side, low), high) for side in size)
    return y, x


def _of_model(grid: Grid, size: tuple[float, float], card: ModelCard) -> tuple[float, float] | None:
    """The size that a model wants, in units of the CRS; None for the grid's own."""
    if card.pixel_size_m is None:
        raise ModelError(
            "resolution='model' needs the sizes of pixels in the model's card: give a resolution in metres"
        )
    if (wanted := nearest_size(size, card)) is None:
        return None
    if any(own > FAR * side for own, side in zip(size, wanted, strict=True)):
        raise ModelError(
            f"resolution='model' must not divide pixels into more than {FAR:g} a side, instead got pixels of "
            f"{_metres(size)} for a model of {card.pixel_size_m[0]:g} to {card.pixel_size_m[1]:g} m: "
            "check the CRS (degrees are no metres), or take finer data"
        )
    _, dx, _, _, _, dy = grid.transform
    y, x = (
        abs(step) if side == own else float(f"{abs(step) * side / own:.6g}")
        for step, side, own in zip((dy, dx), wanted, size, strict=True)
    )
    return y, x


def _said(ds: xr.Dataset, result: xr.Dataset, size: tuple[float, float], card: ModelCard | None) -> str:
    if result is ds:
        return f"not resampled: the pixels are of {_metres(size)} already"
    reached = pixel_size_m(result) or size
    trained = card.pixel_size_m if card else None
    why = f", the nearest that the model was trained on ({trained[0]:g} to {trained[1]:g} m)" if trained else ""
    more = "; this adds no detail" if any(new < own for new, own in zip(reached, size, strict=True)) else ""
    late = "; the phase had been filtered before" if recipe_of(ds).of("goldstein") else ""
    return f"resampled from pixels of {_metres(size)} to {_metres(reached)}{why}{more}{late}"


def _metres(size: tuple[float, float]) -> str:
    return f"{size[0]:.3g} by {size[1]:.3g} m"
