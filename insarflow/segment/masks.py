"""Where nothing is looked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from insarflow.errors import GridMismatchError, SchemaError
from insarflow.schema import SPACE

Masks = xr.DataArray | Sequence[xr.DataArray]
"""Boolean images ``(y, x)``, one or several."""


def check_masks(mask: Masks, ds: xr.Dataset) -> list[xr.DataArray]:
    """Masks as a list of images ``(y, x)``, all on the grid of the stack.

    Raises
    ------
    TypeError
        If one is no DataArray.
    SchemaError
        If one is not boolean, or has other dimensions.
    GridMismatchError
        If one has other sizes or coordinates than the stack.
    """
    masks = [mask] if isinstance(mask, xr.DataArray) else list(mask)
    for one in masks:
        if not isinstance(one, xr.DataArray):
            raise TypeError(f"mask must be an xarray.DataArray or several, instead got {type(one).__name__}")
        if {*one.dims} != {*SPACE} or one.dtype != bool:
            raise SchemaError(f"mask must be boolean with dims {SPACE}, instead got {one.dtype} with dims {one.dims}")
        sizes, wanted = ([obj.sizes[dim] for dim in SPACE] for obj in (one, ds))
        if sizes != wanted:
            raise GridMismatchError(
                f"mask must have the stack's (y, x) sizes {tuple(wanted)}, instead got {tuple(sizes)}: bring it to the "
                "stack's grid, for instance with mask.rio.reproject_match(ds)"
            )
        for dim in SPACE:
            if dim not in one.coords or dim not in ds.coords:
                continue
            found, stack = one[dim].values, ds[dim].values
            if not _alike(found, stack):
                raise GridMismatchError(
                    f"mask must lie on the stack's grid, instead got {dim} from {found[0]:g} to {found[-1]:g} (stack: "
                    f"{stack[0]:g} to {stack[-1]:g}): bring it to the stack's grid, for instance with "
                    "mask.rio.reproject_match(ds)"
                )
    return [one.transpose(*SPACE) for one in masks]


def _alike(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether coordinates are the same within a hundredth of a pixel."""
    spacing = abs(wanted[1] - wanted[0]) if wanted.size > 1 else 1.0
    return bool(np.all(np.abs(found - wanted) <= 0.01 * spacing))
