"""What the functions of this folder ask of their arguments; only metadata is looked at."""

from __future__ import annotations

import numpy as np
import xarray as xr

from insarflow.errors import SchemaError
from insarflow.ops.checks import check_image, check_number
from insarflow.schema import SPACE


def check_threshold(threshold: float, *, name: str = "threshold") -> float:
    """`threshold` as a float strictly between 0 and 1; errors call it `name`.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not between 0 and 1.
    """
    number = check_number(name, threshold)
    if not 0.0 < number < 1.0:
        raise ValueError(f"{name} must be a probability between 0 and 1, both excluded, instead got {name}={threshold}")
    return number


def settle_cut(
    threshold: float | None, peak: float | None, known: tuple[float | None, float | None]
) -> tuple[float, float]:
    """Threshold and peak: those asked for, else those `known` of the model; a peak belongs to its threshold.

    Returns
    -------
    tuple of float
        Probability from which a pixel counts as moving, and the one that some interferogram must reach somewhere in an
        outline: of another threshold than the model's, by default that threshold.

    Raises
    ------
    TypeError, ValueError
        If no threshold is known, one of the two is no probability, or the peak is below the threshold.
    """
    if threshold is None:
        threshold = known[0]
    if threshold is None:
        raise ValueError(
            "threshold must be given, because probability has no attribute 'threshold' from a model: "
            "write threshold=0.5, between 0 and 1"
        )
    threshold = check_threshold(threshold)
    if peak is None and threshold == known[0]:
        peak = known[1]
    peak = threshold if peak is None else check_threshold(peak, name="peak")
    if peak < threshold:
        raise ValueError(f"peak must be at least the threshold {threshold}, instead got peak={peak}")
    return threshold, peak


def known_cut(variable: xr.DataArray) -> tuple[float | None, float | None]:
    """Threshold and peak that a variable's attributes tell, None for what they do not."""
    return variable.attrs.get("threshold"), variable.attrs.get("peak")


def check_probability(probability: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    """`probability` if it is float32 with these dimensions.

    Raises
    ------
    TypeError, ValueError
        As `insarflow.ops.checks.check_image`.
    SchemaError
        Naming the dimensions it has instead.
    """
    probability = check_image(probability, "probability", "float32")
    if tuple(probability.dims) != dims:
        raise SchemaError(f"probability must have dims {dims}, instead got {tuple(map(str, probability.dims))}")
    return probability


def check_values(probability: np.ndarray) -> None:
    """Check that every value of a block (without NaN) is within 0..1.

    Raises
    ------
    SchemaError
        Naming the one furthest out.
    """
    if probability.size and not (probability.min() >= 0.0 and probability.max() <= 1.0):
        worst = max(probability.min(), probability.max(), key=lambda value: abs(value - 0.5))
        raise SchemaError(f"probability must be within 0..1, instead got {worst}: divide per cent by 100")


def check_support(support: xr.DataArray, probability: xr.DataArray) -> xr.DataArray:
    """`support` if it holds whole numbers on the pixels of `probability`.

    Raises
    ------
    TypeError
        If it is no DataArray.
    SchemaError
        If its dimensions, sizes or dtype are others.
    """
    if not isinstance(support, xr.DataArray):
        raise TypeError(f"support must be an xarray.DataArray or None, instead got {type(support).__name__}")
    if dict(support.sizes) != dict(probability.sizes) or not np.issubdtype(support.dtype, np.integer):
        raise SchemaError(
            f"support must hold whole numbers (int32) on the pixels of probability, {dict(probability.sizes)}, "
            f"instead got {support.dtype} on {dict(support.sizes)}: compute both with summarise"
        )
    return support.transpose(*SPACE)
