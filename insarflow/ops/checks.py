"""Validation on metadata, and the way from labelled arrays to block functions and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import UnionType
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from insarflow.schema import SPACE, recipe_of, require

Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)


def check_image(array: xr.DataArray, name: str, *dtypes: str) -> xr.DataArray:
    """`array`, of one of the dtypes, with ``y, x`` as its last dimensions.

    Raises
    ------
    TypeError
        If it is no DataArray, or of another dtype.
    ValueError
        If it has no ``y`` or ``x``, or no pixel.
    """
    if not isinstance(array, xr.DataArray):
        raise TypeError(f"{name} must be an xarray.DataArray, instead got {type(array).__name__}")
    if not {"y", "x"} <= set(array.dims):
        raise ValueError(f"{name} must have the dimensions y and x, instead got dims={tuple(map(str, array.dims))}")
    if array.dtype not in [np.dtype(dtype) for dtype in dtypes]:
        wanted, way_out = " or ".join(dtypes), " or ".join(f".astype({dtype!r})" for dtype in dtypes)
        raise TypeError(f"{name} must be {wanted}, instead got {array.dtype}: convert it with {way_out}")
    if 0 in (array.sizes["y"], array.sizes["x"]):
        raise ValueError(f"{name} must hold pixels, instead got shape {tuple(array.shape)}")
    return array.transpose(..., *SPACE)


def check_kind(name: str, value: object, kind: type | UnionType, what: str) -> None:
    """Check that `value` is of a kind, which the message calls `what`.

    Raises
    ------
    TypeError
        Naming the argument, what it must be and the value.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, instead got {name}={value!r:.80} ({type(value).__name__})")


def check_whole(name: str, value: int, *, low: int, high: int | None = None) -> int:
    """`value` if it is a whole number of at least `low` (and at most `high`).

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what is allowed and the value.
    """
    wanted = f"{name} must be a whole number of at least {low}" + ("" if high is None else f" and at most {high}")
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{wanted}, instead got {name}={value!r}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{wanted}, instead got {name}={value}")
    return int(value)


def check_fraction(name: str, value: float) -> float:
    """`value` as a float if it lies in 0..1.

    Raises
    ------
    TypeError, ValueError
        Naming the argument and the value.
    """
    number = check_number(name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be between 0 and 1, instead got {name}={value}")
    return number


def check_number(name: str, value: float) -> float:
    """`value` as a finite float.

    Raises
    ------
    TypeError, ValueError
        Naming the argument and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, instead got {name}={value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, instead got {name}={value}")
    return float(value)


def on_igram(
    obj: Labelled, apply: Callable[[xr.DataArray], xr.DataArray], operation: str, /, **parameters: Any
) -> Labelled:
    """Apply an operation to an interferogram, or to the one in a Dataset, and note it in the recipe.

    Everything else the Dataset holds is carried along.
    """
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to=operation)
        result = obj.assign(igram=apply(obj["igram"]))
    else:
        result = apply(obj)
    result.attrs = {**obj.attrs, "recipe": recipe_of(obj).then(operation, **parameters).to_json()}
    return result
