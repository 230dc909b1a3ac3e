"""Validation on metadata, and the way from labelled arrays to block functions and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import UnionType
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from insarflow.ops.cells import present_cells
from insarflow.schema import SPACE, recipe_of, require
from insarflow.types import Looks

Present = np.ndarray | None
"""Which cells of an image variable hold an interferogram; see `insarflow.ops.cells.present_cells`."""

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


def check_pair(reference: xr.DataArray, secondary: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Two coregistered images with ``y, x`` last and their other dimensions in one order.

    Raises
    ------
    TypeError, ValueError
        If one is no complex64 image, they differ in shape or place, are the same image, or the secondary is earlier.
    """
    first = check_image(reference, "reference", "complex64")
    second = check_on(secondary, "secondary", "complex64", first)
    if _same_data(first.data, second.data):
        raise ValueError("secondary must be another image than the reference, instead got the same image twice")
    if all("date" in image.coords and image["date"].ndim == 0 for image in (first, second)):
        dates = [np.datetime64(image["date"].item(), "ns") for image in (first, second)]
        if not dates[0] < dates[1]:
            raise ValueError(
                f"secondary must be later than the reference of {str(dates[0])[:10]}, instead got an image of "
                f"{str(dates[1])[:10]}: swap the two"
            )
    return first, second


def check_on(array: xr.DataArray, name: str, dtype: str, reference: xr.DataArray) -> xr.DataArray:
    """An image that must lie on the pixels of the reference.

    Raises
    ------
    TypeError, ValueError
        As `check_image`, or if sizes or coordinates along y and x differ from the reference's.
    """
    image = check_image(array, name, dtype)
    if dict(image.sizes) != dict(reference.sizes):
        wanted, got = dict(reference.sizes), dict(image.sizes)
        raise ValueError(f"{name} must have the reference's sizes {wanted}, instead got {got}")
    for dim in SPACE:
        if dim in reference.indexes and dim in image.indexes and not reference.indexes[dim].equals(image.indexes[dim]):
            raise ValueError(f"{name} must lie on the reference's pixels, but their {dim} coordinates differ")
    return image.transpose(*reference.dims)


def check_field(field: xr.DataArray, name: str, dtype: str, image: xr.DataArray) -> xr.DataArray:
    """One image ``(y, x)`` for all interferograms, which must lie on the pixels of `image`.

    Raises
    ------
    TypeError, ValueError
        As `check_image`, or if it has other dimensions, sizes or coordinates along y and x.
    """
    flat = check_image(field, name, dtype)
    if flat.dims != SPACE:
        raise ValueError(f"{name} must have the dims {SPACE}, instead got dims={tuple(map(str, flat.dims))}")
    if flat.shape != image.shape[-2:]:
        raise ValueError(f"{name} must have the stack's shape {image.shape[-2:]}, instead got shape={flat.shape}")
    for dim in SPACE:
        if dim in flat.indexes and dim in image.indexes and not flat.indexes[dim].equals(image.indexes[dim]):
            raise ValueError(f"{name} must lie on the stack's pixels, but their {dim} coordinates differ")
    return flat


def _same_data(a: Any, b: Any) -> bool:
    """Whether two arrays are one, as far as metadata tells."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.ctypes.data == b.ctypes.data and a.strides == b.strides
    return a is b or (hasattr(a, "dask") and hasattr(b, "dask") and a.name == b.name)


def check_window(name: str, window: int | tuple[int, int], image: xr.DataArray) -> Looks:
    """Rows and columns of a window no larger than the image, from one number or ``(y, x)``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what is allowed and the value.
    """
    both = window if isinstance(window, tuple | list) else (window, window)
    if len(both) != 2:
        raise ValueError(f"{name} must be one number or (y, x), instead got {name}={window!r}")
    return Looks(*(check_whole(name, n, low=1, high=image.sizes[dim]) for n, dim in zip(both, SPACE, strict=True)))


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Check that `value` is one of `choices`.

    Raises
    ------
    ValueError
        Naming the argument, the choices and the value.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, instead got {name}={value!r}")


def refuse_wrapped(array: xr.DataArray, name: str, *, to: str) -> None:
    """Check that a real variable does not say it is wrapped phase, whose mean means nothing.

    Raises
    ------
    ValueError
        Naming the variable and what to do instead.
    """
    if array.dtype.kind != "f":
        return
    words = " ".join(str(w) for w in (array.name, *(array.attrs.get(k, "") for k in ("standard_name", "long_name"))))
    in_radians = str(array.attrs.get("units", "")).lower() in ("rad", "radian", "radians")
    if re.search(r"(?<!un)wrapped", words.lower()) or (in_radians and str(array.name).lower() == "phase"):
        raise ValueError(
            f"{name} must not be wrapped phase to be {to}: the mean of -3 and 3 rad is not 0. Work on the complex "
            f"igram or on np.exp(1j * {name}); if the phase is unwrapped, rename it to 'unwrapped'"
        )


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
    obj: Labelled, apply: Callable[[xr.DataArray, Present], xr.DataArray], operation: str, /, **parameters: Any
) -> Labelled:
    """Apply an operation to an interferogram, or to the one in a Dataset, and note it in the recipe.

    Everything else the Dataset holds is carried along. `apply` is told, too, which cells hold an interferogram.
    """
    if isinstance(obj, xr.Dataset):
        require(obj, "igram", to=operation)
        result = obj.assign(igram=apply(obj["igram"], present_cells(obj, "igram")))
    else:
        result = apply(obj, None)
    result.attrs = {**obj.attrs, "recipe": recipe_of(obj).then(operation, **parameters).to_json()}
    return result
