"""What the attributes of a stack tell of the radar, and what an image hands on to its results."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from insarflow.ops.checks import check_number


def wavelength_of(ds: xr.Dataset, *, to: str) -> float:
    """The radar wavelength, m.

    Raises
    ------
    TypeError, ValueError
        If the attribute is missing or no positive number.
    """
    if "wavelength" not in ds.attrs:
        raise ValueError(
            f"{to} needs the attribute 'wavelength' (m), but the dataset has none: set ds.attrs['wavelength']"
        )
    value = check_number("wavelength", ds.attrs["wavelength"])
    if value <= 0:
        raise ValueError(f"wavelength must be more than 0 m, instead got wavelength={value}")
    return value


def looks_of(ds: xr.Dataset, looks: float | None) -> float:
    """Independent looks: as given, or the attribute ``effective_looks``, or the product of ``looks``.

    Raises
    ------
    TypeError, ValueError
        If they are not known, no number, or less than 1.
    """
    if looks is None:
        name = next((name for name in ("effective_looks", "looks") if ds.attrs.get(name) is not None), None)
        if name is None:
            raise ValueError("looks must be given, as the stack has neither the attribute effective_looks nor looks")
        try:
            looks = float(np.prod(np.asarray(ds.attrs[name], np.float64)))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"looks must be given, as the attribute {name}={ds.attrs[name]!r:.80} is no number"
            ) from error
    number = check_number("looks", looks)
    if number < 1:
        raise ValueError(f"looks must be at least 1, instead got looks={looks}")
    return number


def mapped(array: xr.DataArray) -> dict[str, Any]:
    """Of an image's attributes the one by which a result on its pixels is found on the Earth."""
    return {name: array.attrs[name] for name in ("grid_mapping",) if name in array.attrs}
